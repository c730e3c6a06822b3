// What a witness keeps, in memory.
import type { WitnessedCheckpoint, WitnessStore } from "../../txlog/tree/witness.js";

/** One checkpoint a log. */
export class MemoryWitness implements WitnessStore {
  readonly #kept = new Map<string, WitnessedCheckpoint>();

  get(origin: string): Promise<WitnessedCheckpoint | undefined> {
    return Promise.resolve(this.#kept.get(origin));
  }

  put(origin: string, oldSize: number, checkpoint: WitnessedCheckpoint): Promise<boolean> {
    if ((this.#kept.get(origin)?.size ?? 0) !== oldSize) return Promise.resolve(false);
    this.#kept.set(origin, checkpoint);
    return Promise.resolve(true);
  }
}
