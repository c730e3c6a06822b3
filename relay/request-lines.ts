// What a request says to its target, apart from its body: the lines of the order and those of this hop.
import { HEADER } from "../core/exchange-headers.js";
import { endToEnd } from "./hop-by-hop.js";
import { headerValues, withoutHeaders, type HeaderLines } from "./message.js";
import type { ScannedRequest } from "./scan-request.js";
import { requestBytes } from "./write-head.js";

/** Whether the client takes trailers: TE says so, and Connection names it. */
const takesTrailers = ({ says, headers }: ScannedRequest): boolean =>
  says.te &&
  headerValues(headers, "te").some((value) =>
    value.split(",").some((coding) => coding.trim().toLowerCase() === "trailers"),
  );

/**
 * The head that goes to the target: the order's lines, the token if one is given, then what belongs to this hop.
 *
 * @throws TypeError when the order holds what cannot be sent
 */
export const headToTarget = (
  order: { readonly method: string; readonly target: string; readonly headers: HeaderLines },
  request: ScannedRequest,
  token: string | undefined,
): Buffer => {
  const { framing } = request;
  const kept = withoutHeaders(
    endToEnd(order.headers),
    (name) => name === "trailer" && framing.kind !== "chunked",
  );
  let own = takesTrailers(request) ? "TE: trailers\r\nConnection: TE\r\n" : "";
  if (framing.kind === "length") own += `Content-Length: ${framing.bytes}\r\n`;
  if (framing.kind === "chunked") own += "Transfer-Encoding: chunked\r\n";
  const headers = token === undefined ? kept : [...kept, [HEADER.authorization, token] as const];
  return requestBytes({ ...order, headers }, own);
};
