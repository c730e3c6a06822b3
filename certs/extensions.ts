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
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  nameConstraints: "2.5.29.30",
  certificatePolicies: "2.5.29.32",
  extendedKeyUsage: "2.5.29.37",
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

/** Reads an Extensions sequence. Throws CertificateError when it is not one or an extension stands in it twice. */
export const readExtensions = (sequence: Der | undefined): Extensions => {
  const extensions = new Map<string, Extension>();
  for (const element of childrenOf(expectTag(sequence, TAG.sequence))) {
    const parts = [...childrenOf(expectTag(element, TAG.sequence))];
    const oid = readOid(parts.shift());
    const critical = parts[0]?.tag === TAG.boolean && readBoolean(parts.shift());
    const { content } = expectTag(parts.shift(), TAG.octetString);
    if (extensions.has(oid)) throw new CertificateError(`the extension ${oid} stands in it twice`);
    extensions.set(oid, { critical, value: content });
  }
  return extensions;
};

/** Whether it is a CA's certificate, and how many CAs may stand below it (undefined: any number). */
export const basicConstraintsOf = (
  extensions: Extensions,
): { readonly isCa: boolean; readonly pathLength: number | undefined } => {
  const extension = extensions.get(EXTENSION.basicConstraints);
  if (extension === undefined) return { isCa: false, pathLength: undefined };
  const [first, second] = childrenOf(readDer(extension.value, TAG.sequence));
  if (first === undefined) return { isCa: false, pathLength: undefined };
  return {
    isCa: readBoolean(first),
    pathLength: second === undefined ? undefined : readSmallInteger(second),
  };
};

/** The uses of the key, or undefined when the certificate does not limit them. */
export const keyUsagesOf = (extensions: Extensions): readonly KeyUsage[] | undefined => {
  const extension = extensions.get(EXTENSION.keyUsage);
  if (extension === undefined) return undefined;
  const bits = readDer(extension.value, TAG.bitString).content[1] ?? 0;
  return KEY_USAGES.filter((_, index) => (bits & (0x80 >> index)) !== 0);
};

/** The purposes of the certificate that Schakel knows, or undefined when it does not limit them. */
export const purposesOf = (extensions: Extensions): readonly Purpose[] | undefined => {
  const extension = extensions.get(EXTENSION.extendedKeyUsage);
  if (extension === undefined) return undefined;
  return childrenOf(readDer(extension.value, TAG.sequence))
    .map((element) => PURPOSES[readOid(element)])
    .filter((purpose) => purpose !== undefined);
};

/** The texts of the DNS names in the subjectAltName, as they stand there, unchecked. */
export const dnsNamesOf = (extensions: Extensions): readonly string[] => {
  const extension = extensions.get(EXTENSION.subjectAltName);
  if (extension === undefined) return [];
  return childrenOf(readDer(extension.value, TAG.sequence))
    .filter(({ tag }) => tag === TAG.implicit(2))
    .map(({ content }) => content.toString("latin1"));
};
