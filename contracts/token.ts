// Access tokens (FSC Core 2.0.0): what they say, and making one. A token is a JWT by the providing
// peer's manager, for one grant and one certificate.
import { formatAddress, parseAddress, type Address } from "../core/address.js";
import { parseServiceName, type PeerId, type PeerIdRule, type ServiceName } from "../core/names.js";
import type { ContractContent } from "./content.js";
import { Fields, FieldError } from "./fields.js";
import { connectionDelegator, serviceDelegator, type ConnectionGrant } from "./grant.js";
import { parseGrantHash, type GrantHash } from "./hash.js";
import { canonical } from "./jcs.js";
import type { JsonObject } from "./json.js";
import {
  parseCertificateThumbprint,
  readJws,
  signJws,
  THUMBPRINT_HEADER,
  type JwsSigner,
  type ReadJws,
} from "./jws.js";

/** How large a token may be, in bytes: it travels in a header. */
export const TOKEN_BYTES_MAX = 32 * 1024;

/** How long our own tokens may live at most, in seconds. */
export const TOKEN_LIFETIME_SECONDS_MAX = 24 * 3600;

/** How many addresses of inways a token may name. */
export const TOKEN_INWAYS_MAX = 20;

const TYPE = "JWT";
const AUDIENCE = "https://, a host, and a port";
const ADDRESS_LENGTH_MAX = 300;
const ID_LENGTH_MAX = 255;

/** What a token says. */
export interface AccessToken {
  /** `gth` */
  readonly grantHash: GrantHash;
  /** `gid` */
  readonly groupId: string;
  /** The peer whose outway connects. */
  readonly outwayPeerId: PeerId;
  /** The peer for whom the outway's peer acts; undefined when it acts for itself. */
  readonly connectionDelegator: PeerId | undefined;
  /** `iss`: the peer that provides the service, and whose manager made the token. */
  readonly servicePeerId: PeerId;
  /** `svc` */
  readonly serviceName: ServiceName;
  /** `pdi`: the peer for whom the service is offered; undefined when its peer offers it for itself. */
  readonly serviceDelegator: PeerId | undefined;
  /** `aud`, then `add.inways`: where the service is; at least one. */
  readonly inways: readonly Address[];
  /** `nbf`, seconds since 1970. */
  readonly notBefore: number;
  /** `exp`, seconds since 1970: the first at which it counts no more. */
  readonly expires: number;
  /** `cnf`: the certificate that may use it. */
  readonly certificateThumbprint: string;
  /** `prp`: the grant's properties; undefined when it has none. */
  readonly properties: JsonObject | undefined;
}

/** FSC's `aud`: scheme, host and port, always with the port. */
export const audienceOf = (address: Address): string => `https://${formatAddress(address)}`;

/** The inverse of `audienceOf`; a "/" may follow. Undefined when it is anything else. */
export const parseAudience = (text: string): Address | undefined => {
  const address = /^https:\/\/([^/]+)\/?$/.exec(text)?.[1];
  const parsed = address === undefined ? undefined : parseAddress(address);
  return parsed === undefined || parsed.port === 0 ? undefined : parsed;
};

type Connecting = Pick<AccessToken, "outwayPeerId" | "connectionDelegator">;

/**
 * How a token names who connects. FSC's text contradicts itself on `act.sub`; we have `sub` for the peer
 * whose outway connects and `act.sub` for the one it acts for (docs/fsc.md).
 */
export const connectingClaims = ({ outwayPeerId, connectionDelegator: delegator }: Connecting) => ({
  sub: outwayPeerId,
  ...(delegator === undefined ? {} : { act: { sub: delegator } }),
});

const peerId = (fields: Fields, name: string, rule: PeerIdRule): PeerId =>
  fields.parsed(name, { max: ID_LENGTH_MAX, parse: rule, what: "a peer id by the group's rule" });

// Other software may write null for what a token does not have.
const has = (fields: Fields, name: string): boolean => (fields.any(name) ?? null) !== null;

// And an optional peer id as "".
const optionalPeerId = (fields: Fields, name: string, rule: PeerIdRule): PeerId | undefined =>
  !has(fields, name) || fields.any(name) === "" ? undefined : peerId(fields, name, rule);

/** The inverse of `connectingClaims`. Throws FieldError. */
export const readConnectingClaims = (claims: Fields, rule: PeerIdRule): Connecting => ({
  outwayPeerId: peerId(claims, "sub", rule),
  connectionDelegator: has(claims, "act")
    ? optionalPeerId(claims.fields("act"), "sub", rule)
    : undefined,
});

