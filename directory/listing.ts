// Pages of a sorted list, and the entries of the catalogue as the interface shows them.
import { keyParts, wireProtocol, type ComponentKey } from "../catalogue/announcement.js";
import type {
  Catalogue,
  CatalogueEntry,
  CatalogueService,
  InwayHealth,
} from "../catalogue/catalogue.js";
import { formatAddress } from "../core/address.js";
import { SchakelError } from "../core/errors.js";
import type { PeerId } from "../core/names.js";
import * as wire from "../proto/gen/schakel/directory/v1/directory.js";

const PAGE_SIZE_DEFAULT = 100;
const PAGE_SIZE_MAX = 1000;
const TOKEN_MAX = 1000;
const NAME_CONTAINS_MAX = 255;

const HEALTH: Readonly<Record<InwayHealth, wire.Health>> = {
  up: wire.Health.HEALTH_UP,
  down: wire.Health.HEALTH_DOWN,
  unknown: wire.Health.HEALTH_UNSPECIFIED,
};

/** Which page is asked for. */
interface PageRequest {
  readonly pageSize: number;
  readonly pageToken: string;
}

/** One page; `next` is empty at the end. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string;
}

const sizeOf = ({ pageSize }: PageRequest): number => {
  if (pageSize > PAGE_SIZE_MAX) {
    throw new SchakelError("ERROR_CODE_REQUEST_INVALID", {
      detail: `page_size is ${pageSize}, allowed is 1 to ${PAGE_SIZE_MAX}, or 0 for ${PAGE_SIZE_DEFAULT}`,
    });
  }
  return pageSize === 0 ? PAGE_SIZE_DEFAULT : pageSize;
};

const keyIn = ({ pageToken }: PageRequest): string => {
  const key = Buffer.from(pageToken, "base64url").toString();
  if (pageToken.length > TOKEN_MAX || Buffer.from(key).toString("base64url") !== pageToken) {
    throw new SchakelError("ERROR_CODE_REQUEST_INVALID", {
      detail: "page_token is not the next_page_token of an answer",
    });
  }
  return key;
};

/**
 * Takes one page of items that are sorted by their keys.
 *
 * @throws SchakelError ERROR_CODE_REQUEST_INVALID for a page size or token that is not allowed
 */
export const page = <T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  request: PageRequest,
): Page<T> => {
  const size = sizeOf(request);
  const after = keyIn(request);
  const rest = after === "" ? items : items.filter((item) => keyOf(item) > after);
  const found = rest.slice(0, size);
  const last = found.at(-1);
  const isEnd = rest.length <= size || last === undefined;
  return { items: found, next: isEnd ? "" : Buffer.from(keyOf(last)).toString("base64url") };
};

/**
 * A test for names that contain a text, without regard to case; an empty text matches all.
 *
 * @throws SchakelError ERROR_CODE_REQUEST_INVALID when the text is too long
 */
export const nameContains = (text: string): ((name: string) => boolean) => {
  if (text.length > NAME_CONTAINS_MAX) {
    throw new SchakelError("ERROR_CODE_REQUEST_INVALID", {
      detail: `name_contains has ${text.length} characters, allowed are ${NAME_CONTAINS_MAX}`,
    });
  }
  const wanted = text.toLowerCase();
  return (name) => name.toLowerCase().includes(wanted);
};

/** A component as the stream shows it. */
export const catalogueEntry = ({
  announcement,
  health,
  shown,
}: CatalogueEntry): wire.CatalogueEntry => ({
  announcement: announcement.signed,
  health: HEALTH[health],
  peerName: announcement.peerName,
  publishedServices: (announcement.inway?.services ?? [])
    .map(({ name }) => name)
    .filter((name) => shown.has(name)),
});

/** The names of a component. */
export const catalogueKey = (key: ComponentKey): wire.CatalogueKey => {
  const { peerId, kind, component } = keyParts(key);
  return {
    peerId,
    component,
    kind:
      kind === "inway"
        ? wire.ComponentKind.COMPONENT_KIND_INWAY
        : wire.ComponentKind.COMPONENT_KIND_OUTWAY,
  };
};

/**
 * A service as lists show it.
 *
 * @param delegator the peer in whose name it is published; undefined for the offering peer itself
 */
export const listedService = (
  found: CatalogueService,
  delegator: PeerId | undefined,
): wire.ListedService => ({
  peerId: found.peerId,
  peerName: found.peerName,
  service: {
    name: found.service.name,
    openapiPath: found.service.openapiPath ?? "",
    protocol: wireProtocol(found.service.protocol),
  },
  inways: found.inways.map(({ component, address, health, version }) => ({
    component,
    address: formatAddress(address),
    health: HEALTH[health],
    version,
  })),
  delegatorPeerId: delegator ?? "",
});

/** Every peer as lists show it, ordered by id. */
export const listedPeers = (catalogue: Catalogue): wire.Peer[] =>
  catalogue.peers().map((peer) => ({ ...peer, services: catalogue.services(peer.id).length }));
