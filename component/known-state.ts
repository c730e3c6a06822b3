// The state that is in use: verified, in memory and on disk, with the time since the manager was heard.
import type { BundleSource } from "../certs/bundle.js";
import type { GroupSource } from "../certs/group.js";
import type { Clock } from "../core/clock.js";
import type { Log } from "../core/log.js";
import type { WatchStateResponse } from "../proto/gen/schakel/manager/v1/component.js";
import type { ComponentState } from "./component-state.js";
import { applied, NOTHING, saysSomething, type Held, type Reading } from "./held.js";
import { stateOf } from "./held-state.js";
import { StateFile, type StateOwner } from "./state-file.js";
import type { StreamTaking } from "./state-stream.js";
import { tokenSigners, type TokenSigners } from "./token-signers.js";
import { messageOf } from "./write-message.js";

/** How often the disk learns that the manager is still heard: a restart counts the silence from there. */
const HEARD_WRITE_MS = 5 * 60_000;
/** How far behind the time on disk the clock may be at a start: clocks are corrected by a little. */
const SET_BACK_MS_MAX = 60_000;

/** What the known state stands on. */
export interface KnowingState {
  readonly role: "inway" | "outway";
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
  readonly file: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** When the manager was heard, by both clocks: the one goes on while a machine sleeps, the other never jumps. */
interface Heard {
  readonly now: number;
  readonly monotonic: number;
  /** Whether it was before this process began, so that only the clock can tell how long ago. */
  readonly before: boolean;
}

const sameKeys = (a: TokenSigners, b: TokenSigners): boolean =>
  a.keys.size === b.keys.size && [...a.keys.keys()].every((thumbprint) => b.keys.has(thumbprint));

const sameLists = (a: Held["revocationLists"], b: Held["revocationLists"]): boolean =>
  a.size === b.size && [...a].every(([issuer, list]) => b.get(issuer) === list);

/** Holds the state in use and replaces it whole. */
export class KnownState {
  readonly #with: KnowingState;
  readonly #file: StateFile;
  readonly #listeners = new Set<(state: ComponentState) => void>();
  #held: Held | undefined;
  #current: ComponentState | undefined;
  #signers: TokenSigners = { keys: new Map(), until: Infinity };
  #heard: Heard | undefined;
  #heardWritten = -Infinity;

  private constructor(knowing: KnowingState) {
    this.#with = knowing;
    this.#file = new StateFile(knowing.file, knowing.log);
  }

  /** Opens it with what lies on disk. A file that cannot be used is logged and left out. */
  static async open(knowing: KnowingState): Promise<KnownState> {
    const known = new KnownState(knowing);
    try {
      await known.#load();
    } catch (error) {
      knowing.log.warn({ err: error, file: knowing.file }, "the stored state is not used");
    }
    return known;
  }

  /** The state in use; undefined when there has been none. */
  get current(): ComponentState | undefined {
    return this.#current;
  }

