// What RFC 5280 asks of one certificate, by the place that it has in a path. How certificates hang
// together is certs/chain.ts.
import type { X509Certificate } from "node:crypto";
import { fieldsOf, keyProblem, publicKeyOf } from "./certificate-fields.js";
import {
  authorityKeyIdOf,
  basicConstraintsOf,
  distributionPointsOf,
  dnsNamesOf,
  EXTENSION,
  keyUsagesOf,
  purposesOf,
  subjectKeyIdOf,
  type Purpose,
} from "./extensions.js";

/** How large the DER of one certificate may be, in bytes. */
export const CERTIFICATE_BYTES_MAX = 16 * 1024;

const SERIAL_BYTES_MAX = 20;

// The extensions that may be critical: whatever they say is obeyed. Policies ask for nothing unless
// policyConstraints does, which is refused.
const UNDERSTOOD: ReadonlySet<string> = new Set([
  EXTENSION.keyUsage,
  EXTENSION.subjectAltName,
  EXTENSION.basicConstraints,
  EXTENSION.certificatePolicies,
  EXTENSION.extendedKeyUsage,
]);

// Extensions that limit what stands below and that are not obeyed here: refused also when not critical.
const LIMITS: readonly (readonly [string, string])[] = [
  [EXTENSION.nameConstraints, "name constraints, which are not supported"],
  [EXTENSION.policyConstraints, "policy constraints, which are not supported"],
  [EXTENSION.inhibitAnyPolicy, "a limit on policies, which is not supported"],
];

// RSA (PKCS #1 v1.5) and ECDSA, each with SHA-256, SHA-384 or SHA-512.
const SIGNATURES: ReadonlySet<string> = new Set([
  "1.2.840.113549.1.1.11",
  "1.2.840.113549.1.1.12",
  "1.2.840.113549.1.1.13",
  "1.2.840.10045.4.3.2",
  "1.2.840.10045.4.3.3",
  "1.2.840.10045.4.3.4",
]);

/** Whether signatures of this algorithm (an object identifier) count: RSA (PKCS #1 v1.5) and ECDSA with SHA-256, SHA-384 or SHA-512. */
export const isSignatureAllowed = (algorithm: string): boolean => SIGNATURES.has(algorithm);

const day = (time: number): string => new Date(time).toISOString();

const dateProblems = (certificate: X509Certificate, now: number): string[] => {
  const { notBefore, notAfter } = fieldsOf(certificate);
  if (now < notBefore) return [`not valid until ${day(notBefore)}`];
  return now > notAfter ? [`expired since ${day(notAfter)}`] : [];
};

/** What is too weak about a certificate, key and issuer's signature; empty when nothing is. Throws CertificateError when it cannot be read. */
export const weaknessesOf = (certificate: X509Certificate): string[] => {
  const { signatureAlgorithm } = fieldsOf(certificate);
  const weakness = keyProblem(publicKeyOf(certificate));
  return [
    ...(weakness === undefined ? [] : [weakness]),
    ...(isSignatureAllowed(signatureAlgorithm)
      ? []
      : [`signed with the algorithm ${signatureAlgorithm}, which is not allowed`]),
  ];
};

const serialProblems = (serial: string): string[] => {
  const bytes = serial.length / 2;
  if (bytes > SERIAL_BYTES_MAX) {
    return [`a serial of ${String(bytes)} bytes, allowed are ${String(SERIAL_BYTES_MAX)}`];
  }
  return /^0*$/.test(serial) || Number.parseInt(serial.slice(0, 2), 16) >= 0x80
    ? ["a serial that is not positive"]
    : [];
};

const formProblems = (certificate: X509Certificate): string[] => {
  const { version, serial, issuer, extensions } = fieldsOf(certificate);
  const unknown = [...extensions].filter(([oid, { critical }]) => critical && !UNDERSTOOD.has(oid));
  return [
    ...(version === 3 ? [] : [`a certificate of version ${String(version)}, allowed is 3`]),
    ...serialProblems(serial),
    ...(issuer.length === 0 ? ["an issuer without a name"] : []),
    ...unknown.map(([oid]) => `the critical extension ${oid}, which is unknown here`),
    ...LIMITS.filter(([oid]) => extensions.has(oid)).map(([, text]) => text),
  ];
};

/** What is wrong with a certificate at any place in a path. */
export const sharedProblems = (
  certificate: X509Certificate,
  purposes: readonly Purpose[],
  now: number,
): string[] => {
  const allowed = purposesOf(fieldsOf(certificate).extensions);
  return [
    ...dateProblems(certificate, now),
    ...purposes
      .filter((purpose) => allowed?.includes(purpose) === false)
      .map((purpose) => `not for the purpose of ${purpose}`),
    ...weaknessesOf(certificate),
    ...formProblems(certificate),
  ];
};

/** What is wrong with a certificate as the first of a path. */
export const leafProblems = (certificate: X509Certificate): string[] => {
  const { subject, extensions } = fieldsOf(certificate);
  if (basicConstraintsOf(extensions).isCa) return ["a CA's certificate, not a peer's"];
  const usages = keyUsagesOf(extensions);
  const names = extensions.get(EXTENSION.subjectAltName);
  return [
    ...(usages?.includes("digitalSignature") === false
      ? ["a key usage without digitalSignature"]
      : []),
    ...(usages?.includes("keyCertSign") === true
      ? ["a key that may sign certificates, yet it is no CA's"]
      : []),
    ...(subject.length === 0 && names?.critical !== true
      ? ["neither a subject nor a critical subjectAltName"]
      : []),
  ];
};

/** What is wrong with a certificate as an issuer in a path. */
export const issuerProblems = (certificate: X509Certificate, casBelow: number): string[] => {
  const { subject, extensions } = fieldsOf(certificate);
  const { isCa, pathLength } = basicConstraintsOf(extensions);
  const critical = extensions.get(EXTENSION.basicConstraints)?.critical === true;
  return [
    ...(isCa ? [] : ["not a CA's certificate, yet it issued one"]),
    ...(isCa && !critical ? ["basic constraints that are not critical"] : []),
    ...(keyUsagesOf(extensions)?.includes("keyCertSign") === true
      ? []
      : ["a key usage without keyCertSign"]),
    ...(pathLength !== undefined && casBelow > pathLength
      ? [`${String(casBelow)} CAs below it, allowed are ${String(pathLength)}`]
      : []),
    ...(subject.length === 0 ? ["a CA without a name"] : []),
  ];
};

/** Why a certificate cannot be judged at all; empty when it can. Never throws. */
export const readingProblems = (certificate: X509Certificate): string[] => {
  if (certificate.raw.length > CERTIFICATE_BYTES_MAX) {
    return [
      `${String(certificate.raw.length)} bytes long, allowed are ${String(CERTIFICATE_BYTES_MAX)}`,
    ];
  }
  try {
    const { extensions } = fieldsOf(certificate);
    basicConstraintsOf(extensions);
    keyUsagesOf(extensions);
    purposesOf(extensions);
    dnsNamesOf(extensions);
    subjectKeyIdOf(extensions);
    authorityKeyIdOf(extensions);
    distributionPointsOf(extensions);
    publicKeyOf(certificate);
    return [];
  } catch (error) {
    return [error instanceof Error ? error.message : "unreadable"];
  }
};
