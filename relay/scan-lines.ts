// Scans header lines and trailer lines: once over the octets, nothing made of them but offsets. What must
// hold in both directions is decided here, so that no two parsers could read a message differently
// (RFC 9110, section 5; RFC 9112, sections 5 and 6).
import { CLASS, COLON, COMMA, CR, HTAB, isWord, LF, SP, TOKEN, VALUE, word } from "./scan-bytes.js";
import type { HeaderLines } from "./message.js";
import { kindOf, NAME } from "./scan-names.js";

/** The limits of a head or trailer. */
export interface LineLimits {
  readonly headBytesMax: number;
  readonly headersMax: number;
}

/** How a body is delimited. `until-close` exists in responses alone. */
export type Framing =
  | { readonly kind: "none" | "chunked" | "until-close" }
  | { readonly kind: "length"; readonly bytes: number };

/** Offsets of one line: where its name begins and ends, where its value does, and the kind of its name. */
export const PER_LINE = 5;

/** Scanning came to the end of what is there. */
export const INCOMPLETE = -1;
/** Scanning came to what breaks a rule. */
export const REFUSED = -2;

/** Lines of a message by their offsets. Holds on to the octets, which nobody may change. */
export class ScannedLines {
  #pairs: HeaderLines | undefined;

  constructor(
    readonly bytes: Buffer,
    /** `PER_LINE` numbers a line: begin and end of name and of value, and the kind of the name. */
    readonly offsets: Int32Array,
    /** Where the last line ends, its CRLF included. */
    readonly end: number,
  ) {}

  get count(): number {
    return this.offsets.length / PER_LINE;
  }

  /** The lines as text, made when first asked for. */
  get pairs(): HeaderLines {
    this.#pairs ??= this.#read();
    return this.#pairs;
  }

  #read(): HeaderLines {
    const { bytes, offsets } = this;
    const lines: [string, string][] = [];
    for (let at = 0; at < offsets.length; at += PER_LINE) {
      lines.push([
        bytes.toString("latin1", offsets[at], offsets[at + 1]),
        bytes.toString("latin1", offsets[at + 2], offsets[at + 3]),
      ]);
    }
    return lines;
  }
}

const CHUNKED = word("chunked");
/** The flaw of a request whose body is well delimited, in a coding that is not known here (RFC 9112, section 6.1). */
export const UNKNOWN_CODING = "Transfer-Encoding has a coding that is not known here";
const CLOSE = word("close");
const KEEP_ALIVE = word("keep-alive");
const TE = word("te");
// Fifteen digits stay below Number.MAX_SAFE_INTEGER.
const LENGTH_DIGITS_MAX = 15;

/** Where lines stand, and how many there may be. */
export interface LinesWithin {
  readonly from: number;
  readonly to: number;
  readonly headersMax: number;
}

/**
 * The scanner of lines. There is one, `LINES`, used again for every message: what it found must be taken
 * out before the next is scanned.
 */
class LineScanner {
  /** What is wrong, after `REFUSED`. */
  problem = "";
  /** Whether what is wrong is a limit. */
  tooLarge = false;
  count = 0;
  /** What is wrong with the lines together, once they have been scanned; empty when nothing is. */
  flaw = "";
  contentLength = -1;
  hosts = 0;
  hostFrom = 0;
  hostTo = 0;
  expects = false;
  /** A framing, routing or look-alike name has been seen; of interest for trailers. */
  forbiddenInTrailer = false;
  saysClose = false;
  saysKeepAlive = false;
  /** Whether Connection names TE. */
  saysTe = false;
  /** Whether Connection names headers beyond the usual ones. */
  namesOthers = false;
  #codings = 0;
  /** The only Transfer-Encoding has other codings before a final chunked. */
  #unknownCoding = false;
  #end = 0;
  #offsets = new Int32Array(PER_LINE * 128);
  #bytes: Buffer = Buffer.alloc(0);

