// The four grants of FSC Core 2.0.0 and their two unions, with the names that they have on the wire.
import { isHostName } from "../core/address.js";
import {
  parseServiceName,
  parseThumbprint,
  type PeerId,
  type PeerIdRule,
  type ServiceName,
} from "../core/names.js";
import { canonical } from "./jcs.js";
import { Fields, FieldError } from "./fields.js";
import { isJsonObject, type JsonObject, type JsonValue } from "./json.js";

/** The grant types; a type's number in FSC is its place in this list, from 1. */
export const GRANT_TYPES = [
  "GRANT_TYPE_SERVICE_PUBLICATION",
  "GRANT_TYPE_SERVICE_CONNECTION",
  "GRANT_TYPE_DELEGATED_SERVICE_CONNECTION",
  "GRANT_TYPE_DELEGATED_SERVICE_PUBLICATION",
] as const;
export type GrantType = (typeof GRANT_TYPES)[number];

/** What an outway speaks to the inway of a service. */
export const PROTOCOLS = ["PROTOCOL_TCP_HTTP_1.1", "PROTOCOL_TCP_HTTP_2"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/**
 * The types of a connection grant's service. One must be there, as in FSC's OpenAPI file, though an example of its text has none.
 */
export const SERVICE_TYPES = ["SERVICE_TYPE_SERVICE", "SERVICE_TYPE_DELEGATED_SERVICE"] as const;

/** How large the canonical form of a publication grant's properties may be, in bytes; FSC advises 1 MB. */
export const PROPERTIES_BYTES_MAX = 1_000_000;

/** The same for a connection grant, whose properties go into each access token and so into a header. */
export const CONNECTION_PROPERTIES_BYTES_MAX = 16 * 1024;

/**
 * How deep a grant's properties may be. Contracts travel inside of other objects, which have to stay below
 * JSON_DEPTH_MAX: what was accepted in one body must not be too deep for the next.
 */
export const PROPERTIES_DEPTH_MAX = 20;

/** The length of peer ids: FSC has 3 to 255. */
const PEER_ID_LENGTH = { min: 3, max: 255 } as const;

const SERVICE_NAME_MAX = 100;
const DOMAIN_NAME_MAX = 255;

/** A peer that a grant names, in the part that its member of the grant says. */
export interface Party {
  readonly peer_id: PeerId;
}

/** An outway that is known by its public key. */
export interface ByPublicKey {
  readonly type: "OUTWAY_IDENTIFICATION_TYPE_PUBLIC_KEY_THUMBPRINT";
  /** SHA-256 of the SPKI DER, 64 hexadecimal characters of either case as they were sent. */
  readonly public_key_thumbprint: string;
}

/** An outway that is known by a DNS name of its certificate, whichever key that has. */
export interface ByDomainName {
  readonly type: "OUTWAY_IDENTIFICATION_TYPE_DOMAIN_NAME";
  /** A host name in the case in which it was sent. */
  readonly domain_name: string;
}

/** How an outway is recognised. */
export type OutwayIdentification = ByPublicKey | ByDomainName;

/** The outway that may connect. */
export interface Outway extends Party {
  readonly identification: OutwayIdentification;
}

/** A service that its peer offers for itself. */
export interface OwnService extends Party {
  readonly type: "SERVICE_TYPE_SERVICE";
  readonly name: ServiceName;
}

/** A service that its peer offers for another one, the delegator. */
export interface DelegatedService extends Party {
  readonly type: "SERVICE_TYPE_DELEGATED_SERVICE";
  readonly name: ServiceName;
  readonly delegator: Party;
}

/** The service of a connection grant. */
export type ConnectedService = OwnService | DelegatedService;

/** The service of a publication grant. */
export interface PublishedService extends Party {
  readonly name: ServiceName;
  readonly protocol: Protocol;
}

interface WithProperties {
  readonly properties?: JsonObject;
}

/** A peer publishes its service in a directory. */
export interface ServicePublication extends WithProperties {
  readonly type: "GRANT_TYPE_SERVICE_PUBLICATION";
  readonly directory: Party;
  readonly service: PublishedService;
}

/** An outway may use a service. */
export interface ServiceConnection extends WithProperties {
  readonly type: "GRANT_TYPE_SERVICE_CONNECTION";
  readonly outway: Outway;
  readonly service: ConnectedService;
}

/** An outway may use a service for another peer, the delegator. */
export interface DelegatedServiceConnection extends WithProperties {
  readonly type: "GRANT_TYPE_DELEGATED_SERVICE_CONNECTION";
  readonly outway: Outway;
  readonly service: ConnectedService;
  readonly delegator: Party;
}

/** A peer publishes a service that it offers for another one, the delegator. */
export interface DelegatedServicePublication extends WithProperties {
  readonly type: "GRANT_TYPE_DELEGATED_SERVICE_PUBLICATION";
  readonly directory: Party;
  readonly service: PublishedService;
  readonly delegator: Party;
}

/** A grant that lets an outway use a service. */
export type ConnectionGrant = ServiceConnection | DelegatedServiceConnection;
/** A grant that puts a service in a directory. */
export type PublicationGrant = ServicePublication | DelegatedServicePublication;
/** What a grant says: the member `data` of a grant on the wire. */
export type GrantData = ConnectionGrant | PublicationGrant;
/** A grant as it stands in a contract. */
export interface Grant {
  readonly data: GrantData;
}

/** Whether a grant lets an outway use a service. */
export const isConnection = (grant: GrantData): grant is ConnectionGrant => "outway" in grant;

/** The delegator of the connection, for whom the outway's peer acts; undefined when it acts for itself. */
export const connectionDelegator = (grant: ConnectionGrant): PeerId | undefined =>
  grant.type === "GRANT_TYPE_DELEGATED_SERVICE_CONNECTION" ? grant.delegator.peer_id : undefined;

/** The delegator of the service, for whom its peer offers it; undefined when it offers it for itself. */
export const serviceDelegator = (grant: GrantData): PeerId | undefined => {
  if (isConnection(grant)) {
    const { service } = grant;
    return service.type === "SERVICE_TYPE_DELEGATED_SERVICE"
      ? service.delegator.peer_id
      : undefined;
  }
  return grant.type === "GRANT_TYPE_DELEGATED_SERVICE_PUBLICATION"
    ? grant.delegator.peer_id
    : undefined;
};

/**
 * Whether a name may be published: FSC's text allows 1 to 100 characters, its OpenAPI file 3 to 255, and
 * only what both allow is understood by everybody. Received contracts may have any name of the text.
 */
export const isPublishable = (name: ServiceName): boolean => name.length >= 3;

/**
 * Whether a certificate is the one of the outway that a grant names: by its key, or by one of its DNS
 * names, compared whole and without case; a name with a wildcard never stands for others.
 *
 * @param shows the certificate's public key thumbprint and DNS names, as `identityOf` gives them
 */
export const identifiesOutway = (
  { identification }: Outway,
  shows: { readonly publicKeyThumbprint: string; readonly dnsNames: readonly string[] },
): boolean =>
  identification.type === "OUTWAY_IDENTIFICATION_TYPE_PUBLIC_KEY_THUMBPRINT"
    ? identification.public_key_thumbprint.toLowerCase() === shows.publicKeyThumbprint.toLowerCase()
    : shows.dnsNames.some(
        (name) => name.toLowerCase() === identification.domain_name.toLowerCase(),
      );

class GrantReader {
  constructor(private readonly rule: PeerIdRule) {}

  #peerId(fields: Fields): PeerId {
    return fields.parsed("peer_id", {
      ...PEER_ID_LENGTH,
      parse: this.rule,
      what: "a peer id by the group's rule",
    });
  }

  #serviceName(fields: Fields): ServiceName {
    return fields.parsed("name", {
      max: SERVICE_NAME_MAX,
      parse: parseServiceName,
      what: "a service name of a-z A-Z 0-9 - . _",
    });
  }

  party(fields: Fields): Party {
    const party = { peer_id: this.#peerId(fields) };
    fields.end();
    return Object.freeze(party);
  }

  #identification(fields: Fields): OutwayIdentification {
    const type = fields.word("type", [
      "OUTWAY_IDENTIFICATION_TYPE_PUBLIC_KEY_THUMBPRINT",
      "OUTWAY_IDENTIFICATION_TYPE_DOMAIN_NAME",
    ]);
    const identification: OutwayIdentification =
      type === "OUTWAY_IDENTIFICATION_TYPE_DOMAIN_NAME"
        ? {
            type,
            domain_name: fields.parsed("domain_name", {
              max: DOMAIN_NAME_MAX,
              parse: (text) => (isHostName(text) ? text : undefined),
              what: "a host name",
            }),
          }
        : {
            type,
            // Kept as it was sent: another case would be another content hash.
            public_key_thumbprint: fields.parsed("public_key_thumbprint", {
              min: 64,
              max: 64,
              parse: (text) => (parseThumbprint(text) === undefined ? undefined : text),
              what: "64 hexadecimal characters",
            }),
          };
    fields.end();
    return Object.freeze(identification);
  }

  outway(fields: Fields): Outway {
    const outway = {
      peer_id: this.#peerId(fields),
      identification: this.#identification(fields.fields("identification")),
    };
    fields.end();
    return Object.freeze(outway);
  }

  connected(fields: Fields): ConnectedService {
    const type = fields.word("type", SERVICE_TYPES);
    const named = { peer_id: this.#peerId(fields), name: this.#serviceName(fields) };
    const service: ConnectedService =
      type === "SERVICE_TYPE_SERVICE"
        ? { type, ...named }
        : { type, ...named, delegator: this.party(fields.fields("delegator")) };
    fields.end();
    return Object.freeze(service);
  }

  published(fields: Fields): PublishedService {
    const service = {
      peer_id: this.#peerId(fields),
      name: this.#serviceName(fields),
      protocol: fields.word("protocol", PROTOCOLS),
    };
    fields.end();
    return Object.freeze(service);
  }
}

