// The leaf: the one way to write a record in bytes (docs/log-format.md). The Merkle tree hashes these
// bytes, so neither the order of the fields nor a single length may ever change within version 1.
import { hash } from "node:crypto";
import { ByteWriter } from "./bytes.js";
import type { Direction, Link, Party, Result } from "./entry.js";
import type {
  Durability,
  Intent,
  LogRecord,
  PreviousStop,
  RecordedExchange,
  RecordedOutcome,
  RecordHead,
} from "./record.js";

/** A leaf's largest size: C2SP tlog-tiles has 16 bits for it. */
export const LEAF_BYTES_MAX = 65_535;

/** The version that every leaf begins with. */
export const LEAF_VERSION = 1;

/** The kinds of records; a kind's byte is its place in this list, from 1. */
export const KINDS = [
  "intent",
  "outcome",
  "refusal",
  "unfinished",
  "refusal-sum",
  "writer-start",
  "writer-stop",
  "epoch",
] as const satisfies readonly LogRecord["kind"][];

// The words that one byte stands for: the first is 1, and 0 is never written.
/** Directions. */
export const DIRECTIONS: readonly Direction[] = ["incoming", "outgoing"];
/** How a side takes part. */
export const PARTIES = ["direct", "delegated"] as const;
/** How an exchange ended. */
export const RESULTS: readonly Result[] = [
  "complete",
  "client-aborted",
  "target-aborted",
  "failed",
];
/** What the stretch towards the target was. */
export const LINKS: readonly Link[] = ["none", "http1", "schakel", "http2"];
/** How the run before ended. */
export const STOPS: readonly PreviousStop[] = ["none", "clean", "unclean"];
/** What a log lies on. */
export const DURABILITIES: readonly Durability[] = ["disk", "volatile", "store"];

/** The bytes that every leaf of one writer has after version and kind: group id and writer id. */
export const writerBytes = (groupId: string, writerId: string): Buffer => {
  const writer = new ByteWriter(64);
  writer.text(groupId);
  writer.uuid(writerId);
  return writer.buffer.subarray(0, writer.length);
};

/** Where a record stands, in the writer's own terms. */
export interface Place {
  /** From writerBytes. */
  readonly writer: Buffer;
  readonly sequence: number;
  readonly createdAtUs: number;
}

/** Writes what every leaf begins with. */
export const putHead = (to: ByteWriter, kind: LogRecord["kind"], place: Place): void => {
  to.u8(LEAF_VERSION);
  to.u8(KINDS.indexOf(kind) + 1);
  to.bytes(place.writer);
  to.u64(place.sequence);
  to.u64(place.createdAtUs);
};

const word = <W>(to: ByteWriter, words: readonly W[], value: W): void => {
  const code = words.indexOf(value) + 1;
  if (code === 0) throw new RangeError(`${String(value)} is not one of ${words.join(", ")}`);
  to.u8(code);
};

const putParty = (to: ByteWriter, party: Party): void => {
  const delegated = party.delegatorId !== undefined && party.delegatorId !== "";
  word(to, PARTIES, delegated ? "delegated" : "direct");
  to.text(party.peerId);
  to.text(party.delegatorId);
};

const putExchange = (to: ByteWriter, exchange: RecordedExchange): void => {
  word(to, DIRECTIONS, exchange.direction);
  to.u8(exchange.transactionId === undefined ? 0 : 16);
  if (exchange.transactionId !== undefined) to.uuid(exchange.transactionId);
  to.text(exchange.grantHash);
  putParty(to, exchange.source);
  putParty(to, exchange.destination);
  to.text(exchange.service);
  to.text(exchange.method);
  to.text(exchange.pathTemplate);
  to.text(exchange.clause);
  to.text(exchange.client);
  to.fixed(exchange.certificateThumbprint, 32);
  to.fixed(exchange.traceId, 16);
  to.fixed(exchange.otherReceipt, 32);
  to.longText(exchange.additionalData);
  to.fixed(exchange.commitment, 32);
};

