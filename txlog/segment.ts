// The bytes of a segment file around the records: its header, and the frame of a batch
// (docs/log-format.md). Pure: nothing here opens a file.
import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { ByteReader, ByteWriter, FormatError } from "./bytes.js";
import { LEAF_BYTES_MAX } from "./leaf.js";

const MAGIC = Buffer.from("SCHKLSEG");
const VERSION = 1;
const KEY_LABEL = Buffer.from("schakel/segment-key/v1\0");
const MARK_BYTES = 8;
const CRC_BYTES = 4;

/** The largest header: the group id is at most 255 bytes. */
export const SEGMENT_HEADER_BYTES_MAX = 512;
/** What stands before a batch's records. */
export const BATCH_HEADER_BYTES = MARK_BYTES + 3 * 4;
/** The largest payload of a batch. */
export const BATCH_BYTES_MAX = 16 * 1024 ** 2;
/** What stands before a record's leaf: the lengths of leaf and personal part. */
export const RECORD_HEADER_BYTES = 8;

/** What a segment says of itself. */
export interface SegmentHeader {
  readonly writerId: string;
  readonly groupId: string;
  /** From 1; a later segment of the writer has a higher number. */
  readonly number: number;
  /** The sequence of the segment's first record. The writer never acknowledged a record of an earlier segment with this sequence or a higher one. */
  readonly firstSequence: bigint;
  /** No intent with a lower sequence was without outcome when the segment was begun. */
  readonly openFrom: bigint;
  readonly createdAtUs: number;
  /** From segmentKeyHash. */
  readonly keyHash: Buffer;
}

/** What a segment says of its key, 32 bytes. */
export const segmentKeyHash = (key: Buffer): Buffer =>
  hash("sha256", Buffer.concat([KEY_LABEL, key]), "buffer");

/** The header's bytes. */
export const encodeSegmentHeader = (header: SegmentHeader): Buffer => {
  const to = new ByteWriter(SEGMENT_HEADER_BYTES_MAX);
  to.bytes(MAGIC);
  to.u16(VERSION);
  to.uuid(header.writerId);
  to.u32(header.number);
  to.u64(Number(header.firstSequence));
  to.u64(Number(header.openFrom));
  to.u64(header.createdAtUs);
  to.bytes(header.keyHash);
  to.text(header.groupId);
  to.u32(crc32(to.buffer.subarray(0, to.length)));
  return to.buffer.subarray(0, to.length);
};

/** A header and where the first batch begins. */
export interface ReadHeader {
  readonly header: SegmentHeader;
  readonly end: number;
}

/**
 * The header at the start of a segment's bytes.
 *
 * @throws FormatError when it is none, of an unknown version, cut, or damaged
 */
export const decodeSegmentHeader = (bytes: Buffer): ReadHeader => {
  const from = new ByteReader(bytes.subarray(0, SEGMENT_HEADER_BYTES_MAX));
  if (!from.bytes(MAGIC.length).equals(MAGIC)) throw new FormatError("it is not a segment");
  const version = from.u16();
  if (version !== VERSION) throw new FormatError(`a segment of the unknown version ${version}`);
  const header: Omit<SegmentHeader, "groupId"> = {
    writerId: from.uuid(),
    number: from.u32(),
    firstSequence: BigInt(from.u64()),
    openFrom: BigInt(from.u64()),
    createdAtUs: from.u64(),
    keyHash: from.bytes(32),
  };
  const groupId = from.text();
  const crc = crc32(bytes.subarray(0, from.position));
  if (from.u32() !== crc) throw new FormatError("the checksum of the segment's header is wrong");
  return { header: { ...header, groupId }, end: from.position };
};

/** What every batch of a segment begins with: nobody outside can guess it, so no content can pose as a batch. */
export const batchMark = (keyHash: Buffer): Buffer => keyHash.subarray(0, MARK_BYTES);

/** Fills in the header of the batch that the writer holds: BATCH_HEADER_BYTES left free, then the records. */
export const finishBatch = (batch: ByteWriter, keyHash: Buffer, records: number): Buffer => {
  const bytes = batch.buffer.subarray(0, batch.length);
  bytes.set(batchMark(keyHash), 0);
  bytes.writeUInt32BE(bytes.length - BATCH_HEADER_BYTES, MARK_BYTES + CRC_BYTES);
  bytes.writeUInt32BE(records, MARK_BYTES + CRC_BYTES + 4);
  bytes.writeUInt32BE(crc32(bytes.subarray(MARK_BYTES + CRC_BYTES)), MARK_BYTES);
  return bytes;
};

/** A leaf and the encrypted personal part that lies beside it. */
export interface StoredRecord {
  readonly leaf: Buffer;
  readonly sealed: Buffer | undefined;
}

/** A batch and where it ends. */
export interface StoredBatch {
  readonly records: readonly StoredRecord[];
  readonly end: number;
}

/** The records that stand one after the other in these bytes, exactly so many; undefined when they do not. */
export const takeRecords = (payload: Buffer, count: number): StoredRecord[] | undefined => {
  const from = new ByteReader(payload);
  const records: StoredRecord[] = [];
  try {
    while (records.length < count) {
      const leafBytes = from.u32();
      const sealedBytes = from.u32();
      if (leafBytes > LEAF_BYTES_MAX) return undefined;
      const leaf = from.bytes(leafBytes);
      records.push({ leaf, sealed: sealedBytes === 0 ? undefined : from.bytes(sealedBytes) });
    }
    from.end();
    return records;
  } catch {
    return undefined;
  }
};

/** Where a batch ends, how many records it says it holds, and whether it is there whole and undamaged. */
export interface BatchFrame {
  readonly end: number;
  readonly count: number;
  readonly isWhole: boolean;
}

/** What the header at this place of a segment's bytes says; undefined where none is. */
export const frameAt = (bytes: Buffer, offset: number, mark: Buffer): BatchFrame | undefined => {
  const start = offset + BATCH_HEADER_BYTES;
  if (
    start > bytes.length ||
    bytes.compare(mark, 0, MARK_BYTES, offset, offset + MARK_BYTES) !== 0
  ) {
    return undefined;
  }
  const crc = bytes.readUInt32BE(offset + MARK_BYTES);
  const size = bytes.readUInt32BE(offset + MARK_BYTES + CRC_BYTES);
  const count = bytes.readUInt32BE(offset + MARK_BYTES + CRC_BYTES + 4);
  const end = start + size;
  if (size > BATCH_BYTES_MAX || count === 0) return undefined;
  const isWhole =
    end <= bytes.length && crc32(bytes.subarray(offset + MARK_BYTES + CRC_BYTES, end)) === crc;
  return { end, count, isWhole };
};

/** The whole, undamaged batch at this place of a segment's bytes; undefined when there is none. */
export const batchAt = (bytes: Buffer, offset: number, mark: Buffer): StoredBatch | undefined => {
  const frame = frameAt(bytes, offset, mark);
  if (frame?.isWhole !== true) return undefined;
  const { end, count } = frame;
  const records = takeRecords(bytes.subarray(offset + BATCH_HEADER_BYTES, end), count);
  return records === undefined ? undefined : { records, end };
};
