// The distinguished names of certificates, attribute by attribute. A name is never compared or taken
// apart as joined text: an organisation may choose what its own text says.
import { CertificateError } from "./certificate-error.js";
import { childrenOf, expectTag, readOid, TAG, type Der } from "./der.js";

/** One attribute of a name, with its value still encoded. */
export interface Attribute {
  readonly oid: string;
  readonly value: Der;
}

/** The attributes that Schakel reads or writes. */
export const ATTRIBUTE = {
  commonName: "2.5.4.3",
  serialNumber: "2.5.4.5",
  country: "2.5.4.6",
  organisation: "2.5.4.10",
  organisationalUnit: "2.5.4.11",
} as const;

const SHORT_NAMES: Readonly<Record<string, string>> = {
  [ATTRIBUTE.commonName]: "CN",
  [ATTRIBUTE.serialNumber]: "serialNumber",
  [ATTRIBUTE.country]: "C",
  [ATTRIBUTE.organisation]: "O",
  [ATTRIBUTE.organisationalUnit]: "OU",
};

const SHOWN_MAX = 100;

/** Reads a Name (RFC 5280, 4.1.2.4) as its attributes in order. Throws CertificateError when it is not one. */
export const readName = (name: Der | undefined): readonly Attribute[] =>
  childrenOf(expectTag(name, TAG.sequence)).flatMap((set) =>
    childrenOf(expectTag(set, TAG.set)).map((attribute) => {
      const [type, value, ...rest] = childrenOf(expectTag(attribute, TAG.sequence));
      if (value === undefined || rest.length > 0) {
        throw new CertificateError("a name with an attribute that is not one type and one value");
      }
      return { oid: readOid(type), value };
    }),
  );

/**
 * Reads the text of an attribute: UTF8String, PrintableString or IA5String. The older kinds, which
 * readers decode in different ways, are refused.
 *
 * @throws CertificateError for another kind or bytes that are not of the kind
 */
export const readText = ({ tag, content }: Der): string => {
  if (tag === TAG.utf8String) {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
    } catch (cause) {
      throw new CertificateError("text that is not UTF-8", { cause });
    }
  }
  const allowed = tag === TAG.printableString || tag === TAG.ia5String;
  if (!allowed) throw new CertificateError("text that is no UTF8String or PrintableString");
  if (content.some((byte) => byte >= 0x80)) throw new CertificateError("text that is not ASCII");
  return content.toString("latin1");
};

const shown = (value: Der): string => {
  const text = Buffer.from(value.content)
    .toString("utf8")
    .replaceAll(/[\p{C}"]/gu, "?");
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
};

/** A name for messages: `O="Demo CA", CN="Demo CA root"`; nothing in it can break a line or a quotation. */
export const describeName = (attributes: readonly Attribute[]): string =>
  attributes.length === 0
    ? "(no name)"
    : attributes
        .slice(0, 10)
        .map(({ oid, value }) => `${SHORT_NAMES[oid] ?? oid}="${shown(value)}"`)
        .join(", ");
