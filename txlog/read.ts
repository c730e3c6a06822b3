// Reading a log back, from one segment's bytes or from a folder: every record, and everything that is
// not as it should be, in order. Nothing here writes.
import { open, readdir, type FileHandle } from "node:fs/promises";
import { decodeLeaf } from "./decode-leaf.js";
import { FormatError } from "./bytes.js";
import { segmentPath, segmentsFolder } from "./folder.js";
import type { LogRecord } from "./record.js";
import {
  batchAt,
  batchMark,
  decodeSegmentHeader,
  SEGMENT_HEADER_BYTES_MAX,
  type ReadHeader,
  type SegmentHeader,
  type StoredBatch,
} from "./segment.js";

/** No segment is larger; one that is cannot have been written by this software. */
const SEGMENT_BYTES_MAX = 2 ** 31 - 1;

/** A record as it stands in a segment. Its buffers are views of the segment's bytes. */
export interface ReadRecord {
  readonly status: "record";
  /** The number of its segment. */
  readonly segment: number;
  readonly record: LogRecord;
  readonly leaf: Buffer;
  /** The encrypted personal part, when the record has one. */
  readonly sealed: Buffer | undefined;
  /** Where its batch ends, in bytes from the start of the file. */
  readonly batchEnd: number;
}

/** Bytes that are no record. `torn`: at the end of the file, with nothing whole after them. `damaged`: anywhere else, or a whole record that cannot be understood. */
export interface ReadFault {
  readonly status: "torn" | "damaged";
  readonly segment: number;
  readonly offset: number;
  readonly bytes: number;
  readonly reason: string;
}

/** What a segment holds, piece by piece. */
export type SegmentItem = ReadRecord | ReadFault;

const nextBatch = (bytes: Buffer, from: number, mark: Buffer): number | undefined => {
  for (let at = bytes.indexOf(mark, from); at >= 0; at = bytes.indexOf(mark, at + 1)) {
    if (batchAt(bytes, at, mark) !== undefined) return at;
  }
  return undefined;
};

const decodeOwn = (leaf: Buffer, header: SegmentHeader): LogRecord => {
  const record = decodeLeaf(leaf);
  if (record.writerId !== header.writerId || record.groupId !== header.groupId) {
    throw new FormatError("a record of another writer or group than its segment's");
  }
  return record;
};

/** Bytes of a segment from a batch's start on. */
export interface SegmentPart {
  readonly header: SegmentHeader;
  readonly bytes: Buffer;
  /** Where in the file they begin. */
  readonly base: number;
}

function* recordsOf(
  batch: StoredBatch,
  offset: number,
  { header, base }: SegmentPart,
): Generator<SegmentItem> {
  const segment = header.number;
  const batchEnd = base + batch.end;
  for (const { leaf, sealed } of batch.records) {
    try {
      const record = decodeOwn(leaf, header);
      yield { status: "record", segment, record, leaf, sealed, batchEnd };
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      const { length } = leaf;
      yield { status: "damaged", segment, offset, bytes: length, reason: error.message };
    }
  }
}

/** Everything in a part of a segment, up to its end. Pure. */
export function* scanSegment(part: SegmentPart): Generator<SegmentItem> {
  const { header, bytes, base } = part;
  const mark = batchMark(header.keyHash);
  let at = 0;
  while (at < bytes.length) {
    const batch = batchAt(bytes, at, mark);
    if (batch !== undefined) {
      yield* recordsOf(batch, base + at, part);
      at = batch.end;
      continue;
    }
    const next = nextBatch(bytes, at + 1, mark);
    yield {
      status: next === undefined ? "torn" : "damaged",
      segment: header.number,
      offset: base + at,
      bytes: (next ?? bytes.length) - at,
      reason:
        next === undefined
          ? "the file ends in the middle of a batch, or its last batch is damaged"
          : "a batch is damaged, and whole ones follow",
    };
    at = next ?? bytes.length;
  }
}

const headerOf = async (file: FileHandle): Promise<ReadHeader> => {
  const start = await file.read({ buffer: Buffer.alloc(SEGMENT_HEADER_BYTES_MAX), position: 0 });
  return decodeSegmentHeader(start.buffer.subarray(0, start.bytesRead));
};

const named = (error: unknown, path: string): unknown =>
  error instanceof FormatError ? new FormatError(`${path}: ${error.message}`) : error;

/**
 * Reads a segment file into memory, or the part of it from a batch's start on.
 *
 * @param from a `batchEnd` of an earlier reading; 0 for the first batch
 * @throws FormatError when the header is not one; the system's error when the file cannot be read
 */
