// Checks contracts/validate.ts: each rule beyond the form, with FSC's code.
import { expect } from "chai";
import { contentHash } from "../../contracts/hash.js";
import { ContractRefusal, type RefusalCode } from "../../contracts/refusal.js";
import { CLOCK_SKEW_SECONDS } from "../../contracts/signature.js";
import {
  checkContent,
  checkSigner,
  checkUrlHash,
  GRANTS_MAX,
  mixesFamilies,
  type ContentExpectations,
} from "../../contracts/validate.js";
import {
  byKey,
  connection,
  CONSUMER,
  contentOf,
  delegatedConnection,
  delegatedPublication,
  DIRECTORY,
  NOW,
  OTHER,
  peer,
  PROVIDER,
  publication,
  type Wire,
} from "../support/contract-content.js";

const SECONDS = NOW / 1000;
const expected: ContentExpectations = { now: NOW, receiver: PROVIDER, submitter: CONSUMER };

const refusalOf = (act: () => unknown): ContractRefusal => {
  try {
    act();
  } catch (error) {
    if (error instanceof ContractRefusal) return error;
    throw error;
  }
  throw new Error("it was taken");
};

const many = (count: number): Wire[] =>
  Array.from({ length: count }, (_, at) => connection({ properties: { at } }));

interface Row {
  readonly what: string;
  readonly grants?: readonly Wire[];
  readonly changes?: Wire;
  readonly expected?: Partial<ContentExpectations>;
  readonly code: RefusalCode;
  readonly detail: string;
}

const INVALID = "ERROR_CODE_CONTRACT_INVALID";
const COMBINATION = "ERROR_CODE_GRANT_COMBINATION_NOT_ALLOWED";
const validity = (not_before: number, not_after: number): Wire => ({
  validity: { not_before, not_after },
});

const ROWS: readonly Row[] = [
  {
    what: "created later than the clocks of two peers may differ",
    changes: { created_at: SECONDS + CLOCK_SKEW_SECONDS + 1 },
    code: INVALID,
    detail: "which is in the future",
  },
  {
    what: "an end that is its beginning",
    changes: validity(SECONDS + 5, SECONDS + 5),
    code: INVALID,
    detail: "not later than not_before",
  },
  {
    what: "an end before its beginning",
    changes: validity(SECONDS + 6, SECONDS + 5),
    code: INVALID,
    detail: "not later than not_before",
  },
  {
    what: "an end in this second",
    changes: validity(1, SECONDS),
    code: INVALID,
    detail: "which has passed",
  },
  { what: "an end in the past", changes: validity(1, 2), code: INVALID, detail: "has passed" },
  { what: "no grant", grants: [], code: INVALID, detail: "0 grants, allowed are 1 to 10" },
  {
    what: "eleven grants",
    grants: many(GRANTS_MAX + 1),
    code: INVALID,
    detail: "11 grants, allowed are 1 to 10",
  },
  {
    what: "more grants than its group allows",
    grants: many(3),
    expected: { grantsMax: 2 },
    code: INVALID,
    detail: "3 grants, allowed are 1 to 2",
  },
  {
    what: "the same grant twice",
    grants: [connection(), connection()],
    code: INVALID,
    detail: "two grants of the contract are the same",
  },
  {
    what: "a publication with a connection",
    grants: [publication(), connection()],
    code: COMBINATION,
    detail: "never stand in one contract",
  },
  {
    what: "a publication with a delegated connection",
    grants: [delegatedConnection(), publication()],
    code: COMBINATION,
    detail: "never",
  },
  {
    what: "a delegated publication with a connection",
    grants: [connection(), connection({ properties: {} }), delegatedPublication()],
    code: COMBINATION,
    detail: "never",
  },
  {
    what: "a submitter that is in none of its grants",
    expected: { submitter: OTHER },
    code: "ERROR_CODE_SUBMITTING_PEER_NOT_PART_OF_CONTRACT",
    detail: `peer ${OTHER} is in none of its grants`,
  },
  {
    what: "a receiver that is in none of its grants",
    expected: { receiver: OTHER },
    code: "ERROR_CODE_RECEIVING_PEER_NOT_PART_OF_CONTRACT",
    detail: `peer ${OTHER} is in none of its grants`,
  },
  {
    what: "neither, of which the submitter is told of itself",
    expected: { receiver: OTHER, submitter: DIRECTORY },
    code: "ERROR_CODE_SUBMITTING_PEER_NOT_PART_OF_CONTRACT",
    detail: `peer ${DIRECTORY}`,
  },
];

