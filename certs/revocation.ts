// What revocation lists say of a path.
import type { X509Certificate } from "node:crypto";
import { describeSubject, fieldsOf } from "./certificate-fields.js";
import {
  isListBy,
  isNewer,
  readRevocationList,
  type ReadRevocationList,
  type RevocationList,
} from "./revocation-list.js";

/** How long after its nextUpdate a list still counts. Past it everything of its issuer is refused. */
export const REVOCATION_GRACE_MS = 24 * 3_600_000;

/** How lists are obeyed. */
export interface RevocationOptions {
  /** `REVOCATION_GRACE_MS` unless given. */
  readonly graceMs?: number | undefined;
  /** Other CAs that a list may be by, when it has the name of one in the path. */
  readonly otherCas?: readonly X509Certificate[] | undefined;
}

const day = (time: number): string => new Date(time).toISOString();

interface Listed {
  readonly list: ReadRevocationList;
  readonly issuers: readonly X509Certificate[];
}

const newestOf = (lists: readonly ReadRevocationList[]): ReadRevocationList | undefined =>
  lists.reduce<ReadRevocationList | undefined>(
    (best, list) => (best === undefined || isNewer(list, best) ? list : best),
    undefined,
  );

const byIssuer = (
  certificate: X509Certificate,
  issuer: X509Certificate,
  lists: readonly Listed[],
  { now, graceMs }: { readonly now: number; readonly graceMs: number },
): string[] => {
  const { subjectBytes } = fieldsOf(issuer);
  const named = lists.filter(({ list }) => list.issuerBytes.equals(subjectBytes));
  const own = named.filter(({ list }) => isListBy(list, issuer)).map(({ list }) => list);
  if (own.length === 0) {
    // Two CAs may have one name. A list that nobody vouches for is none that can be passed over.
    const foreign = named.every(({ list, issuers }) => issuers.some((ca) => isListBy(list, ca)));
    return foreign ? [] : ["its issuer's revocation list is not signed by the issuer"];
  }
  const list = newestOf(own.filter(({ thisUpdate }) => thisUpdate <= now));
  if (list === undefined) return ["its issuer's revocation list is not valid yet"];
  const revocation = list.revoked.get(fieldsOf(certificate).serial);
  if (revocation !== undefined) {
    return [`revoked since ${day(revocation.since)} (${revocation.reason})`];
  }
  return now > list.nextUpdate + graceMs
    ? [`its issuer's revocation list is out of date since ${day(list.nextUpdate)}`]
    : [];
};

/**
 * All that revocation lists say against the certificates of a path; empty when nothing. A certificate is
 * checked when there is a list of its issuer: it must not stand in the newest, and that must not be older
 * than its nextUpdate and the grace period. What has no list is not checked. A list that cannot be read, or
 * that has an issuer's name without being by it or by another known CA, refuses what it could have named.
 *
 * @param path each certificate followed by its issuer, the anchor last; its signatures have been checked
 * @param now milliseconds since 1970
 */
export const revocationProblems = (
  path: readonly X509Certificate[],
  lists: readonly RevocationList[],
  now: number,
  { graceMs = REVOCATION_GRACE_MS, otherCas = [] }: RevocationOptions = {},
): string[] => {
  if (lists.length === 0) return [];
  let listed: readonly Listed[];
  try {
    listed = lists.map(({ crl, issuerChain }) => ({
      list: readRevocationList(crl),
      issuers: [...issuerChain.slice(0, 1), ...otherCas],
    }));
  } catch (error) {
    return [error instanceof Error ? error.message : "a revocation list that cannot be read"];
  }
  return path.flatMap((certificate, index) => {
    const issuer = path[index + 1];
    if (issuer === undefined) return [];
    const who = `certificate ${String(index + 1)} (${describeSubject(certificate)})`;
    return byIssuer(certificate, issuer, listed, { now, graceMs }).map((each) => `${who}: ${each}`);
  });
};

/**
 * Until when lists say what they say now, in milliseconds since 1970: the last moment before one of them begins to
 * count or is past its grace period. Infinite when time changes nothing more. Lists that cannot be read change nothing.
 */
export const listsUnchangedUntil = (lists: readonly RevocationList[], now: number): number => {
  const moments = lists.flatMap(({ crl }) => {
    try {
      const { thisUpdate, nextUpdate } = readRevocationList(crl);
      return [thisUpdate - 1, nextUpdate + REVOCATION_GRACE_MS];
    } catch {
      return [];
    }
  });
  return Math.min(...moments.filter((moment) => moment >= now));
};
