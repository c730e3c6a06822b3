// Who gets a token, and what stands in it.
import { createHash } from "node:crypto";
import { expect } from "chai";
import type { Bundle } from "../../certs/bundle.js";
import { loadBundle } from "../../certs/bundle.js";
import type { PeerIdentity } from "../../certs/identity.js";
import type { Grant } from "../../contracts/grant.js";
import { tokenKeysOf, verifyToken } from "../../contracts/token-check.js";
import { readToken, TOKEN_INWAYS_MAX } from "../../contracts/token.js";
import type { ContractContent, Validity } from "../../contracts/content.js";
import type { ContractDecision } from "../../contracts/state.js";
import type { Address } from "../../core/address.js";
import type { PeerId, ServiceName } from "../../core/names.js";
import { OAuthError, type OAuthCode, type TokenForm } from "../../fsc/manager-interface.js";
import { issueToken, type TokenIssuing } from "../../fsc/token-issuer.js";
import { connection, contentOf, ECHO, held, publication } from "../support/fsc-contracts.js";
import { Members, ROLES } from "../support/members.js";
import { MovedClock } from "../support/moved-clock.js";
import { peerExtensions } from "../support/openssl.js";

const INWAYS: readonly Address[] = [
  { host: "inway.test", port: 443 },
  { host: "two.inway.test", port: 8443 },
];

interface Case {
  readonly grants?: readonly Grant[];
  readonly validity?: Validity;
  readonly decision?: ContractDecision;
  readonly caller?: PeerIdentity;
  readonly form?: Partial<TokenForm>;
  readonly issuing?: Partial<TokenIssuing>;
}

