// Scans a response's head as strictly as a request's (RFC 9112, sections 4 and 6.3).
import type { HeaderLines, ResponseHead } from "./message.js";
import { CLASS, CR, LF, SP, VALUE } from "./scan-bytes.js";
import {
  INCOMPLETE,
  LINES,
  REFUSED,
  type Framing,
  type LineLimits,
  type ScannedLines,
} from "./scan-lines.js";

/** A response that breaks a rule. */
export class MalformedResponse extends Error {
  constructor(rule: string) {
    super(`the response is refused: ${rule}`);
    this.name = "MalformedResponse";
  }
}

/** What a response's head says beyond its lines: of its body and of the connection. */
export interface ResponseSays {
  /** How the body is delimited, seen from the request's method; `none` for an interim response. */
  readonly framing: Framing;
  /** Whether the connection may be used again after the body. */
  readonly keeps: boolean;
  /** Whether Connection names headers beyond close, keep-alive and TE. */
  readonly namesOthers: boolean;
}

/** A response's head that was accepted, interim (1xx, but never 101) or final. */
export class ScannedResponse implements ResponseHead {
  constructor(
    readonly status: number,
    readonly reason: string,
    /** The lines as they stood on the wire. */
    readonly lines: ScannedLines,
    readonly says: ResponseSays,
  ) {}

  /** The lines, where they can be passed as they stand. */
  get raw(): ScannedLines | undefined {
    return this.says.namesOthers ? undefined : this.lines;
  }

  /** How the body is delimited. */
  get framing(): Framing {
    return this.says.framing;
  }

  get headers(): HeaderLines {
    return this.lines.pairs;
  }
}

/** How the body of a response is delimited: what Content-Length says to HEAD and with 304 is not followed by a body. */
export const bodyOf = ({ status, framing }: ScannedResponse, method: string): Framing =>
  method === "HEAD" || status === 304 ? NO_BODY : framing;

/** Where a head ended. */
export interface FoundResponse {
  readonly head: ScannedResponse;
  /** Offset of the first octet behind the head. */
  readonly end: number;
}

const PROTOCOL = Buffer.from("HTTP/1.", "latin1");
/** Octets of `HTTP/1.1 200 `. */
const BEFORE_REASON = 13;
/** Octets of the empty line that ends a head; they do not count for its size. */
const END_OCTETS = 2;

const NO_BODY: Framing = { kind: "none" };
const UNTIL_CLOSE: Framing = { kind: "until-close" };

/** What the status line said; there is one, used again for every response. */
const LINE = { old: false, status: 0, reasonTo: 0 };

/** Scans a status line; gives where the next line begins, or INCOMPLETE. */
const scanStatusLine = (bytes: Buffer, from: number, to: number): number => {
  const there = Math.min(to - from, BEFORE_REASON);
  for (let at = 0; at < there; at++) {
    if (!fits(bytes[from + at] ?? 0, at)) throw new MalformedResponse("the status line");
  }
  if (there < BEFORE_REASON) return INCOMPLETE;
  LINE.old = bytes[from + 7] === 0x30;
  const digit = (at: number): number => (bytes[from + at] ?? 0) - 0x30;
  LINE.status = digit(9) * 100 + digit(10) * 10 + digit(11);
  let at = from + BEFORE_REASON;
  while (at < to && ((CLASS[bytes[at] ?? 0] ?? 0) & VALUE) !== 0) at += 1;
  LINE.reasonTo = at;
  if (at === to) return INCOMPLETE;
  if (bytes[at] !== CR) throw new MalformedResponse("a control character in the reason");
  if (at + 1 === to) return INCOMPLETE;
  if (bytes[at + 1] !== LF) throw new MalformedResponse("a bare CR");
  return at + 2;
};

/** Whether an octet may stand at a place of `HTTP/1.1 200 `. */
const fits = (octet: number, place: number): boolean => {
  if (place < PROTOCOL.length) return octet === PROTOCOL[place];
  if (place === 7) return octet === 0x30 || octet === 0x31;
  if (place === 8 || place === 12) return octet === SP;
  // The first digit of a status is 1 to 5.
  return place === 9 ? octet >= 0x31 && octet <= 0x35 : octet >= 0x30 && octet <= 0x39;
};

/**
 * Scans a response's head that begins at an offset. What stands behind the head is not looked at. The
 * result holds on to `bytes`, which nobody may change while it is used.
 *
 * @param method the method that was asked with, since HEAD decides whether there is a body
 * @returns undefined when there is more to come
 * @throws MalformedResponse naming the rule
 */
export const scanResponse = (
  bytes: Buffer,
  from: number,
  method: string,
  limits: LineLimits,
): FoundResponse | undefined => {
  const to = bytes.length;
  const next = scanStatusLine(bytes, from, to);
  const end =
    next === INCOMPLETE
      ? next
      : LINES.scan(bytes, { from: next, to, headersMax: limits.headersMax });
  const size = (end === INCOMPLETE ? to : end) - from - END_OCTETS;
  if (size > limits.headBytesMax) {
    throw new MalformedResponse(`a head of more than ${limits.headBytesMax} octets`);
  }
  if (end === INCOMPLETE) return undefined;
  if (end === REFUSED) throw new MalformedResponse(LINES.problem);
  return { head: accepted(bytes, from, method), end };
};

/**
 * Scans a head that is complete and alone in its octets, as `scanResponse` does.
 *
 * @throws MalformedResponse as `scanResponse` does, also when the head ends before or behind the octets
 */
export const scanResponseHead = (
  bytes: Buffer,
  method: string,
  limits: LineLimits,
): ScannedResponse => {
  const found = scanResponse(bytes, 0, method, limits);
  if (found?.end === bytes.length) return found.head;
  throw new MalformedResponse("the head does not end where its octets do");
};

const accepted = (bytes: Buffer, from: number, method: string): ScannedResponse => {
  const { status, old, reasonTo } = LINE;
  if (status === 101) throw new MalformedResponse("status 101 was not asked for");
  const framing = LINES.framing(old);
  if (typeof framing === "string") throw new MalformedResponse(framing);
  const delimited = bodyFraming(framing, method, status);
  const keeps = !LINES.saysClose && (!old || LINES.saysKeepAlive);
  const says: ResponseSays = {
    framing: delimited,
    keeps: keeps && delimited.kind !== "until-close",
    namesOthers: LINES.namesOthers,
  };
  const reason = bytes.toString("latin1", from + BEFORE_REASON, reasonTo);
  const lines = LINES.take(bytes);
  return new ScannedResponse(status, reason, lines, says);
};

// RFC 9112, section 6.3, and RFC 9110, section 8.6: what a Content-Length says without being followed by a
// body is kept for HEAD and 304, and must not be sent with 1xx and 204.
const bodyFraming = (framing: Framing, method: string, status: number): Framing => {
  if (status < 200 || status === 204) {
    const isEmpty = framing.kind === "none" || (framing.kind === "length" && framing.bytes === 0);
    if (!isEmpty) throw new MalformedResponse(`status ${status} comes with a body`);
    return NO_BODY;
  }
  if (method === "HEAD" || status === 304) return framing.kind === "length" ? framing : NO_BODY;
  return framing.kind === "none" ? UNTIL_CLOSE : framing;
};
