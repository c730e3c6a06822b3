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

/** What runs under a grant for one user of it. */
class Running implements RunningGrant {
  exchanges = 0;
  readonly #aborter = new AbortController();
  readonly signal = this.#aborter.signal;

  constructor(
    private readonly of: Map<string, Running>,
    readonly user: GrantUser | undefined,
  ) {}

  end(): void {
    this.exchanges -= 1;
  }

  cut(refusal: Error): void {
    this.of.delete(keyOf(this.user));
    this.#aborter.abort(refusal);
  }
}

const keyOf = (user: GrantUser | undefined): string => user?.key ?? "";

/** The grants under which exchanges run now. */
export class RunningGrants {
  /** By grant, and then by user; those without an exchange until the next check. */
  readonly #running = new Map<GrantHash, Map<string, Running>>();
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
    const users = this.#running.get(hash) ?? new Map<string, Running>();
    if (users.size === 0) this.#running.set(hash, users);
    const key = keyOf(user);
    const running = users.get(key) ?? new Running(users, user);
    if (running.exchanges === 0) users.set(key, running);
    running.exchanges += 1;
    return running;
  }

  /** Ends the watch; what runs is cut no more. */
  close(): void {
    this.#unsubscribe();
  }

  #check(): void {
    for (const [hash, users] of [...this.#running]) {
      if (users.size === 0) this.#running.delete(hash);
      for (const [key, running] of [...users]) {
        // Until now it was kept for the next exchange, which then needs no signal of its own.
        if (running.exchanges === 0) {
          users.delete(key);
          continue;
        }
        const refusal = this.refusalOf(hash) ?? running.user?.refusal(hash);
        if (refusal !== undefined) running.cut(refusal);
      }
    }
  }
}
