// What is known of a group: its peers, their services and inways. A value: a change makes the next one.
// The directory and every consumer hold one, under the same rule for what replaces what.
import type { Clock } from "../core/clock.js";
import type { PeerId, ServiceName } from "../core/names.js";
import type { Announcement, ComponentKey } from "./announcement.js";
import {
  viewOf,
  type CatalogueEntry,
  type CataloguePeer,
  type CatalogueService,
  type Components,
  type InwayHealth,
  type PeerView,
} from "./peer-view.js";

export type {
  CatalogueEntry,
  CataloguePeer,
  CatalogueService,
  InwayHealth,
  ServiceInway,
} from "./peer-view.js";

/** What is to change. */
export interface CatalogueChanges {
  /** Components that are new or changed, verified. */
  readonly upserted: readonly {
    readonly announcement: Announcement;
    readonly health: InwayHealth;
    /** The services that the directory shows. */
    readonly shown: ReadonlySet<string>;
  }[];
  /** Components that are gone. */
  readonly removed?: readonly ComponentKey[];
  /** Whether `upserted` is everything: whatever else was there is gone. */
  readonly complete?: boolean;
}

/** The next catalogue, and the announcements that did not get in because a later one is known. */
export interface CatalogueStep {
  readonly catalogue: Catalogue;
  readonly outdated: readonly Announcement[];
}

/** How an announcement stands to what is known of its component. */
export type Standing = "newer" | "same" | "outdated";

/** The peer's part of a key, which has no "/" in it. */
const peerOfKey = (key: ComponentKey): PeerId => key.slice(0, key.indexOf("/")) as PeerId;

/**
 * The catalogue of one group at one moment. Immutable, so that it may be read anywhere without a lock.
 * Lookups leave out announcements whose validity has ended by the clock.
 */
export class Catalogue {
  readonly #clock: Clock;
  readonly #peers: ReadonlyMap<PeerId, Components>;
  #list: { readonly until: number; readonly peers: readonly CataloguePeer[] } | undefined;

  /** @param peers the components of each peer; owned by the catalogue from here on */
  constructor(
    readonly groupId: string,
    clock: Clock,
    peers: ReadonlyMap<PeerId, Components> = new Map(),
  ) {
    this.#clock = clock;
    this.#peers = peers;
  }

  /** A catalogue with the same group and clock and other components. */
  with(peers: ReadonlyMap<PeerId, Components>): Catalogue {
    return new Catalogue(this.groupId, this.#clock, peers);
  }

  /** Every peer's components, also those that are gone. */
  allPeers(): ReadonlyMap<PeerId, Components> {
    return this.#peers;
  }

  /** Every component that is known, also those that are gone, in no order. */
  *remembered(): Generator<CatalogueEntry> {
    for (const components of this.#peers.values()) yield* components.values();
  }

  /** Every live component, in no order. */
  *entries(): Generator<CatalogueEntry> {
    for (const entry of this.remembered()) if (this.#isLive(entry)) yield entry;
  }

  /** One live component. */
  entry(key: ComponentKey): CatalogueEntry | undefined {
    const entry = this.known(key);
    return entry !== undefined && this.#isLive(entry) ? entry : undefined;
  }

  /** A peer with at least one live component. */
  peer(peerId: PeerId): CataloguePeer | undefined {
    return this.#view(peerId)?.peer;
  }

  /** All peers with at least one live component, ordered by id. */
  peers(): readonly CataloguePeer[] {
    const now = this.#clock.now();
    if (this.#list === undefined || now >= this.#list.until) {
      const views = [...this.#peers.values()].map((components) => viewOf(components, now));
      const peers = views.map(({ peer }) => peer).filter((peer) => peer !== undefined);
      this.#list = {
        until: Math.min(...views.map(({ until }) => until)),
        peers: peers.sort((a, b) => (a.id < b.id ? -1 : 1)),
      };
    }
    return this.#list.peers;
  }

  /** A service that at least one live inway of the peer offers. */
  service(peerId: PeerId, name: ServiceName): CatalogueService | undefined {
    return this.#view(peerId)?.services.get(name);
  }

  /** All services of a peer, ordered by name. */
  services(peerId: PeerId): readonly CatalogueService[] {
    return [...(this.#view(peerId)?.services.values() ?? [])];
  }

  /** What is known of a component, also when it is gone. */
  known(key: ComponentKey): CatalogueEntry | undefined {
    return this.#peers.get(peerOfKey(key))?.get(key);
  }

  /** How an announcement stands to what is known; "same" when its bytes are those that are known. */
  standing({ key, sequence, signed }: Announcement): Standing {
    const known = this.known(key)?.announcement;
    if (known === undefined || sequence > known.sequence) return "newer";
    return known.signed.announcement.equals(signed.announcement) ? "same" : "outdated";
  }

  /** Whether an entry's announcement can never be used again, by the clock. */
  isOver({ announcement }: CatalogueEntry): boolean {
    return announcement.validUntil <= this.#clock.now();
  }

  #isLive(entry: CatalogueEntry): boolean {
    return entry.live && !this.isOver(entry);
  }

  #view(peerId: PeerId): PeerView | undefined {
    const components = this.#peers.get(peerId);
    return components && viewOf(components, this.#clock.now());
  }
}

const mark = (entry: CatalogueEntry): CatalogueEntry =>
  entry.live ? { ...entry, live: false } : entry;

/** Makes the next catalogue peer by peer, copying only the peers that change. */
class Step {
  readonly #peers: Map<PeerId, Components>;
  readonly #changed = new Map<PeerId, Map<ComponentKey, CatalogueEntry>>();

  constructor(private readonly catalogue: Catalogue) {
    this.#peers = new Map(catalogue.allPeers());
  }

  of(peerId: PeerId): Map<ComponentKey, CatalogueEntry> {
    const changed = this.#changed.get(peerId) ?? new Map(this.#peers.get(peerId));
    this.#changed.set(peerId, changed);
    return changed;
  }

  /** Leaves out what can never be used again, as nothing older can be either. */
  finish(): Catalogue {
    for (const [peerId, components] of this.#changed) {
      for (const [key, entry] of components) {
        if (this.catalogue.isOver(entry)) components.delete(key);
      }
      if (components.size === 0) this.#peers.delete(peerId);
      else this.#peers.set(peerId, components);
    }
    return this.catalogue.with(this.#peers);
  }
}

/**
 * Makes the next catalogue. An announcement with a lower sequence number than any before for its
 * component, or with the same number and other bytes, does not get in; what was known of the component stays.
 */
export const apply = (
  catalogue: Catalogue,
  { upserted, removed = [], complete = false }: CatalogueChanges,
): CatalogueStep => {
  const step = new Step(catalogue);
  const remove = (key: ComponentKey): void => {
    const components = step.of(peerOfKey(key));
    const entry = components.get(key);
    if (entry !== undefined) components.set(key, mark(entry));
  };
  if (complete) {
    const stays = new Set(upserted.map(({ announcement }) => announcement.key));
    for (const { announcement } of catalogue.remembered()) {
      if (!stays.has(announcement.key)) remove(announcement.key);
    }
  }
  removed.forEach(remove);
  const outdated: Announcement[] = [];
  for (const { announcement, health, shown } of upserted) {
    if (catalogue.standing(announcement) === "outdated") {
      outdated.push(announcement);
      continue;
    }
    const entry = { announcement, health, shown, live: true };
    step.of(announcement.peerId).set(announcement.key, entry);
  }
  return { catalogue: step.finish(), outdated };
};
