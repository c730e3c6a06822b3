// Which responses of a target are accepted, as strictly as requests.
import type { IncomingMessage } from "node:http";
import type { RelayLimits } from "./limits.js";
import { linesOf, type ResponseHead } from "./message.js";
import { framingOf, linesProblem, tooLarge, type Framing } from "./strict.js";

/** A response that was accepted, and how its body is delimited. */
export interface AcceptedResponse {
  readonly head: ResponseHead;
  readonly framing: Framing;
}

/** A response that breaks a rule. */
export class MalformedResponse extends Error {
  constructor(rule: string) {
    super(`the response is refused: ${rule}`);
    this.name = "MalformedResponse";
  }
}

const NOT_IN_REASON = /[^\t\x20-\x7e\x80-\xff]/;

/**
 * Checks a final response as node:http parsed it.
 *
 * @param method the method that was asked with, since HEAD decides whether there is a body
 * @throws MalformedResponse naming the rule
 */
export const acceptResponse = (
  response: IncomingMessage,
  method: string,
  limits: RelayLimits,
): AcceptedResponse => {
  const { httpVersion: version, statusCode: status = 0, statusMessage: reason = "" } = response;
  const headers = linesOf(response.rawHeaders);
  if (version !== "1.0" && version !== "1.1") throw new MalformedResponse(`HTTP/${version}`);
  if (status < 200 || status > 599) throw new MalformedResponse(`status ${status}`);
  if (NOT_IN_REASON.test(reason)) throw new MalformedResponse("a control character in the reason");
  // Fifteen octets for the version, the status, two spaces and CRLF.
  const problem = tooLarge(reason.length + 15, headers, limits) ?? linesProblem(headers);
  if (problem !== undefined) throw new MalformedResponse(problem);
  const framing = framingOf(headers, version);
  if (typeof framing === "string") throw new MalformedResponse(framing);
  return { head: { status, reason, headers }, framing: bodyFraming(framing, method, status) };
};

// RFC 9112, section 6.3, and RFC 9110, section 8.6: what a Content-Length says without being followed by a
// body is kept for HEAD and 304, and must not be sent with 204.
const bodyFraming = (framing: Framing, method: string, status: number): Framing => {
  if (status === 204) return { kind: "none" };
  if (method === "HEAD" || status === 304) {
    return framing.kind === "length" ? framing : { kind: "none" };
  }
  return framing.kind === "none" ? { kind: "until-close" } : framing;
};
