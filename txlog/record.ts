// The records of the transaction log as they are read back: one interface a kind.
import type { TransactionId } from "../core/names.js";
import type { Direction, ExchangeEntry, OutcomeEntry } from "./entry.js";

/** What every record has. (writerId, sequence) is its key; the transaction id is not, since a stranger may choose it. */
export interface RecordHead {
  readonly groupId: string;
  /** A UUID, lower case. */
  readonly writerId: string;
  /** From 1, without gaps. */
  readonly sequence: bigint;
  /** Microseconds since 1970-01-01T00:00:00Z, by the writer's clock. */
  readonly createdAtUs: number;
}

/** An exchange as a leaf holds it: everything but the personal part, which it commits to. */
export interface RecordedExchange extends Omit<ExchangeEntry, "personal"> {
  /** SHA-256 over salt and personal part, 32 bytes; absent when there is nothing personal. */
  readonly commitment?: Buffer;
}

/** The intent that an outcome or an unfinished record belongs to. */
export interface Intent {
  readonly sequence: bigint;
  readonly leafHash: Buffer;
  readonly transactionId: TransactionId;
}

/** An outcome as a leaf holds it. The code is text, since a later version may know more codes. */
export interface RecordedOutcome extends Omit<OutcomeEntry, "code"> {
  readonly code?: string;
}

/** Durable before anything was forwarded. */
export interface IntentRecord extends RecordHead {
  readonly kind: "intent";
  readonly exchange: RecordedExchange & { readonly transactionId: TransactionId };
}

/** The end of an exchange. */
export interface OutcomeRecord extends RecordHead {
  readonly kind: "outcome";
  readonly intent: Intent;
  readonly outcome: RecordedOutcome;
}

/** An exchange that was not forwarded. */
export interface RefusalRecord extends RecordHead {
  readonly kind: "refusal";
  readonly exchange: RecordedExchange;
  readonly status: number;
  readonly code: string;
}

/** Written at a start for an intent whose outcome will never be known. */
export interface UnfinishedRecord extends RecordHead {
  readonly kind: "unfinished";
  readonly intent: Intent;
}

/** Refusals of one minute that were counted instead of written one by one. */
export interface RefusalSumRecord extends RecordHead {
  readonly kind: "refusal-sum";
  readonly direction: Direction;
  /** The source of the refused exchanges; empty when there were too many peers to tell apart. */
  readonly peerId: string;
  readonly status: number;
  readonly code: string;
  /** Where the minute begins, microseconds since 1970. */
  readonly minuteUs: number;
  readonly count: number;
}

/** How the run before this one ended; `none` when there was none. */
export type PreviousStop = "none" | "clean" | "unclean";

/**
 * What an acknowledged record of the run outlives: `disk`, its machine; `volatile`, nothing (a file system
 * that is lost with its machine or container, allowed by a setting); `store`, that machine's disk, since
 * the organisation's store had it too.
 */
export type Durability = "disk" | "volatile" | "store";

/** The first record of each run of the writer. */
export interface WriterStartRecord extends RecordHead {
  readonly kind: "writer-start";
  readonly software: string;
  /** The name of the inway or outway; empty when the log was not told. */
  readonly component: string;
  readonly previousStop: PreviousStop;
  readonly durability: Durability;
  /** The segment whose end was torn, and how many bytes of it are no record; both 0 when none was. */
  readonly tornSegment: number;
  readonly tornBytes: number;
}

/** The last record of a run that was stopped in order. */
export interface WriterStopRecord extends RecordHead {
  readonly kind: "writer-stop";
}

/** A log that was restored from a backup goes on in a new epoch. */
export interface EpochRecord extends RecordHead {
  readonly kind: "epoch";
  /** The number of the epoch that begins, from 2. */
  readonly epoch: number;
  /** The last witnessed checkpoint, a C2SP signed note with its co-signatures; empty when none was ever witnessed. */
  readonly checkpoint: string;
  /** Why, in the operator's words. */
  readonly reason: string;
}

/** Any record. */
export type LogRecord =
  | IntentRecord
  | OutcomeRecord
  | RefusalRecord
  | UnfinishedRecord
  | RefusalSumRecord
  | WriterStartRecord
  | WriterStopRecord
  | EpochRecord;
