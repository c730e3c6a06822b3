// The services that a directory shows (FSC Core 2.0.0, GET /services): those with a valid publication
// contract, filtered and by pages.
import { isConnection, serviceDelegator, type PublicationGrant } from "../contracts/grant.js";
import type { Validity } from "../contracts/content.js";
import type { ContentHash } from "../contracts/hash.js";
import { canonical } from "../contracts/jcs.js";
import { parseJson } from "../contracts/json.js";
import { usabilityAt, type ContractDecision } from "../contracts/state.js";
import type { PeerId } from "../core/names.js";
import type { ListedPeer, Page, PublishedService, ServiceQuery } from "./manager-interface.js";
import { invalid } from "./queries.js";
import type { StoredContract } from "./stored-contract.js";

/** A service that a contract publishes; the names of peers are looked up for those alone that are asked for. */
export type ShownService = Omit<PublishedService, "peerName" | "managerAddress" | "delegator"> & {
  /** The peer in whose name it is published; undefined for the offering peer itself. */
  readonly delegator: PeerId | undefined;
};

/** What a directory keeps of a contract: whether it publishes services with it, and which. */
export interface Publishing {
  readonly hash: ContentHash;
  /** Seconds since 1970. */
  readonly createdAt: number;
  readonly validity: Validity;
  readonly decision: ContractDecision;
  /** What its grants publish with the directory. */
  readonly services: readonly ShownService[];
}

/** What is known of a peer. */
export type KnownPeers = ReadonlyMap<PeerId, Pick<ListedPeer, "name" | "managerAddress">>;

type Key = readonly [peerId: string, name: string];

type Named = Pick<PublishedService, "peerId" | "name">;

const keyOf = ({ peerId, name }: Named): Key => [peerId, name];

// Code units and not a locale: the same order on every machine.
const compareTexts = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);

const compareKeys = (a: Key, b: Key): number =>
  compareTexts(a[0], b[0]) || compareTexts(a[1], b[1]);

// A text that was cut out of a larger one keeps that alive: what is kept is copied.
const copied = <T extends string>(text: T): T => Buffer.from(text).toString() as T;

const shownService = (grant: PublicationGrant): ShownService => {
  const { service, properties } = grant;
  const delegator = serviceDelegator(grant);
  return {
    ...{ peerId: copied(service.peer_id), name: copied(service.name) },
    protocol: copied(service.protocol),
    delegator: delegator && copied(delegator),
    properties:
      properties &&
      (parseJson(Buffer.from(canonical(properties))) as PublicationGrant["properties"]),
  };
};

/** What a contract publishes with a directory, as a copy that keeps nothing else of the contract in memory. */
export const publishingOf = (
  { hash, content, grants, decision }: StoredContract,
  directory: PeerId,
): Publishing => ({
  ...{ hash, decision, createdAt: content.created_at, validity: content.validity },
  services: grants.flatMap(({ grant }) =>
    isConnection(grant) || grant.directory.peer_id !== directory ? [] : [shownService(grant)],
  ),
});

/** A service with the names of its peers; one that is not known is called by its id. */
export const namedService = (
  { delegator, ...service }: ShownService,
  peers: KnownPeers,
): PublishedService => {
  const peer = peers.get(service.peerId);
  const nameOf = (id: PeerId): string => peers.get(id)?.name ?? id;
  return {
    ...service,
    peerName: nameOf(service.peerId),
    managerAddress: peer?.managerAddress,
    delegator: delegator === undefined ? undefined : { peerId: delegator, name: nameOf(delegator) },
  };
};

const isNewer = (a: Publishing, b: Publishing): boolean =>
  a.createdAt === b.createdAt ? a.hash > b.hash : a.createdAt > b.createdAt;

/**
 * The services that valid contracts publish, one for each peer and name: when several contracts
 * publish it, what the newest says. Ordered by peer id and name.
 *
 * @param contracts in any order; those that are not in force are passed over
 * @param now milliseconds since 1970
 */
export const publishedServices = (
  contracts: Iterable<Publishing>,
  now: number,
): readonly ShownService[] => {
  const found = new Map<string, { contract: Publishing; service: ShownService }>();
  for (const contract of contracts) {
    const { decision, validity, services } = contract;
    if (usabilityAt(decision, validity, now) !== "IN_FORCE") continue;
    for (const service of services) {
      const key = JSON.stringify(keyOf(service));
      const other = found.get(key);
      if (other === undefined || isNewer(contract, other.contract)) {
        found.set(key, { contract, service });
      }
    }
  }
  return [...found.values()]
    .map(({ service }) => service)
    .sort((a, b) => compareKeys(keyOf(a), keyOf(b)));
};

const isWanted = (service: Named, { peerId, nameContains }: ServiceQuery): boolean => {
  if (peerId === undefined && nameContains === undefined) return true;
  return (
    service.peerId === peerId ||
    (nameContains !== undefined && service.name.toLowerCase().includes(nameContains.toLowerCase()))
  );
};

const cursorOf = (service: Named): string =>
  Buffer.from(JSON.stringify(keyOf(service))).toString("base64url");

const readCursor = (cursor: string): Key => {
  try {
    const value = parseJson(Buffer.from(cursor, "base64url"));
    if (value instanceof Array && value.length === 2) {
      const [peerId, name] = value;
      if (typeof peerId === "string" && typeof name === "string") return [peerId, name];
    }
  } catch {
    // No JSON: not a cursor of ours.
  }
  throw invalid("cursor", "is not one that this list gave");
};

/**
 * One page of services. A cursor says after which service to go on, so that services which come or go between two
 * pages neither shift nor double the others.
 *
 * @param services as `publishedServices` gives them
 * @throws SchakelError ERROR_CODE_REQUEST_INVALID for a cursor that this function did not give
 */
export const pageOfServices = <T extends Named>(
  services: readonly T[],
  query: ServiceQuery,
): Page<T> => {
  const direction = query.sortOrder === "ascending" ? 1 : -1;
  const after = query.cursor === undefined ? undefined : readCursor(query.cursor);
  const rest = services
    .filter((service) => isWanted(service, query))
    .filter((service) => after === undefined || direction * compareKeys(keyOf(service), after) > 0)
    .sort((a, b) => direction * compareKeys(keyOf(a), keyOf(b)));
  const items = rest.slice(0, query.limit);
  const last = items.at(-1);
  const isEnd = rest.length <= items.length || last === undefined;
  return { items, nextCursor: isEnd ? undefined : cursorOf(last) };
};
