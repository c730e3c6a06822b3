// A timeout on progress. Noting progress costs one clock read; the timer is set anew only when it fires.

/** Calls `expired` once when no progress was noted for as long as `limitMs` says at that moment. */
export class Deadline {
  #last = performance.now();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly limitMs: () => number,
    private readonly expired: () => void,
  ) {
    this.#arm();
  }

  /** Something moved. */
  progress(): void {
    this.#last = performance.now();
  }

  /** Something moved, and from now on another limit may hold. */
  restart(): void {
    this.#last = performance.now();
    if (this.#timer !== undefined) this.#arm();
  }

  /** No longer expires. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const left = this.#last + this.limitMs() - performance.now();
    if (left > 0) {
      this.#timer = setTimeout(() => this.#arm(), Math.ceil(left));
    } else {
      this.#timer = undefined;
      this.expired();
    }
  }
}
