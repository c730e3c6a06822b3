// The fields of an HTTP/2 message as the head of an HTTP/1.1 message, and back. What comes is checked field by
// field (RFC 9113, section 8), then written as octets and scanned like any other head: one parser, not two.
import { SchakelError, type ErrorCode } from "../core/errors.js";
import type { HeaderLines } from "./message.js";
import { TARGET, TOKEN, VALUE } from "./scan-bytes.js";
import { MalformedBody } from "./scan-body.js";
import { MalformedResponse } from "./scan-response.js";
import { RefusedHead } from "./scan-request.js";
import { checkLine, isOf, linesText } from "./write-head.js";

/** Names and values in turn, as they came or go; one character an octet. */
export type RawFields = readonly string[];

/** Fields that break a rule. */
class FieldProblem extends Error {}

const REQUEST_PSEUDO: readonly string[] = [":method", ":scheme", ":authority", ":path"];
const RESPONSE_PSEUDO: readonly string[] = [":status"];
const NO_PSEUDO: readonly string[] = [];

const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

interface Fields {
  readonly pseudo: ReadonlyMap<string, string>;
  readonly lines: (readonly [name: string, value: string])[];
}

const checkName = (name: string, value: string): void => {
  if (name === "" || !isOf(TOKEN, name)) throw new FieldProblem("a header name is not a token");
  if (/[A-Z]/.test(name)) throw new FieldProblem("a header name has an upper-case letter");
  if (CONNECTION_SPECIFIC.has(name)) {
    throw new FieldProblem("a header belongs to a connection of HTTP/1.1");
  }
  if (name === "te" && value.toLowerCase() !== "trailers") {
    throw new FieldProblem("TE says something else than trailers");
  }
};

const fieldsIn = (raw: RawFields, allowed: readonly string[]): Fields => {
  const pseudo = new Map<string, string>();
  const lines: (readonly [string, string])[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? "";
    const value = raw[at + 1] ?? "";
    if (!isOf(VALUE, value)) throw new FieldProblem("a header value has a control character");
    if (!name.startsWith(":")) {
      checkName(name, value);
      lines.push([name, value]);
    } else if (!allowed.includes(name)) {
      throw new FieldProblem("a pseudo-header that may not stand there");
    } else if (lines.length > 0 || pseudo.has(name)) {
      throw new FieldProblem("a pseudo-header comes twice or late");
    } else {
      pseudo.set(name, value);
    }
  }
  return { pseudo, lines };
};

/** The values of a field that is sent in crumbs, such as Cookie (RFC 9113, section 8.2.3), as one line. */
const joinCookies = (lines: HeaderLines): HeaderLines => {
  const crumbs = lines.filter(([name]) => name === "cookie").map(([, value]) => value);
  if (crumbs.length < 2) return lines;
  return [...lines.filter(([name]) => name !== "cookie"), ["cookie", crumbs.join("; ")]];
};

const isGrpc = (value: string): boolean => value.toLowerCase().startsWith("application/grpc");

/** Whether trailers are to be expected: a body of a stated length has none in HTTP/1.1. */
const hasTrailers = (lines: HeaderLines): boolean =>
  lines.some(([name, value]) => name === "trailer" || (name === "content-type" && isGrpc(value)));

/** The lines that say how the body is delimited: the length that came, or chunks, or nothing. */
const framed = (lines: HeaderLines, ends: boolean): HeaderLines => {
  const lengths = lines.filter(([name]) => name === "content-length");
  if (ends || (lengths.length > 0 && !(lengths.length === 1 && hasTrailers(lines)))) return lines;
  // The length itself has been held against the octets by the one who reads frames.
  return [
    ...lines.filter(([name]) => name !== "content-length"),
    ["transfer-encoding", "chunked"] as const,
  ];
};

const head = (start: string, lines: HeaderLines): Buffer =>
  Buffer.from(`${start}\r\n${linesText(lines)}\r\n`, "latin1");

const required = (pseudo: ReadonlyMap<string, string>, name: string): string => {
  const value = pseudo.get(name);
  if (value === undefined) throw new FieldProblem(`${name} is missing`);
  return value;
};

/** The Host that the fields stand for: `:authority`, or Host where there is none; they may not disagree. */
const hostLines = (authority: string | undefined, lines: HeaderLines): HeaderLines => {
  const hosts = lines.filter(([name]) => name === "host");
  const isSame = ([, value]: HeaderLines[number]): boolean =>
    value.toLowerCase() === authority?.toLowerCase();
  if (authority === undefined) return hosts;
  if (hosts.length > 1) throw new FieldProblem("Host comes more than once");
  if (!hosts.every(isSame)) throw new FieldProblem("Host disagrees with :authority");
  return [["host", authority]];
};

