// Finds a path from a certificate to an anchor among issuers in any order (RFC 4158), with a bounded search.
import type { X509Certificate } from "node:crypto";
import { fieldsOf } from "./certificate-fields.js";
import { CHAIN_LENGTH_MAX, pathProblems, type PathOptions, type Trust } from "./chain.js";
import { isIssuedBy } from "./issued-by.js";

/** How many issuers may be given. */
export const ISSUERS_MAX = 50;

/** How many links are tried before the search gives up. */
export const LINKS_TRIED_MAX = 100;

/** What the search found. */
export type FoundPath =
  | { readonly chain: readonly X509Certificate[]; readonly problems?: undefined }
  | { readonly chain?: undefined; readonly problems: readonly string[] };

interface Search {
  readonly issuers: readonly X509Certificate[];
  readonly check: (chain: readonly X509Certificate[]) => readonly string[];
  readonly isAnchored: (last: X509Certificate) => boolean;
  tried: number;
  /** What is wrong with the chain that led furthest, and how far that is. */
  problems: readonly string[];
  reached: number;
}

const ANCHORED = CHAIN_LENGTH_MAX + 1;

/** Whether a chain is a path that holds. Of those that are none, the one that leads furthest is remembered. */
const holds = (search: Search, chain: readonly X509Certificate[]): boolean => {
  const last = chain.at(-1);
  const anchored = last !== undefined && search.isAnchored(last);
  const reach = anchored ? ANCHORED : chain.length;
  if (!anchored && reach <= search.reached) return false;
  const problems = search.check(chain);
  if (problems.length === 0) return true;
  if (reach > search.reached) {
    search.reached = reach;
    search.problems = problems;
  }
  return false;
};

// Loops: no name with a key may stand in a path twice, whatever certificate says so (RFC 4158, 5.2).
const isSameCa = (a: X509Certificate, b: X509Certificate): boolean => {
  const [one, other] = [fieldsOf(a), fieldsOf(b)];
  return (
    one.subjectBytes.equals(other.subjectBytes) && one.publicKeyInfo.equals(other.publicKeyInfo)
  );
};

const mayFollow = (
  search: Search,
  chain: readonly X509Certificate[],
  issuer: X509Certificate,
): boolean => {
  const last = chain.at(-1);
  if (last === undefined || search.tried >= LINKS_TRIED_MAX) return false;
  try {
    if (!fieldsOf(issuer).subjectBytes.equals(fieldsOf(last).issuerBytes)) return false;
    search.tried += 1;
    return !chain.some((each) => isSameCa(each, issuer)) && isIssuedBy(issuer, last);
  } catch {
    return false;
  }
};

const extend = (
  search: Search,
  chain: readonly X509Certificate[],
): readonly X509Certificate[] | undefined => {
  if (holds(search, chain)) return chain;
  if (chain.length >= CHAIN_LENGTH_MAX) return undefined;
  for (const issuer of search.issuers) {
    if (!mayFollow(search, chain, issuer)) continue;
    const found = extend(search, [...chain, issuer]);
    if (found !== undefined) return found;
  }
  return undefined;
};

const isReadable = (certificate: X509Certificate): boolean => {
  try {
    fieldsOf(certificate);
    return true;
  } catch {
    return false;
  }
};

/**
 * Finds a path that holds (`pathProblems`) from a certificate to an anchor. Cross-signed CAs are tried one
 * after the other; loops end; at most 100 links are tried and at most 5 certificates make a chain.
 *
 * @param issuers certificates that may stand between, in any order; others are passed over
 * @returns the chain without the anchor, or what is wrong with the path that led furthest
 */
export const findPath = (
  leaf: X509Certificate,
  issuers: readonly X509Certificate[],
  trust: Trust,
  { now, ...options }: PathOptions & { readonly now: number },
): FoundPath => {
  if (issuers.length > ISSUERS_MAX) {
    return {
      problems: [
        `${String(issuers.length)} issuers were given, allowed are ${String(ISSUERS_MAX)}`,
      ],
    };
  }
  const distinct = new Map(issuers.map((each) => [each.fingerprint256, each]));
  const search: Search = {
    issuers: [...distinct.values()].filter(isReadable),
    check: (chain) => pathProblems(chain, trust, now, options),
    isAnchored: (last) => trust.anchors.some((anchor) => isIssuedBy(anchor, last)),
    tried: 0,
    problems: [],
    reached: 0,
  };
  const chain = extend(search, [leaf]);
  if (chain !== undefined) return { chain };
  const gaveUp = search.tried >= LINKS_TRIED_MAX ? ["the search for a path was given up"] : [];
  return { problems: [...search.problems, ...gaveUp] };
};
