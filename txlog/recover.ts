// What a writer must know of its earlier runs before it goes on: where the sequence stands, and which
// intents have no outcome.
import { open } from "node:fs/promises";
import type { TransactionId } from "../core/names.js";
import { FormatError } from "./bytes.js";
import { LogUnusable, segmentPath } from "./folder.js";
import { leafHash } from "./leaf.js";
import { readSegments, readSegmentHeader, segmentNumbers, type LogItem } from "./read.js";
import type { Intent, LogRecord, PreviousStop } from "./record.js";
import type { SegmentHeader } from "./segment.js";

/** The end of a file that was being written when its process or machine stopped. */
export interface TornTail {
  readonly segment: number;
  readonly offset: number;
  readonly bytes: number;
}

/** Where the earlier runs left the log. */
export interface Recovered {
  /** The highest segment number in use; 0 when there is none. */
  readonly lastSegment: number;
  readonly nextSequence: number;
  /** Intents that have neither outcome nor unfinished record, by rising sequence. */
  readonly open: readonly Intent[];
  readonly previousStop: PreviousStop;
  readonly torn: TornTail | undefined;
}

const HINT =
  "nothing was changed. Copy the folder for examination, find the cause, then move it away: a log with a new writer begins in its place";

const damaged = (message: string, cause?: unknown): LogUnusable =>
  new LogUnusable(`the transaction log is damaged: ${message}`, HINT, { cause });

const readHeader = async (folder: string, number: number): Promise<SegmentHeader> => {
  try {
    return await readSegmentHeader(segmentPath(folder, number));
  } catch (error) {
    if (error instanceof FormatError) throw damaged(error.message, error);
    throw error;
  }
};

/** The segments that must be read: from the one that holds the oldest intent that may be open. */
const segmentsToRead = async (
  folder: string,
  writerId: string,
  numbers: readonly number[],
): Promise<number[]> => {
  const needed: number[] = [];
  let openFrom: bigint | undefined;
  for (const number of numbers.toReversed()) {
    const header = await readHeader(folder, number);
    if (header.writerId !== writerId) {
      throw damaged(`segment ${number} belongs to the writer ${header.writerId}, not ${writerId}`);
    }
    needed.unshift(number);
    openFrom ??= header.openFrom;
    if (header.firstSequence <= openFrom) return needed;
  }
  throw damaged(`the records from ${openFrom ?? 1n} on are missing`);
};

/** Makes sure that what was read is on disk: a killed process may have written it without syncing. */
const syncSegment = async (path: string): Promise<void> => {
  const file = await open(path, "r");
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
};

/** Collects what the records of the earlier runs say. */
class Scan {
  readonly #open = new Map<
    bigint,
    { readonly transactionId: TransactionId; readonly leaf: Buffer }
  >();
  nextSequence: bigint;
  torn: TornTail | undefined;
  /** The last record of the last segment. */
  last: LogRecord["kind"] | undefined;

  constructor(
    private readonly lastSegment: number,
    firstSequence: bigint,
  ) {
    this.nextSequence = firstSequence;
  }

  /** The intents without an end. */
  get open(): Intent[] {
    return [...this.#open].map(([sequence, { transactionId, leaf }]) => ({
      sequence,
      leafHash: leafHash(leaf),
      transactionId,
    }));
  }

  take(item: LogItem): void {
    if (item.status === "record") {
      this.#takeRecord(item.record, item.leaf);
      if (item.segment === this.lastSegment) this.last = item.record.kind;
    } else if (item.status === "torn") {
      // Earlier segments were fenced there; the gap check says whether anything is missing.
      if (item.segment === this.lastSegment) this.torn = item;
    } else if (item.status === "damaged") {
      throw damaged(`segment ${item.segment}, byte ${item.offset}: ${item.reason}`);
    } else if (item.status === "gap") {
      throw damaged(
        `segment ${item.segment} goes on with record ${item.found} where ${item.expected} was due`,
      );
    }
  }

  #takeRecord(record: LogRecord, leaf: Buffer): void {
    this.nextSequence = record.sequence + 1n;
    if (record.kind === "intent") {
      const { transactionId } = record.exchange;
      // A copy: the leaf is a view of the whole segment's bytes, which must not be kept for it.
      this.#open.set(record.sequence, { transactionId, leaf: Buffer.from(leaf) });
    } else if (record.kind === "outcome" || record.kind === "unfinished") {
      this.#open.delete(record.intent.sequence);
    }
  }
}

/**
 * Reads as much of the earlier runs as is needed, and nothing older: the header of the last segment says
 * from which sequence on an intent may be without outcome. Writes nothing.
 *
 * @throws LogUnusable when a record is missing or damaged anywhere but at the very end
 */
export const recover = async (folder: string, writerId: string): Promise<Recovered> => {
  const numbers = await segmentNumbers(folder);
  const lastSegment = numbers.at(-1);
  if (lastSegment === undefined) {
    return { lastSegment: 0, nextSequence: 1, open: [], previousStop: "none", torn: undefined };
  }
  const needed = await segmentsToRead(folder, writerId, numbers);
  const { firstSequence } = await readHeader(folder, lastSegment);
  await syncSegment(segmentPath(folder, lastSegment));
  const scan = new Scan(lastSegment, firstSequence);
  for await (const items of readSegments(folder, needed)) {
    for (const item of items) scan.take(item);
  }
  const clean = scan.torn === undefined && scan.last === "writer-stop";
  return {
    lastSegment,
    nextSequence: Number(scan.nextSequence),
    open: scan.open,
    previousStop: clean ? "clean" : "unclean",
    torn: scan.torn,
  };
};
