// How a client says which service it means: by path, by host name, or with a grant and the service's own path.
import type { ConnectionGrant } from "../contracts/grant.js";
import { isLoopback } from "../core/address.js";
import { SchakelError } from "../core/errors.js";
import { parseServiceName, type PeerId, type PeerIdRule, type ServiceName } from "../core/names.js";
import { headerValues, type RequestHead } from "../relay/message.js";
import type { KnownServices } from "./known-services.js";

/** The names a client used, not yet looked up. */
export interface AddressedService {
  readonly peer: string;
  readonly service: string;
  /** Host names have no case: then the two names above are in lower case and are matched without it. */
  readonly caseless: boolean;
  /** What follows the service name, byte for byte; begins with "/". */
  readonly path: string;
}

/** A request as far as it says which service it means. */
export type Asking = Pick<RequestHead, "target" | "headers">;

const CHOICES_MAX = 10;
const hostOf = (head: Asking): string => {
  const [host = ""] = headerValues(head.headers, "host");
  return host
    .toLowerCase()
    .replace(/:[0-9]*$/, "")
    .replace(/^\[(.*)\]$/, "$1");
};

const byHost = (host: string, suffix: string, path: string): AddressedService | undefined => {
  if (!host.endsWith(`.${suffix}`)) return undefined;
  const names = host.slice(0, -suffix.length - 1);
  // From the right: a service name may hold dots, a peer id in a host name may not.
  const dot = names.lastIndexOf(".");
  if (dot <= 0) return undefined;
  return { service: names.slice(0, dot), peer: names.slice(dot + 1), caseless: true, path };
};

const byPath = (target: string): AddressedService | undefined => {
  const match = /^\/([^/?]+)\/([^/?]+)(.*)$/s.exec(target);
  const [, peer, service, rest = ""] = match ?? [];
  if (peer === undefined || service === undefined) return undefined;
  return { peer, service, caseless: false, path: rest.startsWith("/") ? rest : `/${rest}` };
};

/** Addresses of services that exist, for somebody who got one wrong. */
const examples = (known: KnownServices): string[] =>
  known
    .peers()
    .flatMap((id) => known.services(id).map((service) => `/${id}/${service}`))
    .slice(0, CHOICES_MAX);

/** How requests are addressed at an outway. */
export interface Addressing {
  /** What follows `{service}.{peer id}.` in a host name. */
  readonly suffix: string;
  /**
   * Whether any other host may stand in a request: where clients show who they are. On loopback a page in a browser
   * could have pointed its own name at this machine, so that only loopback's names are taken.
   */
  readonly anyHost: boolean;
  readonly rule: PeerIdRule;
}

/** The whole path is the service's own: what clients of other FSC outways send with the header Fsc-Grant-Hash. */
const byGrant = (
  target: string,
  { service }: ConnectionGrant,
  rule: PeerIdRule,
): AddressedService | undefined => {
  const [, first] = /^\/([^/?]*)/.exec(target) ?? [];
  if (first === undefined || rule(first) !== undefined) return undefined;
  return { peer: service.peer_id, service: service.name, caseless: false, path: target };
};

/**
 * Takes the address of a request apart: the host `{service}.{peer id}.{suffix}`, or else the path
 * `/{peer id}/{service}/{path}`. When a grant was chosen and the path does not begin with a peer id, the whole path
 * is that of the grant's service.
 *
 * @param chosen the grant that the client named; undefined when it named none
 * @throws SchakelError ERROR_CODE_ADDRESS_INVALID with up to ten valid addresses
 */
export const parseTarget = (
  head: Asking,
  { suffix, anyHost, rule }: Addressing,
  known: KnownServices,
  chosen?: ConnectionGrant,
): AddressedService => {
  const host = hostOf(head);
  const byName = byHost(host, suffix, head.target);
  const mayBePath =
    byName === undefined &&
    !host.endsWith(`.${suffix}`) &&
    (anyHost || isLoopback(host) || host === "");
  const addressed =
    byName ??
    (mayBePath && chosen !== undefined ? byGrant(head.target, chosen, rule) : undefined) ??
    (mayBePath ? byPath(head.target) : undefined);
  if (addressed !== undefined) return addressed;
  throw new SchakelError("ERROR_CODE_ADDRESS_INVALID", {
    detail: `host "${host}"`,
    choices: examples(known),
  });
};

/** A service that is known to exist. */
export interface LocatedService {
  readonly peerId: PeerId;
  readonly name: ServiceName;
}

/** First those that begin alike, then the rest. */
const nearest = (names: readonly string[], wanted: string): string[] => {
  const start = wanted.slice(0, 3).toLowerCase();
  const rank = (name: string): number => (name.toLowerCase().startsWith(start) ? 0 : 1);
  return [...names].sort((a, b) => rank(a) - rank(b)).slice(0, CHOICES_MAX);
};

const findPeer = (
  { peer, caseless }: AddressedService,
  known: KnownServices,
  rule: PeerIdRule,
): PeerId | undefined => {
  if (caseless) return known.peerLike(peer);
  const peerId = rule(peer);
  if (peerId !== undefined) return known.hasPeer(peerId) ? peerId : undefined;
  throw new SchakelError("ERROR_CODE_ADDRESS_INVALID", {
    detail: `"${peer}" is no peer id of this group`,
    choices: examples(known),
  });
};

const findService = (
  { service: wanted, caseless }: AddressedService,
  known: KnownServices,
  peerId: PeerId,
): ServiceName | undefined => {
  if (caseless) return known.serviceLike(peerId, wanted);
  const name = parseServiceName(wanted);
  return name !== undefined && known.hasService(peerId, name) ? name : undefined;
};

/**
 * Looks an addressed service up in the catalogue and the contracts.
 *
 * @throws SchakelError ERROR_CODE_CATALOGUE_UNAVAILABLE when there is no catalogue yet and no contract knows it,
 *   ERROR_CODE_ADDRESS_INVALID for a peer id that the group's rule does not allow, ERROR_CODE_PEER_NOT_FOUND and
 *   ERROR_CODE_SERVICE_NOT_FOUND with up to ten valid ones
 */
export const locate = (
  addressed: AddressedService,
  known: KnownServices,
  rule: PeerIdRule,
): LocatedService => {
  const peerId = findPeer(addressed, known, rule);
  if (peerId === undefined) {
    requireCatalogue(known);
    throw new SchakelError("ERROR_CODE_PEER_NOT_FOUND", {
      detail: `"${addressed.peer}"`,
      choices: nearest(known.peers(), addressed.peer),
    });
  }
  const name = findService(addressed, known, peerId);
  if (name !== undefined) return { peerId, name };
  requireCatalogue(known);
  throw new SchakelError("ERROR_CODE_SERVICE_NOT_FOUND", {
    detail: `"${addressed.service}" of peer ${peerId}`,
    choices: nearest(known.services(peerId), addressed.service),
  });
};

/** Without a catalogue nobody can say what does not exist. */
const requireCatalogue = (known: KnownServices): void => {
  if (!known.hasCatalogue) throw new SchakelError("ERROR_CODE_CATALOGUE_UNAVAILABLE");
};
