// Which requests are accepted. node:http has parsed them; this refuses what it lets through although
// another parser could read it differently.
import { METHODS, type IncomingMessage } from "node:http";
import { SchakelError } from "../core/errors.js";
import type { RelayLimits } from "./limits.js";
import { headerValues, linesOf, type HeaderLines, type RequestHead } from "./message.js";
import { framingOf, linesProblem, tooLarge, trailersProblem, type Framing } from "./strict.js";

/** A request that was accepted, and how its body is delimited. */
export interface AcceptedRequest {
  readonly head: RequestHead;
  readonly framing: Framing;
}

/** Refuses trailers that frame or route: throws SchakelError REQUEST_MALFORMED. For a request that has come to its end. */
export const checkTrailers = ({ rawTrailers }: IncomingMessage, limits: RelayLimits): void => {
  const problem = trailersProblem(linesOf(rawTrailers), limits);
  if (problem !== undefined) throw malformed(problem);
};

/** The parser's own list without the methods of other protocols that it takes as well. */
const HTTP_METHODS: ReadonlySet<string> = new Set(METHODS.filter((name) => name !== "SOURCE"));

// RFC 3986, host and port without userinfo; not empty.
const AUTHORITY = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~!$&'()*+,;=%]+)(?::[0-9]{0,5})?$/;
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)(.*)$/i;
// A fragment is never sent (RFC 9112, section 3.2).
const TARGET = /^[\x21\x22\x24-\x7e]+$/;

const malformed = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_REQUEST_MALFORMED", { detail });

interface Address {
  readonly target: string;
  readonly authority: string | undefined;
}

/** Path and query of an origin-form or absolute-form target, and the authority of the latter. */
const addressOf = (target: string): Address => {
  if (!TARGET.test(target)) throw malformed("the target has a character that must be encoded");
  if (target.startsWith("/")) return { target, authority: undefined };
  const [, authority = "", rest = ""] = ABSOLUTE_FORM.exec(target) ?? [];
  if (!AUTHORITY.test(authority)) {
    throw malformed("the target is neither a path nor an absolute http URL");
  }
  return { target: rest.startsWith("/") ? rest : `/${rest}`, authority };
};

/** The header lines with exactly one Host where there must be one, which agrees with the target. */
const routed = (lines: HeaderLines, version: string, authority?: string): HeaderLines => {
  const hosts = headerValues(lines, "host");
  const host = hosts[0];
  if (hosts.length > 1) throw malformed("Host comes more than once");
  if (host === undefined) {
    if (version === "1.1") throw malformed("Host is missing");
    return authority === undefined ? lines : [["Host", authority], ...lines];
  }
  if (!AUTHORITY.test(host)) throw malformed("Host is not a host with an optional port");
  if (authority !== undefined && authority.toLowerCase() !== host.toLowerCase()) {
    throw malformed("Host disagrees with the target");
  }
  return lines;
};

const versionOf = (request: IncomingMessage): "1.0" | "1.1" | undefined =>
  request.httpVersion === "1.1" || request.httpVersion === "1.0" ? request.httpVersion : undefined;

/** As much of a request's head as node:http gives, unchecked. */
export const uncheckedHead = (request: IncomingMessage): Partial<RequestHead> => {
  const version = versionOf(request);
  return {
    method: request.method ?? "",
    target: request.url ?? "",
    ...(version === undefined ? {} : { version }),
    headers: linesOf(request.rawHeaders),
  };
};

/**
 * Checks a request as node:http parsed it.
 *
 * @throws SchakelError HTTP_VERSION_UNSUPPORTED, REQUEST_HEAD_TOO_LARGE, METHOD_UNSUPPORTED (CONNECT), or
 *   REQUEST_MALFORMED naming the rule that was broken
 */
export const acceptRequest = (request: IncomingMessage, limits: RelayLimits): AcceptedRequest => {
  const { method = "", url = "", rawHeaders } = request;
  const version = versionOf(request);
  const lines = linesOf(rawHeaders);
  if (version === undefined) throw new SchakelError("ERROR_CODE_HTTP_VERSION_UNSUPPORTED");
  // Twelve octets for the two spaces, the version and CRLF.
  const large = tooLarge(method.length + url.length + 12, lines, limits);
  if (large !== undefined) {
    throw new SchakelError("ERROR_CODE_REQUEST_HEAD_TOO_LARGE", { detail: large });
  }
  if (method === "CONNECT") throw new SchakelError("ERROR_CODE_METHOD_UNSUPPORTED");
  if (!HTTP_METHODS.has(method)) throw malformed("the method is not one of HTTP");
  const problem = linesProblem(lines);
  if (problem !== undefined) throw malformed(problem);
  const framing = framingOf(lines, version);
  if (typeof framing === "string") throw malformed(framing);
  const { target, authority } = addressOf(url);
  return { head: { method, target, version, headers: routed(lines, version, authority) }, framing };
};
