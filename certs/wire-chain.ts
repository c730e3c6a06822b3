// A peer's certificate with its issuers as they came over the wire, for a check without a handshake.
import type { X509Certificate } from "node:crypto";
import { CertificateError } from "./certificate-error.js";
import { CERTIFICATE_BYTES_MAX, CHAIN_LENGTH_MAX, checkPath } from "./chain.js";
import type { Group } from "./group.js";
import { identityOf, type PeerIdentity } from "./identity.js";
import { parseCertificate } from "./pem.js";

const parseWithin = (der: Uint8Array): X509Certificate => {
  if (der.length > CERTIFICATE_BYTES_MAX) {
    throw new CertificateError(
      `a certificate of ${String(der.length)} bytes, allowed are ${String(CERTIFICATE_BYTES_MAX)}`,
    );
  }
  return parseCertificate(der);
};

/** A chain that holds, and whose it is. */
export interface WireChain {
  /** The peer's own certificate. */
  readonly certificate: X509Certificate;
  readonly identity: PeerIdentity;
}

/**
 * Checks that a chain leads to an anchor of the group at this moment, revocation lists too, and names a
 * peer of the group.
 *
 * @param ders DER, the peer's certificate first, without the anchor; 1 to 5, each at most 16 KiB
 * @param now milliseconds since 1970
 * @throws CertificateError when a limit is passed, the path does not hold or the subject names no peer
 */
export const readWireChain = (
  ders: readonly Uint8Array[],
  group: Group,
  now: number,
): WireChain => {
  if (ders.length < 1 || ders.length > CHAIN_LENGTH_MAX) {
    throw new CertificateError(
      `a chain of ${String(ders.length)} certificates, allowed are 1 to ${String(CHAIN_LENGTH_MAX)}`,
    );
  }
  const chain = ders.map(parseWithin);
  checkPath(chain, group, now);
  const [certificate] = chain;
  if (certificate === undefined) throw new CertificateError("there is no certificate");
  return { certificate, identity: identityOf(certificate, group.peerIdRule) };
};