  /**
   * Scans lines up to and with the empty line that ends them.
   *
   * @returns the offset behind that, INCOMPLETE, or REFUSED with `problem` and `tooLarge`
   */
  scan(bytes: Buffer, { from, to, headersMax }: LinesWithin): number {
    this.#reset(bytes, headersMax);
    let at = from;
    for (;;) {
      if (at >= to) return INCOMPLETE;
      if (bytes[at] === CR) {
        if (at + 1 === to) return INCOMPLETE;
        if (bytes[at + 1] !== LF) return this.refuse("a bare CR");
        this.#end = at;
        return at + 2;
      }
      if (this.count === headersMax) {
        this.tooLarge = true;
        return this.refuse(`more than ${headersMax} header lines`);
      }
      at = this.#line(at, to);
      if (at < 0) return at;
    }
  }

  /** What was found in octets that were scanned, to be kept. */
  take(bytes: Buffer): ScannedLines {
    const offsets = this.#offsets.slice(0, this.count * PER_LINE);
    return new ScannedLines(bytes, offsets, this.#end);
  }

  /**
   * How the body is delimited: by at most one Content-Length of digits, or by a single final `chunked`.
   *
   * @returns `none` when no header says; a sentence when the lines are ambiguous, or `flaw`
   */
  framing(old: boolean): Framing | string {
    if (this.flaw !== "") return this.flaw;
    if (this.#codings > 0) {
      if (this.contentLength >= 0) return "Content-Length and Transfer-Encoding come together";
      if (old) return "Transfer-Encoding comes with HTTP/1.0";
      return this.#unknownCoding ? UNKNOWN_CODING : CHUNKED_FRAMING;
    }
    return this.contentLength < 0 ? NO_BODY : { kind: "length", bytes: this.contentLength };
  }

  refuse(problem: string): number {
    this.problem = problem;
    return REFUSED;
  }

  #reset(bytes: Buffer, headersMax: number): void {
    if (this.#offsets.length < headersMax * PER_LINE) {
      this.#offsets = new Int32Array(headersMax * PER_LINE);
    }
    this.#bytes = bytes;
    this.tooLarge = false;
    this.count = 0;
    this.flaw = "";
    this.contentLength = -1;
    this.hosts = 0;
    this.expects = false;
    this.forbiddenInTrailer = false;
    this.saysClose = false;
    this.saysKeepAlive = false;
    this.saysTe = false;
    this.namesOthers = false;
    this.#codings = 0;
    this.#unknownCoding = false;
  }

