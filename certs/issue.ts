// Issues certificates to peers.
import { X509Certificate } from "node:crypto";
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

const checkIssuance = (ca: Ca, request: CertificateRequest, issuance: Issuance): void => {
  const { names, notBefore, notAfter, crlUrl } = issuance;
  if (crlUrl !== undefined) checkCrlUrl(crlUrl);
  if (names.length === 0) throw new CertificateError("a certificate needs at least one name");
  checkSubject(request, names);
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
  checkIssuance(ca, request, issuance);
  const issuer = forge.pki.certificateFromPem(ca.issuing.toString());
  const purposes = issuance.purposes ?? PEER_PURPOSES;
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = publicHalf(request.publicKey);
  certificate.serialNumber = newSerial();
  certificate.validity = { notBefore: issuance.notBefore, notAfter: issuance.notAfter };
  certificate.setSubject(peerSubject(request.peerId, request.organisation));
  certificate.setIssuer(nameOf(ca.issuing));
  certificate.setExtensions([
    { name: "basicConstraints", critical: true, cA: false },
    { name: "keyUsage", critical: true, digitalSignature: true },
    {
      name: "extKeyUsage",
      clientAuth: purposes.includes("client authentication"),
      serverAuth: purposes.includes("server authentication"),
    },
    { name: "subjectKeyIdentifier" },
    {
      name: "authorityKeyIdentifier",
      keyIdentifier: issuer.generateSubjectKeyIdentifier().getBytes(),
    },
    ...distributionPoint(issuance.crlUrl ?? ca.crlUrl),
    dnsNames([...new Set(issuance.names.map((name) => name.toLowerCase()))]),
  ]);
  signWith(ca.issuingKey, certificate, () => certificate.tbsCertificate);
  const issued = new X509Certificate(forge.pki.certificateToPem(certificate));
  await recordIssued(ca, issued);
  return issued;
};
