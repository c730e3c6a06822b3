// The check of a path inside an organisation: to the internal CA's root, and to nothing else.
import type { X509Certificate } from "node:crypto";
import { CertificateError } from "./certificate-error.js";
import { pathProblems } from "./chain.js";

/**
 * All that is wrong with the path from a component's certificate to the internal CA's root, as
 * `pathProblems` finds it; empty when it holds. An internal CA has no revocation lists.
 *
 * @param chain the component's certificate first, without the root
 * @param now milliseconds since 1970
 */
export const internalPathProblems = (
  chain: readonly X509Certificate[],
  anchor: X509Certificate,
  now: number,
): string[] => pathProblems(chain, { anchors: [anchor], revocationLists: [] }, now);

/** Checks the path as `internalPathProblems` does. Throws CertificateError naming every problem. */
export const checkInternalPath = (
  chain: readonly X509Certificate[],
  anchor: X509Certificate,
  now: number,
): void => {
  const problems = internalPathProblems(chain, anchor, now);
  if (problems.length > 0) throw new CertificateError(problems.join("; "));
};
