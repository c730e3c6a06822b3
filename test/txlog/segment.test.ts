// The segment file: the published vector both ways, and what is found in damaged ones.
import { expect } from "chai";
import {
  BATCH_HEADER_BYTES,
  decodeSegmentHeader,
  encodeSegmentHeader,
  finishBatch,
  segmentKeyHash,
} from "../../txlog/segment.js";
import { ByteWriter, FormatError } from "../../txlog/bytes.js";
import { scanSegment, type SegmentItem } from "../../txlog/read.js";
import { headerOf, vectors } from "../support/log-vectors.js";

const vector = vectors.segment;
const file = Buffer.from(vector.file, "hex");
const header = headerOf(vector.header);

const scan = (bytes: Buffer): SegmentItem[] => {
  const { header: found, end } = decodeSegmentHeader(bytes);
  return [...scanSegment({ header: found, bytes: bytes.subarray(end), base: end })];
};

const statuses = (items: readonly SegmentItem[]): string[] => items.map(({ status }) => status);

const leafOf = (name: string): Buffer =>
  Buffer.from(vectors.leaves.find((leaf) => leaf.name === name)?.leaf ?? "", "hex");

/** The vector's batches, from their leaves. */
const writeBatches = (): Buffer[] =>
  vector.batches.map((names) => {
    const to = new ByteWriter(1024);
    to.length = BATCH_HEADER_BYTES;
    for (const name of names) {
      const sealed =
        name === "intent" ? Buffer.from(vectors.personal.sealed, "hex") : Buffer.alloc(0);
      to.u32(leafOf(name).length);
      to.u32(sealed.length);
      to.bytes(leafOf(name));
      to.bytes(sealed);
    }
    return finishBatch(to, header.keyHash, names.length);
  });

/** The file, and where its header and each batch end. */
const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = writeBatches();
const headerEnd = file.length - first.length - second.length;
const firstEnd = headerEnd + first.length;

describe("txlog/segment", () => {
  it("writes the vector", () => {
    expect(segmentKeyHash(Buffer.from(vector.key, "hex")).equals(header.keyHash)).to.equal(true);
    expect(encodeSegmentHeader(header).toString("hex")).to.equal(vector.header_bytes);
    const written = Buffer.concat([encodeSegmentHeader(header), first, second]);
    expect(written.toString("hex")).to.equal(vector.file);
  });

  it("reads the vector", () => {
    expect(decodeSegmentHeader(file)).to.deep.equal({ header, end: headerEnd });
    const items = scan(file);
    expect(statuses(items)).to.deep.equal(["record", "record", "record"]);
    const leaves = items.map((item) => (item.status === "record" ? item.leaf : undefined));
    expect(leaves).to.deep.equal(vector.batches.flat().map(leafOf));
    const ends = items.map((item) => (item.status === "record" ? item.batchEnd : 0));
    expect(ends).to.deep.equal([firstEnd, firstEnd, file.length]);
  });

  it("finds every byte of the file that is changed", () => {
    for (let at = 0; at < file.length; at++) {
      const changed = Buffer.from(file);
      changed[at] = (changed[at] ?? 0) ^ 0x55;
      const where = `byte ${String(at)}`;
      if (at < headerEnd) {
        expect(() => scan(changed), where).to.throw(FormatError);
      } else {
        const expected = at < firstEnd ? ["damaged", "record"] : ["record", "record", "torn"];
        expect(statuses(scan(changed)), where).to.deep.equal(expected);
      }
    }
  });

  it("finds the end torn at every length, and the whole batches before it", () => {
    for (let size = 0; size < file.length; size++) {
      const cut = file.subarray(0, size);
      const where = `${String(size)} bytes`;
      if (size < headerEnd) {
        expect(() => scan(cut), where).to.throw(FormatError);
      } else {
        const whole = size < firstEnd ? [] : ["record", "record"];
        const torn = size === headerEnd || size === firstEnd ? [] : ["torn"];
        expect(statuses(scan(cut)), where).to.deep.equal([...whole, ...torn]);
      }
    }
  });

  const DAMAGED: readonly (readonly [string, Buffer, readonly string[]])[] = [
    [
      "zeros at the end",
      Buffer.concat([file, Buffer.alloc(5000)]),
      ["record", "record", "record", "torn"],
    ],
    [
      "zeros between batches",
      Buffer.concat([file.subarray(0, firstEnd), Buffer.alloc(7), second]),
      ["record", "record", "damaged", "record"],
    ],
    [
      "half a batch before a whole one",
      Buffer.concat([file.subarray(0, headerEnd), first.subarray(0, 60), second]),
      ["damaged", "record"],
    ],
    [
      "the batch of another segment",
      Buffer.concat([file, Buffer.from(first).fill(7, 0, 8)]),
      ["record", "record", "record", "torn"],
    ],
  ];
  for (const [what, bytes, expected] of DAMAGED) {
    it(`tells ${what}`, () => {
      expect(statuses(scan(bytes))).to.deep.equal(expected);
    });
  }

  it("is not deceived by a batch within a torn batch whose segment's mark its author could not know", () => {
    const forged = Buffer.from(second);
    forged.fill(0x41, 0, 8);
    const torn = Buffer.concat([second.subarray(0, 30), forged]);
    expect(statuses(scan(Buffer.concat([file, torn])))).to.deep.equal([
      "record",
      "record",
      "record",
      "torn",
    ]);
  });

  it("tells a record of another writer as damaged", () => {
    const other = { ...header, writerId: "00000000-6b3e-4d8a-9c14-2e5b8d7a90f3" };
    const part = { header: other, bytes: file.subarray(headerEnd), base: headerEnd };
    expect(statuses([...scanSegment(part)])).to.deep.equal(["damaged", "damaged", "damaged"]);
  });
});
