// How a client says which service it means: by path, or by host name.
import type { Catalogue, CataloguePeer, CatalogueService } from "../catalogue/catalogue.js";
import { SchakelError } from "../core/errors.js";
import { parseServiceName, type PeerId, type PeerIdRule } from "../core/names.js";
import { headerValues, type RequestHead } from "../relay/message.js";

/** The names a client used, not yet looked up. */
export interface AddressedService {
  readonly peer: string;
  readonly service: string;
  /** Host names have no case: then the two names above are in lower case and are matched without it. */
  readonly caseless: boolean;
  /** What follows the service name, byte for byte; begins with "/". */
  readonly path: string;
}

const CHOICES_MAX = 10;
const LOOPBACK = /^(localhost|127(\.[0-9]{1,3}){3}|\[::1\])$/;

const hostOf = (head: RequestHead): string => {
  const [host = ""] = headerValues(head.headers, "host");
  return host.toLowerCase().replace(/:[0-9]*$/, "");
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
const examples = (catalogue: Lookup | undefined): string[] =>
  (catalogue?.peers() ?? [])
    .flatMap(
      ({ id }) => catalogue?.services(id).map(({ service }) => `/${id}/${service.name}`) ?? [],
    )
    .slice(0, CHOICES_MAX);

/**
 * Takes the address of a request apart: the host `{service}.{peer id}.{suffix}`, or, when the host is
 * loopback, the path `/{peer id}/{service}/{path}`. Any other host is refused: a page in a browser could
 * have pointed its own name at this machine.
 *
 * @throws SchakelError ERROR_CODE_ADDRESS_INVALID with up to ten valid addresses
 */
export const parseTarget = (
  head: RequestHead,
  suffix: string,
  catalogue: Lookup | undefined,
): AddressedService => {
  const host = hostOf(head);
  const addressed =
    LOOPBACK.test(host) || host === "" ? byPath(head.target) : byHost(host, suffix, head.target);
  if (addressed !== undefined) return addressed;
  throw new SchakelError("ERROR_CODE_ADDRESS_INVALID", {
    detail: `host "${host}"`,
    choices: examples(catalogue),
  });
};

/** What looking up needs of the catalogue. */
export type Lookup = Pick<Catalogue, "peer" | "peers" | "service" | "services">;

/** First those that begin alike, then the rest. */
const nearest = (names: readonly string[], wanted: string): string[] => {
  const start = wanted.slice(0, 3).toLowerCase();
  const rank = (name: string): number => (name.toLowerCase().startsWith(start) ? 0 : 1);
  return [...names].sort((a, b) => rank(a) - rank(b)).slice(0, CHOICES_MAX);
};

const findPeer = (
  { peer, caseless }: AddressedService,
  catalogue: Lookup,
  rule: PeerIdRule,
): CataloguePeer | undefined => {
  if (caseless) return catalogue.peers().find(({ id }) => id.toLowerCase() === peer);
  const peerId = rule(peer);
  if (peerId !== undefined) return catalogue.peer(peerId);
  throw new SchakelError("ERROR_CODE_ADDRESS_INVALID", {
    detail: `"${peer}" is no peer id of this group`,
    choices: examples(catalogue),
  });
};

const findService = (
  { service: wanted, caseless }: AddressedService,
  catalogue: Lookup,
  peerId: PeerId,
): CatalogueService | undefined => {
  if (caseless) {
    return catalogue.services(peerId).find(({ service }) => service.name.toLowerCase() === wanted);
  }
  const name = parseServiceName(wanted);
  return name === undefined ? undefined : catalogue.service(peerId, name);
};

/**
 * Looks an addressed service up in the catalogue.
 *
 * @throws SchakelError ERROR_CODE_CATALOGUE_UNAVAILABLE when there is none yet, ERROR_CODE_ADDRESS_INVALID
 *   for a peer id that the group's rule does not allow, ERROR_CODE_PEER_NOT_FOUND and
 *   ERROR_CODE_SERVICE_NOT_FOUND with up to ten valid ones
 */
export const locate = (
  addressed: AddressedService,
  catalogue: Lookup | undefined,
  rule: PeerIdRule,
): CatalogueService => {
  if (catalogue === undefined) throw new SchakelError("ERROR_CODE_CATALOGUE_UNAVAILABLE");
  const peer = findPeer(addressed, catalogue, rule);
  if (peer === undefined) {
    const ids = catalogue.peers().map(({ id }) => id);
    throw new SchakelError("ERROR_CODE_PEER_NOT_FOUND", {
      detail: `"${addressed.peer}"`,
      choices: nearest(ids, addressed.peer),
    });
  }
  const found = findService(addressed, catalogue, peer.id);
  if (found === undefined) {
    const names = catalogue.services(peer.id).map(({ service }) => service.name);
    throw new SchakelError("ERROR_CODE_SERVICE_NOT_FOUND", {
      detail: `"${addressed.service}" of peer ${peer.id}`,
      choices: nearest(names, addressed.service),
    });
  }
  return found;
};
