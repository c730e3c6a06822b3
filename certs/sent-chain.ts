// A peer's certificate with its issuers as it came over the wire, for a check without a handshake.
import { X509Certificate } from "node:crypto";
import { CertificateError } from "./certificate-error.js";
import { CERTIFICATE_BYTES_MAX, CHAIN_LENGTH_MAX, checkPath } from "./chain.js";
import type { Group } from "./group.js";
import { identityOf, type PeerIdentity } from "./identity.js";

const parse = (der: Uint8Array): X509Certificate => {
  if (der.length > CERTIFICATE_BYTES_MAX) {
    throw new CertificateError(`a certificate of ${String(der.length)} bytes`);
  }
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(der);
  } catch (cause) {
    throw new CertificateError("a certificate that cannot be read", { cause });
  }
  // OpenSSL also takes PEM, and ignores what follows a certificate.
  if (certificate.raw.equals(der)) return certificate;
  throw new CertificateError("a certificate that is not DER");
};

/**
 * Checks that a chain leads to an anchor of the group now and names a peer of it.
 *
 * @param ders DER, the peer's certificate first, without the anchor
 * @param now milliseconds since 1970
 * @throws CertificateError when a limit is passed, the path does not hold or the subject names no peer
 */
export const identityOfChain = (
  ders: readonly Uint8Array[],
  group: Group,
  now: number,
): PeerIdentity => {
  if (ders.length < 1 || ders.length > CHAIN_LENGTH_MAX) {
    throw new CertificateError(
      `a chain of ${String(ders.length)} certificates, allowed are 1 to ${String(CHAIN_LENGTH_MAX)}`,
    );
  }
  const chain = ders.map(parse);
  checkPath(chain, group, now);
  const [leaf] = chain;
  if (leaf === undefined) throw new CertificateError("there is no certificate");
  return identityOf(leaf, group.peerIdRule);
};
