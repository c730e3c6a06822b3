// The leaf: the published vectors both ways, and that there is one way to write a record.
import { expect } from "chai";
import fc from "fast-check";
import { parseTransactionId, type TransactionId } from "../../core/names.js";
import { FormatError } from "../../txlog/bytes.js";
import { decodeLeaf } from "../../txlog/decode-leaf.js";
import { toJson } from "../../txlog/json.js";
import { encodeLeaf, KINDS, leafHash } from "../../txlog/leaf.js";
import type { LogRecord } from "../../txlog/record.js";
import { recordOf, vectors } from "../support/log-vectors.js";
import { long, seed } from "../support/scale.js";

const RUNS = long ? 20_000 : 500;

const number = fc.maxSafeNat();
const text = fc.string({ unit: "grapheme", maxLength: 40 });
const filled = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 });
const bytes = (size: number) =>
  fc.uint8Array({ minLength: size, maxLength: size }).map((array) => Buffer.from(array));
const status = fc.integer({ min: 100, max: 999 });
const transactionId = fc.uuid({ version: 7 }).map((id) => parseTransactionId(id)!);
const party = fc.record({ peerId: text, delegatorId: filled }, { requiredKeys: ["peerId"] });

const head = {
  groupId: text,
  writerId: fc.uuid(),
  sequence: number.map(BigInt),
  createdAtUs: number,
};
const direction = fc.constantFrom("incoming" as const, "outgoing" as const);
const exchange = (id: fc.Arbitrary<TransactionId | undefined>) =>
  fc.record(
    {
      direction,
      transactionId: id,
      source: party,
      destination: party,
      service: text,
      method: text,
      grantHash: filled,
      pathTemplate: filled,
      clause: filled,
      client: filled,
      certificateThumbprint: bytes(32),
      traceId: bytes(16),
      otherReceipt: bytes(32),
      additionalData: filled,
      commitment: bytes(32),
    },
    { requiredKeys: ["direction", "transactionId", "source", "destination", "service", "method"] },
  );
const intent = fc.record({ sequence: number.map(BigInt), leafHash: bytes(32), transactionId });
const outcome = fc.record(
  {
    result: fc.constantFrom("complete", "client-aborted", "target-aborted", "failed"),
    requestBytes: number,
    responseBytes: number,
    durationUs: fc.record(
      { total: number, own: number, other: number, source: number },
      { requiredKeys: ["total"] },
    ),
    link: fc.constantFrom("none", "http1", "schakel", "http2"),
    status,
    code: filled,
    otherReceipt: bytes(32),
    otherOutcome: bytes(32),
    additionalData: filled,
  },
  { requiredKeys: ["result", "requestBytes", "responseBytes", "durationUs", "link"] },
);
const kind = <K extends LogRecord["kind"]>(name: K) => fc.constant(name);

const record = fc.oneof(
  fc.record({ ...head, kind: kind("intent"), exchange: exchange(transactionId) }),
  fc.record({ ...head, kind: kind("outcome"), intent, outcome }),
  fc.record({
    ...head,
    kind: kind("refusal"),
    exchange: exchange(fc.option(transactionId, { nil: undefined })),
    status,
    code: text,
  }),
  fc.record({ ...head, kind: kind("unfinished"), intent }),
  fc.record({
    ...head,
    kind: kind("refusal-sum"),
    direction,
    peerId: text,
    status,
    code: text,
    minuteUs: number,
    count: number,
  }),
  fc.record({
    ...head,
    kind: kind("writer-start"),
    software: text,
    previousStop: fc.constantFrom("none", "clean", "unclean"),
    component: text,
    durability: fc.constantFrom("disk", "volatile", "store"),
    tornSegment: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    tornBytes: number,
  }),
  fc.record({ ...head, kind: kind("writer-stop") }),
  fc.record({ ...head, kind: kind("epoch"), epoch: number, checkpoint: text, reason: text }),
) as fc.Arbitrary<LogRecord>;

