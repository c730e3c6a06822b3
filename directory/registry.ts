// The state of a directory: the catalogue, in memory and in the store, and the lease of each component.
import { AnnouncementError, componentKey, verifyAnnouncement } from "../catalogue/announcement.js";
import type {
  Announcement,
  ComponentKey,
  ComponentKind,
  SignedAnnouncement,
} from "../catalogue/announcement.js";
import {
  apply,
  Catalogue,
  type CatalogueChanges,
  type InwayHealth,
} from "../catalogue/catalogue.js";
import type { GroupSource } from "../certs/group.js";
import type { PeerIdentity } from "../certs/identity.js";
import type { Clock } from "../core/clock.js";
import { SchakelError } from "../core/errors.js";
import type { Log } from "../core/log.js";
import type { ComponentName, PeerId } from "../core/names.js";
import type { DirectoryStore } from "./store.js";

/** What a registry stands on. */
export interface RegistryParts {
  readonly groups: GroupSource;
  readonly store: DirectoryStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly leaseMs: number;
  /** Whether inways may listen on any port instead of the group's alone. */
  readonly anyPort: boolean;
  readonly componentsPerPeerMax: number;
  readonly componentsMax: number;
  /** The services of a peer that are shown: those with a valid publication contract. */
  readonly published: (peer: PeerId) => ReadonlySet<string>;
}

/** What is to change; which services are shown follows from the publication contracts. */
interface RegistryChanges {
  readonly upserted: readonly Omit<CatalogueChanges["upserted"][number], "shown">[];
  readonly removed?: readonly ComponentKey[];
}

/** Hears which components have changed. */
export type RegistryListener = (changed: readonly ComponentKey[]) => void;

/**
 * All that a directory knows. Changes run one after the other; each is durable before it shows. Reads
 * take `current`, which is replaced whole.
 */
export class Registry {
  #current: Catalogue;
  readonly #parts: RegistryParts;
  /** When each live component's lease ends, on our own monotonic clock: a peer with a wrong clock would otherwise look alive for ever. */
  readonly #leases = new Map<ComponentKey, number>();
  readonly #listeners = new Set<RegistryListener>();
  #last: Promise<unknown> = Promise.resolve();

  private constructor(parts: RegistryParts) {
    this.#parts = parts;
    this.#current = new Catalogue(parts.groups.current.id, parts.clock);
  }

  /** Opens the registry with what the store holds; the leases begin anew. */
  static async open(parts: RegistryParts): Promise<Registry> {
    const registry = new Registry(parts);
    const stored = (await parts.store.load()).flatMap(({ live, signed }) => {
      const announcement = registry.#verifyStored(signed);
      return announcement === undefined ? [] : [{ announcement, live }];
    });
    const keysOf = (wanted: boolean): ComponentKey[] =>
      stored.filter(({ live }) => live === wanted).map(({ announcement }) => announcement.key);
    const health = "unknown";
    registry.#apply({ upserted: stored.map(({ announcement }) => ({ announcement, health })) });
    registry.#apply({ upserted: [], removed: keysOf(false) });
    for (const key of keysOf(true)) registry.#renew(key);
    return registry;
  }

  /** What is known now. */
  get current(): Catalogue {
    return this.#current;
  }

