// The check of a path inside an organisation: to the internal CA's root, and to nothing else.
import type { X509Certificate } from "node:crypto";
import { CertificateError } from "./certificate-error.js";
import { pathProblems } from "./chain.js";
import type { Purpose } from "./extensions.js";

/**
 * All that is wrong with the path from a component's certificate to the internal CA's root, as
 * `pathProblems` finds it; empty when it holds. An internal CA has no revocation lists.
 *
 * @param chain the component's certificate first, without the root
 * @param now milliseconds since 1970
 * @param purpose what the certificate must allow
 */
export const internalPathProblems = (
  chain: readonly X509Certificate[],
  anchor: X509Certificate,
  now: number,
  purpose: Purpose,
): string[] =>
  pathProblems(chain, { anchors: [anchor], revocationLists: [] }, now, { purposes: [purpose] });

/** Checks the path as `internalPathProblems` does. Throws CertificateError naming every problem. */
export const checkInternalPath = (
  chain: readonly X509Certificate[],
  anchor: X509Certificate,
  now: number,
  purpose: Purpose,
): void => {
  const problems = internalPathProblems(chain, anchor, now, purpose);
  if (problems.length > 0) throw new CertificateError(problems.join("; "));
};
