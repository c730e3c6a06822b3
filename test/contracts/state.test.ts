// Checks contracts/state.ts: who must sign, and what signatures and time make of a contract.
import { expect } from "chai";
import fc from "fast-check";
import { parseContent, type ContractContent } from "../../contracts/content.js";
import { SIGNATURE_TYPES, type SignatureType } from "../../contracts/signature.js";
import {
  CONTRACT_DECISIONS,
  contractState,
  decisionOf,
  grantParties,
  missingSigners,
  partiesOf,
  stateAt,
  usabilityAt,
  type ContractDecision,
  type ContractState,
  type Signers,
  type Usability,
} from "../../contracts/state.js";
import type { PeerId } from "../../core/names.js";
import {
  anyContent,
  byKey,
  connection,
  CONSUMER,
  contentOf,
  delegatedConnection,
  delegatedPublication,
  delegatedService,
  DIRECTORY,
  GROUP,
  json,
  NOW,
  OTHER,
  peer,
  PROVIDER,
  publication,
  type Wire,
} from "../support/contract-content.js";

type Signed = readonly (readonly [SignatureType, PeerId])[];

const signersOf = (signed: Signed): Signers => {
  const of = (type: SignatureType) =>
    new Set(signed.flatMap(([t, id]) => (t === type ? [id] : [])));
  return { accept: of("accept"), reject: of("reject"), revoke: of("revoke") };
};

const PARTIES: readonly (readonly [what: string, grants: readonly Wire[], parties: PeerId[]])[] = [
  ["a publication", [publication()], [DIRECTORY, PROVIDER]],
  ["a connection", [connection()], [CONSUMER, PROVIDER]],
  [
    "a connection to a delegated service",
    [connection({ service: delegatedService(DIRECTORY) })],
    [CONSUMER, PROVIDER, DIRECTORY],
  ],
  ["a delegated connection", [delegatedConnection()], [CONSUMER, PROVIDER, OTHER]],
  [
    "a delegated connection to a delegated service",
    [delegatedConnection({ service: delegatedService(DIRECTORY) })],
    [CONSUMER, PROVIDER, OTHER, DIRECTORY],
  ],
  ["a delegated publication", [delegatedPublication()], [DIRECTORY, PROVIDER, OTHER]],
  [
    "two grants together",
    [connection(), connection({ outway: byKey(OTHER) })],
    [CONSUMER, PROVIDER, OTHER],
  ],
  ["a peer that connects to itself", [connection({ outway: byKey(PROVIDER) })], [PROVIDER]],
  [
    "a directory that publishes its own",
    [publication({ directory: { peer_id: PROVIDER } })],
    [PROVIDER],
  ],
  [
    "one delegator for both sides",
    [delegatedConnection({ service: delegatedService(OTHER) })],
    [CONSUMER, PROVIDER, OTHER],
  ],
  [
    "a peer that acts for itself",
    [delegatedConnection({ delegator: { peer_id: CONSUMER } })],
    [CONSUMER, PROVIDER],
  ],
  [
    "one peer in all four places",
    [
      delegatedConnection({
        outway: byKey(PROVIDER),
        service: delegatedService(PROVIDER),
        delegator: { peer_id: PROVIDER },
      }),
    ],
    [PROVIDER],
  ],
];

describe("the parties of a contract", () => {
  for (const [what, grants, parties] of PARTIES) {
    it(`are, each once, those of ${what}`, () => {
      const content = contentOf(grants);
      expect([...partiesOf(content)].sort()).to.deep.equal([...parties].sort());
      expect(missingSigners(content, signersOf([]))).to.have.members(parties);
    });
  }

  it("are those of its grants and of nothing else", () => {
    const content = contentOf([connection({ properties: { peer_id: DIRECTORY } })]);
    const [grant] = content.grants;
    if (grant === undefined) throw new Error("it has no grant");
    expect(grantParties(grant.data)).to.deep.equal(partiesOf(content));
    expect(partiesOf(content).has(DIRECTORY)).to.equal(false);
  });
});

const BOTH: Signed = [
  ["accept", CONSUMER],
  ["accept", PROVIDER],
];

const DECISIONS: readonly (readonly [what: string, signed: Signed, decision: ContractDecision])[] =
  [
    ["nobody's signature", [], "PROPOSED"],
    ["one accept", [["accept", CONSUMER]], "PROPOSED"],
    [
      "the accepts of one party and of a stranger",
      [
        ["accept", CONSUMER],
        ["accept", OTHER],
      ],
      "PROPOSED",
    ],
    ["every party's accept", BOTH, "ACCEPTED"],
    ["a reject", [["reject", PROVIDER]], "REJECTED"],
    [
      "an accept and a reject of one party",
      [
        ["accept", PROVIDER],
        ["reject", PROVIDER],
      ],
      "REJECTED",
    ],
    [
      "every accept and a reject, since nobody knows which came first",
      [...BOTH, ["reject", CONSUMER]],
      "REJECTED",
    ],
    ["a stranger's reject", [...BOTH, ["reject", OTHER]], "ACCEPTED"],
    ["a revoke after all have accepted", [...BOTH, ["revoke", CONSUMER]], "REVOKED"],
    [
      "a revoke before that: it is withdrawn",
      [
        ["accept", CONSUMER],
        ["revoke", CONSUMER],
      ],
      "REVOKED",
    ],
    [
      "a reject and a revoke",
      [
        ["reject", PROVIDER],
        ["revoke", CONSUMER],
      ],
      "REVOKED",
    ],
    ["a stranger's revoke", [...BOTH, ["revoke", DIRECTORY]], "ACCEPTED"],
  ];

