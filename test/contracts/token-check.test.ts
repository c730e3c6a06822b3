// Checks contracts/token-check.ts: the tokens that an inway and an outway refuse, with FSC's code, and the others.
import { expect } from "chai";
import type { KeyObject } from "node:crypto";
import { grantHashes, type HashedGrant } from "../../contracts/hash.js";
import type { ConnectionGrant } from "../../contracts/grant.js";
import { certificateThumbprintOf, signJws } from "../../contracts/jws.js";
import {
  bearerHeader,
  bearerToken,
  checkGivenToken,
  TOKEN_SKEW_SECONDS,
  tokenKeysOf,
  tokenTimeRefusal,
  verifyToken,
  type InwayTokenExpectations,
  type OutwayTokenExpectations,
  type TokenRefusalCode,
  type TokenVerdict,
} from "../../contracts/token-check.js";
import { signToken, tokenFor, type AccessToken } from "../../contracts/token.js";
import { parseAddress } from "../../core/address.js";
import type { ServiceName } from "../../core/names.js";
import {
  connection,
  CONSUMER,
  contentOf,
  GROUP,
  NOW,
  OTHER,
  peer,
  PROVIDER,
} from "../support/contract-content.js";
import { compact, oddSigner, signerOf, type Signer } from "../support/contract-signers.js";
import { TestGroup } from "../support/pki.js";

const SECONDS = NOW / 1000;
const [MINE, ANOTHER] = ["A".repeat(43), `${"A".repeat(42)}E`];
const LIFE = 600;

const content = contentOf([connection()]);
const [granted] = grantHashes(content) as readonly [HashedGrant];
const [elsewhere] = grantHashes(contentOf([connection({ properties: {} })])) as readonly [
  HashedGrant,
];
const inway = parseAddress("inway.test:443");

const token: AccessToken = tokenFor({
  ...{ content, grant: granted.grant as ConnectionGrant, grantHash: granted.hash, now: NOW },
  ...{ certificateThumbprint: MINE, inways: inway === undefined ? [] : [inway] },
  lifetimeSeconds: LIFE,
});

const service = (name: string): ServiceName => name as ServiceName;

const expectRefusal = (verdict: TokenVerdict, code: TokenRefusalCode, reason: string): void => {
  if (verdict.ok) throw new Error("it counts");
  expect(verdict.code).to.equal(code);
  expect(verdict.reason).to.include(reason);
};

const INVALID = "ERROR_CODE_ACCESS_TOKEN_INVALID";
const EXPIRED = "ERROR_CODE_ACCESS_TOKEN_EXPIRED";
const MISSING = "ERROR_CODE_ACCESS_TOKEN_MISSING";
const GROUP_CODE = "ERROR_CODE_WRONG_GROUP_ID_IN_TOKEN";

describe("the header Fsc-Authorization", () => {
  for (const text of [
    ...[
      "",
      "Bearer",
      "Bearer ",
      "a.b.c",
      "Basic a.b.c",
      "Bearer  a.b.c",
      "Bearer a.b.c ",
      " Bearer a.b.c",
    ],
    ...[
      "Bearer a.b.c, Bearer d.e.f",
      "Bearer a.b.c\n",
      "Bearer\ta.b.c",
      "Bearer a+b/c=",
      "Bearera.b.c",
    ],
  ]) {
    it(`gives no token for ${JSON.stringify(text)}`, () => {
      expect(bearerToken(text)).to.equal(undefined);
    });
  }

  it("is Bearer in any case, one space, and the token", () => {
    expect(bearerHeader("a.b.c")).to.equal("Bearer a.b.c");
    for (const word of ["Bearer", "bearer", "BEARER"]) {
      expect(bearerToken(`${word} a.b_-c`)).to.equal("a.b_-c");
    }
  });
});

