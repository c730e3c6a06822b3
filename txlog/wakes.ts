// When the writer writes: soon, for whoever waits, or later, for what can share a sync.
import type { LogLimits } from "./limits.js";

/** What happens when the time has come. */
export interface Wakened {
  /** What is pending is to be written. */
  readonly flush: () => unknown;
  /** A minute's sums of refusals may be written. */
  readonly sum: () => void;
}

/** A batch with so many intents says that the log is busy. */
const BUSY_FROM = 4;

/** The writer's timers. */
export class Wakes {
  #woken = false;
  #stopped = false;
  #isBusy = false;
  #gatherTimer: NodeJS.Timeout | undefined;
  #flushTimer: NodeJS.Timeout | undefined;
  #sumTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly limits: Pick<LogLimits, "gatherMs">,
    private readonly wakened: Wakened,
  ) {}

  /** Flushes once this turn of the event loop has brought what it brings. */
  soon(): void {
    if (this.#woken) return;
    this.#woken = true;
    setImmediate(() => {
      this.#woken = false;
      this.wakened.flush();
    });
  }

  /**
   * Flushes soon. While the log is busy, and more exchanges are under way than wait, others will come in a moment, for
   * which it is waited: a batch of one costs as much as one of a hundred.
   */
  gathered(waiting: number, underWay: number): void {
    if (!this.#isBusy || waiting >= underWay) this.soon();
    else if (!this.#woken && !this.#stopped) {
      this.#gatherTimer ??= setTimeout(() => {
        this.#gatherTimer = undefined;
        this.soon();
      }, this.limits.gatherMs);
    }
  }

  /** Flushes after this time at most. */
  later(ms: number): void {
    if (this.#stopped) return;
    this.#flushTimer ??= setTimeout(() => {
      this.#flushTimer = undefined;
      this.soon();
    }, ms);
  }

  /** What was to be flushed later is flushed now, with so many intents. */
  flushed(intents: number): void {
    this.#isBusy = intents >= BUSY_FROM;
    this.#stopTimers();
  }

  #stopTimers(): void {
    clearTimeout(this.#gatherTimer);
    clearTimeout(this.#flushTimer);
    this.#gatherTimer = undefined;
    this.#flushTimer = undefined;
  }

  /** Sums after this time at most. */
  sumLater(ms: number): void {
    if (this.#stopped) return;
    this.#sumTimer ??= setTimeout(() => {
      this.#sumTimer = undefined;
      this.wakened.sum();
    }, ms).unref();
  }

  /** Nothing is begun later any more. */
  stop(): void {
    this.#stopped = true;
    this.#stopTimers();
    clearTimeout(this.#sumTimer);
  }
}
