// Who wants to hear of a change.
import type { Unsubscribe } from "./feed.js";

/** A set of listeners that are called in the order in which they came. */
export class Listeners<Args extends readonly unknown[]> {
  readonly #listeners = new Set<(...args: Args) => void>();

  /** Adds a listener, which must not throw. Returns the function that removes it. */
  add(listener: (...args: Args) => void): Unsubscribe {
    const own = (...args: Args): void => listener(...args);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Calls every listener. */
  call(...args: Args): void {
    for (const listener of [...this.#listeners]) listener(...args);
  }
}
