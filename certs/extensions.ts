// The extensions of certificates and certificate requests that Schakel understands (RFC 5280, 4.2).
import { CertificateError } from "./certificate-error.js";
import {
  childrenOf,
  expectTag,
  readBoolean,
  readDer,
  readOid,
  readSmallInteger,
  TAG,
  type Der,
} from "./der.js";

/** One extension, with its value still encoded. */
export interface Extension {
  readonly critical: boolean;
  readonly value: Buffer;
}

/** Extensions by object identifier. */
export type Extensions = ReadonlyMap<string, Extension>;

/** The object identifiers of the extensions that are looked at. */
export const EXTENSION = {
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  nameConstraints: "2.5.29.30",
  cRLDistributionPoints: "2.5.29.31",
  certificatePolicies: "2.5.29.32",
  authorityKeyIdentifier: "2.5.29.35",
  policyConstraints: "2.5.29.36",
  extendedKeyUsage: "2.5.29.37",
  inhibitAnyPolicy: "2.5.29.54",
} as const;

/** What a certificate may be used for. */
export type Purpose = "client authentication" | "server authentication";

/** What a peer's certificate must allow: its processes are clients of some peers and servers to others. */
export const PEER_PURPOSES: readonly Purpose[] = ["client authentication", "server authentication"];

const PURPOSES: Readonly<Record<string, Purpose>> = {
  "1.3.6.1.5.5.7.3.1": "server authentication",
  "1.3.6.1.5.5.7.3.2": "client authentication",
};

const KEY_USAGES = [
  "digitalSignature",
  "nonRepudiation",
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
] as const;

/** A use of a key (RFC 5280, 4.2.1.3). */
export type KeyUsage = (typeof KEY_USAGES)[number];

// A flag that is false by default stands in DER only when it is true (X.690, 11.5).
const readTrue = (parts: Der[]): boolean => {
  if (parts[0]?.tag !== TAG.boolean) return false;
  if (!readBoolean(parts.shift())) throw new CertificateError("a default that is written out");
  return true;
};

/** Reads an Extensions sequence. Throws CertificateError when it is not one or an extension stands in it twice. */
export const readExtensions = (sequence: Der | undefined): Extensions => {
  const extensions = new Map<string, Extension>();
  for (const element of childrenOf(expectTag(sequence, TAG.sequence))) {
    const parts = [...childrenOf(expectTag(element, TAG.sequence))];
    const oid = readOid(parts.shift());
    const critical = readTrue(parts);
    const { content } = expectTag(parts.shift(), TAG.octetString);
    if (parts.length > 0) throw new CertificateError("an extension with more than a value");
    if (extensions.has(oid)) throw new CertificateError(`the extension ${oid} stands in it twice`);
    extensions.set(oid, { critical, value: content });
  }
  return extensions;
};

/** Whether it is a CA's certificate, and how many CAs may stand below it (undefined: any number). Throws CertificateError when malformed. */
export const basicConstraintsOf = (
  extensions: Extensions,
): { readonly isCa: boolean; readonly pathLength: number | undefined } => {
  const extension = extensions.get(EXTENSION.basicConstraints);
  if (extension === undefined) return { isCa: false, pathLength: undefined };
  const parts = [...childrenOf(readDer(extension.value, TAG.sequence))];
  const isCa = readTrue(parts);
  const pathLength = parts.length === 0 ? undefined : readSmallInteger(parts.shift());
  if (parts.length > 0) throw new CertificateError("basic constraints with more than two parts");
  if (!isCa && pathLength !== undefined) {
    throw new CertificateError("a path length in a certificate that is no CA's");
  }
  return { isCa, pathLength };
};

/** The uses of the key, or undefined when the certificate does not limit them. Throws CertificateError when malformed. */
export const keyUsagesOf = (extensions: Extensions): readonly KeyUsage[] | undefined => {
  const extension = extensions.get(EXTENSION.keyUsage);
  if (extension === undefined) return undefined;
  const [unused = 0xff, ...bytes] = readDer(extension.value, TAG.bitString).content;
  const last = bytes.at(-1) ?? 0;
  // Nine uses, named bits: no zero at the end (X.690, 11.2.2), and at least one of them is set.
  if (bytes.length > 2 || unused > 7 || (last & ((2 << unused) - 1)) !== 1 << unused) {
    throw new CertificateError("a key usage that is empty or malformed");
  }
  return KEY_USAGES.filter((_, index) => ((bytes[0] ?? 0) & (0x80 >> index)) !== 0);
};

