// The check of a path from a peer's certificate to an anchor (RFC 5280, section 6, without policies and
// name constraints, which are refused). Every check of a certificate of another organisation is this one.
import type { X509Certificate } from "node:crypto";
import { CertificateError } from "./certificate-error.js";
import { describeIssuer, describeSubject, fieldsOf } from "./certificate-fields.js";
import {
  issuerProblems,
  leafProblems,
  readingProblems,
  sharedProblems,
} from "./certificate-rules.js";
import { PEER_PURPOSES, type Purpose } from "./extensions.js";
import { certifiesHost, hostNamesOf } from "./identity.js";
import { isIssuedBy } from "./issued-by.js";
import type { RevocationList } from "./revocation-list.js";
import { revocationProblems } from "./revocation.js";

export { CERTIFICATE_BYTES_MAX, weaknessesOf } from "./certificate-rules.js";
export { isRoot } from "./issued-by.js";

/** How many certificates a chain may have, without the anchor. */
export const CHAIN_LENGTH_MAX = 5;

/** What certificates are checked against: a group, or what stands for one. */
export interface Trust {
  readonly anchors: readonly X509Certificate[];
  readonly revocationLists: readonly RevocationList[];
}

/** What a path is checked for. */
export interface PathOptions {
  /** What each certificate must allow where it is limited; both TLS purposes unless given. */
  readonly purposes?: readonly Purpose[] | undefined;
  /** A host name that the first certificate must have in its subjectAltName. */
  readonly name?: string | undefined;
  /** How long after its nextUpdate a revocation list still counts, in milliseconds; a day unless given. */
  readonly graceMs?: number | undefined;
}

const linkProblems = (
  chain: readonly X509Certificate[],
  anchors: readonly X509Certificate[],
): string[] => {
  const broken = chain.flatMap((certificate, index) => {
    const issuer = chain[index + 1];
    return issuer === undefined || isIssuedBy(issuer, certificate)
      ? []
      : [`certificate ${String(index + 1)} was not issued by certificate ${String(index + 2)}`];
  });
  const last = chain.at(-1);
  if (last === undefined || anchors.some((anchor) => isIssuedBy(anchor, last))) return broken;
  const names = anchors.map((anchor) => `(${describeSubject(anchor)})`).join(", ");
  const known = names === "" ? "there are no anchors" : `anchors are ${names}`;
  return [...broken, `the chain stops at (${describeIssuer(last)}), ${known}`];
};

const named = (path: readonly X509Certificate[], index: number, problems: string[]): string[] => {
  const certificate = path[index];
  const subject = certificate === undefined ? "" : ` (${describeSubject(certificate)})`;
  return problems.map((problem) => `certificate ${String(index + 1)}${subject}: ${problem}`);
};

const ownProblems = (
  path: readonly X509Certificate[],
  purposes: readonly Purpose[],
  now: number,
): string[] => {
  let casBelow = 0;
  return path.flatMap((certificate, index) => {
    const problems = [
      ...sharedProblems(certificate, purposes, now),
      ...(index === 0 ? leafProblems(certificate) : issuerProblems(certificate, casBelow)),
    ];
    if (index > 0 && !fieldsOf(certificate).selfIssued) casBelow += 1;
    return named(path, index, problems);
  });
};

const nameProblems = (path: readonly X509Certificate[], name: string | undefined): string[] => {
  const [leaf] = path;
  if (leaf === undefined || name === undefined) return [];
  const dnsNames = hostNamesOf(leaf);
  if (certifiesHost({ dnsNames }, name)) return [];
  const names = dnsNames.length === 0 ? "none" : dnsNames.slice(0, 20).join(", ");
  return named(path, 0, [`the name ${JSON.stringify(name)} is not in it (names are: ${names})`]);
};

// Several anchors may have the name and key that a chain ends at: one that holds is enough.
const pathsOf = (
  chain: readonly X509Certificate[],
  anchors: readonly X509Certificate[],
): readonly (readonly X509Certificate[])[] => {
  const last = chain.at(-1);
  const found = anchors.filter((anchor) => last !== undefined && isIssuedBy(anchor, last));
  return found.length === 0 ? [chain] : found.map((anchor) => [...chain, anchor]);
};

const problemsOfPath = (
  path: readonly X509Certificate[],
  trust: Trust,
  now: number,
  { purposes = PEER_PURPOSES, graceMs, name }: PathOptions,
): string[] => {
  const unreadable = path.flatMap((each, index) => named(path, index, readingProblems(each)));
  if (unreadable.length > 0) return unreadable;
  const own = [...ownProblems(path, purposes, now), ...nameProblems(path, name)];
  // What revocation lists say of a path counts once it is one.
  if (own.length > 0) return own;
  return revocationProblems(path, trust.revocationLists, now, { graceMs, otherCas: trust.anchors });
};

/**
 * All that is wrong with the path from a peer's certificate to one of the anchors; empty when it holds.
 * Checked are: each link's names (byte for byte), key identifiers and signature, and an anchor at its end;
 * dates, the anchor's too; version, serial and strict DER; CA flag, key usage and path length of issuers;
 * that the first is no CA's, may sign and has the name; the purposes where they are limited; keys and signature
 * algorithms; no critical extension that is not understood, no name or policy constraints; and the
 * revocation lists (`revocationProblems`).
 *
 * @param chain the peer's certificate first, each next one the issuer of the one before, without the
 * anchor; at most 5
 * @param trust the group
 * @param now milliseconds since 1970
 */
export const pathProblems = (
  chain: readonly X509Certificate[],
  trust: Trust,
  now: number,
  options: PathOptions = {},
): string[] => {
  if (chain.length === 0) return ["there is no certificate"];
  if (chain.length > CHAIN_LENGTH_MAX) {
    return [
      `a chain of ${String(chain.length)} certificates, allowed are ${String(CHAIN_LENGTH_MAX)}`,
    ];
  }
  const unreadable = chain.flatMap((each, index) => named(chain, index, readingProblems(each)));
  if (unreadable.length > 0) return unreadable;
  const links = linkProblems(chain, trust.anchors);
  const judged = pathsOf(chain, trust.anchors).map((path) =>
    problemsOfPath(
      path,
      links.length > 0 ? { ...trust, revocationLists: [] } : trust,
      now,
      options,
    ),
  );
  const [first = [], ...others] = judged;
  const best = others.find((problems) => problems.length === 0) ?? first;
  return [...links, ...best];
};

/**
 * Checks the path from a peer's certificate to one of the anchors, as `pathProblems` does.
 *
 * @throws CertificateError naming every problem
 */
export const checkPath = (
  chain: readonly X509Certificate[],
  trust: Trust,
  now: number,
  options?: PathOptions,
): void => {
  const problems = pathProblems(chain, trust, now, options);
  if (problems.length > 0) throw new CertificateError(problems.join("; "));
};
