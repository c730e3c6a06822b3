// When the writer writes: soon, for whoever waits, or later, for what can share a sync.

/** What happens when the time has come. */
export interface Wakened {
  /** What is pending is to be written. */
  readonly flush: () => void;
  /** A minute's sums of refusals may be written. */
  readonly sum: () => void;
}

/** The writer's timers. */
export class Wakes {
  #woken = false;
  #stopped = false;
  #flushTimer: NodeJS.Timeout | undefined;
  #sumTimer: NodeJS.Timeout | undefined;

  constructor(private readonly wakened: Wakened) {}

  /** Flushes once this turn of the event loop has brought what it brings. */
  soon(): void {
    if (this.#woken) return;
    this.#woken = true;
    setImmediate(() => {
      this.#woken = false;
      this.wakened.flush();
    });
  }

  /** Flushes after this time at most. */
  later(ms: number): void {
    if (this.#stopped) return;
    this.#flushTimer ??= setTimeout(() => {
      this.#flushTimer = undefined;
      this.soon();
    }, ms);
  }

  /** What was to be flushed later is flushed now. */
  flushed(): void {
    clearTimeout(this.#flushTimer);
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
    this.flushed();
    clearTimeout(this.#sumTimer);
  }
}
