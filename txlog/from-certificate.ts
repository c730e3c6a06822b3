// What the certificate of an exchange tells the record of it.

/** Whoever shows a certificate. */
export interface Shown {
  /** SHA-256 of the certificate, base64url. */
  readonly certificateThumbprint: string;
}

const made = new WeakMap<Shown, Buffer>();

/** The certificate's thumbprint, 32 bytes, which nobody may change. Made once for an identity. */
export const thumbprintOf = (shown: Shown): Buffer => {
  const before = made.get(shown);
  if (before !== undefined) return before;
  const thumbprint = Buffer.from(shown.certificateThumbprint, "base64url");
  made.set(shown, thumbprint);
  return thumbprint;
};
