// Fetches revocation lists from a file or over http(s), with limits on size and time. What comes is not checked here.
import { request, type IncomingMessage } from "node:http";
import { isIP, type Socket } from "node:net";
import { readBytes } from "../certs/read-file.js";
import { CRL_BYTES_MAX } from "../certs/revocation-list.js";
import { sourceTls } from "../certs/tls.js";
import { isHostName, type Address } from "../core/address.js";
import { dial, dialPlain, type DialPolicy } from "../core/dial.js";

/** How large an answer may be, in bytes: PEM is a third longer than what it holds. */
export const ANSWER_BYTES_MAX = 2 * CRL_BYTES_MAX;

/** How long one fetch may take, in milliseconds. */
export const FETCH_TIMEOUT_MS = 30_000;

// Lists are public files on web servers; the group's ports are those of its peers.
const WEB_PORTS = [80, 443];

/** A list that could not be fetched. */
export class FetchError extends Error {
  constructor(source: string, reason: string, options?: ErrorOptions) {
    super(`${source}: ${reason}`, options);
    this.name = "FetchError";
  }
}

const addressOf = (url: URL): Address => {
  const host = url.hostname.replaceAll(/^\[|\]$/g, "");
  const usual = url.protocol === "https:" ? 443 : 80;
  const port = url.port === "" ? usual : Number(url.port);
  if (url.username !== "" || url.password !== "" || (isIP(host) === 0 && !isHostName(host))) {
    throw new Error("its host is not a name or an IP address alone");
  }
  return { host, port };
};

const openSocket = (url: URL, policy: DialPolicy, timeoutMs: number): Promise<Socket> => {
  const address = addressOf(url);
  const web = { ...policy, ports: policy.ports === undefined ? undefined : WEB_PORTS };
  return url.protocol === "https:"
    ? dial({ address, policy: web, tls: sourceTls(), timeoutMs })
    : dialPlain({ address, policy: web, timeoutMs });
};

const readAnswer = async (answer: IncomingMessage): Promise<Buffer> => {
  // A redirect is an answer like any other that is no list.
  if (answer.statusCode !== 200) throw new Error(`it answered ${String(answer.statusCode)}`);
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer) {
    const bytes = chunk as Buffer;
    length += bytes.length;
    if (length > ANSWER_BYTES_MAX) {
      throw new Error(`its answer is larger than ${String(ANSWER_BYTES_MAX)} bytes`);
    }
    chunks.push(bytes);
  }
  if (!answer.complete) throw new Error("its answer ends early");
  return Buffer.concat(chunks);
};

const ask = (url: URL, socket: Socket, deadline: AbortSignal): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const asked = request({
      createConnection: () => socket,
      path: `${url.pathname}${url.search}`,
      headers: { Host: url.host, Accept: "*/*", Connection: "close" },
      signal: deadline,
    });
    asked.once("error", reject);
    asked.once("response", (answer) => void readAnswer(answer).then(resolve, reject));
    // Without a listener node:http would drop the connection in silence, and we would wait for ever.
    asked.once("upgrade", () => reject(new Error("it changed the protocol unasked")));
    asked.end();
  });

const fetchUrl = async (url: URL, policy: DialPolicy, signal: AbortSignal): Promise<Buffer> => {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(FETCH_TIMEOUT_MS)]);
  const socket = await openSocket(url, policy, FETCH_TIMEOUT_MS);
  try {
    return await ask(url, socket, deadline);
  } finally {
    socket.destroy();
  }
};

/** Whether a source is a URL; anything else is the path of a file. */
export const isUrl = (source: string): boolean => /^https?:\/\//i.test(source);

/**
 * Fetches what a source holds: a file, or the answer to one GET, without following redirects, from an address that
 * the policy allows.
 *
 * @throws FetchError with the reason; nothing of an answer that is too large, late or cut short is used
 */
export const fetchList = async (
  source: string,
  policy: DialPolicy,
  signal: AbortSignal,
): Promise<Buffer> => {
  try {
    if (!isUrl(source)) return await readBytes(source, ANSWER_BYTES_MAX);
    return await fetchUrl(new URL(source), policy, signal);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "it cannot be fetched";
    throw new FetchError(source, reason, { cause });
  }
};