const requestHead = ({ pseudo, lines }: Fields, ends: boolean): Buffer => {
  const method = required(pseudo, ":method");
  if (method === "" || !isOf(TOKEN, method)) throw new FieldProblem(":method is not a token");
  const scheme = required(pseudo, ":scheme");
  if (scheme !== "http" && scheme !== "https") throw new FieldProblem(":scheme is not http(s)");
  const path = required(pseudo, ":path");
  if (!path.startsWith("/") || !isOf(TARGET, path)) {
    throw new FieldProblem(":path is not a path");
  }
  const others = framed(joinCookies(lines.filter(([name]) => name !== "host")), ends);
  const te = others.some(([name]) => name === "te");
  return head(`${method} ${path} HTTP/1.1`, [
    ...hostLines(pseudo.get(":authority"), lines),
    ...others,
    ...(te ? [["connection", "te"] as const] : []),
  ]);
};

const valueOf = (raw: RawFields, name: string): string | undefined => {
  const at = raw.findIndex((text, index) => index % 2 === 0 && text === name);
  return at < 0 ? undefined : raw[at + 1];
};

const refusal = (raw: RawFields, code: ErrorCode, detail?: string): RefusedHead => {
  const headers: [string, string][] = [];
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? "";
    if (!name.startsWith(":")) headers.push([name, raw[at + 1] ?? ""]);
  }
  const [method, target] = [valueOf(raw, ":method"), valueOf(raw, ":path")];
  return new RefusedHead(new SchakelError(code, detail === undefined ? {} : { detail }), {
    ...(method === undefined ? {} : { method }),
    ...(target === undefined ? {} : { target }),
    headers,
  });
};

/**
 * A request's fields as the octets of a head, to be scanned.
 *
 * @param ends whether no body follows
 * @throws RefusedHead with REQUEST_MALFORMED naming the rule, or METHOD_UNSUPPORTED (CONNECT)
 */
export const requestOctets = (raw: RawFields, ends: boolean): Buffer => {
  if (valueOf(raw, ":method") === "CONNECT") throw refusal(raw, "ERROR_CODE_METHOD_UNSUPPORTED");
  try {
    return requestHead(fieldsIn(raw, REQUEST_PSEUDO), ends);
  } catch (error) {
    if (!(error instanceof FieldProblem)) throw error;
    throw refusal(raw, "ERROR_CODE_REQUEST_MALFORMED", error.message);
  }
};

/**
 * A response's fields as the octets of a head, to be scanned. One whose body ends with it says so, as an answer over
 * HTTP/1.1 must.
 *
 * @throws MalformedResponse naming the rule
 */
export const responseOctets = (raw: RawFields, ends: boolean): Buffer => {
  try {
    const { pseudo, lines } = fieldsIn(raw, RESPONSE_PSEUDO);
    const status = required(pseudo, ":status");
    const isInterim = status.startsWith("1");
    const isBodiless = isInterim || status === "204" || status === "304";
    const hasLength = lines.some(([name]) => name === "content-length");
    const empty = ends && !isBodiless && !hasLength;
    const others = empty
      ? [...lines, ["content-length", "0"] as const]
      : framed(lines, ends || isBodiless);
    return head(`HTTP/1.1 ${status} `, others);
  } catch (error) {
    if (!(error instanceof FieldProblem)) throw error;
    throw new MalformedResponse(error.message);
  }
};

/**
 * Trailer fields as octets of lines, to be scanned.
 *
 * @throws MalformedBody naming the rule
 */
export const trailerOctets = (raw: RawFields): Buffer => {
  try {
    return Buffer.from(linesText(fieldsIn(raw, NO_PSEUDO).lines), "latin1");
  } catch (error) {
    if (!(error instanceof FieldProblem)) throw error;
    throw new MalformedBody(error.message);
  }
};

/**
 * Lines as fields that can be sent, without those of a connection of HTTP/1.1.
 *
 * @throws TypeError when one holds what may not stand there
 */
export const rawFields = (lines: HeaderLines): string[] => {
  const raw: string[] = [];
  for (const line of lines) {
    checkLine(line);
    const lower = line[0].toLowerCase();
    if (!CONNECTION_SPECIFIC.has(lower)) raw.push(lower, line[1]);
  }
  return raw;
};

/** Trailer lines in the form that Node.js takes them. @throws TypeError as `rawFields` does */
export const trailerObject = (lines: HeaderLines): Record<string, string | string[]> => {
  const fields: Record<string, string | string[]> = {};
  const raw = rawFields(lines);
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? "";
    const value = raw[at + 1] ?? "";
    const before = fields[name];
    fields[name] = before === undefined ? value : [before, value].flat();
  }
  return fields;
};
