// Certificates in PEM (RFC 7468).
import { X509Certificate } from "node:crypto";
import { CertificateError } from "./certificate-error.js";

const BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+?-----END CERTIFICATE-----/g;

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
      return new X509Certificate(block);
    } catch (cause) {
      throw new CertificateError(`certificate ${String(index + 1)} cannot be read`, { cause });
    }
  });
};

/** Certificates as one PEM text, in order. */
export const writeCertificates = (certificates: readonly X509Certificate[]): string =>
  certificates.map((certificate) => certificate.toString()).join("");
