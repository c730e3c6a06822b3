// A small strict reader of DER (ITU-T X.690), for the fields of certificates and certificate requests
// that Node.js gives only as joined text. It reads one level at a time and never recurses.
import { CertificateError } from "./certificate-error.js";

/** One element: its identifier byte, its content, and both with the header. Views of the bytes read, not copies. */
export interface Der {
  readonly tag: number;
  readonly content: Buffer;
  readonly bytes: Buffer;
}

/** The identifier bytes that certificates use. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  /** `[n]` around other elements. */
  explicit: (n: number): number => 0xa0 | n,
  /** `[n]` in place of a primitive's own tag. */
  implicit: (n: number): number => 0x80 | n,
} as const;

const ELEMENTS_MAX = 1000;

const malformed = (why: string): CertificateError => new CertificateError(`not DER: ${why}`);

const readOne = (bytes: Buffer, at: number): Der => {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) throw malformed("it ends within an element");
  if ((tag & 0x1f) === 0x1f) throw malformed("a tag of several bytes");
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count < 1 || count > 4) throw malformed("a length of no or more than four bytes");
    if (start + count > bytes.length) throw malformed("it ends within a length");
    length = bytes.readUIntBE(start, count);
    if (length < 0x80 || length < 2 ** (8 * (count - 1))) throw malformed("a padded length");
    start += count;
  }
  const end = start + length;
  if (end > bytes.length) throw malformed("an element longer than what holds it");
  return { tag, content: bytes.subarray(start, end), bytes: bytes.subarray(at, end) };
};

const readAll = (bytes: Buffer, elementsMax: number): Der[] => {
  const elements: Der[] = [];
  for (let at = 0; at < bytes.length;) {
    if (elements.length === elementsMax) {
      throw malformed(`more than ${String(elementsMax)} elements at one level`);
    }
    const element = readOne(bytes, at);
    elements.push(element);
    at += element.bytes.length;
  }
  return elements;
};

/**
 * Takes an element of a sequence and checks its tag.
 *
 * @throws CertificateError when it is absent or has another tag
 */
export const expectTag = (element: Der | undefined, tag: number): Der => {
  if (element?.tag !== tag)
    throw malformed(`an element of another kind than 0x${tag.toString(16)}`);
  return element;
};

/**
 * Reads the bytes as exactly one element with this tag.
 *
 * @throws CertificateError when there is none, another one, or something after it
 */
export const readDer = (bytes: Uint8Array, tag: number): Der => {
  const [element, ...rest] = readAll(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 2);
  if (rest.length > 0) throw malformed("bytes after the element");
  return expectTag(element, tag);
};

/** The elements within a constructed element, at most 1000 unless said otherwise. Throws CertificateError when they are not DER. */
export const childrenOf = (element: Der, elementsMax = ELEMENTS_MAX): readonly Der[] =>
  readAll(element.content, elementsMax);

/** Reads an object identifier in dotted form. Throws CertificateError for another element or a padded or endless number. */
export const readOid = (element: Der | undefined): string => {
  const { content } = expectTag(element, TAG.oid);
  const numbers: number[] = [];
  let value = 0;
  let begins = true;
  for (const byte of content) {
    if (begins && byte === 0x80) throw malformed("a padded object identifier");
    value = value * 128 + (byte & 0x7f);
    if (!Number.isSafeInteger(value)) throw malformed("an object identifier out of range");
    begins = byte < 0x80;
    if (begins) {
      numbers.push(value);
      value = 0;
    }
  }
  const [head, ...tail] = numbers;
  if (head === undefined || !begins) throw malformed("an unfinished object identifier");
  const top = Math.min(2, Math.floor(head / 40));
  return [top, head - top * 40, ...tail].join(".");
};

/** Reads a BOOLEAN; DER knows only 0x00 and 0xff. Throws CertificateError otherwise. */
export const readBoolean = (element: Der | undefined): boolean => {
  const { content } = expectTag(element, TAG.boolean);
  if (content.length !== 1 || (content[0] !== 0x00 && content[0] !== 0xff)) {
    throw malformed("a boolean that is neither true nor false");
  }
  return content[0] === 0xff;
};

/**
 * The content of an INTEGER in hexadecimal, of any size and sign.
 *
 * @throws CertificateError when it is empty or longer than it has to be
 */
export const readIntegerHex = (element: Der | undefined): string => {
  const { content } = expectTag(element, TAG.integer);
  const [first, second = 0] = content;
  if (first === undefined) throw malformed("an integer without a value");
  const padded = (first === 0x00 && second < 0x80) || (first === 0xff && second >= 0x80);
  if (content.length > 1 && padded) throw malformed("a padded integer");
  return content.toString("hex");
};

/** Reads an INTEGER from 0 to 2^31 - 1, which is what a path length is. Throws CertificateError otherwise. */
export const readSmallInteger = (element: Der | undefined): number => {
  const { content } = expectTag(element, TAG.integer);
  readIntegerHex(element);
  const first = content[0];
  if (first === undefined || first >= 0x80 || content.length > 4) {
    throw malformed("an integer out of range");
  }
  return content.readUIntBE(0, content.length);
};

// YYMMDDHHMMSSZ and YYYYMMDDHHMMSSZ: RFC 5280 (4.1.2.5) allows no fractions, offsets or missing seconds.
const TIMES = {
  [TAG.utcTime]: /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/,
  [TAG.generalizedTime]: /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/,
} as const;

/**
 * Reads a UTCTime, or a GeneralizedTime from 2050 on, in the forms of RFC 5280.
 *
 * @returns milliseconds since 1970
 * @throws CertificateError for another form or kind, or a date that there is not
 */
export const readTime = (element: Der | undefined): number => {
  const tag = element?.tag === TAG.utcTime ? TAG.utcTime : TAG.generalizedTime;
  const text = expectTag(element, tag).content.toString("latin1");
  const [year = NaN, month = 0, ...rest] = (TIMES[tag].exec(text) ?? []).slice(1).map(Number);
  const short = year < 50 ? 2000 + year : 1900 + year;
  const full = tag === TAG.utcTime ? short : year;
  const [day = 0, hour = 0, minute = 0, second = 0] = rest;
  const time = Date.UTC(full, month - 1, day, hour, minute, second);
  const digits = Number.isNaN(time) ? "" : new Date(time).toISOString().replaceAll(/[-T:]/g, "");
  if (`${digits.slice(tag === TAG.utcTime ? 2 : 0, 14)}Z` !== text) throw malformed("a time");
  if (tag !== TAG.utcTime && full < 2050) throw malformed("a time before 2050 that is no UTCTime");
  return time;
};

/** Reads a BIT STRING that holds whole bytes, as keys and signatures do. Throws CertificateError otherwise. */
export const readOctetBits = (element: Der | undefined): Buffer => {
  const { content } = expectTag(element, TAG.bitString);
  if (content[0] !== 0) throw malformed("a bit string that does not hold whole bytes");
  return content.subarray(1);
};
