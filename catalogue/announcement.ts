// What a component of a peer says of itself, as signed bytes: made by the component, checked again by
// the directory and by every consumer.
import type { Bundle } from "../certs/bundle.js";
import type { Group } from "../certs/group.js";
import type { PeerIdentity } from "../certs/identity.js";
import { signBytes, verifySigned } from "../certs/sign.js";
import { formatAddress, isHostName, parseAddress, type Address } from "../core/address.js";
import type { ErrorCode } from "../core/errors.js";
import {
  parseComponentName,
  parseServiceName,
  type ComponentName,
  type PeerId,
  type ServiceName,
} from "../core/names.js";
import * as wire from "../proto/gen/schakel/directory/v1/directory.js";

const PURPOSE = "schakel/announcement/v1";

/** How large the signed bytes of one announcement may be. */
export const ANNOUNCEMENT_BYTES_MAX = 256 * 1024;
/** How many services one inway may offer. */
export const SERVICES_MAX = 250;
/** How long an announcement may be valid, counted from when it was made, in milliseconds. */
export const VALIDITY_MAX_MS = 7 * 24 * 3_600_000;
/** How far in the future an announcement may have been made: clocks differ a little. */
const CLOCK_SKEW_MAX_MS = 5 * 60_000;
const VERSION = /^[ -~]{1,100}$/;
const OPENAPI_PATH = /^\/[!-~]{0,499}$/;

/** What an outway speaks to the inway of a service. */
export type ServiceProtocol = "HTTP/1.1" | "HTTP/2";

/** A service as an inway announces it. */
export interface AnnouncedService {
  readonly name: ServiceName;
  /** The path of its OpenAPI description below the service, starting with "/"; undefined when there is none. */
  readonly openapiPath: string | undefined;
  readonly protocol: ServiceProtocol;
}

/** What only an inway announces. */
export interface AnnouncedInway {
  /** Where it listens; the host is a DNS name of the signing certificate. */
  readonly address: Address;
  readonly services: readonly AnnouncedService[];
}

/** Inways can be called; outways only call. */
export type ComponentKind = "inway" | "outway";

/** Names one component in a group: `{peer id}/{kind}/{component}`. Neither part can hold a "/". */
export type ComponentKey = string;

/** The key of a component. */
export const componentKey = (
  peerId: PeerId,
  kind: ComponentKind,
  component: ComponentName,
): ComponentKey => `${peerId}/${kind}/${component}`;

/** The parts of a key. */
export const keyParts = (
  key: ComponentKey,
): { readonly peerId: string; readonly kind: ComponentKind; readonly component: string } => {
  const [peerId = "", kind, component = ""] = key.split("/");
  return { peerId, kind: kind === "inway" ? "inway" : "outway", component };
};

/** The signed bytes of an announcement with all that anybody needs to check them again. */
export type SignedAnnouncement = Readonly<wire.SignedAnnouncement>;

/** An announcement that has been verified: nothing else makes a value of this type. */
export interface Announcement {
  readonly key: ComponentKey;
  readonly groupId: string;
  readonly peerId: PeerId;
  /** The subject O of the signing certificate. Display only. */
  readonly peerName: string;
  readonly component: ComponentName;
  readonly kind: ComponentKind;
  /** Rises with every changed announcement of this component. */
  readonly sequence: number;
  /** From when on nobody may use it any more, in milliseconds since 1970. */
  readonly validUntil: number;
  /** The version of the component's software. */
  readonly version: string;
  /** Set for the kind "inway" alone. */
  readonly inway: AnnouncedInway | undefined;
  readonly signed: SignedAnnouncement;
}

/** What a component wants to announce. */
export interface AnnouncementContent {
  readonly component: ComponentName;
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly issuedAt: number;
  /** Milliseconds since 1970. */
  readonly validUntil: number;
  readonly version: string;
  readonly inway: AnnouncedInway | undefined;
}

type AnnouncementCode = Extract<
  ErrorCode,
  | "ERROR_CODE_ANNOUNCEMENT_INVALID"
  | "ERROR_CODE_ADDRESS_NOT_ALLOWED"
  | "ERROR_CODE_INCORRECT_GROUP_ID"
