// Issues certificates: to peers, and what every certificate of our small CA has.
import { X509Certificate, type KeyObject } from "node:crypto";
import forge from "node-forge";
import { recordIssued, type Ca } from "./ca.js";
import { CertificateError } from "./certificate-error.js";
import { PEER_PURPOSES, type Purpose } from "./extensions.js";
import {
  checkCrlUrl,
  distributionPoint,
  dnsNames,
  nameOf,
  peerSubject,
  publicHalf,
  signWith,
} from "./forge.js";
import { checkSubject, type CertificateRequest } from "./request.js";
import { newSerial } from "./serial.js";

/** What the operator of the CA grants; the request decides nothing of it. */
export interface Issuance {
  /** DNS names, at least one. */
  readonly names: readonly string[];
  readonly notBefore: Date;
  /** Not after the end of the issuing CA's own certificate. */
  readonly notAfter: Date;
  /** Both TLS purposes unless given. */
  readonly purposes?: readonly Purpose[] | undefined;
  /** Where the CA's list is; the address that the CA was made with unless given. */
  readonly crlUrl?: string | undefined;
}

/** What an issued certificate says. */
export interface Issued {
  readonly publicKey: KeyObject;
  readonly subject: forge.pki.CertificateField[];
  /** DNS names; none for a certificate without a subjectAltName. */
  readonly names: readonly string[];
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly purposes: readonly Purpose[];
  /** Where the CA's revocation list is; undefined for no such extension. */
  readonly crlUrl?: string | undefined;
}

const checkDates = (ca: Ca, { notBefore, notAfter }: Issued): void => {
  if (notAfter <= notBefore) {
    throw new CertificateError(`it would end (${notAfter.toISOString()}) before it begins`);
  }
  const end = ca.issuing.validToDate;
  if (notAfter > end) {
    throw new CertificateError(
      `it would be valid until ${notAfter.toISOString()}, but the CA itself ends at ${end.toISOString()}`,
    );
  }
};

/**
 * Signs a certificate of the issuing CA and records it in the CA's folder. May run in several processes at once.
 *
 * @returns the certificate; whoever shows it needs it followed by `ca.issuing`
 * @throws CertificateError when it would end before it begins or after the CA itself
 */
export const signCertificate = async (ca: Ca, issued: Issued): Promise<X509Certificate> => {
  checkDates(ca, issued);
  const issuer = forge.pki.certificateFromPem(ca.issuing.toString());
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = publicHalf(issued.publicKey);
  certificate.serialNumber = newSerial();
  certificate.validity = { notBefore: issued.notBefore, notAfter: issued.notAfter };
  certificate.setSubject(issued.subject);
  certificate.setIssuer(nameOf(ca.issuing));
  certificate.setExtensions([
    { name: "basicConstraints", critical: true, cA: false },
    { name: "keyUsage", critical: true, digitalSignature: true },
    {
      name: "extKeyUsage",
      clientAuth: issued.purposes.includes("client authentication"),
      serverAuth: issued.purposes.includes("server authentication"),
    },
    { name: "subjectKeyIdentifier" },
    {
      name: "authorityKeyIdentifier",
      keyIdentifier: issuer.generateSubjectKeyIdentifier().getBytes(),
    },
    ...distributionPoint(issued.crlUrl),
    ...(issued.names.length === 0
      ? []
      : [dnsNames([...new Set(issued.names.map((name) => name.toLowerCase()))])]),
  ]);
  signWith(ca.issuingKey, certificate, () => certificate.tbsCertificate);
  const signed = new X509Certificate(forge.pki.certificateToPem(certificate));
  await recordIssued(ca, signed);
  return signed;
};

/**
 * Issues a certificate for the key, peer id and organisation of a request, with the names, time and
 * purposes that the operator gives, and records it in the CA's folder. May run in several processes at once.
 *
 * @returns the certificate; peers need it followed by `ca.issuing`
 * @throws CertificateError when names or dates are not allowed
 */
export const issueCertificate = async (
  ca: Ca,
  request: CertificateRequest,
  issuance: Issuance,
): Promise<X509Certificate> => {
  const { names, notBefore, notAfter, purposes = PEER_PURPOSES, crlUrl = ca.crlUrl } = issuance;
  if (crlUrl !== undefined) checkCrlUrl(crlUrl);
  if (names.length === 0) throw new CertificateError("a certificate needs at least one name");
  checkSubject(request, names);
  const { publicKey, peerId, organisation } = request;
  const subject = peerSubject(peerId, organisation);
  const shared = { names, notBefore, notAfter, purposes, crlUrl };
  return await signCertificate(ca, { publicKey, subject, ...shared });
};