describe("fsc/token-issuer", function () {
  this.timeout(60_000);
  let members: Members;
  let provider: Bundle;
  let outway: Bundle;
  let directory: Bundle;
  let clock: MovedClock;

  before(async () => {
    members = await Members.create();
    ({ provider, other: outway, directory } = members.bundles);
  });

  beforeEach(() => (clock = new MovedClock()));
  after(() => members.remove());

  const contentFor = ({ grants, validity }: Case): ContractContent =>
    contentOf(
      members.group,
      grants ?? [connection({ outway, service: provider })],
      validity === undefined ? {} : { validity },
    );

  const ask = async (one: Case): Promise<string> => {
    const contract = held(contentFor(one), one.decision);
    const caller = one.caller ?? outway.identity;
    const [first] = contract.grants;
    return issueToken(
      {
        findGrant: (hash) => {
          const grant = contract.grants.find((each) => each.hash === hash);
          return Promise.resolve(grant === undefined ? undefined : { contract, grant });
        },
        inwaysOf: (service) => (service === ECHO ? INWAYS : []),
        ...{ group: members.group, bundle: provider, lifetimeSeconds: 600, clock },
        ...one.issuing,
      },
      { grantHash: first!.hash, clientId: caller.peerId, ...one.form },
      caller,
    );
  };

  const refusal = async (one: Case): Promise<OAuthError> => {
    try {
      await ask(one);
    } catch (error) {
      if (error instanceof OAuthError) return error;
      throw error;
    }
    throw new Error("it was not refused");
  };

  const seconds = (): number => Math.floor(clock.now() / 1000);
  const unknown = `$1$3$${"A".repeat(86)}`;

  const REFUSED: readonly (readonly [
    title: string,
    one: () => Case,
    code: OAuthCode,
    says: string,
  ])[] = [
    [
      "a client id of another peer",
      () => ({ form: { clientId: provider.identity.peerId } }),
      "invalid_client",
      ROLES.other.peerId,
    ],
    ["an empty scope", () => ({ form: { grantHash: "" } }), "invalid_scope", "scope"],
    ["a scope that is no hash", () => ({ form: { grantHash: "read" } }), "invalid_scope", '"read"'],
    [
      "a content hash",
      () => ({ form: { grantHash: unknown.replace("$3$", "$1$") } }),
      "invalid_scope",
      "hash of a grant",
    ],
    [
      "a hash of another algorithm",
      () => ({ form: { grantHash: unknown.replace("$1$3", "$2$3") } }),
      "invalid_scope",
      "hash of a grant",
    ],
    ["two hashes", () => ({ form: { grantHash: `${unknown} ${unknown}` } }), "invalid_scope", ""],
    [
      "a publication grant",
      () => ({
        grants: [
          publication({
            ...{ directory: provider.identity.peerId, service: outway.identity.peerId },
            name: "echo",
          }),
        ],
      }),
      "invalid_scope",
      "publication",
    ],
    [
      "a grant that nobody knows",
      () => ({ form: { grantHash: unknown } }),
      "invalid_scope",
      "no contract of the client's peer",
    ],
    [
      "a grant of other peers, as if nobody knew it",
      () => ({ caller: directory.identity }),
      "invalid_scope",
      "no contract of the client's peer",
    ],
    [
      "a revoked grant of other peers, as if nobody knew it",
      () => ({ caller: directory.identity, decision: "REVOKED" }),
      "invalid_scope",
      "no contract of the client's peer",
    ],
    [
      "a grant of another group",
      () => ({ issuing: { group: { ...members.group, id: "else" } } }),
      "invalid_scope",
      "no contract of the client's peer",
    ],
    [
      "a service of another peer",
      () => ({ grants: [connection({ outway, service: directory })] }),
      "invalid_scope",
      ROLES.directory.peerId,
    ],
    [
      "a delegator that connects itself",
      () => ({
        grants: [connection({ outway, service: provider, delegator: directory })],
        caller: directory.identity,
      }),
      "unauthorized_client",
      ROLES.other.peerId,
    ],
    [
      "the provider itself",
      () => ({ caller: provider.identity }),
      "unauthorized_client",
      ROLES.other.peerId,
    ],
    [
      "another key of the outway's peer",
      () => ({
        caller: { ...outway.identity, publicKeyThumbprint: provider.identity.publicKeyThumbprint },
      }),
      "unauthorized_client",
      "public key thumbprint",
    ],
    [
      "another name of the outway's peer",
      () => ({
        grants: [connection({ outway, service: provider, domainName: "elsewhere.test" })],
      }),
      "unauthorized_client",
      "elsewhere.test",
    ],
    [
      "a wildcard that would stand for the name",
      () => ({
        grants: [connection({ outway, service: provider, domainName: "a.other.test" })],
        caller: { ...outway.identity, dnsNames: ["*.other.test"] },
      }),
      "unauthorized_client",
      "a.other.test",
    ],
    ["a proposed contract", () => ({ decision: "PROPOSED" }), "invalid_grant", "not been accepted"],
    ["a rejected contract", () => ({ decision: "REJECTED" }), "invalid_grant", "rejected"],
    ["a revoked contract", () => ({ decision: "REVOKED" }), "invalid_grant", "revoked"],
    [
      "an expired contract",
      () => {
        const validity = { not_before: seconds() - 100, not_after: seconds() + 100 };
        clock.advance(102_000);
        return { validity };
      },
      "invalid_grant",
      "expired",
    ],
    [
      "a contract that has not begun",
      () => ({ validity: { not_before: seconds() + 10, not_after: seconds() + 100 } }),
      "invalid_grant",
      "not valid yet",
    ],
    [
      "a service that no inway offers",
      () => ({ grants: [connection({ outway, service: provider, name: "other" })] }),
      "invalid_scope",
      "no inway",
    ],
  ];

  for (const [title, one, code, says] of REFUSED) {
    it(`gives none for ${title}: ${code}`, async () => {
      const error = await refusal(one());
      expect(error.code).to.equal(code);
      expect(error.description).to.contain(says);
    });
  }

  it("says the same of what does not exist and of what is none of the caller's business", async () => {
    const none = await refusal({ form: { grantHash: unknown } });
    for (const decision of ["ACCEPTED", "PROPOSED", "REVOKED"] as const) {
      const foreign = await refusal({ caller: directory.identity, decision });
      expect(foreign.description).to.equal(none.description);
    }
  });

  it("gives one that our own inway takes, bound to the certificate that asks", async () => {
    const text = await ask({});
    const verdict = await verifyToken(text, {
      keys: tokenKeysOf([provider.chain[0]!]),
      peerIdRule: members.group.peerIdRule,
      groupId: members.group.id,
      servicePeerId: provider.identity.peerId,
      certificateThumbprint: outway.identity.certificateThumbprint,
      now: clock.now(),
    });
    expect(verdict.ok, JSON.stringify(verdict)).to.equal(true);
  });

  it("says for whom, for what and how long", async () => {
    const properties = { "a.b": [1] };
    const { token } = readToken(
      await ask({ grants: [connection({ outway, service: provider, properties })] }),
      members.group.peerIdRule,
    );
    const der = outway.chain[0]!.raw;
    expect(token).to.deep.include({
      groupId: "test",
      outwayPeerId: outway.identity.peerId,
      connectionDelegator: undefined,
      servicePeerId: provider.identity.peerId,
      serviceName: ECHO,
      serviceDelegator: undefined,
      inways: INWAYS,
      notBefore: seconds(),
      expires: seconds() + 600,
      certificateThumbprint: createHash("sha256").update(der).digest("base64url"),
    });
    expect({ ...token.properties }).to.deep.equal(properties);
  });

  it("names the delegator of a delegated connection", async () => {
    const grants = [connection({ outway, service: provider, delegator: directory })];
    const { token } = readToken(await ask({ grants }), members.group.peerIdRule);
    expect(token.outwayPeerId).to.equal(outway.identity.peerId);
    expect(token.connectionDelegator).to.equal(directory.identity.peerId);
  });

  it("knows an outway by its domain name, whichever key it has", async () => {
    const grants = [connection({ outway, service: provider, domainName: "Other.Test" })];
    const renewed = await members.test.oddPeer({
      subject: `/O=Other/serialNumber=${outway.identity.peerId}`,
      extensions: peerExtensions("other.test"),
    });
    const { identity } = await loadBundle(renewed.files, members.group);
    expect(identity.publicKeyThumbprint).to.not.equal(outway.identity.publicKeyThumbprint);
    const { token } = readToken(await ask({ grants, caller: identity }), members.group.peerIdRule);
    expect(token.certificateThumbprint).to.equal(identity.certificateThumbprint);
  });

  it("ends with the contract", async () => {
    const validity = { not_before: seconds() - 10, not_after: seconds() + 30 };
    const { token } = readToken(await ask({ validity }), members.group.peerIdRule);
    expect(token.expires).to.equal(seconds() + 31);
  });

  it("names each inway once, and no more than a token may", async () => {
    const many = Array.from({ length: 30 }, (_, at) => ({
      ...{ host: `inway-${String(at)}.test`, port: 443 },
    }));
    const inwaysOf = () => [many[0]!, many[0]!, ...many];
    const { token } = readToken(await ask({ issuing: { inwaysOf } }), members.group.peerIdRule);
    expect(token.inways).to.deep.equal(many.slice(0, TOKEN_INWAYS_MAX));
  });

  it("looks the service up by the name that the grant has", async () => {
    const asked: ServiceName[] = [];
    const inwaysOf = (name: ServiceName) => {
      asked.push(name);
      return INWAYS;
    };
    await ask({ issuing: { inwaysOf } });
    expect(asked).to.deep.equal([ECHO]);
  });

  it("does not look a grant up for a client that is another", async () => {
    const findGrant = () => Promise.reject(new Error("it was looked up"));
    const clientId = "00000000000000000009" as PeerId;
    const { code } = await refusal({ form: { clientId }, issuing: { findGrant } });
    expect(code).to.equal("invalid_client");
  });
});
