// TLS between organisations: the only place that builds TLS options or judges who is at the other end.
import { constants, type X509Certificate } from "node:crypto";
import {
  createSecureContext,
  type ConnectionOptions,
  type PeerCertificate,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
} from "node:tls";
import type { PeerId } from "../core/names.js";
import type { TlsServing } from "../core/tls-server.js";
import type { Bundle } from "./bundle.js";
import { describeIssuer, describeSubject } from "./certificate-fields.js";
import { weaknessesOf } from "./chain.js";
import type { Group } from "./group.js";
import type { Purpose } from "./extensions.js";
import { CertificateError, certifiesHost, identityOf, type PeerIdentity } from "./identity.js";
import { findPath } from "./path-builder.js";
import { clientChainOf, keepPeerChain, serverChainOf } from "./peer-chain.js";
import { writeCertificates } from "./pem.js";

const HANDSHAKE_TIMEOUT_MS = 10_000;

// Forward secrecy and authenticated encryption alone. Security level 2 refuses RSA keys below 2048
// bits and SHA-1 signatures whatever the library's own default is.
const CIPHERS = [
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "TLS_AES_128_GCM_SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "@SECLEVEL=2",
].join(":");

// Without tickets no session is resumed: a resumed one would skip the check of the certificate, which
// may have expired or lost its group meanwhile.
const SECURE_OPTIONS = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION;

const contextOptions = (bundle: Bundle, group: Group): SecureContextOptions => ({
  key: bundle.keyPem,
  cert: bundle.chainPem,
  ca: writeCertificates(group.anchors),
  minVersion: group.tlsMinimum,
  ciphers: CIPHERS,
  secureOptions: SECURE_OPTIONS,
});

/**
 * Options for a server of the group. The handshake asks for a certificate and completes with any;
 * whoever accepts the connection calls `admit` before reading from it, and destroys it when that throws.
 * After a change of bundle or group, `server.setSecureContext` takes new ones.
 *
 * @param alpn the protocols that the server speaks, the preferred one first
 */
export const serverTls = (bundle: Bundle, group: Group, alpn: readonly string[]): TlsServing => ({
  ...contextOptions(bundle, group),
  ALPNProtocols: [...alpn],
  requestCert: true,
  rejectUnauthorized: false,
  handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  handshakeDone: keepPeerChain,
});

const contexts = new WeakMap<Bundle, WeakMap<Group, SecureContext>>();

/** What a client of the group holds for all its connections; made once for each bundle and group. */
export const clientSecureContext = (bundle: Bundle, group: Group): SecureContext => {
  const ofBundle = contexts.get(bundle) ?? new WeakMap<Group, SecureContext>();
  contexts.set(bundle, ofBundle);
  const context = ofBundle.get(group) ?? createSecureContext(contextOptions(bundle, group));
  ofBundle.set(group, context);
  return context;
};

/** The server that answered is not the peer that was dialled. Nothing has been sent to it. */
export class PeerMismatch extends Error {
  readonly code = "SCHAKEL_PEER_MISMATCH";
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "PeerMismatch";
  }
}

// OpenSSL has found a path too; this one obeys the rules and revocation lists that it does not know.
const refusalOf = (
  chain: readonly X509Certificate[],
  group: Group,
  purpose: Purpose,
): string | undefined => {
  const [leaf, ...issuers] = chain;
  if (leaf === undefined) return "there is no certificate";
  const { problems } = findPath(leaf, issuers, group, { now: Date.now(), purposes: [purpose] });
  return problems?.join("; ");
};

const mismatch = (
  group: Group,
  expected: PeerId,
  host: string,
  shown: PeerCertificate,
): string | undefined => {
  const chain = serverChainOf(shown);
  const [leaf] = chain;
  if (leaf === undefined) return "the server showed no certificate";
  const identity = identityOf(leaf, group.peerIdRule);
  if (identity.peerId !== expected) {
    return `the peer that answered is ${identity.peerId}, expected is ${expected}`;
  }
  const names = identity.dnsNames.join(", ");
  if (certifiesHost(identity, host)) {
    const refusal = refusalOf(chain, group, "server authentication");
    return refusal && `the certificate of peer ${expected} is refused: ${refusal}`;
  }
  return `the name ${host} is not in the certificate of peer ${expected} (names are: ${names === "" ? "none" : names})`;
};

/**
 * A `checkServerIdentity` that holds a server to be one peer: the host name stands in the
 * subjectAltName of its certificate (the subject's CN does not count), the subject names that peer, and a
 * path leads from it to an anchor that holds (`pathProblems`), revocation lists too. The function returns a PeerMismatch when not, and never throws.
 */