export const readPart = async (path: string, from = 0): Promise<SegmentPart> => {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    if (size > SEGMENT_BYTES_MAX) {
      throw new FormatError(`it has ${size} bytes, more than a segment may have`);
    }
    const { header, end } = await headerOf(file);
    const base = Math.max(from, end);
    const buffer = Buffer.allocUnsafeSlow(Math.max(0, size - base));
    const { bytesRead } = await file.read({ buffer, position: base });
    return { header, bytes: buffer.subarray(0, bytesRead), base };
  } catch (error) {
    throw named(error, path);
  } finally {
    await file.close();
  }
};

const partIfThere = async (path: string): Promise<SegmentPart | undefined> => {
  try {
    return await readPart(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
};

/** Everything in one segment file from a batch's start on; see readPart. The file may still be growing. */
export async function* readSegment(path: string, from = 0): AsyncGenerator<SegmentItem> {
  yield* scanSegment(await readPart(path, from));
}

/** A header as it stands in a file. */
export interface FileHeader extends SegmentHeader {
  /** How many bytes it has: where the first batch begins. */
  readonly bytes: number;
  /** The size of the file. */
  readonly size: number;
}

/**
 * The header of a segment file.
 *
 * @throws FormatError when it is not one; the system's error when the file cannot be read
 */
export const readSegmentHeader = async (path: string): Promise<FileHeader> => {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const { header, end } = await headerOf(file);
    return { ...header, bytes: end, size };
  } catch (error) {
    throw named(error, path);
  } finally {
    await file.close();
  }
};

/** The numbers of a folder's segments, rising. Empty when the folder has none or does not exist. */
export const segmentNumbers = async (folder: string): Promise<number[]> => {
  let names: string[];
  try {
    names = await readdir(segmentsFolder(folder));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
  return names
    .filter((name) => /^[0-9]{8,10}\.seg$/.test(name))
    .map((name) => Number.parseInt(name, 10))
    .sort((a, b) => a - b);
};

/** A record of a fenced segment that the writer never acknowledged: the next segment begins at or before its sequence. */
export interface Superseded extends Omit<ReadRecord, "status"> {
  readonly status: "superseded";
}

/** A sequence that does not follow on the one before it. */
export interface Gap {
  readonly status: "gap";
  readonly segment: number;
  readonly expected: bigint;
  readonly found: bigint;
}

/** What a folder holds, piece by piece. */
export type LogItem = SegmentItem | Superseded | Gap;

/** Checks that records follow each other, over the segments' borders. */
class Order {
  #expected: bigint | undefined;

  /** The gap before this record, if there is one. */
  record({ record, segment }: ReadRecord): Gap | undefined {
    const gap = this.begins(record.sequence, segment);
    this.#expected = record.sequence + 1n;
    return gap;
  }

  /** The gap before a segment that begins with this sequence, if there is one. */
  begins(found: bigint, segment: number): Gap | undefined {
    const expected = this.#expected ?? found;
    this.#expected = found;
    return found === expected ? undefined : { status: "gap", segment, expected, found };
  }
}

interface Surroundings {
  readonly header: SegmentHeader;
  /** Where the next segment begins, if there is one. */
  readonly before: bigint | undefined;
  readonly order: Order;
}

/** A segment's items, judged by what stands before and after it. */
function* judged(
  items: Iterable<SegmentItem>,
  { header, before, order }: Surroundings,
): Generator<LogItem> {
  const start = order.begins(header.firstSequence, header.number);
  if (start !== undefined) yield start;
  for (const item of items) {
    if (item.status !== "record") {
      yield item;
    } else if (before !== undefined && item.record.sequence >= before) {
      yield { ...item, status: "superseded" };
    } else {
      const gap = order.record(item);
      if (gap !== undefined) yield gap;
      yield item;
    }
  }
}

/**
 * Everything in a folder's segments, in order, with what is missing between them: the items of one
 * segment after the other. The folder may be in use: what is being written at this moment then shows as
 * torn. One segment is held in memory at a time.
 *
 * @param numbers which segments, rising, without leaving one out; all of them when not given
 * @throws FormatError when a segment's header is not one; the system's error when a file cannot be read
 */
export async function* readSegments(
  folder: string,
  numbers?: readonly number[],
): AsyncGenerator<Generator<LogItem>> {
  const all = await segmentNumbers(folder);
  const order = new Order();
  for (const number of numbers ?? all) {
    const following = all[all.indexOf(number) + 1];
    const next =
      following === undefined ? undefined : await readSegmentHeader(segmentPath(folder, following));
    const part = await partIfThere(segmentPath(folder, number));
    // It was shipped and removed since. In the middle that is a gap, which what follows shows.
    if (part === undefined) continue;
    const surroundings = { header: part.header, before: next?.firstSequence, order };
    yield judged(scanSegment(part), surroundings);
  }
}

/** Like readSegments, item by item. */
export async function* readLog(
  folder: string,
  numbers?: readonly number[],
): AsyncGenerator<LogItem> {
  for await (const items of readSegments(folder, numbers)) yield* items;
}
