// What an octet may be, and the few names and words that the scanner knows. All of it works on octets: no
// string is made of what came from outside before it has been found well-formed.

/** Classes of octets, as bits of `CLASS`. */
export const TOKEN = 1;
/** HTAB, SP, VCHAR and obs-text (RFC 9110, section 5.5). */
export const VALUE = 2;
/** What a request target may hold: VCHAR without "#", since a fragment is never sent (RFC 9112, section 3.2). */
export const TARGET = 4;
/** A registered name (RFC 3986, section 3.2.2). */
export const HOST_NAME = 8;
/** An address in brackets. */
export const IP_LITERAL = 16;
/** A control character that ends, folds or spoils a line: anything below SP but HTAB, and DEL. */
export const CONTROL = 32;

const ALPHA_NUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

const classes = (): Uint8Array => {
  const table = new Uint8Array(256);
  const add = (bit: number, text: string): void => {
    for (const octet of Buffer.from(text, "latin1")) table[octet] = (table[octet] ?? 0) | bit;
  };
  const range = (bit: number, from: number, to: number): void => {
    for (let octet = from; octet <= to; octet++) table[octet] = (table[octet] ?? 0) | bit;
  };
  add(TOKEN, `${ALPHA_NUM}!#$%&'*+-.^_\`|~`);
  add(HOST_NAME, `${ALPHA_NUM}-._~!$&'()*+,;=%`);
  add(IP_LITERAL, "0123456789abcdefABCDEF:.");
  range(VALUE, 0x20, 0x7e);
  range(VALUE, 0x80, 0xff);
  add(VALUE, "\t");
  range(TARGET, 0x21, 0x22);
  range(TARGET, 0x24, 0x7e);
  range(CONTROL, 0, 8);
  range(CONTROL, 10, 0x1f);
  add(CONTROL, "\x7f");
  return table;
};

/** The classes of each octet. */
export const CLASS: Uint8Array = classes();

const lower = (): Uint8Array => {
  const table = Uint8Array.from({ length: 256 }, (_, octet) => octet);
  for (let octet = 0x41; octet <= 0x5a; octet++) table[octet] = octet | 0x20;
  return table;
};

/** Each octet in lower case (ASCII alone). */
export const LOWER: Uint8Array = lower();

const hex = (): Int8Array => {
  const table = new Int8Array(256).fill(-1);
  for (let digit = 0; digit < 16; digit++) {
    const text = digit.toString(16);
    table[text.charCodeAt(0)] = digit;
    table[text.toUpperCase().charCodeAt(0)] = digit;
  }
  return table;
};

/** The value of a hexadecimal digit; -1 for every other octet. */
export const HEX: Int8Array = hex();

/** A carriage return. */
export const CR = 13;
/** A line feed. */
export const LF = 10;
/** A space. */
export const SP = 32;
/** A horizontal tab. */
export const HTAB = 9;
/** ":". */
export const COLON = 58;
/** ",". */
export const COMMA = 44;
/** "/". */
export const SLASH = 47;
/** ";". */
export const SEMICOLON = 59;
const UNDERSCORE = 95;
const DASH = 45;

/** Whether the octets from `from` to `to` are a word (given in lower case, latin1), whatever their case. */
export const isWord = (bytes: Uint8Array, from: number, to: number, word: Uint8Array): boolean => {
  if (to - from !== word.length) return false;
  for (let at = 0; at < word.length; at++) {
    if (LOWER[bytes[from + at] ?? 0] !== word[at]) return false;
  }
  return true;
};

/** Whether the octets are a word with "_" read as "-", as some servers do. */
export const isDashed = (
  bytes: Uint8Array,
  from: number,
  to: number,
  word: Uint8Array,
): boolean => {
  if (to - from !== word.length) return false;
  for (let at = 0; at < word.length; at++) {
    const octet = LOWER[bytes[from + at] ?? 0] ?? 0;
    if ((octet === UNDERSCORE ? DASH : octet) !== word[at]) return false;
  }
  return true;
};

/** Where the octets from `from` on, `to` at most, stop being of a class. */
export const endOf = (bytes: Uint8Array, from: number, to: number, bit: number): number => {
  let at = from;
  while (at < to && ((CLASS[bytes[at] ?? 0] ?? 0) & bit) !== 0) at += 1;
  return at;
};

/** RFC 3986, host and port without userinfo; not empty. */
export const isAuthority = (bytes: Uint8Array, from: number, to: number): boolean => {
  const bracketed = bytes[from] === 0x5b;
  const start = bracketed ? from + 1 : from;
  let at = endOf(bytes, start, to, bracketed ? IP_LITERAL : HOST_NAME);
  if (at === start || start > to) return false;
  if (bracketed) {
    if (at === to || bytes[at] !== 0x5d) return false;
    at += 1;
  }
  if (at === to) return true;
  if (bytes[at] !== COLON || to - at > 6) return false;
  for (at += 1; at < to; at++) {
    const octet = bytes[at] ?? 0;
    if (octet < 0x30 || octet > 0x39) return false;
  }
  return true;
};

/** A word as `isWord` takes it. */
export const word = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"));
