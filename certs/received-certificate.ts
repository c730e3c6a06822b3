// The check of a certificate that the manager gives to a component: it is taken into use only when it is
// the component's own and holds.
import { X509Certificate, type KeyObject } from "node:crypto";
import { CertificateError } from "./certificate-error.js";
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

const parse = (der: Uint8Array): X509Certificate => {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(der);
  } catch (cause) {
    throw new CertificateError("the manager gave a certificate that cannot be read", { cause });
  }
  // OpenSSL also takes PEM, and ignores what follows a certificate.
  if (certificate.raw.equals(der)) return certificate;
  throw new CertificateError("the manager gave a certificate that is not DER");
};

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
  const leaf = parse(received.certificate);
  const chain = [leaf, ...received.issuerChain.map(parse)];
  checkInternalPath(chain, anchor, Date.now());
  if (!leaf.checkPrivateKey(key)) {
    throw new CertificateError("the manager gave a certificate for another key");
  }
  return { chain, identity: internalIdentityOf(leaf) };
};
