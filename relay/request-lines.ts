// What a request says to its target, apart from its body: the lines of the order and those of this hop.
import { HEADER } from "../core/exchange-headers.js";
import { requestHead, type SentHead } from "./edited-lines.js";
import { headerValues } from "./message.js";
import type { ScannedRequest } from "./scan-request.js";
import { linesText } from "./write-head.js";

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
  order: SentHead,
  request: ScannedRequest,
  token: string | undefined,
): Buffer => {
  const { framing } = request;
  let own = token === undefined ? "" : linesText([[HEADER.authorization, token]]);
  if (takesTrailers(request)) own += "TE: trailers\r\nConnection: TE\r\n";
  if (framing.kind === "length") own += `Content-Length: ${framing.bytes}\r\n`;
  if (framing.kind === "chunked") own += "Transfer-Encoding: chunked\r\n";
  return requestHead(order, own, framing.kind === "chunked");
};
