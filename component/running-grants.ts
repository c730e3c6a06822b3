// Cuts the exchanges of a grant when it may be used no longer, by anybody or by whoever uses it: a stream or WebSocket
// would otherwise outlive its contract.
import type { GrantHash } from "../contracts/hash.js";
import type { StateSource } from "./state-source.js";

/** An exchange that runs under a grant. */
export interface RunningGrant {
  /** Aborts, with the refusal as its reason, when the grant may be used no longer. */
  readonly signal: AbortSignal;
  /** To be called once, when the exchange has ended. */
  end(): void;
}

/** Whoever uses a grant, where not everybody may. */
export interface GrantUser {
  /** Tells it from all others. */
  readonly key: string;
  /** Why it may not use a grant at this moment; undefined when it may. Asked only while the grant itself may be used. */
  refusal(hash: GrantHash): Error | undefined;
}

interface Running {
  readonly hash: GrantHash;
  readonly user: GrantUser | undefined;
  readonly aborter: AbortController;
  exchanges: number;
}

/** The grants under which exchanges run now. */
export class RunningGrants {
  readonly #running = new Map<string, Running>();
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
  begin(hash: GrantHash, user?: GrantUser): RunningGrant {
    const key = `${hash} ${user?.key ?? ""}`;
    const running = this.#running.get(key) ?? {
      ...{ hash, user, aborter: new AbortController(), exchanges: 0 },
    };
    running.exchanges += 1;
    this.#running.set(key, running);
    return {
      signal: running.aborter.signal,
      end: () => {
        running.exchanges -= 1;
        // What was cut has made room for others under the same key.
        if (running.exchanges === 0 && this.#running.get(key) === running) {
          this.#running.delete(key);
        }
      },
    };
  }

  /** Ends the watch; what runs is cut no more. */
  close(): void {
    this.#unsubscribe();
  }

  #check(): void {
    for (const [key, { hash, user, aborter }] of [...this.#running]) {
      const refusal = this.refusalOf(hash) ?? user?.refusal(hash);
      if (refusal === undefined) continue;
      this.#running.delete(key);
      aborter.abort(refusal);
    }
  }
}
