// Certificates in PEM (RFC 7468).
import { X509Certificate } from "node:crypto";
import { CertificateError } from "./certificate-error.js";

const BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+?-----END CERTIFICATE-----/g;
const LIST_BLOCK = /-----BEGIN X509 CRL-----[A-Za-z0-9+/=\s]+?-----END X509 CRL-----/g;

const bytesOf = (block: string): Buffer =>
  Buffer.from(block.replaceAll(/-----[A-Z0-9 ]+-----|\s/g, ""), "base64");

/**
 * Reads a certificate that is exactly these bytes.
 *
 * @throws CertificateError when it cannot be read or the bytes hold anything else
 */
export const parseCertificate = (der: Uint8Array): X509Certificate => {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(der);
  } catch (cause) {
    throw new CertificateError("a certificate that cannot be read", { cause });
  }
  // OpenSSL also takes PEM, and ignores what follows a certificate: what is checked must be what was sent.
  if (!certificate.raw.equals(der)) throw new CertificateError("a certificate that is not DER");
  return certificate;
};

/**
 * Reads every certificate of a PEM text, in order; what stands between them is skipped.
 *
 * @param countMax how many there may be
 * @throws CertificateError when there are none or more than allowed, or one cannot be read
 */
export const readCertificates = (text: string, countMax: number): readonly X509Certificate[] => {
  const blocks = text.match(BLOCK) ?? [];
  if (blocks.length === 0) {
    throw new CertificateError("it holds no PEM certificate (-----BEGIN CERTIFICATE-----)");
  }
  if (blocks.length > countMax) {
    throw new CertificateError(
      `it holds ${String(blocks.length)} certificates, allowed are ${String(countMax)}`,
    );
  }
  return blocks.map((block, index) => {
    try {
      return parseCertificate(bytesOf(block));
    } catch (cause) {
      throw new CertificateError(`certificate ${String(index + 1)} cannot be read`, { cause });
    }
  });
};

/**
 * Reads every revocation list of a PEM text, in order, as DER that nothing has looked at yet.
 *
 * @param countMax how many there may be
 * @throws CertificateError when there are none or more than allowed
 */
export const readListsPem = (text: string, countMax: number): readonly Buffer[] => {
  const blocks = text.match(LIST_BLOCK) ?? [];
  if (blocks.length === 0) {
    throw new CertificateError("it holds no PEM revocation list (-----BEGIN X509 CRL-----)");
  }
  if (blocks.length > countMax) {
    throw new CertificateError(
      `it holds ${String(blocks.length)} revocation lists, allowed are ${String(countMax)}`,
    );
  }
  return blocks.map(bytesOf);
};

/** Revocation lists as one PEM text, in order. */
export const writeListsPem = (lists: readonly Uint8Array[]): string =>
  lists
    .map((der) => {
      const lines = Buffer.from(der)
        .toString("base64")
        .replaceAll(/.{64}(?=.)/g, "$&\n");
      return `-----BEGIN X509 CRL-----\n${lines}\n-----END X509 CRL-----\n`;
    })
    .join("");

/** Certificates as one PEM text, in order. */
export const writeCertificates = (certificates: readonly X509Certificate[]): string =>
  certificates.map((certificate) => certificate.toString()).join("");
