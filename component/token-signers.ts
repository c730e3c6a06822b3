// Which of the certificates that our manager lists may sign tokens now.
import type { X509Certificate } from "node:crypto";
import type { Bundle } from "../certs/bundle.js";
import type { Group } from "../certs/group.js";
import { identityOf } from "../certs/identity.js";
import { findPath } from "../certs/path-builder.js";
import { listsUnchangedUntil } from "../certs/revocation.js";
import { tokenKeysOf, type TokenKeys } from "../contracts/token-check.js";

/** What listed certificates are checked against. */
export interface SignerCheck {
  readonly group: Group;
  /** Our own: its peer is the only one that may sign, and its issuers may be theirs. */
  readonly bundle: Bundle;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly leftOut: (what: string, reason: string) => void;
}

const refusalOf = (
  certificate: X509Certificate,
  issuers: readonly X509Certificate[],
  { group, bundle, now }: SignerCheck,
): string | undefined => {
  try {
    const { peerId } = identityOf(certificate, group.peerIdRule);
    if (peerId !== bundle.identity.peerId) return `it is of peer ${peerId}`;
    return findPath(certificate, issuers, group, { now }).problems?.join("; ");
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

/** Keys that may sign tokens, and until when this stays so unless something changes. */
export interface TokenSigners {
  readonly keys: TokenKeys;
  /** When the first of their certificates ends, or a revocation list grows too old; milliseconds since 1970. */
  readonly until: number;
}

/**
 * The keys of those listed certificates that name our own peer and lead to an anchor of the group now. Others are left
 * out and reported; certificates of CAs only serve as issuers.
 */
export const tokenSigners = (
  listed: readonly X509Certificate[],
  check: SignerCheck,
): TokenSigners => {
  const issuers = [...listed.filter(({ ca }) => ca), ...check.bundle.chain.slice(1)];
  const good = listed
    .filter(({ ca }) => !ca)
    .filter((certificate) => {
      const refusal = refusalOf(certificate, issuers, check);
      if (refusal !== undefined) check.leftOut("token signer", refusal);
      return refusal === undefined;
    });
  return {
    keys: tokenKeysOf(good),
    until: Math.min(
      ...good.map(({ validToDate }) => validToDate.getTime()),
      listsUnchangedUntil(check.group.revocationLists, check.now),
    ),
  };
};
