// The records that go to disk together, with one write and one sync, and who waits for them.
import { hash } from "node:crypto";
import type { TransactionId } from "../core/names.js";
import { BATCH_HEADER_BYTES, finishBatch, RECORD_HEADER_BYTES } from "./segment.js";
import type { ByteWriter } from "./bytes.js";
import type { ExchangeEntry, OutcomeEntry, Refused } from "./entry.js";
import { LEAF_BYTES_MAX, putBody, putHead, type Body } from "./leaf.js";
import { hasPersonal, sealPersonal, type SealedPersonal } from "./personal.js";
import type { Intent } from "./record.js";
import type { RefusalSum } from "./refusal-sums.js";
import type { SegmentFile } from "./segment-file.js";

/** A caller that waits for its intent. */
export interface Waiting {
  readonly intent: Intent;
  readonly resolve: (intent: Intent) => void;
  readonly reject: (error: Error) => void;
}

/** An outcome that must not be lost when its batch is. */
export interface PendingOutcome {
  readonly intent: Intent;
  readonly result: OutcomeEntry;
}

/** A refusal that is summed when its batch is lost. */
export interface PendingRefusal {
  readonly entry: ExchangeEntry;
  readonly refused: Refused;
}

/** What a batch is made with. */
export interface BatchParts {
  /** Where it will be written; the batch's personal parts are encrypted under this segment's key. */
  readonly segment: SegmentFile;
  readonly firstSequence: number;
  /** Memory that is this batch's until it has been written. */
  readonly to: ByteWriter;
  /** From writerBytes. */
  readonly writer: Buffer;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** The size from which a batch is full. */
  readonly bytesMax: number;
}

/**
 * A batch being filled. A record gets its sequence and time when it is added. What cannot be encoded
 * throws a RangeError and leaves the batch as it was.
 */
export class Batch {
  readonly waiting: Waiting[] = [];
  readonly outcomes: PendingOutcome[] = [];
  readonly refusals: PendingRefusal[] = [];
  readonly sums: RefusalSum[] = [];
  /** Intents of earlier runs that this batch ends, by sequence. */
  readonly unfinished: number[] = [];
  readonly segment: SegmentFile;
  readonly firstSequence: number;
  records = 0;
  /** Whether a record in it has a personal part. */
  isPersonal = false;

  constructor(private readonly parts: BatchParts) {
    this.segment = parts.segment;
    this.firstSequence = parts.firstSequence;
    parts.to.length = 0;
    parts.to.reserve(BATCH_HEADER_BYTES);
    parts.to.length = BATCH_HEADER_BYTES;
  }

  /** The memory it was made with, for the next batch once this one is on disk. */
  get memory(): ByteWriter {
    return this.parts.to;
  }

  /** How large it is so far. */
  get bytes(): number {
    return this.parts.to.length;
  }

  /** Whether it takes no more intents or refusals. */
  get isFull(): boolean {
    return this.bytes > this.parts.bytesMax;
  }

  /** Whether it takes no more outcomes: they come of intents that were let in, so they get twice the room. */
  get isCrowded(): boolean {
    return this.bytes > this.parts.bytesMax * 2;
  }

  /** The sequence that the next record gets. */
  get nextSequence(): number {
    return this.firstSequence + this.records;
  }

  /** Adds an intent and says what its record is. */
  addIntent(entry: ExchangeEntry): Intent {
    if (!isIdentified(entry)) throw new RangeError("an intent has a transaction id");
    const { transactionId } = entry;
    const sequence = BigInt(this.nextSequence);
    const personal = this.#seal(entry);
    const exchange = committedTo(entry, personal);
    const leafHash = this.#add({ kind: "intent", exchange }, personal?.sealed, true);
    return { sequence, leafHash, transactionId };
  }

  /** Adds the outcome of an intent that is durable. */
  addOutcome(intent: Intent, result: OutcomeEntry): void {
    this.add({ kind: "outcome", intent, outcome: result });
    this.outcomes.push({ intent, result });
  }

  /** Adds a refused exchange. */
  addRefusal(entry: ExchangeEntry, refused: Refused): void {
    const personal = this.#seal(entry);
    const exchange = committedTo(entry, personal);
    this.#add({ kind: "refusal", exchange, ...refused }, personal?.sealed, false);
    this.refusals.push({ entry, refused });
  }

  /** Adds the end of an intent of an earlier run. */
  addUnfinished(intent: Intent): void {
    this.add({ kind: "unfinished", intent });
    this.unfinished.push(Number(intent.sequence));
  }

  /** Adds a sum of refusals. */
  addSum(sum: RefusalSum): void {
    this.add(sum);
    this.sums.push(sum);
  }

  /** Adds a record without a personal part that nobody asks back when the batch is lost. */
  add(body: Body): void {
    this.#add(body, undefined, false);
  }

  /** The batch as it goes to disk. Nothing may be added after it. */
  finish(): Buffer {
    return finishBatch(this.parts.to, this.segment.header.keyHash, this.records);
  }

  #seal(entry: ExchangeEntry): SealedPersonal | undefined {
    return hasPersonal(entry.personal)
      ? sealPersonal(this.segment.secrets, entry.personal)
      : undefined;
  }

  #add(body: Body, sealed: Buffer | undefined, hashed: boolean): Buffer {
    const { to, writer, now } = this.parts;
    const start = to.length;
    try {
      const leaf = start + RECORD_HEADER_BYTES;
      to.reserve(RECORD_HEADER_BYTES);
      to.length = leaf;
      const createdAtUs = Math.round(now() * 1000);
      putHead(to, body.kind, { writer, sequence: this.nextSequence, createdAtUs });
      putBody(to, body);
      const leafBytes = to.length - leaf;
      if (leafBytes > LEAF_BYTES_MAX) throw new RangeError(`the leaf has ${leafBytes} bytes`);
      const leafHash = hashed ? hashInPlace(to.buffer, leaf, to.length) : NO_HASH;
      to.buffer.writeUInt32BE(leafBytes, start);
      to.buffer.writeUInt32BE(sealed?.length ?? 0, start + 4);
      if (sealed !== undefined) {
        to.bytes(sealed);
        this.isPersonal = true;
      }
      this.records += 1;
      return leafHash;
    } catch (error) {
      to.length = start;
      throw error;
    }
  }
}

const NO_HASH = Buffer.alloc(0);

type Identified = ExchangeEntry & { readonly transactionId: TransactionId };

const isIdentified = (entry: ExchangeEntry): entry is Identified =>
  entry.transactionId !== undefined;

/** The exchange as its leaf holds it. */
const committedTo = <E extends ExchangeEntry>(
  entry: E,
  personal: SealedPersonal | undefined,
): E & { readonly commitment?: Buffer } =>
  personal === undefined ? entry : { ...entry, commitment: personal.commitment };

/**
 * The leaf's hash, SHA-256(0x00 || leaf), without copying the leaf: the byte before it still belongs to
 * the length that is written there afterwards.
 */
const hashInPlace = (buffer: Buffer, start: number, end: number): Buffer => {
  buffer[start - 1] = 0;
  return Buffer.from(hash("sha256", buffer.subarray(start - 1, end), "binary"), "binary");
};
