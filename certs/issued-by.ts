// Whether one certificate issued another (RFC 5280, 6.1.3): names, key identifiers and signature.
import type { X509Certificate } from "node:crypto";
import { fieldsOf, publicKeyOf } from "./certificate-fields.js";
import { TAG } from "./der.js";
import { authorityKeyIdOf, subjectKeyIdOf, type AuthorityKeyId } from "./extensions.js";

const DIRECTORY_NAME = TAG.explicit(4);

/**
 * Whether an authority key identifier, of a certificate or a list, may mean this issuer. What either
 * side does not say is no contradiction.
 *
 * @throws CertificateError when the issuer cannot be read
 */
export const mayMean = (said: AuthorityKeyId | undefined, issuer: X509Certificate): boolean => {
  if (said === undefined) return true;
  const { extensions, issuerBytes, serial } = fieldsOf(issuer);
  const keyId = subjectKeyIdOf(extensions);
  if (said.keyId !== undefined && keyId !== undefined && said.keyId !== keyId) return false;
  if (said.serial !== undefined && said.serial !== serial) return false;
  const names = said.issuerNames?.filter(({ tag }) => tag === DIRECTORY_NAME) ?? [];
  return names.length === 0 || names.some(({ content }) => content.equals(issuerBytes));
};

const VERIFIED_MAX = 1000;
// Signatures that were found right, by both certificates' digests. A signature is a fact, so that it never
// has to be forgotten; the oldest are.
const verified = new Set<string>();

const isSigned = (issuer: X509Certificate, certificate: X509Certificate): boolean => {
  const pair = `${certificate.fingerprint256} ${issuer.fingerprint256}`;
  if (verified.has(pair)) return true;
  if (!certificate.verify(publicKeyOf(issuer))) return false;
  const [oldest] = verified;
  if (verified.size >= VERIFIED_MAX && oldest !== undefined) verified.delete(oldest);
  verified.add(pair);
  return true;
};

/**
 * Whether the issuer's name and key identifier are those that a certificate names, before its signature
 * is looked at. False when either cannot be read.
 */
export const isNamedIssuer = (issuer: X509Certificate, certificate: X509Certificate): boolean => {
  try {
    const { issuerBytes, extensions } = fieldsOf(certificate);
    return (
      issuerBytes.equals(fieldsOf(issuer).subjectBytes) &&
      mayMean(authorityKeyIdOf(extensions), issuer)
    );
  } catch {
    return false;
  }
};

/**
 * Whether a certificate was issued by another: the issuer's name is the one it names, byte for byte, key
 * identifiers agree where both have them, and the signature is by the issuer's key. Never throws.
 */
export const isIssuedBy = (issuer: X509Certificate, certificate: X509Certificate): boolean => {
  try {
    return isNamedIssuer(issuer, certificate) && isSigned(issuer, certificate);
  } catch {
    return false;
  }
};

/** Whether a certificate is the root of its own chain: issued by itself, as its name and signature show. */
export const isRoot = (certificate: X509Certificate): boolean =>
  fieldsOf(certificate).selfIssued && isIssuedBy(certificate, certificate);
