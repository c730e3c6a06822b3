// A peer's certificate with its issuers as it came over the wire, for a check without a handshake.
import { CertificateError } from "./certificate-error.js";
import { CHAIN_LENGTH_MAX, checkPath } from "./chain.js";
import { parseCertificate } from "./pem.js";
import type { Group } from "./group.js";
import { identityOf, type PeerIdentity } from "./identity.js";

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
  const chain = ders.map(parseCertificate);
  checkPath(chain, group, now);
  const [leaf] = chain;
  if (leaf === undefined) throw new CertificateError("there is no certificate");
  return identityOf(leaf, group.peerIdRule);
};
