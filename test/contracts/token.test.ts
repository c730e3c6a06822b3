// Checks contracts/token.ts: addresses in tokens, what a token says of a grant, and what is no token.
import { expect } from "chai";
import fc from "fast-check";
import { Fields, FieldError } from "../../contracts/fields.js";
import type { ConnectionGrant } from "../../contracts/grant.js";
import { grantHashes, type HashedGrant } from "../../contracts/hash.js";
import { certificateThumbprintOf, JwsError, signJws } from "../../contracts/jws.js";
import {
  audienceOf,
  connectingClaims,
  parseAudience,
  readConnectingClaims,
  readToken,
  signToken,
  TOKEN_BYTES_MAX,
  TOKEN_INWAYS_MAX,
  TOKEN_LIFETIME_SECONDS_MAX,
  tokenFor,
  type AccessToken,
  type TokenRequest,
} from "../../contracts/token.js";
import { parseAddress, type Address } from "../../core/address.js";
import {
  connection,
  CONSUMER,
  contentOf,
  delegatedConnection,
  delegatedService,
  DIRECTORY,
  GROUP,
  json,
  NOW,
  OTHER,
  peer,
  PROVIDER,
  type Wire,
} from "../support/contract-content.js";
import { signerOf, type Signer } from "../support/contract-signers.js";
import { TestGroup } from "../support/pki.js";

const SECONDS = NOW / 1000;
const CERTIFICATE = "A".repeat(43);

const address = (text: string): Address => {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`${text} is no address`);
  return parsed;
};

const INWAY = address("inway.test:443");

const requestFor = (data: Wire, changes: Partial<TokenRequest> = {}): TokenRequest => {
  const content = contentOf([data]);
  const [found] = grantHashes(content) as readonly [HashedGrant];
  return {
    ...{ content, grant: found.grant as ConnectionGrant, grantHash: found.hash },
    ...{ certificateThumbprint: CERTIFICATE, inways: [INWAY], lifetimeSeconds: 600, now: NOW },
    ...changes,
  };
};

const tokenOf = (data: Wire, changes: Partial<TokenRequest> = {}): AccessToken =>
  tokenFor(requestFor(data, changes));

const claimsIn = (jwt: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString()) as Record<
    string,
    unknown
  >;

describe("the audience of a token", () => {
  for (const [what, text] of [
    ["nothing", ""],
    ["no scheme", "inway.test:443"],
    ["http", "http://inway.test:443"],
    ["a scheme in capitals", "HTTPS://inway.test:443"],
    ["no port", "https://inway.test"],
    ["port 0", "https://inway.test:0"],
    ["a port beyond all", "https://inway.test:65536"],
    ["a port with a zero before it", "https://inway.test:0443"],
    ["no host", "https://:443"],
    ["a path", "https://inway.test:443/path"],
    ["two slashes at its end", "https://inway.test:443//"],
    ["a query", "https://inway.test:443?a"],
    ["a fragment", "https://inway.test:443#a"],
    ["a user", "https://user@inway.test:443"],
    ["a user that looks like a host", "https://inway.test:443@evil.test:443"],
    ["a backslash", "https://inway.test:443\\evil.test"],
    ["a space", "https://inway.test:443 "],
    ["a line break", "https://inway.test:443\n"],
    ["a number that resolvers take for an address", "https://0x7f000001:443"],
    ["an IPv6 address without brackets", "https://::1:443"],
    ["a host in other letters", "https://ínway.test:443"],
  ] as const) {
    it(`is refused with ${what}`, () => {
      expect(parseAudience(text)).to.equal(undefined);
    });
  }

  it("is https, host and port, and read with a slash after it too", () => {
    for (const text of ["inway.test:443", "192.0.2.1:8443", "[2001:db8::1]:443"]) {
      expect(audienceOf(address(text))).to.equal(`https://${text}`);
      expect(parseAudience(`https://${text}`)).to.deep.equal(address(text));
      expect(parseAudience(`https://${text}/`)).to.deep.equal(address(text));
    }
    expect(parseAudience("https://INWAY.test:443")).to.deep.equal(INWAY);
  });
});