const isDeeper = (value: JsonValue | undefined, depth: number): boolean => {
  if (!(value instanceof Array) && !isJsonObject(value)) return false;
  return depth === 0 || Object.values(value).some((each) => isDeeper(each, depth - 1));
};

const propertiesOf = (fields: Fields, type: GrantType): WithProperties => {
  if (!fields.has("properties")) return {};
  const properties = fields.object("properties");
  if (isDeeper(properties, PROPERTIES_DEPTH_MAX)) {
    throw new FieldError(
      fields.pathOf("properties"),
      `is more than ${String(PROPERTIES_DEPTH_MAX)} levels deep`,
    );
  }
  const bytes = Buffer.byteLength(canonical(properties));
  const bytesMax = type.endsWith("CONNECTION")
    ? CONNECTION_PROPERTIES_BYTES_MAX
    : PROPERTIES_BYTES_MAX;
  if (bytes > bytesMax) {
    throw new FieldError(
      fields.pathOf("properties"),
      `has ${String(bytes)} bytes, allowed are ${String(bytesMax)}`,
    );
  }
  return { properties };
};

const grantData = (fields: Fields, read: GrantReader): GrantData => {
  const type = fields.word("type", GRANT_TYPES);
  const properties = propertiesOf(fields, type);
  const directory = () => read.party(fields.fields("directory"));
  const delegator = () => read.party(fields.fields("delegator"));
  const outway = () => read.outway(fields.fields("outway"));
  const connected = () => read.connected(fields.fields("service"));
  const published = () => read.published(fields.fields("service"));
  switch (type) {
    case "GRANT_TYPE_SERVICE_PUBLICATION":
      return { type, directory: directory(), service: published(), ...properties };
    case "GRANT_TYPE_SERVICE_CONNECTION":
      return { type, outway: outway(), service: connected(), ...properties };
    case "GRANT_TYPE_DELEGATED_SERVICE_CONNECTION":
      return {
        ...{ type, outway: outway(), service: connected() },
        ...{ delegator: delegator(), ...properties },
      };
    case "GRANT_TYPE_DELEGATED_SERVICE_PUBLICATION":
      return {
        ...{ type, directory: directory(), service: published() },
        ...{ delegator: delegator(), ...properties },
      };
  }
};

/**
 * Reads one grant `{data: {…}}`. Everything in it must be known, but for what is inside `properties`.
 *
 * @param path where it stands, for messages
 * @param rule the group's rule for peer ids
 * @throws FieldError for a member that is absent, unknown or not allowed
 */
export const parseGrant = (value: JsonValue, path: string, rule: PeerIdRule): Grant => {
  const outer = new Fields(value, path);
  const fields = outer.fields("data");
  const data = Object.freeze(grantData(fields, new GrantReader(rule)));
  fields.end();
  outer.end();
  return Object.freeze({ data });
};
