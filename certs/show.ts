// What a certificate says, for people. Nothing is checked here.
import { createHash, type X509Certificate } from "node:crypto";
import { peerIdRule } from "../core/names.js";
import { describeIssuer, describeSubject, fieldsOf } from "./certificate-fields.js";
import { basicConstraintsOf, purposesOf } from "./extensions.js";
import { identityOf } from "./identity.js";
import { readCertificates } from "./pem.js";

const CERTIFICATES_MAX = 20;

/** What one certificate says. Every text is safe to print. */
export interface ShownCertificate {
  readonly subject: string;
  readonly issuer: string;
  readonly isCa: boolean;
  /** Undefined for a CA and for a certificate that names no peer. */
  readonly peerId: string | undefined;
  readonly name: string | undefined;
  readonly dnsNames: readonly string[];
  /** Why the certificate is no peer's; undefined when it is one, or a CA's. */
  readonly notAPeer: string | undefined;
  /** RFC 3339. */
  readonly notBefore: string;
  readonly notAfter: string;
  /** Hexadecimal. */
  readonly serialNumber: string;
  readonly purposes: readonly string[] | undefined;
  readonly certificateThumbprint: string;
  readonly publicKeyThumbprint: string;
}

// Which ids a group allows is not known here; every one that may stand in an address is shown.
const anyPeerId = peerIdRule(".*");

const peerOf = (
  certificate: X509Certificate,
): Pick<ShownCertificate, "peerId" | "name" | "dnsNames" | "notAPeer"> => {
  try {
    const { peerId, name, dnsNames } = identityOf(certificate, anyPeerId);
    return { peerId, name, dnsNames, notAPeer: undefined };
  } catch (error) {
    const notAPeer = error instanceof Error ? error.message : "unreadable";
    return { peerId: undefined, name: undefined, dnsNames: [], notAPeer };
  }
};

const describe = (certificate: X509Certificate): ShownCertificate => {
  const { extensions, publicKeyInfo } = fieldsOf(certificate);
  const { isCa } = basicConstraintsOf(extensions);
  const peer = peerOf(certificate);
  return {
    subject: describeSubject(certificate),
    issuer: describeIssuer(certificate),
    isCa,
    ...peer,
    notAPeer: isCa ? undefined : peer.notAPeer,
    notBefore: certificate.validFromDate.toISOString(),
    notAfter: certificate.validToDate.toISOString(),
    serialNumber: certificate.serialNumber.toLowerCase(),
    purposes: purposesOf(extensions),
    certificateThumbprint: createHash("sha256").update(certificate.raw).digest("base64url"),
    publicKeyThumbprint: createHash("sha256").update(publicKeyInfo).digest("hex"),
  };
};

/** Says what the certificates of a PEM text say, in order. Throws CertificateError when there are none or more than 20. */
export const describeCertificates = (pem: string): readonly ShownCertificate[] =>
  readCertificates(pem, CERTIFICATES_MAX).map(describe);

const render = (shown: ShownCertificate): string => {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["subject", shown.subject],
    ["issuer", shown.issuer],
    ["peer id", shown.peerId],
    ["name", shown.name],
    ["DNS names", shown.isCa ? undefined : shown.dnsNames.join(", ")],
    ["no peer", shown.notAPeer],
    ["CA", shown.isCa ? "yes" : undefined],
    ["valid from", shown.notBefore],
    ["valid until", shown.notAfter],
    ["serial", shown.serialNumber],
    ["purposes", shown.purposes?.join(", ") ?? "any"],
    ["certificate thumbprint", shown.certificateThumbprint],
    ["public key thumbprint", shown.publicKeyThumbprint],
  ];
  return rows
    .filter(([, value]) => value !== undefined)
    .map(([label, value = ""]) => `  ${label.padEnd(24)}${value}\n`)
    .join("");
};

/** The same as lines of text, one block a certificate. */
export const renderCertificates = (all: readonly ShownCertificate[]): string =>
  all.map((shown, index) => `certificate ${String(index + 1)}\n${render(shown)}`).join("\n");
