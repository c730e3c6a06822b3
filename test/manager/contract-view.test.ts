// A contract in English: what it grants, when, and how it stands.
import { expect } from "chai";
import type { ContractContent } from "../../contracts/content.js";
import type { GrantData } from "../../contracts/grant.js";
import type { ContentHash, GrantHash } from "../../contracts/hash.js";
import type { SignatureType } from "../../contracts/signature.js";
import type { PeerId, ServiceName } from "../../core/names.js";
import type { Delivery } from "../../fsc/delivery-rows.js";
import type { StoredContract } from "../../fsc/stored-contract.js";
import { summaryOf, wireContract } from "../../manager/contract-view.js";

const NOW = Date.UTC(2026, 5, 1);
const today = NOW / 1000;
const [A, B, C, D] = ["a-1", "b-1", "c-1", "d-1"] as PeerId[] as [PeerId, PeerId, PeerId, PeerId];
const name = "echo" as ServiceName;
const NAMES = new Map([
  [A, "Gemeente A"],
  [B, "Register\u202e B"],
]);

const outway = {
  peer_id: A,
  identification: { type: "OUTWAY_IDENTIFICATION_TYPE_DOMAIN_NAME", domain_name: "out.test" },
} as const;
const own = { type: "SERVICE_TYPE_SERVICE", peer_id: B, name } as const;
const published = { peer_id: B, name, protocol: "PROTOCOL_TCP_HTTP_2" } as const;
const connection: GrantData = { type: "GRANT_TYPE_SERVICE_CONNECTION", outway, service: own };

const contract = (
  grant: GrantData,
  signed: readonly (readonly [PeerId, SignatureType])[] = [],
  changes: { decision?: StoredContract["decision"]; from?: number; to?: number } = {},
): StoredContract => {
  const { decision = "PROPOSED", from = today, to = today + 60 } = changes;
  const content = {
    ...{ fsc_version: "2.0.0", iv: "", group_id: "test", created_at: today },
    ...{ hash_algorithm: "HASH_ALGORITHM_SHA3_512", grants: [{ data: grant }] },
    validity: { not_before: from, not_after: to },
  } as ContractContent;
  return {
    ...{ hash: "$1$1$x" as ContentHash, content, decision, storedAt: NOW },
    grants: [{ hash: "$1$3$x" as GrantHash, grant }],
    signatures: signed.map(([signer, type]) => ({
      ...{ signer, type, signedAt: today, jws: "", certificateThumbprint: "" },
    })),
  };
};

const viewing = (deliveries: readonly Delivery[] = []) => ({
  ...{ now: NOW, own: A, names: NAMES, deliveries },
});

describe("a contract in English", () => {
  const grants: readonly (readonly [string, GrantData])[] = [
    [
      'Gemeente A (a-1) may use the service "echo" of Register\ufffd B (b-1), with the outway named out.test.',
      connection,
    ],
    [
      'Gemeente A (a-1), acting for c-1, may use the service "echo" of Register\ufffd B (b-1), which offers it for d-1, with the outway named out.test.',
      {
        ...{ type: "GRANT_TYPE_DELEGATED_SERVICE_CONNECTION", outway, delegator: { peer_id: C } },
        service: { ...own, type: "SERVICE_TYPE_DELEGATED_SERVICE", delegator: { peer_id: D } },
      },
    ],
    [
      'Register\ufffd B (b-1) publishes the service "echo" (PROTOCOL_TCP_HTTP_2) in the directory of d-1.',
      { type: "GRANT_TYPE_SERVICE_PUBLICATION", directory: { peer_id: D }, service: published },
    ],
    [
      'Register\ufffd B (b-1), in the name of c-1, publishes the service "echo" (PROTOCOL_TCP_HTTP_2) in the directory of d-1. The grant has properties: {"a":1}',
      {
        ...{ type: "GRANT_TYPE_DELEGATED_SERVICE_PUBLICATION", delegator: { peer_id: C } },
        ...{ directory: { peer_id: D }, service: published, properties: { a: 1 } },
      },
    ],
  ];
  for (const [line, grant] of grants) {
    it(`says: ${line}`, () => expect(summaryOf(contract(grant), viewing())[0]).to.equal(line));
  }

  it("says its time", () => {
    expect(summaryOf(contract(connection), viewing())[1]).to.equal(
      "From 2026-06-01 00:00:00 UTC to 2026-06-01 00:01:00 UTC; proposed 2026-06-01 00:00:00 UTC.",
    );
  });

  const standings: readonly (readonly [string, StoredContract])[] = [
    [
      "It waits for the signature of Register\ufffd B (b-1).",
      contract(connection, [[A, "accept"]]),
    ],
    ["It is in force.", contract(connection, [], { decision: "ACCEPTED" })],
    [
      "All have signed; its time has not begun yet.",
      contract(connection, [], { decision: "ACCEPTED", from: today + 1 }),
    ],
    [
      "It was rejected by Register\ufffd B (b-1).",
      contract(connection, [[B, "reject"]], { decision: "REJECTED" }),
    ],
    [
      "It was revoked by Gemeente A (a-1).",
      contract(connection, [[A, "revoke"]], { decision: "REVOKED" }),
    ],
    ["Its time has ended.", contract(connection, [], { decision: "ACCEPTED", to: today - 1 })],
    [
      "Its time ended before Register\ufffd B (b-1) had signed.",
      contract(connection, [[A, "accept"]], { to: today - 1 }),
    ],
  ];
  for (const [line, each] of standings) {
    it(`says: ${line}`, () => expect(summaryOf(each, viewing()).at(-1)).to.equal(line));
  }

  it("shows what of our newest signature has not arrived, and nothing else", () => {
    const delivery = (party: PeerId, type: SignatureType, nextAttemptAt?: number): Delivery => ({
      ...{ party, type, attempts: 2, lastError: "away", nextAttemptAt, deliveredAt: undefined },
    });
    const deliveries = [
      ...[delivery(B, "accept", NOW), delivery(B, "revoke", NOW + 1), delivery(C, "revoke")],
    ];
    const shown = wireContract(contract(connection), viewing(deliveries)).deliveries;
    expect(shown).to.deep.equal([
      { peerId: B, attempts: 2, lastError: "away", nextAttemptAtMs: BigInt(NOW + 1) },
    ]);
  });
});
