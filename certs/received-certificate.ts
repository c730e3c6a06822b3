// The check of a certificate that the manager gives to a component: it is taken into use only when it is
// the component's own and holds.
import type { KeyObject, X509Certificate } from "node:crypto";
import { CertificateError } from "./certificate-error.js";
import { parseCertificate } from "./pem.js";
import { internalIdentityOf, type InternalIdentity } from "./internal-identity.js";
import { checkInternalPath } from "./internal-path.js";

/** A certificate as the manager answers with it, DER. */
export interface ReceivedCertificate {
  readonly certificate: Uint8Array;
  readonly caCertificate: Uint8Array;
  /** Between the two, the certificate's issuer first. */
  readonly issuerChain: readonly Uint8Array[];
}

/** What it must fit. */
export interface ReceivedFor {
  readonly key: KeyObject;
  /** The internal CA's root, as the component knows it already. */
  readonly anchor: X509Certificate;
}

/** A checked chain, the component's certificate first, without the root. */
export interface ReceivedChain {
  readonly chain: readonly X509Certificate[];
  readonly identity: InternalIdentity;
}

/**
 * Checks what the manager gave.
 *
 * @throws CertificateError when the CA is another one, the chain does not hold now, it is for another key or
 * names no component
 */
export const checkReceived = (
  received: ReceivedCertificate,
  { key, anchor }: ReceivedFor,
): ReceivedChain => {
  if (!anchor.raw.equals(received.caCertificate)) {
    throw new CertificateError("the manager gave a certificate of another CA");
  }
  const leaf = parseCertificate(received.certificate);
  const chain = [leaf, ...received.issuerChain.map(parseCertificate)];
  checkInternalPath(chain, anchor, Date.now(), "client authentication");
  if (!leaf.checkPrivateKey(key)) {
    throw new CertificateError("the manager gave a certificate for another key");
  }
  return { chain, identity: internalIdentityOf(leaf) };
};