const decoded = (leaf: Buffer): LogRecord | undefined => {
  try {
    return decodeLeaf(leaf);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
};

const hexOf = (name: string): string =>
  vectors.leaves.find((leaf) => leaf.name === name)?.leaf ?? "";

describe("txlog/leaf", () => {
  it("has a vector of every kind", () => {
    const kinds = vectors.leaves.map(({ record: { kind: found } }) => found);
    expect(new Set(kinds)).to.deep.equal(new Set(KINDS));
  });

  for (const { name, record: json, leaf, leaf_hash } of vectors.leaves) {
    it(`writes the vector "${name}"`, () => {
      const written = encodeLeaf(recordOf(json));
      expect(written.toString("hex")).to.equal(leaf);
      expect(leafHash(written).toString("hex")).to.equal(leaf_hash);
    });

    it(`reads the vector "${name}"`, () => {
      const read = decodeLeaf(Buffer.from(leaf, "hex"));
      expect(read).to.deep.equal(recordOf(json));
      expect(toJson(read)).to.deep.equal(json);
    });

    it(`refuses the vector "${name}" when it is cut anywhere`, () => {
      const whole = Buffer.from(leaf, "hex");
      for (let size = 0; size < whole.length; size++) {
        expect(decoded(whole.subarray(0, size)), `${String(size)} bytes`).to.equal(undefined);
      }
    });
  }

  for (const { name, leaf } of vectors.refused) {
    it(`refuses ${name}`, () => {
      expect(() => decodeLeaf(Buffer.from(leaf, "hex"))).to.throw(FormatError);
    });
  }

  it(`gives back every record that it writes (seed ${String(seed)})`, () => {
    const property = fc.property(record, (given) => {
      expect(decodeLeaf(encodeLeaf(given))).to.deep.equal(given);
    });
    fc.assert(property, { seed, numRuns: RUNS });
  });

  it(`writes in one way only: what it reads of changed bytes gives those bytes (seed ${String(seed)})`, () => {
    const change = fc.record({ at: fc.nat(), value: fc.nat(255) });
    let read = 0;
    const property = fc.property(record, change, (given, { at, value }) => {
      const leaf = Buffer.from(encodeLeaf(given));
      leaf[at % leaf.length] = value;
      const again = decoded(leaf);
      if (again === undefined) return;
      read += 1;
      expect(encodeLeaf(again).toString("hex")).to.equal(leaf.toString("hex"));
    });
    fc.assert(property, { seed, numRuns: RUNS });
    expect(read, "changes that still give a record").to.be.above(RUNS / 20);
  });

  it(`refuses random bytes without any other error (seed ${String(seed)})`, () => {
    const property = fc.property(fc.uint8Array({ maxLength: 300 }), (random) => {
      const leaf = Buffer.from(random);
      const again = decoded(leaf);
      if (again !== undefined) expect(encodeLeaf(again).equals(leaf)).to.equal(true);
    });
    fc.assert(property, { seed, numRuns: RUNS });
  });

  const start = recordOf(vectors.leaves[0]?.record ?? {});
  const unwritable: readonly (readonly [string, object])[] = [
    ["a text over 65,535 bytes", { software: "x".repeat(65_536) }],
    ["a leaf over 65,535 bytes", { software: "x".repeat(65_500) }],
    ["a negative number", { tornBytes: -1 }],
    ["a number with a fraction", { tornBytes: 0.5 }],
    ["a number over 2^53 - 1", { tornBytes: 2 ** 53 }],
    ["a writer that is no UUID", { writerId: "7f0c2a51" }],
    ["a writer in upper case", { writerId: "7F0C2A51-6b3e-4d8a-9c14-2e5b8d7a90f3" }],
    ["a word that is none of the kind's", { durability: "cloud" }],
  ];
  for (const [what, change] of unwritable) {
    it(`does not write ${what}`, () => {
      expect(() => encodeLeaf({ ...start, ...change })).to.throw(RangeError);
    });
  }

  it("does not write a hash of another size", () => {
    const given = decodeLeaf(Buffer.from(hexOf("intent"), "hex"));
    if (given.kind !== "intent") return expect.fail("not an intent");
    const short = { ...given, exchange: { ...given.exchange, commitment: Buffer.alloc(31) } };
    expect(() => encodeLeaf(short)).to.throw(RangeError);
  });
});
