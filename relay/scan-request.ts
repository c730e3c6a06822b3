// Scans a request's head (RFC 9112, section 3, and RFC 9110, section 7.2): refuses whatever another parser
// could read differently, and says how the body is delimited.
import { SchakelError, type ErrorCode } from "../core/errors.js";
import type { HeaderLines, RequestHead } from "./message.js";
import {
  CLASS,
  CR,
  isAuthority,
  isWord,
  LF,
  LOWER,
  SLASH,
  SP,
  TARGET,
  TOKEN,
  word,
} from "./scan-bytes.js";
import {
  INCOMPLETE,
  LINES,
  REFUSED,
  UNKNOWN_CODING,
  type Framing,
  type LineLimits,
  type ScannedLines,
} from "./scan-lines.js";

/** The limits of a request. */
export interface RequestLimits extends LineLimits {
  readonly targetBytesMax: number;
  readonly bodyBytesMax: number;
}

/** A request head that is refused, with as much of it as was well-formed. */
export class RefusedHead extends Error {
  constructor(
    readonly problem: SchakelError,
    readonly head?: Partial<RequestHead>,
  ) {
    super(problem.message);
    this.name = "RefusedHead";
  }
}

const NOTHING: HeaderLines = [];

/** A request's head that was accepted. */
export class ScannedRequest implements RequestHead {
  #headers: HeaderLines | undefined;
  #beside: HeaderLines = NOTHING;
  /** Set by whoever reads HTTP/2. */
  overHttp2 = false;

  constructor(
    readonly method: string,
    readonly target: string,
    /** The lines as they stood on the wire. */
    readonly lines: ScannedLines,
    readonly says: RequestSays,
  ) {}

  get version(): "1.0" | "1.1" {
    return this.says.version;
  }

  /** The lines, where they can be passed as they stand. */
  get raw(): ScannedLines | undefined {
    const { namesOthers, authority } = this.says;
    return namesOthers || authority !== undefined ? undefined : this.lines;
  }

  /** How the body is delimited. */
  get framing(): Framing {
    return this.says.framing;
  }

  /** The lines as text, with the Host that an absolute target stands for where there was none. */
  get headers(): HeaderLines {
    const { authority } = this.says;
    const { pairs } = this.lines;
    if (authority === undefined && this.#beside.length === 0) return pairs;
    this.#headers ??= [
      ...(authority === undefined ? [] : [["Host", authority] as const]),
      ...pairs,
      ...this.#beside,
    ];
    return this.#headers;
  }

  /** Lines at the end that did not come with the octets of the head. */
  get beside(): HeaderLines {
    return this.#beside;
  }

  /** The same head with one more line at its end, which came in another way. */
  with(line: HeaderLines[number]): ScannedRequest {
    const more = new ScannedRequest(this.method, this.target, this.lines, this.says);
    more.#beside = [...this.#beside, line];
    return more;
  }
}

/** What a request's head says beyond its lines: of its body, of the connection and of this hop. */
export interface RequestSays {
  readonly version: "1.0" | "1.1";
  readonly framing: Framing;
  /** The authority of an absolute target, when no Host came with it. */
  readonly authority: string | undefined;
  /** Whether the client wants the connection to end after the answer. */
  readonly closes: boolean;
  /** Whether there is an Expect. */
  readonly expects: boolean;
  /** Whether Connection names TE. */
  readonly te: boolean;
  /** Whether Connection names headers beyond close, keep-alive and TE. */
  readonly namesOthers: boolean;
}

/** Where a head ended. */
export interface FoundRequest {
  readonly head: ScannedRequest;
  /** Offset of the first octet behind the head. */
  readonly end: number;
}

// The methods of HTTP and its registry that are known to common parsers, without those of other protocols.
const METHODS: readonly string[] = (
  "GET POST PUT HEAD PATCH DELETE OPTIONS TRACE CONNECT ACL BIND CHECKOUT COPY LINK LOCK M-SEARCH MERGE MKACTIVITY " +
  "MKCALENDAR MKCOL MOVE NOTIFY PROPFIND PROPPATCH PURGE QUERY REBIND REPORT SEARCH SUBSCRIBE UNBIND UNLINK " +
  "UNLOCK UNSUBSCRIBE"
).split(" ");
const METHOD_BYTES = METHODS.map((name) => ({ name, bytes: Buffer.from(name, "latin1") }));
const PROTOCOL = Buffer.from("HTTP/", "latin1");
const HTTP_SCHEME = word("http://");
const HTTPS_SCHEME = word("https://");

