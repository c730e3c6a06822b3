// Signs publication contracts by itself: each as it comes, and again after a back-off when that failed.
import type { ContentHash } from "../contracts/hash.js";
import { SchakelError } from "../core/errors.js";
import type { Lifecycle } from "../core/lifecycle.js";
import type { Log } from "../core/log.js";
import { startRestartable, type Restartable } from "../core/restartable.js";
import { repeat, type Backoff } from "../core/retry.js";
import type { ContractBook } from "../fsc/contract-book.js";

const BACKOFF: Backoff = { firstMs: 1_000, maxMs: 60_000 };
/** How long it waits when nothing waits for it. */
const IDLE_MS = 3_600_000;

/** What the signing stands on. */
export interface SigningParts {
  readonly book: Pick<ContractBook, "decide">;
  readonly log: Log;
  readonly lifecycle: Lifecycle;
  /** One second to one minute unless given. */
  readonly backoff?: Backoff | undefined;
}

/** Accepts contracts, one after the other, until the life cycle stops it. */
export class AutomaticSigning {
  readonly #with: SigningParts;
  readonly #waiting = new Set<ContentHash>();
  readonly #work: Restartable;

  constructor(parts: SigningParts) {
    this.#with = parts;
    this.#work = startRestartable((signal) => this.#run(signal));
    parts.lifecycle.onStop("signing of publications", () => this.#work.stop());
  }

  /** How many contracts wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Accepts a contract in the background. */
  accept(hash: ContentHash): void {
    if (this.#waiting.has(hash)) return;
    this.#waiting.add(hash);
    this.#work.restart();
  }

  /** Leaves a contract alone from now on: it waits no longer. */
  leave(hash: ContentHash): void {
    this.#waiting.delete(hash);
  }

  #run(signal: AbortSignal): Promise<void> {
    const { log, backoff = BACKOFF } = this.#with;
    return repeat(signal, {
      backoff,
      turn: (own) => this.#turn(own),
      failed: (error, failures, waitMs) =>
        log.error({ err: error, failures, waitMs }, "publication contracts were not signed"),
    });
  }

  async #turn(signal: AbortSignal): Promise<number> {
    let failed: { readonly hash: ContentHash; readonly cause: unknown } | undefined;
    for (const hash of [...this.#waiting]) {
      if (signal.aborted) return 0;
      try {
        await this.#with.book.decide(hash, "accept");
        this.#waiting.delete(hash);
      } catch (cause) {
        // One that was decided about, or came to its end, meanwhile waits for nothing.
        if (cause instanceof SchakelError && cause.code === "ERROR_CODE_CONTRACT_DECIDED") {
          this.#waiting.delete(hash);
        } else {
          failed ??= { hash, cause };
        }
      }
    }
    if (failed === undefined) return IDLE_MS;
    throw new Error(`contract ${failed.hash} was not signed`, { cause: failed.cause });
  }
}