  /**
   * How long nothing has been heard of the manager, in milliseconds; undefined when nothing ever was, infinite
   * when nobody can know, since the clock has been set back from what the disk says.
   */
  get silenceMs(): number | undefined {
    const { clock } = this.#with;
    if (this.#heard === undefined) return undefined;
    const { now, monotonic, before } = this.#heard;
    if (before && clock.now() + SET_BACK_MS_MAX < now) return Infinity;
    return Math.max(0, clock.now() - now, clock.monotonic() - monotonic);
  }

  /** Calls back after each change. Returns the function that ends that. */
  onChange(listener: (state: ComponentState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What takes the messages of a new stream: the first full state is taken into use when it is complete. */
  begin(): StreamTaking {
    // Lists only ever become newer, whatever a manager that lost some of its memory says.
    const { revocationLists } = this.#held ?? NOTHING;
    let snapshot: Held | undefined = { ...NOTHING, revocationLists };
    return {
      get isComplete() {
        return snapshot === undefined;
      },
      take: (message) => {
        if (snapshot === undefined) {
          this.#change(message);
        } else {
          if (!message.snapshot) throw new Error("the stream does not begin with the full state");
          snapshot = applied(snapshot, message, this.#reading());
          if (!message.snapshotComplete) return;
          this.#use(snapshot);
          snapshot = undefined;
        }
        this.#hear();
      },
    };
  }

  /** Checks again what depends on the group or the time: token signers that count no more are left out. */
  recheck(): void {
    if (this.#held === undefined) return;
    const { keys } = this.#signers;
    this.#check(this.#held);
    if (keys !== this.#signers.keys) this.#swap(this.#held);
  }

  /** To be called now and then: a token signer whose certificate has ended, or whose CA's list is too old, is left out. */
  tick(): void {
    if (this.#with.clock.now() > this.#signers.until) this.recheck();
  }

  /** Writes what is not on disk yet. */
  async close(): Promise<void> {
    if (this.#held !== undefined && this.#heard !== undefined) this.#write(this.#held, this.#heard);
    await this.#file.close();
  }

  get #owner(): StateOwner {
    const { groups, bundles, role } = this.#with;
    return { groupId: groups.current.id, peerId: bundles.current.identity.peerId, role };
  }

  async #load(): Promise<void> {
    const { clock, log } = this.#with;
    const stored = await this.#file.read();
    const owner = this.#owner;
    if (stored === undefined) return;
    if (
      stored.groupId !== owner.groupId ||
      stored.peerId !== owner.peerId ||
      stored.role !== owner.role
    ) {
      throw new Error("the state is of another group, peer or component");
    }
    const silentMs = Math.max(0, clock.now() - stored.heardAt);
    this.#heard = { now: stored.heardAt, monotonic: clock.monotonic() - silentMs, before: true };
    this.#use(applied(NOTHING, stored.message, this.#reading()));
    log.info({ silentMs, contracts: this.#current?.contracts.size }, "the stored state is in use");
  }

  #reading(): Reading {
    const { groups, log } = this.#with;
    const { id: groupId, peerIdRule, anchors } = groups.current;
    return {
      group: { groupId, peerIdRule, anchors },
      leftOut: (what, reason) => log.error({ what, reason }, "a part of the state is left out"),
    };
  }

  #change(message: WatchStateResponse): void {
    if (this.#held !== undefined && saysSomething(message)) {
      this.#use(applied(this.#held, message, this.#reading()));
    }
  }

  #hear(): void {
    const { clock } = this.#with;
    this.#heard = { now: clock.now(), monotonic: clock.monotonic(), before: false };
    if (this.#held !== undefined && this.#heard.monotonic - this.#heardWritten > HEARD_WRITE_MS) {
      this.#write(this.#held, this.#heard);
    }
  }

  #use(held: Held): void {
    const { revocationLists: lists } = this.#held ?? NOTHING;
    this.#held = held;
    if (!sameLists(lists, held.revocationLists)) {
      this.#with.groups.setRevocationLists(
        [...held.revocationLists.values()].map(({ list }) => list),
      );
      this.#with.log.info({ lists: held.revocationLists.size }, "revocation lists are in use");
    }
    this.#check(held);
    this.#swap(held);
    if (this.#heard !== undefined) this.#write(held, this.#heard);
  }

  #check({ tokenSigners: listed }: Held): void {
    const { groups, bundles, clock } = this.#with;
    const signers = tokenSigners(listed, {
      group: groups.current,
      bundle: bundles.current,
      now: clock.now(),
      leftOut: this.#reading().leftOut,
    });
    // The same keys stay the same value: whoever verified something by them need not do so again.
    this.#signers = sameKeys(signers, this.#signers)
      ? { ...signers, keys: this.#signers.keys }
      : signers;
  }

  #swap(held: Held): void {
    const state = stateOf(held, this.#signers.keys);
    this.#current = state;
    for (const listener of this.#listeners) listener(state);
  }

  #write(held: Held, heard: Heard): void {
    const { clock } = this.#with;
    this.#heardWritten = heard.monotonic;
    // When the clock has been set back meanwhile, the silence still counts after a restart.
    const silent = clock.now() - (clock.monotonic() - heard.monotonic);
    const heardAt = this.silenceMs === Infinity ? heard.now : Math.min(heard.now, silent);
    this.#file.write(() => ({
      ...this.#owner,
      heardAt: Math.max(0, Math.floor(heardAt)),
      message: messageOf(held),
    }));
  }
}