/** Octets of `HTTP/1.1`. */
const VERSION_OCTETS = 8;

const startsWith = (bytes: Buffer, from: number, to: number, wanted: Uint8Array): boolean => {
  if (to - from < wanted.length) return false;
  for (let at = 0; at < wanted.length; at++) if (bytes[from + at] !== wanted[at]) return false;
  return true;
};

const methodOf = (bytes: Buffer, from: number, to: number): string | undefined => {
  for (const { name, bytes: wanted } of METHOD_BYTES) {
    if (wanted.length === to - from && startsWith(bytes, from, to, wanted)) return name;
  }
  return undefined;
};

const refusal = (code: ErrorCode, detail?: string, head?: Partial<RequestHead>): RefusedHead =>
  new RefusedHead(new SchakelError(code, detail === undefined ? {} : { detail }), head);

const malformed = (detail: string, head?: Partial<RequestHead>): RefusedHead =>
  refusal("ERROR_CODE_REQUEST_MALFORMED", detail, head);

/** What is said of a body that is larger than its limit. */
export const bodyTooLarge = (most: number): string => `a body of more than ${most} octets`;

/** The offsets of a request line; there is one, used again for every request. */
const LINE = { methodTo: 0, targetFrom: 0, targetTo: 0, versionFrom: 0, end: 0 };

/** Finds the parts of a request line. False when there is more to come. */
const scanRequestLine = (bytes: Buffer, from: number, targetBytesMax: number): boolean => {
  const to = bytes.length;
  let at = from;
  while (at < to && ((CLASS[bytes[at] ?? 0] ?? 0) & TOKEN) !== 0) at += 1;
  if (at === to) return false;
  if (at === from || bytes[at] !== SP)
    throw malformed("the request line does not begin with a method");
  LINE.methodTo = at;
  at += 1;
  LINE.targetFrom = at;
  while (at < to && ((CLASS[bytes[at] ?? 0] ?? 0) & TARGET) !== 0) at += 1;
  if (at - LINE.targetFrom > targetBytesMax) {
    throw refusal("ERROR_CODE_TARGET_TOO_LONG", `a target of more than ${targetBytesMax} octets`);
  }
  if (at === to) return false;
  LINE.targetTo = at;
  if (at === LINE.targetFrom) throw malformed("the request line has no target");
  if (bytes[at] === CR) return endsEarly(bytes, at, to);
  if (bytes[at] !== SP) throw malformed("the target has a character that must be encoded");
  at += 1;
  LINE.versionFrom = at;
  return endsWell(bytes, at, to);
};

const endsEarly = (bytes: Buffer, at: number, to: number): false => {
  if (at + 1 === to) return false;
  // A request line of HTTP/0.9.
  throw bytes[at + 1] === LF
    ? refusal("ERROR_CODE_HTTP_VERSION_UNSUPPORTED")
    : malformed("a bare CR");
};

/** Whether the version and the end of its line are there; throws when they are not right. */
const endsWell = (bytes: Buffer, from: number, to: number): boolean => {
  const there = Math.min(to - from, PROTOCOL.length);
  if (!startsWith(bytes, from, from + there, PROTOCOL.subarray(0, there))) {
    throw malformed("the request line does not end with a version of HTTP");
  }
  if (to - from < VERSION_OCTETS + 2) return earlyVersion(bytes, from, to);
  const major = (bytes[from + 5] ?? 0) - 0x30;
  const minor = (bytes[from + 7] ?? 0) - 0x30;
  const isVersion = isDigit(major) && isDigit(minor) && bytes[from + 6] === 0x2e;
  const end = from + VERSION_OCTETS;
  if (!isVersion || bytes[end] !== CR || bytes[end + 1] !== LF) {
    throw malformed("the request line does not end with a version of HTTP and CRLF");
  }
  if (major !== 1 || minor > 1) throw refusal("ERROR_CODE_HTTP_VERSION_UNSUPPORTED");
  LINE.end = end + 2;
  return true;
};