describe("the time of a token", () => {
  for (const [what, now, changes, code] of [
    ["in its last second", (SECONDS + LIFE) * 1000 - 1, {}, undefined],
    ["at its end", (SECONDS + LIFE) * 1000, {}, EXPIRED],
    ["long after its end", NOW * 2, {}, EXPIRED],
    ["when it begins", NOW, {}, undefined],
    ["by a clock a little behind", NOW - TOKEN_SKEW_SECONDS * 1000, {}, undefined],
    ["by a clock far behind", NOW - (TOKEN_SKEW_SECONDS + 1) * 1000, {}, INVALID],
    ["that ends when it begins", NOW, { expires: SECONDS }, INVALID],
    ["that ends before it begins", NOW, { notBefore: SECONDS + 9, expires: SECONDS + 5 }, INVALID],
  ] as const) {
    it(`is ${code === undefined ? "right" : "refused"} ${what}`, () => {
      expect(tokenTimeRefusal({ ...token, ...changes }, now)?.code).to.equal(code);
    });
  }
});

describe("a token at an inway", () => {
  let group: TestGroup;
  let signer: Signer;
  let ec: Signer;
  let other: Signer;
  let keys: ReadonlyMap<string, KeyObject>;

  before(async () => {
    group = await TestGroup.create();
    const named = { peerId: PROVIDER, name: "Provider", names: ["provider.test"] };
    signer = await signerOf(await group.peer(named));
    // Another certificate of the same peer, which its manager does not list for tokens.
    other = await oddSigner(group, PROVIDER, "rsa:2048");
    ec = await oddSigner(group, PROVIDER, "P-256");
    keys = tokenKeysOf([signer.certificate, ec.certificate]);
  });
  after(() => group.remove());

  const expectations = (changes: Partial<InwayTokenExpectations> = {}): InwayTokenExpectations => ({
    ...{ groupId: "test", peerIdRule: GROUP.peerIdRule, servicePeerId: PROVIDER, keys, now: NOW },
    ...{ certificateThumbprint: MINE, serviceName: service("parking"), ...changes },
  });
  const signed = (changes: Partial<AccessToken> = {}, by = signer): Promise<string> =>
    signToken({ ...token, ...changes }, by);

  interface Row {
    readonly what: string;
    readonly make: () => string | undefined | Promise<string>;
    readonly changes?: () => Partial<InwayTokenExpectations>;
    readonly code: TokenRefusalCode;
    readonly reason: string;
  }

  const ROWS: readonly Row[] = [
    { what: "is missing", make: () => undefined, code: MISSING, reason: "there is no token" },
    { what: "is empty", make: () => "", code: MISSING, reason: "there is no token" },
    { what: "is no JWT", make: () => "token", code: INVALID, reason: "three parts" },
    {
      what: "has no signature and alg none",
      make: () => compact({ alg: "none", typ: "JWT" }, {}, ""),
      code: INVALID,
      reason: "three parts",
    },
    {
      what: "has alg none and a signature",
      make: () => compact({ alg: "none", typ: "JWT" }, {}, "AAAA"),
      code: INVALID,
      reason: '"none"',
    },
    {
      what: "has alg HS256",
      make: () => compact({ alg: "HS256" }, {}, "AAAA"),
      code: INVALID,
      reason: '"HS256"',
    },
    {
      what: "lacks claims",
      make: () => signJws({ gid: "test" }, signer),
      code: INVALID,
      reason: "gth",
    },
    {
      what: "is by another certificate of the same peer",
      make: () => signed({}, other),
      code: INVALID,
      reason: "is none for tokens",
    },
    {
      what: "names our certificate and is by another key",
      make: async () => {
        const [, payload = "", signature = ""] = (await signed({}, other)).split(".");
        const head = { alg: "RS512", "x5t#S256": certificateThumbprintOf(signer.certificate) };
        return `${Buffer.from(JSON.stringify(head)).toString("base64url")}.${payload}.${signature}`;
      },
      code: INVALID,
      reason: "not by the key",
    },
    {
      what: "was changed after it was signed",
      make: async () => {
        const [head = "", payload = "", signature = ""] = (await signed()).split(".");
        const claims = Buffer.from(payload, "base64url").toString().replace("parking", "billing");
        return `${head}.${Buffer.from(claims).toString("base64url")}.${signature}`;
      },
      changes: () => ({ serviceName: service("billing") }),
      code: INVALID,
      reason: "not by the key",
    },
    {
      what: "is for another group",
      make: () => signed({ groupId: "live" }),
      code: GROUP_CODE,
      reason: 'it is for the group "live", this is "test"',
    },
    {
      what: "is by another peer's manager",
      make: () => signed({ servicePeerId: OTHER }),
      code: INVALID,
      reason: `it is by peer ${OTHER}, not by ${PROVIDER}`,
    },
    {
      what: "is bound to another certificate",
      make: () => signed({ certificateThumbprint: ANOTHER }),
      code: INVALID,
      reason: "another certificate",
    },
    {
      what: "is shown over another certificate's connection",
      make: () => signed(),
      changes: () => ({ certificateThumbprint: ANOTHER }),
      code: INVALID,
      reason: "another certificate",
    },
    {
      what: "is for another service",
      make: () => signed(),
      changes: () => ({ serviceName: service("billing") }),
      code: INVALID,
      reason: "it is for the service parking, not for billing",
    },
    {
      what: "has ended",
      make: () => signed(),
      changes: () => ({ now: NOW + LIFE * 1000 }),
      code: EXPIRED,
      reason: "it ended at",
    },
    {
      what: "has not begun",
      make: () => signed({ notBefore: SECONDS + 31 }),
      code: INVALID,
      reason: "it begins at",
    },
    {
      what: "has ended and is for another group, which says more",
      make: () => signed({ groupId: "live" }),
      changes: () => ({ now: NOW + LIFE * 1000 }),
      code: GROUP_CODE,
      reason: "live",
    },
    {
      what: "is for another group and not signed by us, of which nothing is believed",
      make: () => signed({ groupId: "live" }, other),
      code: INVALID,
      reason: "is none for tokens",
    },
  ];

  for (const { what, make, changes, code, reason } of ROWS) {
    it(`is refused with ${code} when it ${what}`, async () => {
      expectRefusal(await verifyToken(await make(), expectations(changes?.())), code, reason);
    });
  }

  it("counts with each key that is listed, and says what it says", async () => {
    for (const by of [signer, ec]) {
      const verdict = await verifyToken(await signed({}, by), expectations());
      expect(verdict.ok).to.equal(true);
      if (verdict.ok) expect(verdict.token).to.deep.equal(token);
    }
    const open = await verifyToken(await signed(), expectations({ serviceName: undefined }));
    expect(open.ok).to.equal(true);
  });
});

