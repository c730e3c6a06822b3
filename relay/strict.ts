// The rules that header lines and framing must keep in both directions, so that no two parsers could
// read a message differently (RFC 9110, section 5; RFC 9112, sections 5 and 6).
import { headerValues, type HeaderLines } from "./message.js";
import type { RelayLimits } from "./limits.js";

/** How a body is delimited. `until-close` exists in responses alone. */
export type Framing =
  | { readonly kind: "none" | "chunked" | "until-close" }
  | { readonly kind: "length"; readonly bytes: number };

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// Anything but HTAB, SP, VCHAR and obs-text.
const NOT_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
// Fifteen digits stay below Number.MAX_SAFE_INTEGER.
const LENGTH = /^[0-9]{1,15}$/;

const FRAMING_NAMES: ReadonlySet<string> = new Set(["content-length", "transfer-encoding"]);
const NEVER_IN_TRAILERS: ReadonlySet<string> = new Set([...FRAMING_NAMES, "host"]);

const dashed = (lowerName: string): string => lowerName.replaceAll("_", "-");

/** Whether a head with these lines is over a limit. */
export const tooLarge = (
  startLineBytes: number,
  lines: HeaderLines,
  limits: RelayLimits,
): string | undefined => {
  if (lines.length > limits.headersMax) {
    return `${lines.length} header lines, at most ${limits.headersMax} are allowed`;
  }
  let bytes = startLineBytes;
  // Four octets a line for ": " and CRLF.
  for (const [name, value] of lines) bytes += name.length + value.length + 4;
  return bytes > limits.headBytesMax
    ? `a head of ${bytes} octets, at most ${limits.headBytesMax} are allowed`
    : undefined;
};

/** What is wrong with header lines taken one by one; undefined when nothing is. */
export const linesProblem = (lines: HeaderLines): string | undefined => {
  for (const [name, value] of lines) {
    if (!TOKEN.test(name)) return "a header name is not a token";
    if (NOT_IN_VALUE.test(value)) return `the value of ${name} has a control character`;
    // Some servers read "_" as "-", and would frame the body by what everybody else ignores.
    const lower = name.toLowerCase();
    if (lower.includes("_") && FRAMING_NAMES.has(dashed(lower))) {
      return `${name} could be read as a framing header`;
    }
  }
  return undefined;
};

/** What is wrong with trailer lines; undefined when nothing is. Trailers must not frame or route. */
export const trailersProblem = (lines: HeaderLines, limits: RelayLimits): string | undefined => {
  const large = tooLarge(0, lines, limits);
  if (large !== undefined) return `the trailer section has ${large}`;
  const forbidden = lines.find(([name]) => NEVER_IN_TRAILERS.has(dashed(name.toLowerCase())));
  if (forbidden !== undefined) return `${forbidden[0]} stands in a trailer`;
  return linesProblem(lines);
};

/**
 * How a body is delimited: by at most one Content-Length of digits, or by a single final `chunked`.
 *
 * @returns `none` when no header says; a sentence when the headers are ambiguous
 */
export const framingOf = (lines: HeaderLines, version: "1.0" | "1.1"): Framing | string => {
  const lengths = headerValues(lines, "content-length");
  const codings = headerValues(lines, "transfer-encoding");
  if (lengths.length > 1) return "Content-Length comes more than once";
  if (codings.length > 0) {
    if (lengths.length > 0) return "Content-Length and Transfer-Encoding come together";
    if (codings.length > 1 || codings[0]?.toLowerCase() !== "chunked") {
      return "Transfer-Encoding is not a single chunked";
    }
    if (version === "1.0") return "Transfer-Encoding comes with HTTP/1.0";
    return { kind: "chunked" };
  }
  const length = lengths[0];
  if (length === undefined) return { kind: "none" };
  if (!LENGTH.test(length)) return "Content-Length is not a number of octets";
  return { kind: "length", bytes: Number(length) };
};