describe("who connects, in a token", () => {
  it("is sub, and act.sub is for whom: never the other way round", () => {
    const alone = { outwayPeerId: CONSUMER, connectionDelegator: undefined };
    const acting = { outwayPeerId: CONSUMER, connectionDelegator: OTHER };
    expect(connectingClaims(alone)).to.deep.equal({ sub: CONSUMER });
    expect(connectingClaims(acting)).to.deep.equal({ sub: CONSUMER, act: { sub: OTHER } });
    for (const each of [alone, acting]) {
      const claims = new Fields(json(connectingClaims(each)), "");
      expect(readConnectingClaims(claims, GROUP.peerIdRule)).to.deep.equal(each);
    }
  });
});

describe("a token", () => {
  let group: TestGroup;
  let signer: Signer;

  before(async () => {
    group = await TestGroup.create();
    signer = await signerOf(
      await group.peer({ peerId: PROVIDER, name: "Provider", names: ["provider.test"] }),
    );
  });
  after(() => group.remove());

  const signed = (data: Wire, changes: Partial<TokenRequest> = {}): Promise<string> =>
    signToken(tokenOf(data, changes), signer);

  for (const [what, changes] of [
    ["no inway", { inways: [] }],
    ["too many inways", { inways: Array.from({ length: TOKEN_INWAYS_MAX + 1 }, () => INWAY) }],
    ["no time to live", { lifetimeSeconds: 0 }],
    ["half a second to live", { lifetimeSeconds: 0.5 }],
    ["a negative time to live", { lifetimeSeconds: -1 }],
    ["more than a day to live", { lifetimeSeconds: TOKEN_LIFETIME_SECONDS_MAX + 1 }],
    ["no number to live", { lifetimeSeconds: NaN }],
  ] as const) {
    it(`is not made with ${what}`, () => {
      expect(() => tokenOf(connection(), changes)).to.throw(RangeError);
    });
  }

  it("is not made when it would be over its size", async () => {
    const token = tokenOf(connection());
    let thrown: unknown;
    await signToken({ ...token, properties: { a: "x".repeat(TOKEN_BYTES_MAX) } }, signer).catch(
      (error: unknown) => (thrown = error),
    );
    expect(thrown).to.be.instanceOf(RangeError);
  });

  it("fits for the largest properties of a connection and the longest list of inways", async () => {
    const inways = Array.from({ length: TOKEN_INWAYS_MAX }, (_, at) =>
      address(
        `${"a".repeat(60)}.${"b".repeat(60)}.${"c".repeat(60)}.${"d".repeat(60)}.n${String(at)}:65535`,
      ),
    );
    const properties = { a: "x".repeat(16 * 1024 - 8) };
    const text = await signed(connection({ properties }), { inways });
    expect(readToken(text, GROUP.peerIdRule).token.inways).to.deep.equal(inways);
  });

  it("says what the grant says, with FSC's claims and no others", async () => {
    const request = requestFor(connection());
    const claims = claimsIn(await signToken(tokenFor(request), signer));
    expect(claims).to.deep.equal({
      ...{ gth: request.grantHash, gid: "test", sub: CONSUMER, iss: PROVIDER, svc: "parking" },
      ...{ aud: "https://inway.test:443", nbf: SECONDS, exp: SECONDS + 600 },
      ...{ cnf: { "x5t#S256": CERTIFICATE }, add: {} },
    });
  });

  it("says both delegators, the properties and every inway when there are any", async () => {
    const data = delegatedConnection({
      service: delegatedService(DIRECTORY),
      properties: { "example.a": [1] },
    });
    const inways = [INWAY, address("two.test:8443"), address("[::1]:443")];
    expect(claimsIn(await signed(data, { inways }))).to.deep.include({
      ...{ sub: CONSUMER, act: { sub: OTHER }, pdi: DIRECTORY, prp: { "example.a": [1] } },
      ...{
        aud: "https://inway.test:443",
        add: { inways: ["https://two.test:8443", "https://[::1]:443"] },
      },
    });
  });

  it("ends with its contract: at the second after not_after", () => {
    const not_after = SECONDS + 100;
    const content = contentOf([connection()], { validity: { not_before: 1, not_after } });
    expect(tokenOf(connection(), { content }).expires).to.equal(not_after + 1);
    expect(tokenOf(connection(), { content, lifetimeSeconds: 50.9 }).expires).to.equal(
      SECONDS + 50,
    );
    expect(tokenOf(connection(), { now: NOW + 999 }).notBefore).to.equal(SECONDS);
  });

  it("is read as it was made, whatever the grant", async () => {
    for (const data of [
      connection(),
      connection({ service: delegatedService(OTHER), properties: {} }),
      delegatedConnection({ properties: { ["__proto__"]: { a: 1 }, é: null } }),
      delegatedConnection({
        delegator: { peer_id: CONSUMER },
        service: delegatedService(PROVIDER),
      }),
    ]) {
      const token = tokenOf(data, { inways: [INWAY, address("two.test:443")] });
      const text = await signToken(token, signer);
      const found = readToken(text, GROUP.peerIdRule);
      expect(JSON.stringify(found.token)).to.equal(JSON.stringify(token));
      expect(found.token).to.have.all.keys(...Object.keys(token));
      expect(found.jws.thumbprint).to.equal(certificateThumbprintOf(signer.certificate));
    }
  });

  const claims = (): Record<string, unknown> => ({
    ...{ gth: `$1$3$${"A".repeat(86)}`, gid: "test", sub: CONSUMER, iss: PROVIDER, svc: "parking" },
    ...{ aud: "https://inway.test:443", nbf: 1, exp: 2, cnf: { "x5t#S256": CERTIFICATE } },
  });

  const WRONG: readonly (readonly [what: string, changes: Wire, reason: string])[] = [
    ["no grant hash", { gth: undefined }, "gth is absent"],
    ["a contract's hash", { gth: `$1$1$${"A".repeat(86)}` }, "it must be a grant hash"],
    [
      "a grant hash in standard base64",
      { gth: `$1$4$${"A".repeat(85)}/` },
      "it must be a grant hash",
    ],
    ["no group", { gid: undefined }, "gid is absent"],
    ["no sub", { sub: undefined }, "sub is absent"],
    ["a sub that is no peer id", { sub: "nobody" }, "sub is"],
    ["an empty sub", { sub: "" }, "sub has 0 characters"],
    ["an act that is a text", { act: OTHER }, "act is of type string"],
    ["an act.sub that is no peer id", { act: { sub: "nobody" } }, "act.sub is"],
    ["no iss", { iss: undefined }, "iss is absent"],
    ["no service", { svc: undefined }, "svc is absent"],
    ["a service with a slash", { svc: "../other" }, "svc is"],
    ["a pdi that is no peer id", { pdi: "nobody" }, "pdi is"],
    ["no aud", { aud: undefined }, "aud must be one text"],
    ["an aud without a port", { aud: "https://inway.test" }, "aud must be https://"],
    ["an aud of two", { aud: ["https://a.test:1", "https://b.test:1"] }, "aud must be one text"],
    ["an empty list as aud", { aud: [] }, "aud must be one text"],
    ["a very long aud", { aud: `https://${"a".repeat(300)}:1` }, "aud must be one text"],
    ["an add that is a list", { add: [] }, "add is an array"],
    ["add.inways that is a text", { add: { inways: "https://a.test:1" } }, "add.inways is of type"],
    ["an odd address in add.inways", { add: { inways: ["a.test:1"] } }, "add.inways must each be"],
    ["a number in add.inways", { add: { inways: [1] } }, "add.inways must each be"],
    [
      "too many in add.inways",
      { add: { inways: Array.from({ length: TOKEN_INWAYS_MAX }, () => "https://a.test:1") } },
      "add.inways has 20 addresses, allowed are 19",
    ],
    ["no nbf", { nbf: undefined }, "nbf is absent"],
    ["no exp", { exp: undefined }, "exp is absent"],
    ["an exp as a text", { exp: "2" }, "exp is of type string"],
    ["parts of a second in exp", { exp: 2.5 }, "exp is 2.5"],
    ["a negative nbf", { nbf: -1 }, "nbf is -1"],
    ["an exp beyond dates", { exp: 9007199254740991 }, "exp is 9007199254740991"],
    ["no cnf", { cnf: undefined }, "cnf is absent"],
    ["a cnf of a key", { cnf: { jwk: {} } }, "cnf.x5t#S256 is absent"],
    ["a thumbprint in hexadecimal in cnf", { cnf: { "x5t#S256": "a".repeat(64) } }, "cnf.x5t#S256"],
    ["properties in a list", { prp: [] }, "prp is an array"],
  ];

  for (const [what, changes, reason] of WRONG) {
    it(`is refused with ${what}`, async () => {
      const all = Object.entries({ ...claims(), ...changes }).filter(
        ([, value]) => value !== undefined,
      );
      const text = await signJws(Object.fromEntries(all), signer);
      expect(() => readToken(text, GROUP.peerIdRule)).to.throw(FieldError, reason);
    });
  }

  it("is refused when it is no JWS of its kind", async () => {
    for (const text of ["", "a.b.c", await signJws(claims(), signer, { type: "JOSE" })]) {
      expect(() => readToken(text, GROUP.peerIdRule)).to.throw(JwsError);
    }
    const text = await signJws({ ...claims(), pad: "x".repeat(TOKEN_BYTES_MAX) }, signer);
    expect(() => readToken(text, GROUP.peerIdRule)).to.throw(JwsError, "allowed are 32768");
  });

  it("is read as other software may write it: null or empty for what it has not, aud in a list", async () => {
    const odd = {
      ...claims(),
      ...{ act: null, pdi: "", prp: null, add: null, aud: ["https://inway.test:443/"] },
      ...{ iat: 1.5, jti: "x", scope: ["y"] },
    };
    const { token } = readToken(await signJws(odd, signer), GROUP.peerIdRule);
    expect(token).to.deep.include({
      ...{ connectionDelegator: undefined, serviceDelegator: undefined, properties: undefined },
      inways: [INWAY],
    });
    const others = { ...claims(), act: { sub: "" }, add: { inways: null, other: 1 } };
    expect(readToken(await signJws(others, signer), GROUP.peerIdRule).token).to.deep.include({
      ...{ connectionDelegator: undefined, inways: [INWAY] },
    });
  });

  it("never outlives its contract or its allowed life, whenever it is made", () => {
    const begin = 1767225600;
    const end = 1798761599;
    fc.assert(
      fc.property(
        fc.integer({ min: begin * 1000, max: end * 1000 + 999 }),
        fc.integer({ min: 1, max: TOKEN_LIFETIME_SECONDS_MAX }),
        (now, lifetimeSeconds) => {
          const { notBefore, expires } = tokenOf(connection(), { now, lifetimeSeconds });
          expect(expires).to.be.above(notBefore);
          expect(expires).to.be.at.most(end + 1);
          expect(expires - notBefore).to.be.at.most(lifetimeSeconds);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("is for nobody but the peers that the grant names", () => {
    const token = tokenOf(delegatedConnection());
    expect([token.outwayPeerId, token.connectionDelegator, token.servicePeerId]).to.deep.equal([
      ...[CONSUMER, OTHER, PROVIDER],
    ]);
    expect(Object.values(token)).not.to.include(peer(9));
  });
});
