// A client's calls to the outway of its own organisation, or to a health page: plain HTTP on loopback.
import { Agent, request, type RequestOptions } from "node:http";

/** How long a call may take, in milliseconds. */
const CALL_TIMEOUT_MS = 15_000;

/** An answer, read whole. */
export interface Answer {
  readonly status: number;
  /** The value of a header, empty when it is absent. */
  readonly header: (name: string) => string;
  readonly text: string;
  /** The client's port: two answers with the same one came over the same connection. */
  readonly clientPort: number;
}

const get = (target: string, options: RequestOptions): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(CALL_TIMEOUT_MS);
    request({ host: "127.0.0.1", path: target, signal, ...options }, (response) => {
      const parts: Buffer[] = [];
      const clientPort = response.socket.localPort ?? 0;
      response.on("data", (part: Buffer) => parts.push(part));
      response.once("error", reject);
      response.once("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          header: (name) => [response.headers[name.toLowerCase()] ?? ""].flat().join(", "),
          text: Buffer.concat(parts).toString(),
          clientPort,
        }),
      );
    })
      .once("error", reject)
      .end();
  });

/**
 * Makes a GET call to a port of 127.0.0.1.
 *
 * @param target path and query
 * @throws Error when nobody listens, the answer is cut, or it takes longer than 15 s
 */
export const call = (port: number, target: string): Promise<Answer> =>
  get(target, { port, agent: false });

/** A client that makes all its calls over one connection, one after the other. */
export interface OpenConnection {
  /** Makes a GET call, as `call` does. */
  readonly call: (target: string) => Promise<Answer>;
  /** Closes the connection. */
  readonly close: () => void;
}

/** Opens a connection to a port of 127.0.0.1 with the first call. Whoever opens it closes it. */
export const openConnection = (port: number): OpenConnection => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    call: (target) => get(target, { port, agent }),
    close: () => agent.destroy(),
  };
};

/** The body of an answer as a JSON object; empty when it is none. */
export const jsonOf = ({ text }: Answer): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
};
