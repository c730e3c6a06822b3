// Co-signs the checkpoints of other peers' logs (C2SP tlog-witness): only for the peer whose log it is.
import type { Group } from "../../certs/group.js";
import type { Clock } from "../../core/clock.js";
import type { PeerId } from "../../core/names.js";
import { LogFault } from "../tree/log-fault.js";
import type { NoteKey, Verifier } from "../tree/note.js";
import { addCheckpoint, type WitnessAnswer, type WitnessStore } from "../tree/witness.js";
import { peerOfOrigin, type OtherKeys } from "./other-keys.js";

/** What a witness stands on. */
export interface WitnessDeskParts {
  readonly groups: { readonly current: Group };
  readonly store: WitnessStore;
  readonly keys: OtherKeys;
  /** Of type 4. */
  readonly key: () => NoteKey;
  readonly clock: Clock;
}

/** Answers the requests of peers. */
export class WitnessDesk {
  /** One request of a peer at a time: what it asks is decided by what was kept before. */
  readonly #running = new Map<PeerId, Promise<unknown>>();

  constructor(private readonly parts: WitnessDeskParts) {}

  /**
   * Answers a request as C2SP has it. A log of another peer than the caller's is not known.
   *
   * Rejects with what the store throws, and what fetching the caller's keys throws.
   */
  async answer(body: string, caller: PeerId): Promise<WitnessAnswer> {
    const before = this.#running.get(caller) ?? Promise.resolve();
    const run = before.then(
      () => this.#answer(body, caller),
      () => this.#answer(body, caller),
    );
    this.#running.set(caller, run);
    try {
      return await run;
    } finally {
      if (this.#running.get(caller) === run) this.#running.delete(caller);
    }
  }

  async #answer(body: string, caller: PeerId): Promise<WitnessAnswer> {
    const { store, key, clock, keys } = this.parts;
    const ask = (): Promise<WitnessAnswer> =>
      addCheckpoint(body, {
        ...{ store, key: key(), nowSeconds: Math.floor(clock.now() / 1000) },
        keysOf: (origin) => this.#keysOf(origin, caller),
      });
    const answer = await ask();
    if (answer.status !== 403) return answer;
    // It may have a new key since its statements were fetched.
    keys.forget(caller);
    return ask();
  }

  async #keysOf(origin: string, caller: PeerId): Promise<readonly Verifier[] | undefined> {
    const { groups, keys } = this.parts;
    if (peerOfOrigin(origin, groups.current) !== caller) return undefined;
    try {
      return await keys.of(caller, "log");
    } catch (error) {
      if (error instanceof LogFault) return [];
      throw error;
    }
  }
}