describe("a token that an outway is given", () => {
  let group: TestGroup;
  let signer: Signer;

  before(async () => {
    group = await TestGroup.create();
    signer = await signerOf(
      await group.peer({ peerId: PROVIDER, name: "Provider", names: ["provider.test"] }),
    );
  });
  after(() => group.remove());

  const expected: OutwayTokenExpectations = {
    ...{ groupId: "test", peerIdRule: GROUP.peerIdRule, servicePeerId: PROVIDER, now: NOW },
    ...{ certificateThumbprint: MINE, serviceName: service("parking") },
    ...{ grantHash: granted.hash, outwayPeerId: CONSUMER },
  };

  for (const [what, changes, code, reason] of [
    ["is for another grant", { grantHash: elsewhere.hash }, INVALID, "for another grant"],
    ["is for another peer", { outwayPeerId: peer(9) }, INVALID, `not for ${CONSUMER}`],
    ["is for another group", { groupId: "live" }, GROUP_CODE, '"live"'],
    ["is by another peer", { servicePeerId: OTHER }, INVALID, `it is by peer ${OTHER}`],
    ["is bound to another certificate", { certificateThumbprint: ANOTHER }, INVALID, "certificate"],
    ["is for another service", { serviceName: service("x") }, INVALID, "for the service x"],
    ["has ended", { notBefore: 1, expires: SECONDS }, EXPIRED, "it ended"],
  ] as const) {
    it(`is refused when it ${what}`, async () => {
      const text = await signToken({ ...token, ...changes }, signer);
      expectRefusal(checkGivenToken(text, expected), code, reason);
    });
  }

  it("is refused when it is none, or of an algorithm that FSC does not have", () => {
    expectRefusal(checkGivenToken("", expected), MISSING, "there is no token");
    const none = compact({ alg: "none", "x5t#S256": MINE }, {}, "AAAA");
    expectRefusal(checkGivenToken(none, expected), INVALID, '"none"');
  });

  it("counts when it says what was asked for", async () => {
    const verdict = checkGivenToken(await signToken(token, signer), expected);
    expect(verdict).to.deep.equal({ ok: true, token });
  });
});
