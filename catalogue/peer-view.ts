// What one peer offers, as it is looked up: made once for each state of its components and then reused,
// since every exchange looks something up.
import type { Address } from "../core/address.js";
import type { ComponentName, PeerId, ServiceName } from "../core/names.js";
import type { AnnouncedService, Announcement, ComponentKey } from "./announcement.js";

/** What the directory's last probe of an inway found. Not signed: it ranks inways and never chooses an identity. */
export type InwayHealth = "up" | "down" | "unknown";

/** One component. */
export interface CatalogueEntry {
  readonly announcement: Announcement;
  readonly health: InwayHealth;
  /** The services that the directory shows: those with a valid publication contract. */
  readonly shown: ReadonlySet<string>;
  /** False when it is gone. It is kept until its announcement ends, so that no older one can be played again. */
  readonly live: boolean;
}

/** One inway of a service. */
export interface ServiceInway {
  readonly component: ComponentName;
  readonly address: Address;
  readonly health: InwayHealth;
  /** The version of its software. */
  readonly version: string;
}

/** A service with who offers it and where. */
export interface CatalogueService {
  readonly peerId: PeerId;
  /** Display only. */
  readonly peerName: string;
  readonly service: AnnouncedService;
  /** At least one, ordered by component name. */
  readonly inways: readonly ServiceInway[];
}

/** One organisation of the group. */
export interface CataloguePeer {
  readonly id: PeerId;
  /** Display only. */
  readonly name: string;
  /** How many live inways it has. */
  readonly inways: number;
  /** How many live outways it has. */
  readonly outways: number;
}

/** Everything known of one peer's components, also those that are gone. Never changed once it is in a catalogue. */
export type Components = ReadonlyMap<ComponentKey, CatalogueEntry>;

/** What one peer offers until some moment. */
export interface PeerView {
  /** When the first of the announcements ends, in milliseconds since 1970; the view is right before it. */
  readonly until: number;
  /** Undefined when no component is live. */
  readonly peer: CataloguePeer | undefined;
  /** Ordered by name. */
  readonly services: ReadonlyMap<ServiceName, CatalogueService>;
}

const made = new WeakMap<Components, PeerView>();

/** What a peer's components offer at this moment, in milliseconds since 1970. */
export const viewOf = (components: Components, now: number): PeerView => {
  const before = made.get(components);
  if (before !== undefined && now < before.until) return before;
  const view = build(components, now);
  made.set(components, view);
  return view;
};

const byComponent = (a: CatalogueEntry, b: CatalogueEntry): number =>
  a.announcement.component < b.announcement.component ? -1 : 1;

const build = (components: Components, now: number): PeerView => {
  const live = [...components.values()]
    .filter((entry) => entry.live && entry.announcement.validUntil > now)
    .sort(byComponent);
  const inways = live.filter(({ announcement }) => announcement.kind === "inway").length;
  const first = live[0]?.announcement;
  return {
    until: Math.min(...live.map(({ announcement }) => announcement.validUntil)),
    peer: first && {
      id: first.peerId,
      name: first.peerName,
      inways,
      outways: live.length - inways,
    },
    services: servicesOf(live),
  };
};

const servicesOf = (
  live: readonly CatalogueEntry[],
): ReadonlyMap<ServiceName, CatalogueService> => {
  const offers = live.flatMap((entry) =>
    (entry.announcement.inway?.services ?? [])
      .filter(({ name }) => entry.shown.has(name))
      .map((service) => ({ service, entry })),
  );
  const byName = Map.groupBy(offers, ({ service }) => service.name);
  const sorted = [...byName].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(
    sorted.flatMap(([name, group]) => {
      const [first] = group;
      if (first === undefined) return [];
      const { peerId, peerName } = first.entry.announcement;
      const inways = group.flatMap(({ entry }) => serviceInway(entry));
      return [[name, { peerId, peerName, service: first.service, inways }] as const];
    }),
  );
};

const serviceInway = ({ announcement, health }: CatalogueEntry): ServiceInway[] => {
  const { component, inway, version } = announcement;
  return inway === undefined ? [] : [{ component, address: inway.address, health, version }];
};