>;

/** An announcement that is not believed. The message says what is wrong with it and repeats only what stands in it. */
export class AnnouncementError extends Error {
  constructor(
    message: string,
    readonly code: AnnouncementCode = "ERROR_CODE_ANNOUNCEMENT_INVALID",
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "AnnouncementError";
  }
}

const PROTOCOLS = [
  ["HTTP/1.1", wire.Protocol.PROTOCOL_TCP_HTTP_1_1],
  ["HTTP/2", wire.Protocol.PROTOCOL_TCP_HTTP_2],
] as const;

/** The protocol's number on the wire. */
export const wireProtocol = (protocol: ServiceProtocol): wire.Protocol =>
  PROTOCOLS.find(([name]) => name === protocol)?.[1] ?? wire.Protocol.PROTOCOL_UNSPECIFIED;

const encodeKind = (inway: AnnouncedInway | undefined): wire.Announcement["kind"] =>
  inway === undefined
    ? { $case: "outway", value: {} }
    : {
        $case: "inway",
        value: {
          address: formatAddress(inway.address),
          services: inway.services.map(({ name, openapiPath, protocol }) => ({
            name,
            openapiPath: openapiPath ?? "",
            protocol: wireProtocol(protocol),
          })),
        },
      };

/** Signs what a component says of itself. The peer id and the certificates come from the bundle, the group id from the group. */
export const signAnnouncement = (
  content: AnnouncementContent,
  bundle: Bundle,
  group: Group,
): SignedAnnouncement => {
  const announcement = Buffer.from(
    wire.Announcement.encode({
      groupId: group.id,
      peerId: bundle.identity.peerId,
      component: content.component,
      sequence: BigInt(content.sequence),
      issuedAtMs: BigInt(content.issuedAt),
      validUntilMs: BigInt(content.validUntil),
      version: content.version,
      kind: encodeKind(content.inway),
    }).finish(),
  );
  const certificateChain = bundle.chain.map(({ raw }) => raw);
  return { announcement, certificateChain, signature: signBytes(bundle, PURPOSE, announcement) };
};

const refuse = (message: string, code?: AnnouncementCode): never => {
  throw new AnnouncementError(message, code);
};

const verifySigner = (signed: SignedAnnouncement, group: Group, now: number): PeerIdentity => {
  try {
    return verifySigned(
      {
        chain: signed.certificateChain,
        signature: signed.signature,
        purpose: PURPOSE,
        bytes: signed.announcement,
      },
      group,
      now,
    );
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new AnnouncementError(`the signature is not accepted: ${reason}`, undefined, {
      cause: error,
    });
  }
};

const decode = (bytes: Uint8Array): wire.Announcement => {
  try {
    return wire.Announcement.decode(bytes);
  } catch (error) {
    throw new AnnouncementError("the bytes are no Announcement", undefined, { cause: error });
  }
};

const parseInteger = (name: string, value: bigint): number =>
  value >= 1n && value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : refuse(`${name} is ${value.toString()}, allowed is 1 to ${Number.MAX_SAFE_INTEGER}`);

const parseTimes = (decoded: wire.Announcement, now: number): number => {
  const issuedAt = parseInteger("issued_at_ms", decoded.issuedAtMs);
  const validUntil = parseInteger("valid_until_ms", decoded.validUntilMs);
  if (issuedAt > now + CLOCK_SKEW_MAX_MS) {
    refuse(`it was made ${issuedAt - now} ms in the future; the clocks of the two sides differ`);
  }
  if (validUntil <= now) refuse("it is no longer valid");
  if (validUntil - issuedAt > VALIDITY_MAX_MS) {
    refuse(`it is valid for ${validUntil - issuedAt} ms, allowed are ${VALIDITY_MAX_MS}`);
  }
  return validUntil;
};