const isDigit = (value: number): boolean => value >= 0 && value <= 9;

/** A version that is not complete: false unless it can never become one. */
const earlyVersion = (bytes: Buffer, from: number, to: number): false => {
  for (let at = from; at < to; at++) {
    const octet = bytes[at] ?? 0;
    const last = octet === CR && at === from + VERSION_OCTETS;
    if (!last && ((CLASS[octet] ?? 0) & TARGET) === 0) {
      throw malformed("the request line does not end with a version of HTTP and CRLF");
    }
  }
  return false;
};

interface Address {
  readonly target: string;
  /** Offsets of an absolute target's authority; both 0 for a path. */
  readonly from: number;
  readonly to: number;
}

/** Path and query of an origin-form or absolute-form target, and the authority of the latter. */
const addressOf = (bytes: Buffer, from: number, to: number): Address | undefined => {
  if (bytes[from] === SLASH) return { target: bytes.toString("latin1", from, to), from: 0, to: 0 };
  const scheme = [HTTP_SCHEME, HTTPS_SCHEME].find((known) => isPrefix(bytes, from, to, known));
  if (scheme === undefined) return undefined;
  const start = from + scheme.length;
  let end = start;
  while (end < to && bytes[end] !== SLASH && bytes[end] !== 0x3f) end += 1;
  if (!isAuthority(bytes, start, end)) return undefined;
  const rest = bytes.toString("latin1", end, to);
  return { target: rest.startsWith("/") ? rest : `/${rest}`, from: start, to: end };
};

const isPrefix = (bytes: Buffer, from: number, to: number, known: Uint8Array): boolean =>
  to - from >= known.length && isWord(bytes, from, from + known.length, known);

/** What is wrong with the Host of the head in `LINES`; undefined when it agrees with the target and is there where it must be. */
const hostProblem = (bytes: Buffer, old: boolean, address: Address): string | undefined => {
  const { hosts, hostFrom, hostTo } = LINES;
  if (hosts > 1) return "Host comes more than once";
  if (hosts === 0) return old ? undefined : "Host is missing";
  if (!isAuthority(bytes, hostFrom, hostTo)) return "Host is not a host with an optional port";
  if (address.to === 0) return undefined;
  const length = hostTo - hostFrom;
  let same = address.to - address.from === length;
  for (let at = 0; same && at < length; at++) {
    same = LOWER[bytes[address.from + at] ?? 0] === LOWER[bytes[hostFrom + at] ?? 0];
  }
  return same ? undefined : "Host disagrees with the target";
};

const refuseLines = (): RefusedHead =>
  LINES.tooLarge
    ? refusal("ERROR_CODE_REQUEST_HEAD_TOO_LARGE", LINES.problem)
    : malformed(LINES.problem);

/** Octets of the empty line that ends a head; they do not count for its size. */
const END_OCTETS = 2;

/**
 * Where the request line begins: behind one empty line at most, which RFC 9112, section 2.2, lets pass in
 * front of it. -1 when there is more to come.
 */
const requestLineFrom = (bytes: Buffer, from: number): number => {
  if (from < bytes.length && bytes[from] !== CR) return from;
  if (bytes.length - from < 2) return -1;
  return bytes[from + 1] === LF ? from + 2 : from;
};

/**
 * Scans a request's head that begins at an offset. What stands behind the head is not looked at. The
 * result holds on to `bytes`, which nobody may change while it is used.
 *
 * @returns undefined when there is more to come
 * @throws RefusedHead with REQUEST_MALFORMED naming the rule, REQUEST_HEAD_TOO_LARGE,
 *   TARGET_TOO_LONG, BODY_TOO_LARGE by its Content-Length, TRANSFER_CODING_UNSUPPORTED,
 *   HTTP_VERSION_UNSUPPORTED, or METHOD_UNSUPPORTED (CONNECT)
 */
