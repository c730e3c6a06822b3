// Which header lines end at the next hop (RFC 9110, section 7.6.1).
import { headerValues, withoutHeaders, type HeaderLines } from "./message.js";

// Content-Length and Transfer-Encoding are here because each hop frames its own message.
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);

/** The options of every Connection line, lower-case. */
export const connectionOptions = (headers: HeaderLines): readonly string[] =>
  headerValues(headers, "connection")
    .flatMap((value) => value.split(","))
    .map((option) => option.trim().toLowerCase())
    .filter((option) => option !== "");

/**
 * The lines meant for the other end: without hop-by-hop headers, without those that Connection names,
 * and without framing, which the relay sets itself. `Trailer` stays; the relay drops it where no trailer can follow.
 */
export const endToEnd = (headers: HeaderLines): HeaderLines => {
  const named = connectionOptions(headers);
  return withoutHeaders(headers, (name) => HOP_BY_HOP.has(name) || named.includes(name));
};
