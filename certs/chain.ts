// The check of a path from a peer's certificate to an anchor of the group, for certificates that do
// not come from a TLS handshake (RFC 5280, section 6, without policies and name constraints).
import type { X509Certificate } from "node:crypto";
import { CertificateError } from "./certificate-error.js";
import {
  describeIssuer,
  describeSubject,
  fieldsOf,
  keyProblem,
  publicKeyOf,
} from "./certificate-fields.js";
import {
  basicConstraintsOf,
  EXTENSION,
  keyUsagesOf,
  PEER_PURPOSES,
  purposesOf,
} from "./extensions.js";

/** How many certificates a chain may have, without the anchor. */
export const CHAIN_LENGTH_MAX = 5;

/** How large the DER of one certificate may be, in bytes. */
export const CERTIFICATE_BYTES_MAX = 16 * 1024;

const UNDERSTOOD: ReadonlySet<string> = new Set([
  EXTENSION.keyUsage,
  EXTENSION.subjectAltName,
  EXTENSION.basicConstraints,
  EXTENSION.certificatePolicies,
  EXTENSION.extendedKeyUsage,
]);

// RSA (PKCS #1 v1.5) and ECDSA, each with SHA-256, SHA-384 or SHA-512.
const SIGNATURES: ReadonlySet<string> = new Set([
  "1.2.840.113549.1.1.11",
  "1.2.840.113549.1.1.12",
  "1.2.840.113549.1.1.13",
  "1.2.840.10045.4.3.2",
  "1.2.840.10045.4.3.3",
  "1.2.840.10045.4.3.4",
]);

const day = (date: Date): string => date.toISOString();

const dateProblems = (certificate: X509Certificate, now: number): string[] => {
  const { validFromDate: from, validToDate: to } = certificate;
  if (now < from.getTime()) return [`not valid until ${day(from)}`];
  return now > to.getTime() ? [`expired since ${day(to)}`] : [];
};

const purposeProblems = (certificate: X509Certificate): string[] => {
  const allowed = purposesOf(fieldsOf(certificate).extensions);
  return PEER_PURPOSES.filter((purpose) => allowed?.includes(purpose) === false).map(
    (purpose) => `not for the purpose of ${purpose}`,
  );
};

/** What is too weak about a certificate, key and issuer's signature; empty when nothing is. Throws CertificateError when it cannot be read. */
export const weaknessesOf = (certificate: X509Certificate): string[] => {
  const { signatureAlgorithm } = fieldsOf(certificate);
  const weakness = keyProblem(publicKeyOf(certificate));
  return [
    ...(weakness === undefined ? [] : [weakness]),
    ...(SIGNATURES.has(signatureAlgorithm)
      ? []
      : [`signed with the algorithm ${signatureAlgorithm}, which is not allowed`]),
  ];
};

const sharedProblems = (certificate: X509Certificate, now: number): string[] => {
  const { extensions } = fieldsOf(certificate);
  const unknown = [...extensions].filter(([oid, { critical }]) => critical && !UNDERSTOOD.has(oid));
  return [
    ...dateProblems(certificate, now),
    ...purposeProblems(certificate),
    ...weaknessesOf(certificate),
    ...unknown.map(([oid]) => `the critical extension ${oid}, which is unknown here`),
    ...(extensions.has(EXTENSION.nameConstraints)
      ? ["name constraints, which are not supported"]
      : []),
  ];
};

const leafProblems = (certificate: X509Certificate): string[] => {
  const { extensions } = fieldsOf(certificate);
  if (basicConstraintsOf(extensions).isCa) return ["a CA's certificate, not a peer's"];
  return keyUsagesOf(extensions)?.includes("digitalSignature") === false
    ? ["a key usage without digitalSignature"]
    : [];
};

const issuerProblems = (certificate: X509Certificate, casBelow: number): string[] => {
  const { extensions } = fieldsOf(certificate);
  const { isCa, pathLength } = basicConstraintsOf(extensions);
  return [
    ...(isCa ? [] : ["not a CA's certificate, yet it issued one"]),
    ...(keyUsagesOf(extensions)?.includes("keyCertSign") === true
      ? []
      : ["a key usage without keyCertSign"]),
    ...(pathLength !== undefined && casBelow > pathLength
      ? [`${String(casBelow)} CAs below it, allowed are ${String(pathLength)}`]
      : []),
  ];
};