export const scanRequest = (
  bytes: Buffer,
  from: number,
  limits: RequestLimits,
): FoundRequest | undefined => {
  const start = requestLineFrom(bytes, from);
  return start < 0 ? undefined : scanFrom(bytes, start, limits);
};

const scanFrom = (bytes: Buffer, from: number, limits: RequestLimits): FoundRequest | undefined => {
  const to = bytes.length;
  const { headBytesMax, headersMax } = limits;
  const end = scanRequestLine(bytes, from, limits.targetBytesMax)
    ? LINES.scan(bytes, { from: LINE.end, to, headersMax })
    : INCOMPLETE;
  if (end === REFUSED) throw refuseLines();
  if ((end === INCOMPLETE ? to : end) - from > headBytesMax + END_OCTETS) {
    throw refusal(
      "ERROR_CODE_REQUEST_HEAD_TOO_LARGE",
      `a head of more than ${headBytesMax} octets`,
    );
  }
  return end === INCOMPLETE ? undefined : { head: accepted(bytes, from, limits.bodyBytesMax), end };
};

/**
 * Scans a head that is complete and alone in its octets, as `scanRequest` does.
 *
 * @throws RefusedHead as `scanRequest` does, also when the head ends before or behind the octets
 */
export const scanRequestHead = (bytes: Buffer, limits: RequestLimits): ScannedRequest => {
  const found = scanFrom(bytes, 0, limits);
  if (found?.end === bytes.length) return found.head;
  throw malformed("the head does not end where its octets do");
};

const accepted = (bytes: Buffer, from: number, bodyBytesMax: number): ScannedRequest => {
  const { methodTo, targetFrom, targetTo, versionFrom } = LINE;
  const old = bytes[versionFrom + 7] === 0x30;
  const version = old ? "1.0" : "1.1";
  const method = methodOf(bytes, from, methodTo);
  const address = addressOf(bytes, targetFrom, targetTo);
  const framing = LINES.framing(old);
  const problem =
    typeof framing === "string"
      ? framing
      : address === undefined
        ? "the target is neither a path nor an absolute http URL"
        : hostProblem(bytes, old, address);
  const isOpen = method !== undefined && method !== "CONNECT" && problem === undefined;
  if (!isOpen || typeof framing === "string" || address === undefined) {
    throw refuseWhole(bytes, { from, version }, problem);
  }
  const { target, from: authorityFrom, to } = address;
  const says: RequestSays = {
    version,
    framing,
    authority:
      to > 0 && LINES.hosts === 0 ? bytes.toString("latin1", authorityFrom, to) : undefined,
    closes: LINES.saysClose || old,
    expects: LINES.expects,
    te: LINES.saysTe,
    namesOthers: LINES.namesOthers,
  };
  const lines = LINES.take(bytes);
  if (framing.kind === "length" && framing.bytes > bodyBytesMax) {
    const head = { method, target, version, headers: lines.pairs } as const;
    throw refusal("ERROR_CODE_BODY_TOO_LARGE", bodyTooLarge(bodyBytesMax), head);
  }
  return new ScannedRequest(method, target, lines, says);
};

/** Refuses a head that is well-formed line by line, and gives all of it. */
const refuseWhole = (
  bytes: Buffer,
  { from, version }: { from: number; version: "1.0" | "1.1" },
  problem: string | undefined,
): RefusedHead => {
  const method = bytes.toString("latin1", from, LINE.methodTo);
  const target = bytes.toString("latin1", LINE.targetFrom, LINE.targetTo);
  const { pairs: headers } = LINES.take(bytes);
  const head = { method, target, version, headers } as const;
  if (method === "CONNECT") return refusal("ERROR_CODE_METHOD_UNSUPPORTED", undefined, head);
  const known = methodOf(bytes, from, LINE.methodTo) !== undefined;
  if (known && problem === UNKNOWN_CODING) {
    return refusal("ERROR_CODE_TRANSFER_CODING_UNSUPPORTED", undefined, head);
  }
  return malformed(known ? (problem ?? "") : "the method is not one of HTTP", head);
};
