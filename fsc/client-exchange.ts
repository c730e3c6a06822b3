// One request to another manager on a connection of its own: dialled by the rules, the peer checked before
// the first byte, bounded in size and time, redirects not followed.
import { request as httpRequest, type IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import type { Bundle } from "../certs/bundle.js";
import type { Group } from "../certs/group.js";
import { clientTls } from "../certs/tls.js";
import { formatAddress } from "../core/address.js";
import { dial, type DialPolicy } from "../core/dial.js";
import type { ManagerEndpoint } from "./manager-interface.js";

const HEAD_BYTES_MAX = 16 * 1024;

/** What a request is sent with. */
export interface Exchanging {
  readonly to: ManagerEndpoint;
  readonly group: Group;
  readonly bundle: Bundle;
  readonly policy: DialPolicy;
  /** How long connecting may take, in milliseconds. */
  readonly dialTimeoutMs: number;
  /** How long the answer may take from when the connection is open, in milliseconds. */
  readonly answerTimeoutMs: number;
}

/** A request to a manager. */
export interface Outgoing {
  readonly method: "GET" | "POST" | "PUT";
  /** Below the base path, with the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** undefined for none. */
  readonly body: string | undefined;
  /** How large the answer's body may be, in bytes. */
  readonly answerBytesMax: number;
}

/** What a manager answered. */
export interface Answered {
  readonly status: number;
  /** By name in lower case; each with its first value. */
  readonly headers: ReadonlyMap<string, string>;
  /** undefined when it is larger than allowed. */
  readonly body: Buffer | undefined;
}

/** The manager took longer than allowed. */
export class AnswerTimeout extends Error {
  readonly code = "ETIMEDOUT";
  constructor({ to, answerTimeoutMs }: Exchanging) {
    super(`the manager of peer ${to.peerId} did not answer within ${String(answerTimeoutMs)} ms`);
    this.name = "AnswerTimeout";
  }
}

const firstValues = ({ headersDistinct }: IncomingMessage): ReadonlyMap<string, string> =>
  new Map(Object.entries(headersDistinct).map(([name, values]) => [name, values?.[0] ?? ""]));

const bodyOf = async (response: IncomingMessage, bytesMax: number): Promise<Buffer | undefined> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

const send = (
  { to }: Exchanging,
  { method, path, headers, body }: Outgoing,
  socket: TLSSocket,
): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const length = body === undefined && method === "GET" ? {} : { length: body ?? "" };
    const sending = httpRequest({
      createConnection: () => socket,
      method,
      path,
      maxHeaderSize: HEAD_BYTES_MAX,
      insecureHTTPParser: false,
      headers: {
        Host: formatAddress(to.address),
        Accept: "application/json",
        "Accept-Encoding": "identity",
        ...headers,
        ...("length" in length ? { "Content-Length": Buffer.byteLength(length.length) } : {}),
        Connection: "close",
      },
    });
    sending.once("response", resolve);
    sending.once("upgrade", () => reject(new Error("the manager changed the protocol unasked")));
    sending.once("error", reject);
    // An error after the answer has begun is the answer's.
    sending.on("error", () => undefined);
    sending.end(body);
  });

/**
 * Sends one request and reads its answer, whatever its status is.
 *
 * @throws what `dial` throws, AnswerTimeout, or the system's error when the connection broke
 */
export const exchange = async (parts: Exchanging, outgoing: Outgoing): Promise<Answered> => {
  const { to, group, bundle, policy } = parts;
  const socket = await dial({
    address: to.address,
    policy,
    tls: clientTls(bundle, group, { peerId: to.peerId, alpn: ["http/1.1"] }),
    timeoutMs: parts.dialTimeoutMs,
  });
  socket.on("error", () => undefined);
  const timeout = new AnswerTimeout(parts);
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort();
    socket.destroy(timeout);
  }, parts.answerTimeoutMs);
  try {
    const response = await send(parts, outgoing, socket);
    const body = await bodyOf(response, outgoing.answerBytesMax);
    // A body without a length ends with the connection, also when it was we who ended it.
    late.signal.throwIfAborted();
    return { status: response.statusCode ?? 0, headers: firstValues(response), body };
  } catch (error) {
    throw late.signal.aborted ? timeout : error;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
};
