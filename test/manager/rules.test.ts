// Which waiting contracts a rule accepts, and which it leaves to people.
import { expect } from "chai";
import type { ContractContent } from "../../contracts/content.js";
import type { ConnectionGrant, GrantData } from "../../contracts/grant.js";
import type { ContentHash, GrantHash } from "../../contracts/hash.js";
import type { PeerId, ServiceName } from "../../core/names.js";
import type { StoredContract } from "../../fsc/stored-contract.js";
import { matchingRule, type AccessRule } from "../../manager/rules.js";

const NOW = 1_800_000_000_000;
const today = NOW / 1000;
const [US, THEM, THIRD] = ["us", "them", "third"] as PeerId[] as [PeerId, PeerId, PeerId];
const [echo, other] = ["echo", "other"] as ServiceName[] as [ServiceName, ServiceName];

const connection = (changes: Partial<ConnectionGrant> = {}): ConnectionGrant =>
  ({
    type: "GRANT_TYPE_SERVICE_CONNECTION",
    outway: {
      peer_id: THEM,
      identification: {
        type: "OUTWAY_IDENTIFICATION_TYPE_DOMAIN_NAME",
        domain_name: "outway.test",
      },
    },
    service: { type: "SERVICE_TYPE_SERVICE", peer_id: US, name: echo },
    ...changes,
  }) as ConnectionGrant;

const named = (name: ServiceName, peer_id = US) =>
  connection({ service: { type: "SERVICE_TYPE_SERVICE", peer_id, name } });

const delegated = (outwayOf: PeerId, delegator: PeerId): ConnectionGrant => ({
  ...connection({ outway: { ...connection().outway, peer_id: outwayOf } }),
  ...{ type: "GRANT_TYPE_DELEGATED_SERVICE_CONNECTION", delegator: { peer_id: delegator } },
});

const publication: GrantData = {
  ...{ type: "GRANT_TYPE_SERVICE_PUBLICATION", directory: { peer_id: THEM } },
  service: { peer_id: US, name: echo, protocol: "PROTOCOL_TCP_HTTP_1.1" },
};

interface Waiting {
  readonly grants?: readonly GrantData[];
  readonly seconds?: number;
  readonly decision?: StoredContract["decision"];
  readonly signer?: PeerId;
  readonly from?: number;
}

const contract = ({
  grants = [connection()],
  seconds = 1000,
  decision = "PROPOSED",
  signer = THEM,
  from = today,
}: Waiting): StoredContract => {
  const content = {
    ...{ fsc_version: "2.0.0", iv: "", group_id: "test", created_at: today },
    hash_algorithm: "HASH_ALGORITHM_SHA3_512",
    validity: { not_before: from, not_after: from + seconds },
    grants: grants.map((data) => ({ data })),
  } satisfies ContractContent;
  const signature = {
    type: "accept",
    signedAt: today,
    jws: "",
    certificateThumbprint: "",
  } as const;
  return {
    ...{ hash: "" as ContentHash, content, decision, storedAt: NOW },
    grants: grants.map((grant) => ({ hash: "" as GrantHash, grant })),
    signatures: [{ signer, ...signature }],
  };
};

const rule = (changes: Partial<AccessRule> = {}): AccessRule => ({
  ...{ id: 1, peerId: undefined, service: undefined, validitySecondsMax: 1000 },
  ...changes,
});

const match = (waiting: Waiting, ...rules: readonly AccessRule[]) =>
  matchingRule(rules, contract(waiting), {
    ...{ own: US, offers: (name) => name === echo || name === other, now: NOW },
  })?.id;

describe("a rule for access", () => {
  const accepted: readonly (readonly [string, Waiting, Partial<AccessRule>])[] = [
    ["any request when it says nothing but the length", {}, {}],
    ["a request of its peer", {}, { peerId: THEM }],
    ["a request for its service", {}, { service: echo }],
    ["a request exactly as long as it allows", { seconds: 1000 }, { validitySecondsMax: 1000 }],
    ["several grants of which it matches each", { grants: [named(echo), named(other)] }, {}],
    ["a delegation, when it is for every peer", { grants: [delegated(THEM, THIRD)] }, {}],
  ];
  for (const [what, waiting, changes] of accepted) {
    it(`accepts ${what}`, () => expect(match(waiting, rule(changes))).to.equal(1));
  }

  const refused: readonly (readonly [string, Waiting, Partial<AccessRule>])[] = [
    ["another peer", {}, { peerId: THIRD }],
    ["another service", {}, { service: other }],
    ["one second too long", { seconds: 1001 }, {}],
    ["a service that we do not offer", { grants: [named("gone" as ServiceName)] }, {}],
    ["a service of another peer", { grants: [named(echo, THIRD)] }, {}],
    [
      "a grant that does not match beside one that does",
      { grants: [named(echo), named(other)] },
      { service: echo },
    ],
    ["a peer that acts for another one", { grants: [delegated(THEM, THIRD)] }, { peerId: THEM }],
    ["a peer for which another one acts", { grants: [delegated(THIRD, THEM)] }, { peerId: THEM }],
    ["properties, which a person has to read", { grants: [connection({ properties: {} })] }, {}],
    ["a publication", { grants: [publication] }, {}],
    ["a contract without grants of ours", { grants: [], signer: US }, {}],
    ["what we have signed already", { signer: US }, {}],
    ["what was accepted", { decision: "ACCEPTED" }, {}],
    ["what was rejected", { decision: "REJECTED" }, {}],
    ["what was revoked", { decision: "REVOKED" }, {}],
    ["what has ended", { from: today - 5000 }, {}],
  ];
  for (const [what, waiting, changes] of refused) {
    it(`does not accept ${what}`, () => expect(match(waiting, rule(changes))).to.equal(undefined));
  }

  it("is the first that matches when there are several", () => {
    const rules = [rule({ id: 3, peerId: THIRD }), rule({ id: 5 }), rule({ id: 7 })];
    expect(match({}, ...rules)).to.equal(5);
  });
});