  /** Calls back after each change. Returns the function that ends that. */
  onChange(listener: RegistryListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Stores what a component says of itself and starts or renews its lease. Durable when it resolves.
   *
   * @param caller the peer whose certificate the connection has
   * @throws SchakelError as the interface says
   */
  async announce(signed: SignedAnnouncement, caller: PeerIdentity): Promise<void> {
    const announcement = this.#verify(signed);
    if (announcement.peerId !== caller.peerId) {
      throw new SchakelError("ERROR_CODE_ANNOUNCEMENT_INVALID", {
        detail: `peer ${announcement.peerId} signed it, peer ${caller.peerId} sent it`,
      });
    }
    await this.#inOrder(async () => {
      const known = this.#current.known(announcement.key);
      const standing = this.#current.standing(announcement);
      if (standing === "outdated") throw outdated(known?.announcement.sequence ?? 0);
      if (known === undefined) this.#checkLimits(announcement);
      if (standing === "newer" || known?.live !== true) {
        await this.#parts.store.save(announcement);
        const inPlace = known?.announcement.inway?.address;
        const moved = !sameAddress(inPlace, announcement.inway?.address);
        const health = known?.live === true && !moved ? known.health : "unknown";
        this.#apply({ upserted: [{ announcement, health }] });
      }
      this.#renew(announcement.key);
    });
  }

  /** Ends the lease of one component of the caller. Nothing happens when there is none. */
  withdraw(caller: PeerIdentity, kind: ComponentKind, component: ComponentName): Promise<void> {
    const key = componentKey(caller.peerId, kind, component);
    return this.#inOrder(() => this.#end(this.#leases.has(key) ? [key] : []));
  }

  /** Ends every lease that has run out and every announcement that is no longer valid. */
  expire(): Promise<void> {
    return this.#inOrder(async () => {
      const now = this.#parts.clock.monotonic();
      await this.#end(
        [...this.#leases]
          .filter(([key, until]) => until <= now || this.#current.entry(key) === undefined)
          .map(([key]) => key),
      );
      await this.#parts.store.forget(this.#parts.clock.now());
    });
  }

  /** Verifies every live announcement again after the group has changed, and ends those that do not hold. */
  recheck(): Promise<void> {
    return this.#inOrder(() =>
      this.#end(
        [...this.#current.entries()]
          .map(({ announcement }) => announcement)
          .filter(({ signed }) => this.#verifyStored(signed) === undefined)
          .map(({ key }) => key),
      ),
    );
  }

  /** Notes what a probe found, unless the inway has announced something else or gone meanwhile. Not kept over a restart. */
  setHealth({ key, sequence }: Announcement, health: InwayHealth): void {
    const entry = this.#current.entry(key);
    if (entry?.announcement.sequence !== sequence || entry.health === health) return;
    this.#apply({ upserted: [{ announcement: entry.announcement, health }] });
  }

  /** Shows of a peer what is published now: called when that may have changed. */
  recheckPublications(peer: PeerId): void {
    const names = this.#parts.published(peer);
    const components = this.#current.allPeers().get(peer)?.keys() ?? [];
    const changed = [...components]
      .map((key) => this.#current.entry(key))
      .filter((entry) => entry !== undefined)
      .filter(({ shown }) => !sameNames(shown, names));
    if (changed.length > 0) this.#apply({ upserted: changed });
  }

  /** Resolves when every change that was begun has ended. */
  async settled(): Promise<void> {
    await this.#last;
  }

  #verify(signed: SignedAnnouncement): Announcement {
    const { groups, clock, anyPort } = this.#parts;
    try {
      return verifyAnnouncement(signed, { group: groups.current, now: clock.now(), anyPort });
    } catch (error) {
      if (!(error instanceof AnnouncementError)) throw error;
      throw new SchakelError(error.code, { detail: error.message, cause: error });
    }
  }

  #verifyStored(signed: SignedAnnouncement): Announcement | undefined {
    try {
      return this.#verify(signed);
    } catch (error) {
      if (!(error instanceof SchakelError)) throw error;
      this.#parts.log.warn({ reason: error.detail }, "a stored announcement no longer holds");
      return undefined;
    }
  }

  #checkLimits({ peerId }: Announcement): void {
    const { componentsPerPeerMax, componentsMax } = this.#parts;
    const peers = this.#current.allPeers();
    if ((peers.get(peerId)?.size ?? 0) >= componentsPerPeerMax) {
      throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", {
        detail: `a peer may announce ${componentsPerPeerMax} components`,
      });
    }
    const all = [...peers.values()].reduce((sum, { size }) => sum + size, 0);
    if (all >= componentsMax) {
      throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", {
        detail: `the group may have ${componentsMax} components`,
      });
    }
  }

  async #end(keys: readonly ComponentKey[]): Promise<void> {
    if (keys.length === 0) return;
    await this.#parts.store.end(keys);
    for (const key of keys) this.#leases.delete(key);
    this.#apply({ upserted: [], removed: keys });
  }

  #renew(key: ComponentKey): void {
    this.#leases.set(key, this.#parts.clock.monotonic() + this.#parts.leaseMs);
  }

  #apply({ upserted, removed = [] }: RegistryChanges): void {
    const { published } = this.#parts;
    const shown = upserted.map((entry) => ({
      ...entry,
      shown: published(entry.announcement.peerId),
    }));
    this.#current = apply(this.#current, { upserted: shown, removed }).catalogue;
    const changed = [...upserted.map(({ announcement }) => announcement.key), ...removed];
    for (const listener of this.#listeners) listener(changed);
  }

  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

const sameNames = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean =>
  a.size === b.size && [...a].every((name) => b.has(name));

const sameAddress = (
  a: { readonly host: string; readonly port: number } | undefined,
  b: { readonly host: string; readonly port: number } | undefined,
): boolean => a?.host === b?.host && a?.port === b?.port;

const outdated = (known: number): SchakelError =>
  new SchakelError("ERROR_CODE_ANNOUNCEMENT_OUTDATED", {
    detail: `sequence number ${known} is known`,
    choices: [String(known + 1)],
  });
