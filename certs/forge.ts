// What the certificates and requests we make share: names, alternative names, and signing with a key
// that stays in node:crypto.
import { createPublicKey, sign, type KeyObject, type X509Certificate } from "node:crypto";
import forge from "node-forge";
import { CertificateError } from "./certificate-error.js";
import { fieldsOf } from "./certificate-fields.js";
import { TAG } from "./der.js";
import { ATTRIBUTE, readText } from "./distinguished-name.js";

// The library's types call the tag of a value its class.
const tagged = (type: forge.asn1.Type): forge.asn1.Class => type as unknown as forge.asn1.Class;

/** An attribute with UTF-8 text. */
const utf8 = (type: string, value: string): forge.pki.CertificateField => ({
  type,
  value,
  valueTagClass: tagged(forge.asn1.Type.UTF8),
});

/** An attribute with text in the letters, digits and marks of a PrintableString. */
const printable = (type: string, value: string): forge.pki.CertificateField => ({
  type,
  value,
  valueTagClass: tagged(forge.asn1.Type.PRINTABLESTRING),
});

/** The subject of a peer: O in UTF-8, serialNumber as PrintableString (X.520). */
export const peerSubject = (peerId: string, organisation: string): forge.pki.CertificateField[] => [
  utf8(ATTRIBUTE.organisation, organisation),
  printable(ATTRIBUTE.serialNumber, peerId),
];

/** The subject of a CA: O and CN in UTF-8. */
export const caSubject = (
  organisation: string,
  commonName: string,
): forge.pki.CertificateField[] => [
  utf8(ATTRIBUTE.organisation, organisation),
  utf8(ATTRIBUTE.commonName, commonName),
];

/**
 * The name of a CA as its certificates have it for their issuer: the same texts of the same kinds. The
 * library's own reader is not used for this; it gives UTF-8 text in a form that it would encode again.
 */
export const nameOf = (certificate: X509Certificate): forge.pki.CertificateField[] =>
  fieldsOf(certificate).subject.map(({ oid, value }) =>
    (value.tag === TAG.utf8String ? utf8 : printable)(oid, readText(value)),
  );

/** A subjectAltName of DNS names. */
export const dnsNames = (names: readonly string[]): Readonly<Record<string, unknown>> => ({
  name: "subjectAltName",
  altNames: names.map((value) => ({ type: 2, value })),
});

const URL_MAX = 500;

/** Throws CertificateError unless the text is an http or https URL that may stand in a certificate. */
export const checkCrlUrl = (text: string): void => {
  const plain = /^https?:\/\/[\x21-\x7e]+$/.test(text) && text.length <= URL_MAX;
  if (!plain || !URL.canParse(text)) {
    throw new CertificateError(
      `the address of revocation lists must be an http or https URL of at most ${String(URL_MAX)} ASCII characters`,
    );
  }
};

/** The extension that says where the issuer's revocation list is; none without an address. */
export const distributionPoint = (
  crlUrl: string | undefined,
): readonly Readonly<Record<string, unknown>>[] =>
  crlUrl === undefined
    ? []
    : [{ name: "cRLDistributionPoints", altNames: [{ type: 6, value: crlUrl }] }];

/** The public half of an RSA key. */
export const publicHalf = (key: KeyObject): forge.pki.PublicKey => {
  const half = key.type === "private" ? createPublicKey(key) : key;
  return forge.pki.publicKeyFromPem(half.export({ format: "pem", type: "spki" }).toString());
};

/**
 * Signs a certificate or request with RSA (PKCS #1 v1.5) and SHA-256.
 *
 * @param signable what is signed, ready but for its signature
 * @param part what of it is signed; called once the library has made it
 */
export const signWith = (
  key: KeyObject,
  signable: { sign: (key: forge.pki.rsa.PrivateKey, md: forge.md.MessageDigest) => void },
  part: () => forge.asn1.Asn1,
): void => {
  const signer = {
    sign: (): string => {
      const bytes = Buffer.from(forge.asn1.toDer(part()).getBytes(), "latin1");
      return sign("sha256", bytes, key).toString("latin1");
    },
  };
  // The library calls nothing of the key but `sign`.
  signable.sign(signer as unknown as forge.pki.rsa.PrivateKey, forge.md.sha256.create());
};