const issued = (issuer: X509Certificate, certificate: X509Certificate): boolean => {
  try {
    return certificate.checkIssued(issuer) && certificate.verify(publicKeyOf(issuer));
  } catch {
    return false;
  }
};

/** Whether a certificate is the root of its own chain: issued by itself, as its name and signature show. */
export const isRoot = (certificate: X509Certificate): boolean =>
  fieldsOf(certificate).selfIssued && issued(certificate, certificate);

const linkProblems = (
  chain: readonly X509Certificate[],
  anchors: readonly X509Certificate[],
): string[] => {
  const broken = chain.flatMap((certificate, index) => {
    const issuer = chain[index + 1];
    return issuer === undefined || issued(issuer, certificate)
      ? []
      : [`certificate ${String(index + 1)} was not issued by certificate ${String(index + 2)}`];
  });
  const last = chain.at(-1);
  if (last === undefined || anchors.some((anchor) => issued(anchor, last))) return broken;
  const known = anchors.map((anchor) => `(${describeSubject(anchor)})`).join(", ");
  return [...broken, `the chain stops at (${describeIssuer(last)}), anchors are ${known}`];
};

const pathOf = (
  chain: readonly X509Certificate[],
  anchors: readonly X509Certificate[],
): readonly X509Certificate[] => {
  const last = chain.at(-1);
  const anchor = last === undefined ? undefined : anchors.find((each) => issued(each, last));
  return anchor === undefined ? chain : [...chain, anchor];
};

const readable = (certificate: X509Certificate): string[] => {
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
    publicKeyOf(certificate);
    return [];
  } catch (error) {
    return [error instanceof Error ? error.message : "unreadable"];
  }
};

const named = (path: readonly X509Certificate[], index: number, problems: string[]): string[] => {
  const certificate = path[index];
  const subject = certificate === undefined ? "" : ` (${describeSubject(certificate)})`;
  return problems.map((problem) => `certificate ${String(index + 1)}${subject}: ${problem}`);
};

/**
 * All that is wrong with the path from a peer's certificate to one of the anchors; empty when it holds.
 * Checked are: each link's names and signature, and an anchor at its end; dates, the anchor's too; CA
 * flag, key usage and path length of issuers; that the first is no CA's and may sign; both TLS purposes
 * where they are limited; keys and signature algorithms; no unknown critical extension. Not checked:
 * revocation.
 *
 * @param chain the peer's certificate first, each next one the issuer of the one before, without the
 * anchor; at most 5
 * @param now milliseconds since 1970
 */
export const pathProblems = (
  chain: readonly X509Certificate[],
  anchors: readonly X509Certificate[],
  now: number,
): string[] => {
  if (chain.length === 0) return ["there is no certificate"];
  if (chain.length > CHAIN_LENGTH_MAX) {
    return [
      `a chain of ${String(chain.length)} certificates, allowed are ${String(CHAIN_LENGTH_MAX)}`,
    ];
  }
  const unreadable = chain.flatMap((each, index) => named(chain, index, readable(each)));
  if (unreadable.length > 0) return unreadable;
  const path = pathOf(chain, anchors);
  let casBelow = 0;
  const own = path.flatMap((certificate, index) => {
    const problems = [
      ...sharedProblems(certificate, now),
      ...(index === 0 ? leafProblems(certificate) : issuerProblems(certificate, casBelow)),
    ];
    if (index > 0 && !fieldsOf(certificate).selfIssued) casBelow += 1;
    return named(path, index, problems);
  });
  return [...linkProblems(chain, anchors), ...own];
};

/**
 * Checks the path from a peer's certificate to one of the anchors, as `pathProblems` does.
 *
 * @throws CertificateError naming every problem
 */
export const checkPath = (
  chain: readonly X509Certificate[],
  anchors: readonly X509Certificate[],
  now: number,
): void => {
  const problems = pathProblems(chain, anchors, now);
  if (problems.length > 0) throw new CertificateError(problems.join("; "));
};
