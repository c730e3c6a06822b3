// What the certificate of an exchange tells the record of it.
import { madeOnce } from "../core/made-once.js";

/** Whoever shows a certificate. */
export interface Shown {
  /** SHA-256 of the certificate, base64url. */
  readonly certificateThumbprint: string;
}

/** The certificate's thumbprint, 32 bytes, which nobody may change. Made once for an identity. */
export const thumbprintOf: (shown: Shown) => Buffer = madeOnce(({ certificateThumbprint }) =>
  Buffer.from(certificateThumbprint, "base64url"),
);
