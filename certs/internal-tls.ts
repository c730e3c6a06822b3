// TLS inside an organisation: version 1.3 alone, and the internal CA's root as the only anchor. A group's
// anchors play no part here, and this root plays none in a group.
import { constants, X509Certificate } from "node:crypto";
import {
  createSecureContext,
  type DetailedPeerCertificate,
  type PeerCertificate,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
  type TlsOptions,
} from "node:tls";
import { CertificateError } from "./certificate-error.js";
import { CHAIN_LENGTH_MAX } from "./chain.js";
import { describeIssuer } from "./certificate-fields.js";
import type { InternalBundle } from "./internal-bundle.js";
import { internalIdentityOf, type InternalIdentity } from "./internal-identity.js";
import { checkInternalPath } from "./internal-path.js";
import { writeCertificates } from "./pem.js";
import { PeerMismatch } from "./tls.js";

const HANDSHAKE_TIMEOUT_MS = 10_000;

const versionOptions: SecureContextOptions = {
  minVersion: "TLSv1.3",
  // Security level 2 refuses RSA keys below 2048 bits and SHA-1 signatures. The last suite is of version 1.2,
  // which is never spoken; the library takes no list without one.
  ciphers:
    "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:@SECLEVEL=2",
  // A resumed session would skip the check of the certificate.
  secureOptions: constants.SSL_OP_NO_TICKET,
};

/**
 * Options for the manager's internal server, and for other servers inside the organisation. The handshake
 * completes with any certificate and with none; whoever accepts the connection calls `admitInternal` before reading
 * from it. The chain is shown with its root, which a component that enrols knows by a hash alone.
 *
 * @param alpn the protocols that the server speaks, the preferred one first
 */
export const internalServerTls = (bundle: InternalBundle, alpn: readonly string[]): TlsOptions => ({
  ...versionOptions,
  key: bundle.keyPem,
  cert: bundle.chainPem + bundle.anchorPem,
  ca: bundle.anchorPem,
  ALPNProtocols: [...alpn],
  requestCert: true,
  rejectUnauthorized: false,
  handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
});

const contexts = new WeakMap<InternalBundle, SecureContext>();

/** What a component holds for its connections to the manager; made once for each bundle. */
export const internalSecureContext = (bundle: InternalBundle): SecureContext => {
  const context =
    contexts.get(bundle) ??
    createSecureContext({
      ...versionOptions,
      key: bundle.keyPem,
      cert: bundle.chainPem,
      ca: bundle.anchorPem,
    });
  contexts.set(bundle, context);
  return context;
};

/** What a component that has no certificate yet holds for its connection to the manager. */
export const enrolmentSecureContext = (anchor: X509Certificate): SecureContext =>
  createSecureContext({ ...versionOptions, ca: writeCertificates([anchor]) });

// The type says there always is one.
const issuerShown = (certificate: DetailedPeerCertificate): DetailedPeerCertificate | undefined =>
  certificate.issuerCertificate;

const shownChain = (certificate: DetailedPeerCertificate, anchor: X509Certificate): Buffer[] => {
  const chain: Buffer[] = [];
  let at: DetailedPeerCertificate | undefined = certificate;
  while (at !== undefined && chain.length <= CHAIN_LENGTH_MAX && !at.raw.equals(anchor.raw)) {
    chain.push(at.raw);
    at = issuerShown(at);
  }
  return chain;
};

const notManager = (chain: readonly X509Certificate[], anchor: X509Certificate) => {
  checkInternalPath(chain, anchor, Date.now(), "server authentication");
  const [leaf] = chain;
  if (leaf === undefined) return "there is no certificate below the internal CA's root";
  const { role } = internalIdentityOf(leaf);
  return role === "manager" ? undefined : `what answered has the role ${role}, expected is manager`;
};

/**
 * Whether a chain is that of the organisation's manager.
 *
 * @param chain DER, the manager's own certificate first, without the root
 * @returns why not, as a PeerMismatch; undefined when it is. Never throws
 */
export const managerMismatch = (
  chain: readonly Buffer[],
  anchor: X509Certificate,
): PeerMismatch | undefined => {
  try {
    const certificates = chain.map((der) => new X509Certificate(der));
    const reason = notManager(certificates, anchor);
    return reason === undefined ? undefined : new PeerMismatch(reason);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "unreadable";
    return new PeerMismatch(`the certificate that answered is no manager's: ${reason}`, { cause });
  }
};

/**
 * A `checkServerIdentity` that holds a server to be the organisation's manager: its certificate leads to the
 * internal CA's root and has the role manager. Host names play no part. The function returns a PeerMismatch
 * when not, and never throws.
 */
export const checkManager =
  ({ anchor }: Pick<InternalBundle, "anchor">) =>
  (_host: string, certificate: PeerCertificate): Error | undefined =>
    managerMismatch(shownChain(certificate as DetailedPeerCertificate, anchor), anchor);

const refused = (reason: string, cause?: unknown): CertificateError =>
  new CertificateError(`the component's certificate is refused: ${reason}`, { cause });

// OpenSSL judges a certificate once, by the root of that moment.
const judgedBy = new WeakMap<TLSSocket, string>();

const rootHasChanged = (socket: TLSSocket, { anchor }: InternalBundle): boolean => {
  const root = judgedBy.get(socket) ?? anchor.fingerprint256;
  judgedBy.set(socket, root);
  return root !== anchor.fingerprint256;
};

/**
 * Decides whether whoever connected to a server inside the organisation may go on. To be called when the
 * handshake is done, before anything is read, and again when time has passed.
 *
 * @param now milliseconds since 1970; the machine's clock unless given
 * @returns who it is; undefined when it showed no certificate
 * @throws CertificateError with the reason, safe to log: a certificate that does not lead to the internal
 * CA's root, is not valid now, or names no component; any when the root is another than at first
 */
export const admitInternal = (
  socket: TLSSocket,
  bundle: InternalBundle,
  now = Date.now(),
): InternalIdentity | undefined => {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  if (!socket.authorized) {
    const [anchor, code] = [describeIssuer(bundle.anchor), String(socket.authorizationError)];
    throw refused(
      `it was issued by (${describeIssuer(certificate)}); it must lead to (${anchor}) and be valid (${code})`,
    );
  }
  if (rootHasChanged(socket, bundle)) {
    throw refused("the internal CA's root is another one since it connected");
  }
  if (now > certificate.validToDate.getTime()) {
    throw refused(`it has expired (it is valid until ${certificate.validToDate.toISOString()})`);
  }
  try {
    return internalIdentityOf(certificate);
  } catch (cause) {
    throw refused(cause instanceof Error ? cause.message : "unreadable", cause);
  }
};
