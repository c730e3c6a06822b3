// Fetches a service's OpenAPI description from its source, with limits on size and time.
import { request, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { OfferedService } from "../component/component-state.js";
import { connectToSource } from "./source.js";

/** How large a description may be, in bytes. */
export const DESCRIPTION_BYTES_MAX = 4 * 1024 ** 2;
/** How long fetching one may take, in milliseconds. */
export const FETCH_TIMEOUT_MS = 10_000;

const readAnswer = async (answer: IncomingMessage): Promise<Buffer> => {
  // A redirect is an answer like any other that is no description.
  if (answer.statusCode !== 200) throw new Error(`it answered ${String(answer.statusCode)}`);
  const encoding = answer.headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") throw new Error("it answered with another encoding");
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer) {
    const bytes = chunk as Buffer;
    length += bytes.length;
    if (length > DESCRIPTION_BYTES_MAX) {
      throw new Error(`its answer is larger than ${String(DESCRIPTION_BYTES_MAX)} bytes`);
    }
    chunks.push(bytes);
  }
  if (!answer.complete) throw new Error("its answer ends early");
  return Buffer.concat(chunks);
};

const ask = (
  { source }: OfferedService,
  path: string,
  { socket, deadline }: { readonly socket: Socket; readonly deadline: AbortSignal },
): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const asked = request({
      createConnection: () => socket,
      path,
      headers: {
        Host: source.host,
        Accept: "application/json, application/yaml, */*;q=0.5",
        Connection: "close",
      },
      signal: deadline,
    });
    asked.once("error", reject);
    asked.once("response", (answer) => void readAnswer(answer).then(resolve, reject));
    // Without a listener node:http would drop the connection in silence, and we would wait for ever.
    asked.once("upgrade", () => reject(new Error("it changed the protocol unasked")));
    asked.end();
  });

/**
 * Fetches a description: the answer to one GET, without following redirects.
 *
 * @param path its path as the source knows it
 * @param timeoutMs how long it may take, from connecting to the last byte
 * @throws the reason; nothing of an answer that is too large, late or cut short is used
 */
export const fetchDescription = async (
  service: OfferedService,
  path: string,
  signal: AbortSignal,
  timeoutMs: number = FETCH_TIMEOUT_MS,
): Promise<Buffer> => {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const socket = await connectToSource(service, deadline);
  try {
    return await ask(service, path, { socket, deadline });
  } finally {
    socket.destroy();
  }
};
