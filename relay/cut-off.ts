// Signals that outlive any number of exchanges: one listener for all who follow a signal at a time, and none
// when nobody does.

/** Whoever is to be told when a signal aborts. */
export interface Cuttable {
  cutOff(): void;
}

/** All who follow one signal. */
class Followers {
  readonly #all = new Set<Following>();
  readonly #listener = (): void => {
    for (const one of [...this.#all]) one.cut();
  };

  constructor(private readonly signal: AbortSignal) {}

  add(one: Following): void {
    if (this.#all.size === 0) this.signal.addEventListener("abort", this.#listener);
    this.#all.add(one);
  }

  remove(one: Following): void {
    if (!this.#all.delete(one) || this.#all.size > 0) return;
    this.signal.removeEventListener("abort", this.#listener);
  }
}

const followers = new WeakMap<AbortSignal, Followers>();

/** Has somebody cut off when a signal aborts, which it must not have done yet, until `end`. */
export class Following {
  // Let go of at the end: what a Set has outgrown lives on with all that it held, and so would the exchange.
  #who: Cuttable | undefined;
  readonly #among: Followers;

  constructor(signal: AbortSignal, who: Cuttable) {
    this.#who = who;
    this.#among = followers.get(signal) ?? new Followers(signal);
    followers.set(signal, this.#among);
    this.#among.add(this);
  }

  /** The signal has aborted. */
  cut(): void {
    this.#who?.cutOff();
  }

  /** May be called more than once. */
  end(): void {
    this.#who = undefined;
    this.#among.remove(this);
  }
}
