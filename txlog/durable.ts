// What of a log is durable: how far it is, which intents have no end yet, and who is told.
import type { Clock } from "../core/clock.js";
import type { Batch, Waiting } from "./batch.js";
import type { LogLimits } from "./limits.js";
import type { Intent } from "./record.js";
import type { SegmentHeader } from "./segment.js";
import { StoreWait } from "./store-wait.js";
import type { TransactionLogOptions, WriterPosition } from "./transaction-log.js";

/** Where the writer puts the next record. */
export type Filling = Pick<WriterPosition, "fillingSegment" | "fillingFrom">;

/** What it is made with. */
export interface DurableParts {
  readonly durability: TransactionLogOptions["durability"];
  readonly limits: LogLimits;
  readonly clock: Clock;
  /** Called for an intent that the store did not have in time. */
  readonly expired: (waiting: Waiting, reason: string) => void;
  /** Called when a segment with personal parts has become old. */
  readonly aged: () => void;
}

/** Takes each batch that is durable, and acknowledges its intents: at once, or when the store has them too. */
export class DurableRecords {
  readonly counted = { batches: 0, records: 0, syncs: 0, bytes: 0 };
  readonly #parts: DurableParts;
  /** Sequences of durable intents whose end is not durable yet. */
  readonly #open = new Set<number>();
  readonly #listeners = new Set<() => void>();
  readonly #store: StoreWait | undefined;
  #segment: SegmentHeader | undefined;
  #next = 0;
  #ageTimer: NodeJS.Timeout | undefined;

  constructor(parts: DurableParts) {
    this.#parts = parts;
    const { durability, limits, clock, expired } = parts;
    if (durability === "store") {
      this.#store = new StoreWait({ limitMs: limits.storeMs, clock, expired });
    }
  }

  /** How many durable intents have no durable end. */
  get open(): number {
    return this.#open.size;
  }

  /** Why exchanges are refused although this disk is well, in a sentence. */
  problem(): string | undefined {
    return this.#store?.problem();
  }

  /** Intents of earlier runs that have no end. */
  adopt(open: readonly Intent[]): void {
    for (const { sequence } of open) this.#open.add(Number(sequence));
  }

  /** The lowest sequence of an intent without an end, or `from` where there is none before it. */
  openFrom(from: number): number {
    let lowest = from;
    for (const sequence of this.#open) lowest = Math.min(lowest, sequence);
    return lowest;
  }

  /** How far the log is. */
  position(filling: Filling): WriterPosition {
    return {
      durable: this.#next,
      durableSegment: this.#segment?.number ?? 0,
      openFrom: Number(this.#segment?.openFrom ?? 0),
      ...filling,
    };
  }

  /** Takes a batch that is on disk. */
  take(batch: Batch, bytes: number): void {
    const { counted } = this;
    counted.batches += 1;
    counted.syncs += 1;
    counted.records += batch.records;
    counted.bytes += bytes;
    for (const { intent } of batch.outcomes) this.#open.delete(Number(intent.sequence));
    for (const sequence of batch.unfinished) this.#open.delete(sequence);
    for (const { intent } of batch.waiting) this.#open.add(Number(intent.sequence));
    this.#next = batch.nextSequence;
    this.#segment = batch.segment.header;
    if (this.#store !== undefined) this.#store.add(batch.nextSequence, batch.waiting);
    else for (const { intent, resolve } of batch.waiting) resolve(intent);
    if (batch.isPersonal) this.#ageTimer ??= this.#ageLater();
    this.tell();
  }

  /** The store has every record before this sequence. */
  acknowledged(next: number): void {
    this.#store?.acknowledged(next);
  }

  /** Calls back after each change. Returns the function that ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells of a change. */
  tell(): void {
    for (const listener of this.#listeners) listener();
  }

  /** No segment ends for its age any more. */
  stop(): void {
    clearTimeout(this.#ageTimer);
  }

  /** Gives up whatever waits for the store. */
  close(): void {
    this.#store?.close();
  }

  #ageLater(): NodeJS.Timeout {
    return setTimeout(() => {
      this.#ageTimer = undefined;
      this.#parts.aged();
    }, this.#parts.limits.segmentAgeMs).unref();
  }
}
