// Intents that are durable here and wait for the store to have them too (`--log-durability store`).
import type { Clock } from "../core/clock.js";
import type { Waiting } from "./batch.js";

/** The intents of one batch. */
interface Held {
  /** The sequence after the batch's last. */
  readonly next: number;
  readonly waiting: readonly Waiting[];
  /** By the monotonic clock. */
  readonly until: number;
}

/** What a wait is made with. */
export interface StoreWaitParts {
  /** How long an intent may wait, in milliseconds. */
  readonly limitMs: number;
  readonly clock: Clock;
  /** Called for each intent whose time is over. */
  readonly expired: (waiting: Waiting, reason: string) => void;
}

/**
 * Holds intents until the store has acknowledged them, each for a limited time. After one has waited in vain,
 * `problem` says so until the store has acknowledged it after all: until then nothing new should be added.
 */
export class StoreWait {
  readonly #parts: StoreWaitParts;
  /** By rising sequence. */
  #held: Held[] = [];
  #acknowledged = 0;
  /** The sequence that has to be acknowledged before all is well again. */
  #late = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: StoreWaitParts) {
    this.#parts = parts;
  }

  /** Holds the intents of a batch that is durable here. */
  add(next: number, waiting: readonly Waiting[]): void {
    if (waiting.length === 0) return;
    const { clock, limitMs } = this.#parts;
    this.#held.push({ next, waiting, until: clock.monotonic() + limitMs });
    this.#arm();
  }

  /** Resolves every intent that stands before this sequence: the store has it. */
  acknowledged(next: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, next);
    let held = this.#held[0];
    while (held !== undefined && held.next <= next) {
      this.#held.shift();
      for (const { intent, resolve } of held.waiting) resolve(intent);
      held = this.#held[0];
    }
  }

  /** Why nothing may be added now, in a sentence; undefined when all is well. */
  problem(): string | undefined {
    return this.#late > this.#acknowledged
      ? `the manager has not acknowledged records within ${this.#parts.limitMs / 1000} s, and exchanges wait for it (--log-durability store)`
      : undefined;
  }

  /** Gives up whatever still waits. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#expire(this.#held.splice(0), "the log is closed");
  }

  #arm(): void {
    this.#timer ??= setTimeout(() => this.#look(), this.#restMs()).unref();
  }

  #restMs(): number {
    const [oldest] = this.#held;
    return Math.max(1, (oldest?.until ?? 0) - this.#parts.clock.monotonic());
  }

  #look(): void {
    this.#timer = undefined;
    const now = this.#parts.clock.monotonic();
    const kept = this.#held.findIndex(({ until }) => until > now);
    const over = this.#held.splice(0, kept < 0 ? this.#held.length : kept);
    this.#late = over.at(-1)?.next ?? this.#late;
    this.#expire(over, "the manager did not acknowledge the record in time");
    if (this.#held.length > 0) this.#arm();
  }

  #expire(over: readonly Held[], reason: string): void {
    for (const { waiting } of over) {
      for (const each of waiting) this.#parts.expired(each, reason);
    }
  }
}