describe("a new contract", () => {
  for (const row of ROWS) {
    it(`is refused with ${row.code} for ${row.what}`, () => {
      const content = contentOf(row.grants ?? [connection()], row.changes);
      const refusal = refusalOf(() => checkContent(content, { ...expected, ...row.expected }));
      expect(refusal.code).to.equal(row.code);
      expect(refusal.detail).to.include(row.detail);
    });
  }

  it("is taken at the edges of its times", () => {
    const edge = { created_at: SECONDS + CLOCK_SKEW_SECONDS, ...validity(SECONDS, SECONDS + 1) };
    checkContent(contentOf([connection()], edge), expected);
    checkContent(contentOf([connection()], edge), { ...expected, now: NOW + 999 });
    expect(() =>
      checkContent(contentOf([connection()], edge), { ...expected, now: NOW + 1000 }),
    ).to.throw(ContractRefusal, "has passed");
  });

  it("never has grants of both families", () => {
    const all = [connection(), delegatedConnection(), publication(), delegatedPublication()];
    for (const one of all) {
      for (const two of all) {
        const families = new Set([one, two].map((grant) => "outway" in grant));
        expect(mixesFamilies(contentOf([one, two]))).to.equal(families.size === 2);
      }
    }
  });

  it("may have both connections, and both publications", () => {
    checkContent(contentOf([connection(), delegatedConnection()]), expected);
    checkContent(contentOf([publication(), delegatedPublication()]), {
      ...expected,
      submitter: DIRECTORY,
    });
    checkContent(contentOf(many(GRANTS_MAX)), expected);
  });

  it("may be one that the receiver made itself, or has with itself alone", () => {
    checkContent(contentOf([connection()]), { ...expected, submitter: PROVIDER });
    const alone = contentOf([connection({ outway: byKey(PROVIDER) })]);
    checkContent(alone, { ...expected, submitter: PROVIDER });
  });

  it("counts delegators as parties, and grants that differ in properties alone as two", () => {
    checkContent(contentOf([delegatedConnection()]), { ...expected, submitter: OTHER });
    checkContent(contentOf([connection(), connection({ properties: {} })]), expected);
  });
});

describe("whoever signs a contract", () => {
  it("must be one of its parties", () => {
    const content = contentOf([delegatedConnection()]);
    for (const id of [CONSUMER, PROVIDER, OTHER]) checkSigner(content, id);
    for (const id of [DIRECTORY, peer(99)]) {
      expect(refusalOf(() => checkSigner(content, id)).code).to.equal(
        "ERROR_CODE_SUBMITTING_PEER_NOT_PART_OF_CONTRACT",
      );
    }
  });
});

describe("the hash in a URL", () => {
  const content = contentOf([connection()]);
  const hash = contentHash(content);

  for (const [what, inUrl] of [
    ["another contract's", contentHash(contentOf([publication()]))],
    ["none", ""],
    ["one without its prefix", hash.slice(5)],
    ["one with something after it", `${hash}/`],
    ["one that is still percent-encoded", encodeURIComponent(hash)],
    ["one in another case", hash.toLowerCase()],
  ] as const) {
    it(`is refused when it is ${what}`, () => {
      const refusal = refusalOf(() => checkUrlHash(content, inUrl));
      expect(refusal.code).to.equal("ERROR_CODE_URL_PATH_CONTENT_HASH_MISMATCH");
      expect(refusal.detail).to.include(hash);
    });
  }

  it("is that of the content", () => {
    expect(checkUrlHash(content, hash)).to.equal(hash);
  });
});
