// How an inway reaches the source of a service: inside its own organisation, never another's.
import { connect as connectTcp, isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls, TLSSocket } from "node:tls";
import { sourceTls } from "../certs/tls.js";
import { SchakelError } from "../core/errors.js";
import type { Target } from "../relay/exchange.js";
import type { OfferedService } from "../component/component-state.js";

/** How long reaching a source and its answer may take, in milliseconds. */
export interface SourceTimeouts {
  readonly connectTimeout: number;
  readonly answerTimeout: number;
  readonly idleTimeout: number;
}

const isOverHttp2 = ({ protocol }: OfferedService): boolean => protocol === "PROTOCOL_TCP_HTTP_2";

/** Whether a connection to the source of a service over HTTP/2 speaks it: without TLS that is known beforehand. */
const isHttp2 = (connection: Duplex): boolean =>
  !(connection instanceof TLSSocket) || connection.alpnProtocol === "h2";

/**
 * A connection to the source of a service, TLS after every check. Gives up when the signal aborts before there is one.
 *
 * @param alpn what is offered to a source over TLS
 */
export const connectToSource = (
  { source }: OfferedService,
  signal: AbortSignal,
  alpn: readonly string[] = [],
): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const host = source.hostname.replace(/^\[(.*)\]$/, "$1");
    const offered = alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] };
    const secure = source.protocol === "https:";
    const port = source.port === "" ? (secure ? 443 : 80) : Number(source.port);
    const socket = secure
      ? connectTls({
          ...sourceTls(),
          ...offered,
          host,
          port,
          servername: isIP(host) === 0 ? host : "",
        })
      : connectTcp({ host, port });
    const abort = (): void => void socket.destroy(new Error("given up"));
    signal.addEventListener("abort", abort);
    socket.setNoDelay(true);
    socket.once("error", reject);
    socket.once(secure ? "secureConnect" : "connect", () => {
      signal.removeEventListener("abort", abort);
      socket.removeListener("error", reject);
      resolve(socket);
    });
  });

/** The source of a service as a target of the relay. Connections are kept and shared per source. */
export const sourceTarget = (service: OfferedService, timeouts: SourceTimeouts): Target => ({
  ...(isOverHttp2(service)
    ? {
        isHttp2,
        key: `${service.source.origin} HTTP/2`,
        connect: (signal) => connectToSource(service, signal, ["h2", "http/1.1"]),
      }
    : {
        key: service.source.origin,
        connect: (signal) => connectToSource(service, signal),
      }),
  connectTimeoutMs: timeouts.connectTimeout,
  answerTimeoutMs: timeouts.answerTimeout,
  idleTimeoutMs: timeouts.idleTimeout,
});

// Some sources take off what follows ";" in a segment before they look at it.
const DOT_SEGMENT = /^(\.|%2e){1,2}(?:$|;|%3b)/i;

/** Whether some source might take a segment of the path for "." or "..", also an encoded one. */
export const hasDotSegment = (path: string): boolean =>
  // Some sources take "\" and "%5C", "%2F" for "/": a segment ends there too.
  path.split(/\/|\\|%2f|%5c/i).some((segment) => DOT_SEGMENT.test(segment));

/** The path of a source, below which lies all that is asked of it, without a "/" at the end. */
export const pathOfSource = ({ source }: OfferedService): string =>
  source.pathname.replace(/\/$/, "");

/**
 * The target that the source gets: what the client put after the service name, byte for byte, behind
 * the source's own path where it must have one. Then dot segments, also encoded ones, are refused,
 * since they would lead out of that path.
 *
 * @throws SchakelError ERROR_CODE_REQUEST_MALFORMED for a dot segment behind a source path
 */
export const sourcePath = (service: OfferedService, target: string): string => {
  const prefix = pathOfSource(service);
  if (prefix === "") return target;
  const [path = ""] = target.split("?", 1);
  if (hasDotSegment(path)) {
    throw new SchakelError("ERROR_CODE_REQUEST_MALFORMED", {
      detail: "the path has a dot segment, which this service does not allow",
    });
  }
  return prefix + target;
};