  /** One line that is not empty; gives where the next begins. */
  #line(from: number, to: number): number {
    const bytes = this.#bytes;
    let at = from;
    while (at < to && ((CLASS[bytes[at] ?? 0] ?? 0) & TOKEN) !== 0) at += 1;
    if (at === to) return INCOMPLETE;
    if (at === from || bytes[at] !== COLON) return this.refuse(nameProblem(bytes, from, at));
    const nameEnd = at;
    at += 1;
    while (at < to && (bytes[at] === SP || bytes[at] === HTAB)) at += 1;
    const valueFrom = at;
    while (at < to && ((CLASS[bytes[at] ?? 0] ?? 0) & VALUE) !== 0) at += 1;
    if (at === to) return INCOMPLETE;
    if (bytes[at] !== CR) return this.refuse(valueProblem(bytes[at] ?? 0));
    if (at + 1 === to) return INCOMPLETE;
    if (bytes[at + 1] !== LF) return this.refuse("a bare CR");
    // Whether the next line folds this one is seen there: no name begins with SP or HTAB.
    let valueTo = at;
    while (valueTo > valueFrom && (bytes[valueTo - 1] === SP || bytes[valueTo - 1] === HTAB)) {
      valueTo -= 1;
    }
    const kind = kindOf(bytes, from, nameEnd);
    const into = this.count * PER_LINE;
    const offsets = this.#offsets;
    offsets[into] = from;
    offsets[into + 1] = nameEnd;
    offsets[into + 2] = valueFrom;
    offsets[into + 3] = valueTo;
    offsets[into + 4] = kind;
    this.count += 1;
    if (kind !== NAME.other) this.#known(kind, valueFrom, valueTo);
    return at + 2;
  }

  /** Takes the value of a line into account whose name has a meaning here. */
  #known(kind: number, from: number, to: number): void {
    if (kind === NAME.contentLength) this.#length(from, to);
    else if (kind === NAME.transferEncoding) this.#coding(from, to);
    else if (kind === NAME.connection) this.#options(from, to);
    else if (kind === NAME.expect) this.expects = true;
    else if (kind === NAME.host) {
      this.hosts += 1;
      this.hostFrom = from;
      this.hostTo = to;
      this.forbiddenInTrailer = true;
    } else if (kind === NAME.likeFraming) {
      this.forbiddenInTrailer = true;
      this.#flawed("a header name could be read as one that frames the body");
    }
  }

  #flawed(flaw: string): void {
    if (this.flaw === "") this.flaw = flaw;
  }

  #length(from: number, to: number): void {
    this.forbiddenInTrailer = true;
    if (this.contentLength >= 0) this.#flawed("Content-Length comes more than once");
    let value = 0;
    for (let at = from; at < to; at++) {
      const digit = (this.#bytes[at] ?? 0) - 0x30;
      if (digit < 0 || digit > 9) value = Number.NaN;
      value = value * 10 + digit;
    }
    const isNumber = to > from && to - from <= LENGTH_DIGITS_MAX && !Number.isNaN(value);
    if (!isNumber) this.#flawed("Content-Length is not a number of octets");
    this.contentLength = isNumber ? value : 0;
  }

  #coding(from: number, to: number): void {
    this.forbiddenInTrailer = true;
    this.#codings += 1;
    if (this.#codings === 1 && isWord(this.#bytes, from, to, CHUNKED)) return;
    if (this.#codings === 1 && isUnknownCoding(this.#bytes, from, to)) {
      this.#unknownCoding = true;
      return;
    }
    this.#flawed("Transfer-Encoding is not a single chunked");
  }

  #options(from: number, to: number): void {
    const bytes = this.#bytes;
    let start = from;
    for (let at = from; at <= to; at++) {
      if (at < to && bytes[at] !== COMMA) continue;
      this.#option(start, at);
      start = at + 1;
    }
  }

  #option(from: number, to: number): void {
    const bytes = this.#bytes;
    let start = from;
    let end = to;
    while (start < end && (bytes[start] === SP || bytes[start] === HTAB)) start += 1;
    while (end > start && (bytes[end - 1] === SP || bytes[end - 1] === HTAB)) end -= 1;
    if (start === end) return;
    if (isWord(bytes, start, end, CLOSE)) this.saysClose = true;
    else if (isWord(bytes, start, end, KEEP_ALIVE)) this.saysKeepAlive = true;
    else if (isWord(bytes, start, end, TE)) this.saysTe = true;
    else this.namesOthers = true;
  }
}

/** Whether other codings stand before one final chunked. What is no list of tokens, or chunked twice, is malformed. */
const isUnknownCoding = (bytes: Buffer, from: number, to: number): boolean => {
  const codings = bytes
    .toString("latin1", from, to)
    .toLowerCase()
    .split(/[ \t]*,[ \t]*/);
  const last = codings.pop();
  return (
    last === "chunked" &&
    codings.length > 0 &&
    codings.every((coding) => coding !== "chunked" && coding !== "identity" && isToken(coding))
  );
};

const isToken = (text: string): boolean => /^[-!#$%&'*+.^_`|~0-9a-z]+$/.test(text);

const NO_BODY: Framing = { kind: "none" };
const CHUNKED_FRAMING: Framing = { kind: "chunked" };

const nameProblem = (bytes: Buffer, from: number, at: number): string => {
  const octet = bytes[at] ?? 0;
  if (octet === LF) return "a bare LF";
  if (octet === CR) return "a header line without a colon";
  if (octet === SP || octet === HTAB) {
    return at === from ? "a header line is folded" : "a space before the colon";
  }
  return at === from && octet === COLON
    ? "a header without a name"
    : "a header name is not a token";
};

const valueProblem = (octet: number): string =>
  octet === LF ? "a bare LF" : "a header value has a control character";

/** The one scanner of lines. */
export const LINES = new LineScanner();
