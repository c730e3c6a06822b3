// What waits to be acknowledged by the manager, and for how long.
import type { Clock } from "../core/clock.js";

const MARK_MS = 1_000;
const MARKS_MAX = 1_000;

/** Records that became durable here at about the same time. */
interface Mark {
  /** The sequence after the last of them. */
  next: number;
  /** When the first of them was there, in milliseconds since 1970. */
  readonly at: number;
}

/** What has not been acknowledged. */
export interface Waiting {
  readonly records: number;
  /** How long the oldest has waited, in milliseconds. A little too long rather than too short. */
  readonly oldestMs: number;
}

/** Counts records between the writer and the manager. */
export class Unshipped {
  #marks: Mark[] = [];
  #durable = 1;

  /**
   * @param acknowledged every record before it is with the manager, as far as is known
   * @param since when the first record after it was written, in milliseconds since 1970
   */
  constructor(
    public acknowledged: number,
    private readonly clock: Clock,
    since: number,
  ) {
    this.#marks.push({ next: acknowledged, at: since });
  }

  /** Every record before this sequence is durable here. */
  written(durable: number): void {
    if (durable <= this.#durable) return;
    this.#durable = durable;
    const last = this.#marks.at(-1);
    const now = this.clock.now();
    if (last !== undefined && (this.#marks.length >= MARKS_MAX || now - last.at < MARK_MS)) {
      last.next = durable;
    } else {
      this.#marks.push({ next: durable, at: now });
    }
  }

  /** The manager has every record before this sequence. */
  take(next: number): void {
    this.acknowledged = next;
    while ((this.#marks[0]?.next ?? Infinity) <= next) this.#marks.shift();
  }

  /** How much waits, and for how long. */
  get waiting(): Waiting {
    const records = Math.max(0, this.#durable - this.acknowledged);
    const [oldest] = this.#marks;
    const at = records === 0 || oldest === undefined ? this.clock.now() : oldest.at;
    return { records, oldestMs: Math.max(0, this.clock.now() - at) };
  }
}
