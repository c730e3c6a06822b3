// Certificate revocation lists (RFC 5280, section 5).
import type { X509Certificate } from "node:crypto";

/** A revocation list as it is handed around: bytes, and the certificates that vouch for them. */
export interface RevocationList {
  /** The list, DER. */
  readonly crl: Buffer;
  /** Certificates between the list's issuer and the anchor, the issuer first; empty when an anchor issued it. */
  readonly issuerChain: readonly X509Certificate[];
}