const putIntent = (to: ByteWriter, intent: Intent): void => {
  to.u64(Number(intent.sequence));
  if (intent.leafHash.length !== 32) throw new RangeError("a leaf hash has 32 bytes");
  to.bytes(intent.leafHash);
  to.uuid(intent.transactionId);
};

const putStatus = (to: ByteWriter, status: number | undefined): void => {
  if (status !== undefined && !(status >= 100 && status <= 999)) {
    throw new RangeError(`${status} is not an HTTP status`);
  }
  to.u16(status ?? 0);
};

const putOutcome = (to: ByteWriter, outcome: RecordedOutcome): void => {
  word(to, RESULTS, outcome.result);
  putStatus(to, outcome.status);
  to.text(outcome.code);
  to.u64(outcome.requestBytes);
  to.u64(outcome.responseBytes);
  to.u64(outcome.durationUs.total);
  to.optionalU64(outcome.durationUs.own);
  to.optionalU64(outcome.durationUs.other);
  to.optionalU64(outcome.durationUs.source);
  word(to, LINKS, outcome.link);
  to.fixed(outcome.otherReceipt, 32);
  to.fixed(outcome.otherOutcome, 32);
  to.longText(outcome.additionalData);
};

/** The fields of a record that come after its head; the record's head is not looked at. */
export type Body = LogRecord extends infer R
  ? R extends LogRecord
    ? Omit<R, keyof RecordHead>
    : never
  : never;

/** Writes the fields of a record that come after the head. */
export const putBody = (to: ByteWriter, body: Body): void => {
  switch (body.kind) {
    case "intent":
      putExchange(to, body.exchange);
      break;
    case "outcome":
      putIntent(to, body.intent);
      putOutcome(to, body.outcome);
      break;
    case "refusal":
      putExchange(to, body.exchange);
      putStatus(to, body.status);
      to.text(body.code);
      break;
    case "unfinished":
      putIntent(to, body.intent);
      break;
    case "refusal-sum":
      word(to, DIRECTIONS, body.direction);
      to.text(body.peerId);
      putStatus(to, body.status);
      to.text(body.code);
      to.u64(body.minuteUs);
      to.u64(body.count);
      break;
    case "writer-start":
      to.text(body.software);
      to.text(body.component);
      word(to, STOPS, body.previousStop);
      word(to, DURABILITIES, body.durability);
      to.u32(body.tornSegment);
      to.u64(body.tornBytes);
      break;
    case "writer-stop":
      break;
    case "epoch":
      to.u64(body.epoch);
      to.longText(body.checkpoint);
      to.text(body.reason);
      break;
  }
};

/**
 * The leaf of a record.
 *
 * @throws RangeError when a value cannot be written or the leaf would be over LEAF_BYTES_MAX
 */
export const encodeLeaf = (record: LogRecord): Buffer => {
  const to = new ByteWriter(512);
  putHead(to, record.kind, {
    writer: writerBytes(record.groupId, record.writerId),
    sequence: Number(record.sequence),
    createdAtUs: record.createdAtUs,
  });
  putBody(to, record);
  if (to.length > LEAF_BYTES_MAX) throw new RangeError(`the leaf has ${to.length} bytes`);
  return to.buffer.subarray(0, to.length);
};

/** What is hashed never overlaps in time with another leaf, so one piece of memory serves them all; its first byte stays 0. */
const hashed = Buffer.alloc(1 + LEAF_BYTES_MAX);

/**
 * The hash of a leaf in the tree: SHA-256(0x00 || leaf), RFC 6962 section 2.1.
 */
export const leafHash = (leaf: Uint8Array): Buffer => {
  if (leaf.length > LEAF_BYTES_MAX) {
    return hash("sha256", Buffer.concat([Buffer.of(0), leaf]), "buffer");
  }
  hashed.set(leaf, 1);
  // A hash as a string of bytes is cheaper than as a Buffer, which has memory outside of the heap.
  return Buffer.from(hash("sha256", hashed.subarray(0, 1 + leaf.length), "binary"), "latin1");
};
