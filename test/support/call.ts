// Calling over HTTP in tests: as a client library does, and as raw bytes.
import { request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";

/** An answer, read whole. */
export interface CallAnswer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly rawHeaders: readonly string[];
  readonly trailers: readonly string[];
  readonly body: Buffer;
  readonly text: string;
  /** The body as JSON. */
  readonly json: () => Record<string, unknown>;
}

/** How a call is made. */
export interface CallOptions {
  readonly method?: string;
  /** Pairs, order and case as sent. */
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string | Buffer;
}

/** Makes one call on a connection of its own. Rejects when the answer is cut. */
export const call = (url: string, options: CallOptions = {}): Promise<CallAnswer> =>
  new Promise((resolve, reject) => {
    const { pathname, search, host, hostname, port } = new URL(url);
    // The URL class normalises paths; tests of odd ones give the raw target.
    const path = url.includes("#raw=")
      ? decodeURIComponent(url.split("#raw=")[1] ?? "")
      : pathname + search;
    const given = options.headers ?? [];
    const headers = given.some(([name]) => name.toLowerCase() === "host")
      ? given
      : [["Host", host] as const, ...given];
    const length =
      options.body === undefined
        ? []
        : [["Content-Length", String(Buffer.byteLength(options.body))] as const];
    const request = httpRequest(
      {
        host: hostname,
        port,
        path,
        method: options.method ?? "GET",
        agent: false,
        headers: [...headers, ...length].flat(),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const body = Buffer.concat(chunks);
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            rawHeaders: response.rawHeaders,
            trailers: response.rawTrailers,
            body,
            text: body.toString(),
            json: () => JSON.parse(body.toString()) as Record<string, unknown>,
          });
        });
      },
    );
    request.on("error", reject);
    request.end(options.body);
  });

/** What came back on a raw connection. */
export interface RawAnswer {
  readonly text: string;
  /** Whether the other side ended or reset the connection within the time. */
  readonly closed: boolean;
  /** The status lines found, in order. */
  readonly statuses: readonly number[];
}

/** Sends raw bytes on a new connection and collects what comes back until it is closed or `quietMs` pass without a byte. */
export const sendRaw = (
  port: number,
  bytes: string | Buffer,
  quietMs = 1_000,
): Promise<RawAnswer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket: Socket = connect({ host: "127.0.0.1", port });
    const finish = (closed: boolean): void => {
      socket.destroy();
      const text = Buffer.concat(chunks).toString("latin1");
      const statuses = [...text.matchAll(/^HTTP\/1\.[01] ([0-9]{3})/gm)].map((match) =>
        Number(match[1]),
      );
      resolve({ text, closed, statuses });
    };
    socket.setTimeout(quietMs, () => finish(false));
    socket.once("connect", () => socket.write(bytes));
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED") reject(error);
      else finish(true);
    });
    socket.once("end", () => finish(true));
  });
