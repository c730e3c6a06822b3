// Checks contracts/content.ts: what of a content is refused, with which code, then what is read.
import { expect } from "chai";
import fc from "fast-check";
import {
  CONTENT_BYTES_MAX,
  FSC_VERSION,
  FSC_VERSIONS_KNOWN,
  ivKey,
  parseContent,
  proposeContent,
  refusingFields,
} from "../../contracts/content.js";
import { canonical } from "../../contracts/jcs.js";
import { ContractRefusal, type RefusalCode } from "../../contracts/refusal.js";
import {
  anyContent,
  connection,
  contentOf,
  GROUP,
  json,
  publication,
  wire,
  type Wire,
} from "../support/contract-content.js";

const refusalOf = (act: () => unknown): ContractRefusal => {
  try {
    act();
  } catch (error) {
    if (error instanceof ContractRefusal) return error;
    throw error;
  }
  throw new Error("it was taken");
};

const without = (name: string): Wire =>
  Object.fromEntries(Object.entries(wire([connection()])).filter(([each]) => each !== name));

const changed = (changes: Wire): Wire => wire([connection()], changes);

type Row = readonly [what: string, value: unknown, code: RefusalCode, detail: string];

const VERSIONS: readonly Row[] = [
  [
    "no version, as FSC 1 has it",
    { ...without("fsc_version"), grants: 1 },
    "ERROR_CODE_UNKNOWN_FSC_VERSION",
    "no version, as those of FSC 1, understood here is 2.0.0",
  ],
  ["version 1.1.2", changed({ fsc_version: "1.1.2" }), "ERROR_CODE_UNKNOWN_FSC_VERSION", '"1.1.2"'],
  [
    "a version to come, in another form",
    { fsc_version: "3.0.0" },
    "ERROR_CODE_UNKNOWN_FSC_VERSION",
    '"3.0.0", understood here is 2.0.0',
  ],
  ["a version in part", changed({ fsc_version: "2.0" }), "ERROR_CODE_UNKNOWN_FSC_VERSION", '"2.0"'],
  [
    "a version with a space",
    changed({ fsc_version: "2.0.0 " }),
    "ERROR_CODE_UNKNOWN_FSC_VERSION",
    '"2.0.0 "',
  ],
  [
    "a version as a number",
    changed({ fsc_version: 2 }),
    "ERROR_CODE_UNKNOWN_FSC_VERSION",
    "no version in words",
  ],
];

const HASHES_AND_GROUPS: readonly Row[] = [
  [
    "another hash algorithm",
    changed({ hash_algorithm: "HASH_ALGORITHM_SHA3_256" }),
    "ERROR_CODE_UNKNOWN_HASH_ALGORITHM_HASH",
    "known is HASH_ALGORITHM_SHA3_512",
  ],
  [
    "a hash algorithm in small letters",
    changed({ hash_algorithm: "hash_algorithm_sha3_512" }),
    "ERROR_CODE_UNKNOWN_HASH_ALGORITHM_HASH",
    "hash_algorithm_sha3_512",
  ],
  ["another group", changed({ group_id: "live" }), "ERROR_CODE_INCORRECT_GROUP_ID", '"live"'],
  [
    "the group in capitals",
    changed({ group_id: "TEST" }),
    "ERROR_CODE_INCORRECT_GROUP_ID",
    'this is the group "test"',
  ],
];

const validity = (not_before: unknown, not_after: unknown): Wire =>
  changed({ validity: { not_before, not_after } });

const FIELDS: readonly (readonly [what: string, value: unknown, detail: string])[] = [
  ["a content that is an array", [], "content is an array, it must be an object"],
  ["a content that is null", null, "content is null"],
  ["a content that is a text", "{}", "content is of type string"],
  ["no hash algorithm", without("hash_algorithm"), "content.hash_algorithm is absent"],
  ["no group", without("group_id"), "content.group_id is absent"],
  ["a group that is a number", changed({ group_id: 1 }), "content.group_id is of type number"],
  ["no iv", without("iv"), "content.iv is absent"],
  ["an iv that is no UUID", changed({ iv: "x".repeat(36) }), "it must be a UUID"],
  [
    "an iv in braces",
    changed({ iv: "{019ba3ee-0c00-7000-8000-000000000001}" }),
    "content.iv has 38 characters, allowed are 36 to 36",
  ],
  [
    "an iv with letters beyond f",
    changed({ iv: "019ba3ee-0c00-7000-8000-00000000000g" }),
    "it must be a UUID",
  ],
  ["no validity", without("validity"), "content.validity is absent"],
  ["a validity without an end", changed({ validity: { not_before: 1 } }), "not_after is absent"],
  ["times as texts", validity("1", "2"), "content.validity.not_before is of type string"],
  ["a time before 1970", validity(-1, 2), "not_before is -1"],
  ["half a second", validity(1.5, 2), "not_before is 1.5"],
  ["a time beyond the year 9999", validity(1, 253402300800), "beyond the year 9999"],
  [
    "another member of validity",
    changed({ validity: { not_before: 1, not_after: 2, forever: true } }),
    'has the member "forever", which is unknown',
  ],
  ["no creation time", without("created_at"), "content.created_at is absent"],
  ["a creation time of null", changed({ created_at: null }), "content.created_at is null"],
  ["no grants", without("grants"), "content.grants is absent"],
  ["grants that are an object", changed({ grants: {} }), "content.grants is of type object"],
  ["a grant without data", changed({ grants: [{}] }), "content.grants[0].data is absent"],
  [
    "more grants than are read",
    changed({ grants: Array.from({ length: 101 }, () => ({})) }),
    "content.grants has 101 grants, more than 100 are not read",
  ],
  ["another member", changed({ note: "hidden" }), 'content has the member "note"'],
  [
    "a member __proto__",
    JSON.parse(JSON.stringify(wire([connection()])).replace("{", '{"__proto__":{},')),
    'content has the member "__proto__"',
  ],
];

