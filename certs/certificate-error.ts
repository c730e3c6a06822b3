// The one error for a certificate that is not accepted.

/** A certificate, chain or certificate request that is refused; the message says what was found and what is allowed. */
export class CertificateError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "CertificateError";
  }
}
