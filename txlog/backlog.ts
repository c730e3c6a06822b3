// What waits outside of a batch: outcomes that found no room or whose batch was lost with its disk, and
// refusals that are counted instead of written one by one. Bounded on both sides.
import type { Log } from "../core/log.js";
import type { Batch, PendingOutcome } from "./batch.js";
import type { ExchangeEntry, Refused } from "./entry.js";
import type { LogLimits } from "./limits.js";
import { RefusalSums } from "./refusal-sums.js";

/** Kept by the writer, in memory alone. */
export class Backlog {
  /** Outcomes that were given up; their intents become `unfinished` at the next start. */
  outcomesLost = 0;
  readonly sums: RefusalSums;
  /** Oldest first. */
  #outcomes: PendingOutcome[] = [];

  constructor(
    private readonly limits: LogLimits,
    private readonly log: Log,
    now: () => number,
  ) {
    this.sums = new RefusalSums(limits, now);
  }

  /** Whether outcomes wait. */
  get hasOutcomes(): boolean {
    return this.#outcomes.length > 0;
  }

  /** Adds an outcome to a batch that has room, or keeps it for the next one. */
  addOutcome(batch: Batch | undefined, pending: PendingOutcome): void {
    if (batch === undefined || batch.isCrowded) this.#keep(pending);
    else this.#encode(batch, pending);
  }

  /** Moves outcomes that wait into a batch, as many as it takes. */
  moveOutcomes(batch: Batch): void {
    const waiting = this.#outcomes;
    this.#outcomes = [];
    for (const pending of waiting) {
      if (batch.isFull) this.#keep(pending);
      else this.#encode(batch, pending);
    }
  }

  /** Counts a refusal that gets no record of its own. */
  addRefusal(entry: ExchangeEntry, refused: Refused): void {
    this.sums.add(entry, refused);
  }

  /** Moves sums of refusals into a batch: those of minutes that are over, or all. */
  moveSums(batch: Batch, which: "over" | "all"): void {
    for (const sum of this.sums.take(which)) batch.addSum(sum);
  }

  /** Takes back what must not be lost with batches that never became durable. */
  takeBack(batches: readonly Batch[]): void {
    const later = this.#outcomes;
    this.#outcomes = [];
    for (const { outcomes, refusals, sums } of batches) {
      for (const pending of outcomes) this.#keep(pending);
      for (const { entry, refused } of refusals) this.addRefusal(entry, refused);
      for (const sum of sums) this.sums.restore(sum);
    }
    for (const pending of later) this.#keep(pending);
  }

  #keep(pending: PendingOutcome): void {
    if (this.#outcomes.length < this.limits.outcomesKept) this.#outcomes.push(pending);
    else this.outcomesLost += 1;
  }

  #encode(batch: Batch, { intent, result }: PendingOutcome): void {
    try {
      batch.addOutcome(intent, result);
    } catch (error) {
      this.outcomesLost += 1;
      this.log.error({ err: error }, "an outcome does not fit a record");
    }
  }
}