describe("the content of a contract", () => {
  for (const [what, value, code, detail] of [...VERSIONS, ...HASHES_AND_GROUPS]) {
    it(`is refused with ${code} for ${what}`, () => {
      const refusal = refusalOf(() => parseContent(json(value), GROUP));
      expect(refusal.code).to.equal(code);
      expect(refusal.detail).to.include(detail);
    });
  }

  for (const [what, value, detail] of FIELDS) {
    it(`is refused with ERROR_CODE_REQUEST_INVALID for ${what}`, () => {
      const refusal = refusalOf(() => parseContent(json(value), GROUP));
      expect(refusal.code).to.equal("ERROR_CODE_REQUEST_INVALID");
      expect(refusal.detail).to.include(detail);
    });
  }

  it("is refused when it is absent", () => {
    const refusal = refusalOf(() => parseContent(undefined, GROUP));
    expect(refusal.detail).to.equal("content is absent, it must be an object");
  });

  it("is refused as too large when its canonical form is over a mebibyte", () => {
    const big = publication({ properties: { "example.text": "x".repeat(900_000) } });
    const other = publication({ properties: { "example.text": "x".repeat(150_000) } });
    const text = Buffer.from(JSON.stringify(wire([big, other])));
    expect(text.length).to.be.above(CONTENT_BYTES_MAX);
    const refusal = refusalOf(() => parseContent(JSON.parse(text.toString()) as never, GROUP));
    expect(refusal.code).to.equal("ERROR_CODE_BODY_TOO_LARGE");
    parseContent(JSON.parse(JSON.stringify(wire([big]))) as never, GROUP);
  });

  it("keeps the canonical form of what was received, whatever was received", () => {
    fc.assert(
      fc.property(anyContent, (value) => {
        expect(canonical(parseContent(json(value), GROUP))).to.equal(canonical(value));
      }),
    );
  });

  it("cannot be changed once it is read", () => {
    const content = contentOf([connection({ properties: { a: { b: [1] } } })]);
    for (const object of [
      ...[content, content.validity, content.grants, content.grants[0]?.data],
      ...[content.grants[0]?.data.properties, content.grants[0]?.data.properties?.["a"]],
    ]) {
      expect(Object.isFrozen(object)).to.equal(true);
    }
  });

  it("has an iv that counts without regard to its case, and is kept as it was sent", () => {
    const upper = contentOf([connection()], { iv: "019BA3EE-0C00-7000-8000-00000000000A" });
    const lower = contentOf([connection()], { iv: "019ba3ee-0c00-7000-8000-00000000000a" });
    expect(upper.iv).not.to.equal(lower.iv);
    expect(ivKey(upper)).to.equal(ivKey(lower));
  });

  it("takes a UUID of any version", () => {
    contentOf([connection()], { iv: "9b2d5cbe-1a5c-4f27-9f39-5a2a3f6f7a11" });
  });

  it("takes times up to the last second of the year 9999, and from 0", () => {
    const times = { not_before: 0, not_after: 253402300799 };
    expect(contentOf([connection()], { validity: times }).validity).to.deep.equal(times);
  });
});

describe("a content of our own", () => {
  const proposal = {
    iv: "019ba3ee-0c00-7000-8000-000000000001",
    validity: { not_before: 1767225600, not_after: 1798761599 },
    grants: contentOf([connection()]).grants,
    createdAt: 1767139200,
  };

  it("carries our version of FSC, which is one of those that we understand", () => {
    expect(proposeContent(proposal, GROUP)).to.deep.equal(contentOf([connection()]));
    expect(proposeContent(proposal, GROUP).fsc_version).to.equal(FSC_VERSION);
    expect(FSC_VERSION).to.equal("2.0.0");
    expect(FSC_VERSIONS_KNOWN).to.include(FSC_VERSION);
  });

  it("is refused for what a receiver would refuse", () => {
    const refusal = refusalOf(() => proposeContent({ ...proposal, iv: "none" }, GROUP));
    expect(refusal.code).to.equal("ERROR_CODE_REQUEST_INVALID");
  });

  it("is refused for properties that are no strict JSON", () => {
    const data = { ...connection(), properties: { a: NaN } };
    expect(() => proposeContent({ ...proposal, grants: [{ data } as never] }, GROUP)).to.throw(
      TypeError,
    );
  });
});

describe("a reading of fields", () => {
  it("passes on what is no fault of a field", () => {
    const fault = new RangeError("ours");
    expect(() =>
      refusingFields(() => {
        throw fault;
      }),
    ).to.throw(RangeError, "ours");
  });
});
