// What a request says to its target, apart from its body: the lines of the order and those of this hop.
import { connectionOptions, endToEnd } from "./hop-by-hop.js";
import { headerValues, withoutHeaders, type HeaderLines } from "./message.js";
import type { AcceptedRequest } from "./strict-request.js";

const takesTrailers = (headers: HeaderLines): boolean =>
  connectionOptions(headers).includes("te") &&
  headerValues(headers, "te").some((value) => /(?:^|,)\s*trailers\s*(?:$|,)/i.test(value));

/** The header lines that go to the target: the order's, then what belongs to this hop. */
export const requestLines = (
  headers: HeaderLines,
  { head, framing }: AcceptedRequest,
): readonly string[] => {
  const lines = [
    ...withoutHeaders(endToEnd(headers), (n) => n === "trailer" && framing.kind !== "chunked"),
  ];
  if (takesTrailers(head.headers)) lines.push(["TE", "trailers"], ["Connection", "TE"]);
  if (framing.kind === "length") lines.push(["Content-Length", String(framing.bytes)]);
  if (framing.kind === "chunked") lines.push(["Transfer-Encoding", "chunked"]);
  return lines.flat();
};
