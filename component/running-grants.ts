// Cuts the exchanges of a grant when it may be used no longer: a stream or WebSocket would otherwise outlive its
// contract.
import type { GrantHash } from "../contracts/hash.js";
import type { StateSource } from "./state-source.js";

/** An exchange that runs under a grant. */
export interface RunningGrant {
  /** Aborts, with the refusal as its reason, when the grant may be used no longer. */
  readonly signal: AbortSignal;
  /** To be called once, when the exchange has ended. */
  end(): void;
}

interface Running {
  readonly aborter: AbortController;
  exchanges: number;
}

/** The grants under which exchanges run now. */
export class RunningGrants {
  readonly #running = new Map<GrantHash, Running>();
  readonly #unsubscribe: () => void;

  /**
   * @param refusalOf why a grant may not be used at this moment; undefined when it may. Asked after each change
   * of the state, and twice a second, for the grants that are in use.
   */
  constructor(
    source: Pick<StateSource, "onTick">,
    private readonly refusalOf: (hash: GrantHash) => Error | undefined,
  ) {
    this.#unsubscribe = source.onTick(() => this.#check());
  }

  /** Notes an exchange that is about to run. */
  begin(hash: GrantHash): RunningGrant {
    const running = this.#running.get(hash) ?? { aborter: new AbortController(), exchanges: 0 };
    running.exchanges += 1;
    this.#running.set(hash, running);
    return {
      signal: running.aborter.signal,
      end: () => {
        running.exchanges -= 1;
        // A grant that was cut has made room for a new one under the same hash.
        if (running.exchanges === 0 && this.#running.get(hash) === running) {
          this.#running.delete(hash);
        }
      },
    };
  }

  /** Ends the watch; what runs is cut no more. */
  close(): void {
    this.#unsubscribe();
  }

  #check(): void {
    for (const [hash, { aborter }] of [...this.#running]) {
      const refusal = this.refusalOf(hash);
      if (refusal === undefined) continue;
      this.#running.delete(hash);
      aborter.abort(refusal);
    }
  }
}
