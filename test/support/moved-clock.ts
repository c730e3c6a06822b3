// A clock that stands where a test puts it.
import type { Clock } from "../../core/clock.js";

/** Starts at the machine's time and moves only when it is told to. */
export class MovedClock implements Clock {
  #now = Date.now();
  #monotonic = 0;

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  /** Moves both times on. */
  advance(ms: number): void {
    this.#now += ms;
    this.#monotonic += ms;
  }

  /** Sets the machine's time alone, as somebody does who corrects a clock. */
  jump(ms: number): void {
    this.#now += ms;
  }
}
