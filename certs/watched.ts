// A value that comes from files and follows them: read again when one changes, swapped whole, and kept
// as it was when the new content is wrong.
import { watchFileChanges } from "../core/watch-file.js";

/** Where a watched value comes from. */
export interface Watching<T> {
  readonly paths: readonly string[];
  /** Reads the value; given the current one, it may return that to say that nothing changed. */
  readonly read: (current: T | undefined) => Promise<T>;
  /** Called when a new content is wrong, with the reason; the value stays as it was. */
  readonly failed: (error: unknown) => void;
}

// Key and certificate are replaced one after the other: what stands between the two steps is not read.
const SETTLE_MS = 250;

/** A value read from files, and again after each change. Its owner closes it. */
export class Watched<T> {
  readonly #watching: Watching<T>;
  readonly #listeners = new Set<(value: T) => void>();
  readonly #stops: readonly (() => void)[];
  #current: T | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reading: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(watching: Watching<T>) {
    this.#watching = watching;
    this.#stops = watching.paths.map((path) => watchFileChanges(path, () => this.reload()));
  }

  /** Begins to watch and reads the value for the first time. Rejects with what `read` rejects with. */
  static async open<T>(watching: Watching<T>): Promise<Watched<T>> {
    const watched = new Watched(watching);
    try {
      // A change that is noticed meanwhile waits its turn behind the first reading.
      watched.#reading = watching.read(undefined).then((value) => {
        watched.#current = value;
      });
      await watched.#reading;
      return watched;
    } catch (error) {
      watched.close();
      throw error;
    }
  }

  /** The last value that was right. */
  get current(): T {
    if (this.#current === undefined)
      throw new TypeError("a watched value is used before it is open");
    return this.#current;
  }

  /** Calls the listener with each new value. Returns the function that ends this. */
  onChange(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads again soon. Readings never overlap; several calls within a quarter of a second are one. */
  reload(): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#reading = this.#reading.then(() => this.#read());
    }, SETTLE_MS).unref();
  }

  /** Replaces the value by one made of it, and tells the listeners. */
  replace(change: (value: T) => T): void {
    this.#take(change(this.current));
  }

  #take(value: T): void {
    this.#current = value;
    for (const listener of [...this.#listeners]) listener(value);
  }

  /** Ends the watch; no listener is called from now on. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const stop of this.#stops) stop();
    this.#listeners.clear();
  }

  async #read(): Promise<void> {
    try {
      const value = await this.#watching.read(this.#current);
      if (this.#closed || value === this.#current) return;
      this.#take(value);
    } catch (error) {
      if (!this.#closed) this.#watching.failed(error);
    }
  }
}