/** What a token is made for. */
export interface TokenRequest {
  readonly content: ContractContent;
  /** A connection grant of the content, with its hash. */
  readonly grant: ConnectionGrant;
  readonly grantHash: GrantHash;
  /** The thumbprint of the certificate that the outway showed, and will show to the inway. */
  readonly certificateThumbprint: string;
  /** Where the service is, the best first; 1 to TOKEN_INWAYS_MAX. */
  readonly inways: readonly Address[];
  /** How long it is to live, in seconds, at most TOKEN_LIFETIME_SECONDS_MAX; never beyond the contract. */
  readonly lifetimeSeconds: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * The token for a grant. That the contract is in force, that the peer may ask and that the service has
 * an inway, its caller has checked.
 *
 * @throws RangeError when there is no inway or too many, or the lifetime is not allowed
 */
export const tokenFor = (request: TokenRequest): AccessToken => {
  const { content, grant, inways, lifetimeSeconds, now } = request;
  if (inways.length < 1 || inways.length > TOKEN_INWAYS_MAX) {
    throw new RangeError(
      `a token names 1 to ${String(TOKEN_INWAYS_MAX)} inways, not ${String(inways.length)}`,
    );
  }
  if (!(lifetimeSeconds >= 1 && lifetimeSeconds <= TOKEN_LIFETIME_SECONDS_MAX)) {
    throw new RangeError(`a token lives 1 to ${String(TOKEN_LIFETIME_SECONDS_MAX)} seconds`);
  }
  const notBefore = Math.floor(now / 1000);
  return Object.freeze({
    grantHash: request.grantHash,
    groupId: content.group_id,
    outwayPeerId: grant.outway.peer_id,
    connectionDelegator: connectionDelegator(grant),
    servicePeerId: grant.service.peer_id,
    serviceName: grant.service.name,
    serviceDelegator: serviceDelegator(grant),
    inways,
    notBefore,
    expires: Math.min(notBefore + Math.floor(lifetimeSeconds), content.validity.not_after + 1),
    certificateThumbprint: request.certificateThumbprint,
    properties: grant.properties,
  });
};

const claimsOf = (token: AccessToken): object => {
  const [first, ...others] = token.inways.map(audienceOf);
  return {
    ...connectingClaims(token),
    gth: token.grantHash,
    gid: token.groupId,
    iss: token.servicePeerId,
    svc: token.serviceName,
    aud: first ?? "",
    exp: token.expires,
    nbf: token.notBefore,
    cnf: { [THUMBPRINT_HEADER]: token.certificateThumbprint },
    ...(token.serviceDelegator === undefined ? {} : { pdi: token.serviceDelegator }),
    ...(token.properties === undefined ? {} : { prp: token.properties }),
    add: others.length === 0 ? {} : { inways: others },
  };
};

/**
 * Signs a token with the manager's token key.
 *
 * @throws TypeError when the key is not the certificate's; RangeError when it would be over TOKEN_BYTES_MAX
 */
export const signToken = async (token: AccessToken, signer: JwsSigner): Promise<string> => {
  const text = await signJws(claimsOf(token), signer, { type: TYPE });
  if (text.length > TOKEN_BYTES_MAX) {
    const bytes = Buffer.byteLength(canonical(token.properties ?? {}));
    throw new RangeError(
      `the token is too large, its grant has ${String(bytes)} bytes of properties`,
    );
  }
  return text;
};

// RFC 7519, 4.1.3 has a list too; with more than one in it the token would be for several inways.
const audienceIn = (claims: Fields): string => {
  const value = claims.any("aud");
  const [only, ...more] = value instanceof Array ? value : [value];
  if (typeof only === "string" && only.length <= ADDRESS_LENGTH_MAX && more.length === 0)
    return only;
  throw new FieldError(claims.pathOf("aud"), `must be one text, ${AUDIENCE}`);
};

const inwaysOf = (claims: Fields): readonly Address[] => {
  const first = parseAudience(audienceIn(claims));
  if (first === undefined) throw new FieldError(claims.pathOf("aud"), `must be ${AUDIENCE}`);
  const add = has(claims, "add") ? claims.fields("add") : undefined;
  if (add === undefined || !has(add, "inways")) return Object.freeze([first]);
  const others = add.list("inways").map((each) => {
    const address = typeof each === "string" ? parseAudience(each) : undefined;
    if (address === undefined)
      throw new FieldError(add.pathOf("inways"), `must each be ${AUDIENCE}`);
    return address;
  });
  if (others.length >= TOKEN_INWAYS_MAX) {
    throw new FieldError(
      add.pathOf("inways"),
      `has ${String(others.length)} addresses, allowed are ${String(TOKEN_INWAYS_MAX - 1)}`,
    );
  }
  return Object.freeze([first, ...others]);
};

/** A token taken apart, not verified. */
export interface UnverifiedToken {
  readonly jws: ReadJws;
  readonly token: AccessToken;
}

/**
 * Reads a token without believing it. Claims that are not known are ignored, as RFC 7519 asks; those that
 * are must have their form.
 *
 * @param rule the group's rule for peer ids
 * @throws JwsError when it is no JWS of the allowed kind; FieldError for a claim that is absent or wrong
 */
export const readToken = (text: string, rule: PeerIdRule): UnverifiedToken => {
  const jws = readJws(text, { bytesMax: TOKEN_BYTES_MAX, types: [TYPE] });
  const claims = new Fields(jws.payload, "");
  const token = Object.freeze({
    grantHash: claims.parsed("gth", {
      max: 200,
      parse: (each) => parseGrantHash(each)?.hash,
      what: "a grant hash",
    }),
    groupId: claims.text("gid", { max: ID_LENGTH_MAX }),
    ...readConnectingClaims(claims, rule),
    servicePeerId: peerId(claims, "iss", rule),
    serviceName: claims.parsed("svc", {
      max: ID_LENGTH_MAX,
      parse: parseServiceName,
      what: "a service name",
    }),
    serviceDelegator: optionalPeerId(claims, "pdi", rule),
    inways: inwaysOf(claims),
    notBefore: claims.seconds("nbf"),
    expires: claims.seconds("exp"),
    certificateThumbprint: claims.fields("cnf").parsed(THUMBPRINT_HEADER, {
      max: ID_LENGTH_MAX,
      parse: parseCertificateThumbprint,
      what: "43 characters of base64url",
    }),
    properties: has(claims, "prp") ? claims.object("prp") : undefined,
  });
  return { jws, token };
};
