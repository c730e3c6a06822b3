// What an inway or outway says of itself when it opens its stream, checked.
import { CertificateError } from "../certs/certificate-error.js";
import type { Group } from "../certs/group.js";
import { certifiesHost, type PeerIdentity } from "../certs/identity.js";
import type { InternalIdentity } from "../certs/internal-identity.js";
import { readWireChain } from "../certs/wire-chain.js";
import { formatAddress, parseAddress, type Address } from "../core/address.js";
import { SchakelError } from "../core/errors.js";
import type { ComponentName, PeerId, Thumbprint } from "../core/names.js";
import type { WatchStateRequest } from "../proto/gen/schakel/manager/v1/component.js";

/** The roles that have a stream. */
export const STREAMING = ["inway", "outway"] as const;
export type StreamingRole = (typeof STREAMING)[number];

/** A component that registered. */
export interface Registration {
  readonly role: StreamingRole;
  readonly name: ComponentName;
  /** Undefined for an outway. */
  readonly address: Address | undefined;
  /** Of its certificate in the group. */
  readonly publicKeyThumbprint: Thumbprint;
  readonly version: string;
}

/** What registrations are checked against. */
export interface RegistrationRules {
  readonly group: Group;
  /** Our own peer. */
  readonly peerId: PeerId;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Whether an inway may have a port other than the group's. */
  readonly anyPort: boolean;
}

const invalid = (detail: string, cause?: unknown): SchakelError =>
  new SchakelError("ERROR_CODE_REQUEST_INVALID", { detail, cause });

const peerOf = (chain: readonly Uint8Array[], { group, now, peerId }: RegistrationRules) => {
  let identity: PeerIdentity;
  try {
    identity = readWireChain(chain, group, now).identity;
  } catch (cause) {
    if (!(cause instanceof CertificateError)) throw cause;
    throw invalid(`certificate_chain is refused: ${cause.message}`, cause);
  }
  if (identity.peerId === peerId) return identity;
  throw invalid(`certificate_chain names the peer ${identity.peerId}, this is ${peerId}`);
};

const notAllowed = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_ADDRESS_NOT_ALLOWED", { detail });

const inwayAddress = (
  text: string,
  identity: PeerIdentity,
  { group, anyPort }: RegistrationRules,
): Address => {
  const address = parseAddress(text);
  if (address === undefined || address.port === 0) throw invalid("address is not HOST:PORT");
  if (!certifiesHost(identity, address.host)) {
    const names = identity.dnsNames.join(", ");
    throw notAllowed(
      `${formatAddress(address)} is not at a name of the certificate, which are ${names === "" ? "none" : names}`,
    );
  }
  if (!anyPort && !group.ports.includes(address.port)) {
    throw notAllowed(
      `${formatAddress(address)} is not on one of the group's ports ${group.ports.join(", ")}`,
    );
  }
  return address;
};

const roleOf = ({ role }: InternalIdentity): StreamingRole => {
  const found = STREAMING.find((each) => each === role);
  if (found === undefined) throw new TypeError(`a component with the role ${role} has no stream`);
  return found;
};

/**
 * Checks what a component says of itself.
 *
 * @param caller has one of the roles of STREAMING
 * @throws SchakelError ERROR_CODE_INCORRECT_GROUP_ID, ERROR_CODE_REQUEST_INVALID, ERROR_CODE_ADDRESS_NOT_ALLOWED
 */
export const readRegistration = (
  request: WatchStateRequest,
  caller: InternalIdentity,
  rules: RegistrationRules,
): Registration => {
  const { groupId, certificateChain, address, version } = request;
  if (groupId !== rules.group.id) {
    throw new SchakelError("ERROR_CODE_INCORRECT_GROUP_ID", {
      detail: `this is the group ${rules.group.id}`,
    });
  }
  if (!/^[\x20-\x7e]{1,100}$/.test(version)) {
    throw invalid("version is not 1 to 100 printable ASCII characters");
  }
  const role = roleOf(caller);
  const identity = peerOf(certificateChain, rules);
  if (role === "outway" && address !== "") throw invalid("address is set, an outway has none");
  return {
    role,
    name: caller.name,
    address: role === "inway" ? inwayAddress(address, identity, rules) : undefined,
    publicKeyThumbprint: identity.publicKeyThumbprint,
    version,
  };
};
