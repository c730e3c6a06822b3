// What the transaction log of a data-plane process offers, and what it is opened with.
import type { Clock } from "../core/clock.js";
import type { Log } from "../core/log.js";
import type { ExchangeEntry, OutcomeEntry, Refused } from "./entry.js";
import type { LogLimits } from "./limits.js";
import type { Intent } from "./record.js";

/** What a log is opened with. */
export interface TransactionLogOptions {
  /** Made if absent, with permissions 0700. One process at a time. */
  readonly folder: string;
  readonly groupId: string;
  /** The software's version, for the record of the start. */
  readonly software: string;
  /** The name of the inway or outway, for the same record. */
  readonly component?: string;
  readonly log: Log;
  readonly clock: Clock;
  /** Whether the folder may lie on a file system that is lost with its machine or container. */
  readonly allowVolatile: boolean;
  /** What an intent waits for: this disk (unless said otherwise), or also the organisation's store. */
  readonly durability?: "local" | "store";
  readonly limits?: Partial<LogLimits>;
}

/** How far a log is, for whoever ships its records. */
export interface WriterPosition {
  /** Every record before this sequence is durable on this disk. */
  readonly durable: number;
  /** The number of the segment with the last of them. */
  readonly durableSegment: number;
  /** `open from` of that segment: a start reads back to the segment that holds this sequence. */
  readonly openFrom: number;
  /** The segment of the next record, and the first sequence that it may hold: lower ones have ended before that sequence. */
  readonly fillingSegment: number;
  readonly fillingFrom: number;
}

/** What the log has done since it was opened. */
export interface LogCounters {
  readonly batches: number;
  readonly records: number;
  readonly syncs: number;
  readonly bytes: number;
  /** Intents refused because the log could not be written or too much was waiting. */
  readonly intentsRefused: number;
  /** Outcomes that were given up; their intents become `unfinished` at the next start. */
  readonly outcomesLost: number;
  /** Times that a write or sync failed. */
  readonly failures: number;
}

/** The transaction log of one data-plane process. Its methods may be called at any time, in any number. */
export interface TransactionLog {
  /** A UUID, kept in the folder. */
  readonly writerId: string;
  /** The figures of this moment. */
  readonly records: LogCounters;
  /** Why the log cannot be written now, in a sentence for /health/ready; undefined when it can. */
  problem(): string | undefined;
  /**
   * Resolves when the intent is durable.
   *
   * @throws SchakelError TRANSACTION_LOG_WRITE_ERROR (as a rejection) when it is not: nothing may be forwarded then
   */
  intent(entry: ExchangeEntry): Promise<Intent>;
  /** Records the end of an exchange, once for each intent. Not waited for; survives a failing disk, in memory. */
  outcome(intent: Intent, result: OutcomeEntry): void;
  /** Records that an exchange was refused. Not waited for; above a rate, refusals are summed. */
  refusal(entry: ExchangeEntry, refused: Refused): void;
  /** How far it is now. */
  readonly position: WriterPosition;
  /** Calls back after each change of `position`. Returns the function that ends that. */
  onDurable(listener: () => void): () => void;
  /** The store has every record before this sequence. */
  acknowledged(next: number): void;
  /** Has the next batch begin a new segment, at once when nothing is being written. */
  endSegment(): void;
  /**
   * Writes what waits and the record of the stop, and releases the folder. Intents are refused from now on.
   *
   * @param last what still needs the folder: runs after the last record and before the folder is released
   */
  close(last?: () => Promise<void> | undefined): Promise<void>;
}