/** The purposes of the certificate that Schakel knows, or undefined when it does not limit them. */
export const purposesOf = (extensions: Extensions): readonly Purpose[] | undefined => {
  const extension = extensions.get(EXTENSION.extendedKeyUsage);
  if (extension === undefined) return undefined;
  const oids = childrenOf(readDer(extension.value, TAG.sequence)).map(readOid);
  if (oids.length === 0) throw new CertificateError("an extended key usage without a purpose");
  return oids.map((oid) => PURPOSES[oid]).filter((purpose) => purpose !== undefined);
};

const DNS_NAME = TAG.implicit(2);
const URI = TAG.implicit(6);

// The forms of a GeneralName (RFC 5280, 4.2.1.6), [0] to [8].
const GENERAL_NAMES: ReadonlySet<number> = new Set([
  ...[0, 3, 4, 5].map(TAG.explicit),
  ...[1, 2, 6, 7, 8].map(TAG.implicit),
]);

const generalNames = (names: readonly Der[]): readonly Der[] => {
  if (names.length === 0) throw new CertificateError("a list of names without a name");
  for (const { tag, content } of names) {
    if (!GENERAL_NAMES.has(tag) || content.length === 0) {
      throw new CertificateError("a name that is empty or of an unknown form");
    }
  }
  return names;
};

/** The texts of the DNS names in the subjectAltName, as they stand there, unchecked. Throws CertificateError when malformed. */
export const dnsNamesOf = (extensions: Extensions): readonly string[] => {
  const extension = extensions.get(EXTENSION.subjectAltName);
  if (extension === undefined) return [];
  return generalNames(childrenOf(readDer(extension.value, TAG.sequence)))
    .filter(({ tag }) => tag === DNS_NAME)
    .map(({ content }) => content.toString("latin1"));
};

/** The subjectKeyIdentifier in hexadecimal, or undefined. Throws CertificateError when malformed. */
export const subjectKeyIdOf = (extensions: Extensions): string | undefined => {
  const extension = extensions.get(EXTENSION.subjectKeyIdentifier);
  return extension && readDer(extension.value, TAG.octetString).content.toString("hex");
};

/** Which certificate issued this one, as its authorityKeyIdentifier says; each part may be absent. */
export interface AuthorityKeyId {
  /** The issuer's key identifier in hexadecimal. */
  readonly keyId: string | undefined;
  /** The issuer's own issuer (GeneralNames) and serial. */
  readonly issuerNames: readonly Der[] | undefined;
  readonly serial: string | undefined;
}

/** Reads the authorityKeyIdentifier of a certificate or revocation list. Throws CertificateError when malformed. */
export const authorityKeyIdOf = (extensions: Extensions): AuthorityKeyId | undefined => {
  const extension = extensions.get(EXTENSION.authorityKeyIdentifier);
  if (extension === undefined) return undefined;
  const parts = [...childrenOf(readDer(extension.value, TAG.sequence))];
  const take = (tag: number): Der | undefined =>
    parts[0]?.tag === tag ? parts.shift() : undefined;
  const keyId = take(TAG.implicit(0))?.content.toString("hex");
  const names = take(TAG.explicit(1));
  const serial = take(TAG.implicit(2))?.content.toString("hex");
  if (parts.length > 0 || (names === undefined) !== (serial === undefined)) {
    throw new CertificateError("a malformed authority key identifier");
  }
  return { keyId, issuerNames: names && generalNames(childrenOf(names)), serial };
};

/** The addresses (http, https) of whole lists that a certificate names; points for some reasons alone are left out. */
export const distributionPointsOf = (extensions: Extensions): readonly string[] => {
  const extension = extensions.get(EXTENSION.cRLDistributionPoints);
  if (extension === undefined) return [];
  return childrenOf(readDer(extension.value, TAG.sequence)).flatMap((point) => {
    const parts = childrenOf(expectTag(point, TAG.sequence));
    const [name] = parts;
    if (parts.length !== 1 || name?.tag !== TAG.explicit(0)) return [];
    const [fullName] = childrenOf(name);
    return fullName?.tag === TAG.explicit(0)
      ? childrenOf(fullName)
          .filter(({ tag }) => tag === URI)
          .map(({ content }) => content.toString("latin1"))
          .filter((url) => /^https?:\/\//i.test(url) && URL.canParse(url))
      : [];
  });
};
