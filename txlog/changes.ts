// Waiting for the next of many changes.

/** A change that comes while nobody waits is not missed: the next wait ends at once. */
export class Changes {
  #resolve: (() => void) | undefined;
  #isDue = false;

  /** Something has changed. */
  notify(): void {
    this.#isDue = true;
    this.#resolve?.();
  }

  /** Resolves at the next change. One call at a time. */
  async next(): Promise<void> {
    if (!this.#isDue) await new Promise<void>((resolve) => (this.#resolve = resolve));
    this.#isDue = false;
    this.#resolve = undefined;
  }
}