const rank: Readonly<Record<ContractDecision, number>> = {
  PROPOSED: 0,
  ACCEPTED: 1,
  REJECTED: 2,
  REVOKED: 3,
};

describe("what the parties have decided", () => {
  for (const [what, signed, decision] of DECISIONS) {
    it(`is ${decision} with ${what}`, () => {
      expect(decisionOf(contentOf([connection()]), signersOf(signed))).to.equal(decision);
    });
  }

  it("is that nothing is accepted when nobody is bound", () => {
    expect(decisionOf(contentOf([]), signersOf(BOTH))).to.equal("PROPOSED");
  });

  it("follows from the set of signatures in any order, and no further one gives permission back", () => {
    const anySigned = fc.array(
      fc.tuple(fc.constantFrom(...SIGNATURE_TYPES), fc.integer({ min: 1, max: 9 }).map(peer)),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(anyContent, anySigned, (value, signed) => {
        const content: ContractContent = parseContent(json(value), GROUP);
        let before: ContractDecision = "PROPOSED";
        for (let count = 0; count <= signed.length; count++) {
          const after = decisionOf(content, signersOf(signed.slice(0, count)));
          expect(rank[after]).to.be.at.least(rank[before]);
          before = after;
        }
        expect(decisionOf(content, signersOf([...signed].reverse()))).to.equal(before);
        const all = [...partiesOf(content)].every((id) =>
          signed.some(([type, by]) => type === "accept" && by === id),
        );
        if (before === "ACCEPTED") expect(all).to.equal(true);
      }),
    );
  });

  it("needs every party's accept, whichever is left out", () => {
    fc.assert(
      fc.property(anyContent, (value) => {
        const content = parseContent(json(value), GROUP);
        const parties = [...partiesOf(content)];
        const accepted = parties.map((id) => ["accept", id] as const);
        expect(decisionOf(content, signersOf(accepted))).to.equal("ACCEPTED");
        for (const left of parties) {
          const signers = signersOf(accepted.filter(([, id]) => id !== left));
          expect(decisionOf(content, signers)).to.equal("PROPOSED");
          expect(missingSigners(content, signers)).to.deep.equal([left]);
        }
      }),
    );
  });
});

const VALIDITY = { not_before: 1000, not_after: 2000 };

describe("the state of a contract", () => {
  const EDGES: readonly (readonly [ContractDecision, now: number, ContractState, Usability])[] = [
    ["PROPOSED", 0, "PROPOSED", "PROPOSED"],
    ["PROPOSED", 2_000_999, "PROPOSED", "PROPOSED"],
    ["PROPOSED", 2_001_000, "REJECTED", "REJECTED"],
    ["ACCEPTED", 0, "VALID", "NOT_YET_VALID"],
    ["ACCEPTED", 999_999, "VALID", "NOT_YET_VALID"],
    ["ACCEPTED", 1_000_000, "VALID", "IN_FORCE"],
    ["ACCEPTED", 2_000_000, "VALID", "IN_FORCE"],
    ["ACCEPTED", 2_000_999, "VALID", "IN_FORCE"],
    ["ACCEPTED", 2_001_000, "EXPIRED", "EXPIRED"],
    ["REJECTED", 1_500_000, "REJECTED", "REJECTED"],
    ["REJECTED", 9_000_000, "REJECTED", "REJECTED"],
    ["REVOKED", 1_500_000, "REVOKED", "REVOKED"],
    ["REVOKED", 9_000_000, "REVOKED", "REVOKED"],
  ];

  for (const [decision, now, state, usability] of EDGES) {
    it(`is ${state} (${usability}) when ${decision}, ${String(now)} ms after 1970`, () => {
      expect(stateAt(decision, VALIDITY, now)).to.equal(state);
      expect(usabilityAt(decision, VALIDITY, now)).to.equal(usability);
    });
  }

  it("gives permission in no case but one: accepted, begun and not ended", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...CONTRACT_DECISIONS),
        fc.integer({ min: 0, max: 4_000_000 }),
        (decision, now) => {
          const isInForce = usabilityAt(decision, VALIDITY, now) === "IN_FORCE";
          expect(isInForce).to.equal(
            decision === "ACCEPTED" && now >= 1_000_000 && now < 2_001_000,
          );
        },
      ),
    );
  });

  it("never leaves a final state as time goes on", () => {
    for (const decision of CONTRACT_DECISIONS) {
      const states = [0, 1_000_000, 2_000_000, 2_001_000, 9e15].map((now) =>
        stateAt(decision, VALIDITY, now),
      );
      const final = states.findIndex((state) => !["PROPOSED", "VALID"].includes(state));
      if (final >= 0) expect(new Set(states.slice(final)).size).to.equal(1);
    }
  });

  it("comes from signatures and time together", () => {
    const content = contentOf([connection()]);
    expect(contractState(content, signersOf(BOTH), NOW)).to.equal("VALID");
    expect(contractState(content, signersOf(BOTH.slice(1)), NOW)).to.equal("PROPOSED");
    expect(contractState(content, signersOf(BOTH), Date.UTC(2027, 0, 1))).to.equal("EXPIRED");
  });
});