export const checkPeer =
  (group: Group, peerId: PeerId) =>
  (host: string, certificate: PeerCertificate): Error | undefined => {
    try {
      const reason = mismatch(group, peerId, host, certificate);
      return reason === undefined ? undefined : new PeerMismatch(reason);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : "unreadable";
      return new PeerMismatch(`the certificate that answered is no peer's: ${reason}`, { cause });
    }
  };

/**
 * Whether an open connection to a peer would still be made: `checkPeer` with the group as it is now.
 *
 * @param host the name that was dialled
 * @returns a PeerMismatch when not
 */
export const checkOpenPeer = (
  socket: TLSSocket,
  group: Group,
  expected: { readonly peerId: PeerId; readonly host: string },
): Error | undefined =>
  checkPeer(group, expected.peerId)(expected.host, socket.getPeerCertificate(true));

/**
 * Options for connections to one peer: our certificate, the group's anchors only, and `checkPeer`. The
 * host name that is checked is `servername`, else `host`. Sessions must not be resumed with them (do not
 * pass `session`): Node.js does not call `checkServerIdentity` then.
 */
export const clientTls = (
  bundle: Bundle,
  group: Group,
  expected: { readonly peerId: PeerId; readonly alpn: readonly string[] },
): ConnectionOptions => ({
  secureContext: clientSecureContext(bundle, group),
  ALPNProtocols: [...expected.alpn],
  rejectUnauthorized: true,
  checkServerIdentity: checkPeer(group, expected.peerId),
});

/**
 * Options for connections to a source of our own organisation: TLS 1.2 or higher, the certificate
 * authorities that the machine's Node.js trusts (NODE_EXTRA_CA_CERTS adds to them), and the source's
 * name in its certificate. The group and our certificate play no part.
 */
export const sourceTls = (): ConnectionOptions => ({
  minVersion: "TLSv1.2",
  rejectUnauthorized: true,
});

const otherAnchor = (certificate: X509Certificate, group: Group): string => {
  const anchors = group.anchors.map((anchor) => `(${describeSubject(anchor)})`).join(", ");
  return `it was issued by (${describeIssuer(certificate)}) and does not lead to an anchor of the group, which are ${anchors}`;
};

// The codes of OpenSSL's verification; https://docs.openssl.org/3.5/man3/X509_STORE_CTX_get_error/.
const REASONS: Readonly<Record<string, (certificate: X509Certificate, group: Group) => string>> = {
  UNABLE_TO_GET_ISSUER_CERT: otherAnchor,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: otherAnchor,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: otherAnchor,
  DEPTH_ZERO_SELF_SIGNED_CERT: otherAnchor,
  SELF_SIGNED_CERT_IN_CHAIN: otherAnchor,
  CERT_HAS_EXPIRED: (c) =>
    `it or its issuer has expired (it is valid until ${c.validToDate.toISOString()})`,
  CERT_NOT_YET_VALID: (c) =>
    `it or its issuer is not valid yet (it is valid from ${c.validFromDate.toISOString()})`,
  INVALID_PURPOSE: () => "it is for another purpose than client authentication",
  INVALID_CA: () => "one of its issuers is no CA",
  PATH_LENGTH_EXCEEDED: () => "there are more CAs in its chain than one of them allows",
};

/** OpenSSL refuses what is too weak with codes that Node.js does not name. */
const otherReason = (certificate: X509Certificate, code: string): string => {
  try {
    const weaknesses = weaknessesOf(certificate);
    return weaknesses.length > 0
      ? `it has or is ${weaknesses.join("; ")}`
      : `the check says ${code}`;
  } catch {
    return `the check says ${code}`;
  }
};

/**
 * Decides whether whoever connected to a server of the group may go on. To be called when the handshake
 * is done, before anything is read.
 *
 * @returns who the peer is
 * @throws CertificateError with the reason in words, safe to log: no certificate, one that does not lead to
 * an anchor, is not valid now, is revoked or is for another purpose, or one that `identityOf` or
 * `pathProblems` refuses. May be called again at any time to see whether an open connection may stay
 */
export const admit = (socket: TLSSocket, group: Group): PeerIdentity => {
  const chain = clientChainOf(socket);
  const [certificate] = chain;
  if (certificate === undefined) throw new CertificateError("the client showed no certificate");
  if (!socket.authorized) {
    // The type says Error, the documentation and Node.js itself give the code as text.
    const code = String(socket.authorizationError);
    const words = REASONS[code]?.(certificate, group) ?? otherReason(certificate, code);
    throw new CertificateError(`the client's certificate is refused: ${words}`);
  }
  try {
    const identity = identityOf(certificate, group.peerIdRule);
    const refusal = refusalOf(chain, group, "client authentication");
    if (refusal !== undefined) throw new CertificateError(refusal);
    return identity;
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : "unreadable";
    throw new CertificateError(`the client's certificate is refused: ${words}`, { cause });
  }
};
