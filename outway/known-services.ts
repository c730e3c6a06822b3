// Which peers and services the outway knows of: those of the catalogue, and those that its contracts name, which need
// not stand in a directory.
import type { Catalogue } from "../catalogue/catalogue.js";
import type { ComponentState } from "../component/component-state.js";
import { isConnection } from "../contracts/grant.js";
import { madeOnce } from "../core/made-once.js";
import type { PeerId, ServiceName } from "../core/names.js";

/** What looking up needs of the catalogue. */
export type CatalogueLookup = Pick<Catalogue, "peer" | "peers" | "service" | "services">;

type ByPeer = ReadonlyMap<PeerId, readonly ServiceName[]>;

/** The services that the contracts of a state name; made once for each state. */
const contracted = madeOnce((state: ComponentState): ByPeer => {
  const byPeer = new Map<PeerId, Set<ServiceName>>();
  for (const { content } of state.contracts.values()) {
    for (const { data } of content.grants.filter(({ data }) => isConnection(data))) {
      const { peer_id: peerId, name } = data.service;
      byPeer.set(peerId, (byPeer.get(peerId) ?? new Set()).add(name));
    }
  }
  return new Map([...byPeer].map(([peerId, names]) => [peerId, [...names].sort()] as const));
});

/** Peers and services at one moment. */
export class KnownServices {
  readonly #catalogue: CatalogueLookup | undefined;
  readonly #state: ComponentState | undefined;

  /** Either may be undefined: nothing has come yet. */
  constructor(catalogue: CatalogueLookup | undefined, state: ComponentState | undefined) {
    this.#catalogue = catalogue;
    this.#state = state;
  }

  /** Whether a catalogue has come: without one nobody can say what does not exist. */
  get hasCatalogue(): boolean {
    return this.#catalogue !== undefined;
  }

  /** Whether the peer is known. */
  hasPeer(peerId: PeerId): boolean {
    return this.#catalogue?.peer(peerId) !== undefined || this.#contracted.has(peerId);
  }

  /** Whether the service of the peer is known. */
  hasService(peerId: PeerId, name: ServiceName): boolean {
    return (
      this.#catalogue?.service(peerId, name) !== undefined ||
      (this.#state?.grantsFor(peerId, name).length ?? 0) > 0
    );
  }

  /** The peer whose id is this in lower case. */
  peerLike(lower: string): PeerId | undefined {
    const isIt = (id: PeerId): boolean => id.toLowerCase() === lower;
    const listed = this.#catalogue?.peers().find(({ id }) => isIt(id))?.id;
    return listed ?? [...this.#contracted.keys()].find(isIt);
  }

  /** The service of the peer whose name is this in lower case. */
  serviceLike(peerId: PeerId, lower: string): ServiceName | undefined {
    return this.services(peerId).find((name) => name.toLowerCase() === lower);
  }

  /** All peers, ordered by id. */
  peers(): readonly PeerId[] {
    const listed = this.#catalogue?.peers().map(({ id }) => id) ?? [];
    return [...new Set([...listed, ...this.#contracted.keys()])].sort();
  }

  /** The services of a peer, ordered by name. */
  services(peerId: PeerId): readonly ServiceName[] {
    const listed = this.#catalogue?.services(peerId).map(({ service }) => service.name) ?? [];
    return [...new Set([...listed, ...(this.#contracted.get(peerId) ?? [])])].sort();
  }

  get #contracted(): ByPeer {
    return this.#state === undefined ? new Map() : contracted(this.#state);
  }
}