const parseService = (service: wire.Service): AnnouncedService => {
  const name = parseServiceName(service.name);
  if (name === undefined) return refuse("a service's name is not 1 to 100 of a-z A-Z 0-9 . - _");
  const protocol = PROTOCOLS.find(([, number]) => number === service.protocol)?.[0];
  if (protocol === undefined) {
    return refuse(`the protocol of ${name} is ${service.protocol}, allowed are 1 and 2`);
  }
  if (service.openapiPath !== "" && !OPENAPI_PATH.test(service.openapiPath)) {
    return refuse(`the openapi_path of ${name} is not a path of at most 500 characters`);
  }
  const openapiPath = service.openapiPath === "" ? undefined : service.openapiPath;
  return Object.freeze({ name, openapiPath, protocol });
};

const parseInway = (inway: wire.Inway): AnnouncedInway => {
  if (inway.services.length > SERVICES_MAX) {
    refuse(`it has ${inway.services.length} services, allowed are ${SERVICES_MAX}`);
  }
  const services = inway.services.map(parseService);
  if (new Set(services.map(({ name }) => name)).size < services.length) {
    refuse("it names a service twice");
  }
  const address = parseAddress(inway.address);
  if (address === undefined || !isHostName(address.host) || address.port === 0) {
    return refuse(
      "the address is not HOST:PORT with a DNS name and a port from 1 to 65535",
      "ERROR_CODE_ADDRESS_NOT_ALLOWED",
    );
  }
  return Object.freeze({ address: Object.freeze(address), services: Object.freeze(services) });
};

const checkAddress = (
  { host, port }: Address,
  signer: PeerIdentity,
  ports: readonly number[] | undefined,
): void => {
  // Compared as whole names: a wildcard in a certificate is no name that an inway could stand under.
  if (!signer.dnsNames.some((name) => name.toLowerCase() === host)) {
    refuse(
      `${host} is none of the certificate's names ${signer.dnsNames.slice(0, 10).join(", ")}`,
      "ERROR_CODE_ADDRESS_NOT_ALLOWED",
    );
  }
  if (ports !== undefined && !ports.includes(port)) {
    refuse(`port ${port} is not one of ${ports.join(", ")}`, "ERROR_CODE_ADDRESS_NOT_ALLOWED");
  }
};

/** How an announcement is checked. */
export interface Verifying {
  readonly group: Group;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Whether any port is allowed instead of the group's alone (tests and demo). */
  readonly anyPort: boolean;
}

/**
 * Checks an announcement: sizes, signature and certificates, then every field; the peer is the signer
 * and the address one of the certificate's names. May run concurrently; reads nothing but its arguments.
 *
 * @throws AnnouncementError with the code that the directory answers with
 */
export const verifyAnnouncement = (
  signed: SignedAnnouncement,
  { group, now, anyPort }: Verifying,
): Announcement => {
  if (signed.announcement.length > ANNOUNCEMENT_BYTES_MAX) {
    refuse(`it has ${signed.announcement.length} bytes, allowed are ${ANNOUNCEMENT_BYTES_MAX}`);
  }
  const signer = verifySigner(signed, group, now);
  const decoded = decode(signed.announcement);
  if (decoded.groupId !== group.id) {
    refuse("it was made for another group", "ERROR_CODE_INCORRECT_GROUP_ID");
  }
  if (decoded.peerId !== signer.peerId) {
    refuse(`its peer_id is not ${signer.peerId}, the peer of the certificate that signed it`);
  }
  const component =
    parseComponentName(decoded.component) ??
    refuse("the component's name is not 1 to 100 of a-z A-Z 0-9 . - _");
  if (!VERSION.test(decoded.version)) refuse("the version is not 1 to 100 printable characters");
  const kind = decoded.kind?.$case ?? refuse("it is neither an inway nor an outway");
  const inway = decoded.kind?.$case === "inway" ? parseInway(decoded.kind.value) : undefined;
  if (inway !== undefined) checkAddress(inway.address, signer, anyPort ? undefined : group.ports);
  return Object.freeze({
    key: componentKey(signer.peerId, kind, component),
    groupId: group.id,
    peerId: signer.peerId,
    peerName: signer.name,
    component,
    kind,
    sequence: parseInteger("sequence", decoded.sequence),
    validUntil: parseTimes(decoded, now),
    version: decoded.version,
    inway,
    signed,
  });
};
