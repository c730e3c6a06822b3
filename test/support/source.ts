// A source API that records what reaches it. What it does is in the path, so that a test reads like a call.
import { createHash, type Hash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { pseudoRandomBytes } from "./random-stream.js";

/** One request as the source saw it. */
export interface Seen {
  readonly method: string;
  readonly target: string;
  readonly rawHeaders: readonly string[];
  /** Values of a header, whatever its case. */
  readonly header: (name: string) => string[];
  /** Resolves when the body has ended or the request was aborted. */
  readonly ended: Promise<{
    readonly bytes: number;
    readonly sha256: string;
    readonly aborted: boolean;
    readonly trailers: readonly string[];
  }>;
}

const headerOf = (rawHeaders: readonly string[], name: string): string[] =>
  rawHeaders.filter(
    (_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name.toLowerCase(),
  );

const watchBody = (request: IncomingMessage): Seen["ended"] => {
  const hash: Hash = createHash("sha256");
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    hash.update(chunk);
  });
  return new Promise((resolve) => {
    request.once("close", () =>
      resolve({
        bytes,
        sha256: hash.digest("hex"),
        aborted: !request.complete,
        trailers: request.rawTrailers,
      }),
    );
    request.once("error", () => undefined);
  });
};

/** A recording source on a free loopback port. */
export class RecordingSource {
  readonly requests: Seen[] = [];
  readonly #server: Server;
  #held: ServerResponse[] = [];

  private constructor() {
    this.#server = createServer(
      (request, response) => void this.#answer(request, response).catch(() => response.destroy()),
    );
    this.#server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
      if (request.url?.startsWith("/refuse-continue")) {
        response.writeHead(417, { Connection: "close" }).end("no");
      } else {
        response.writeContinue();
        void this.#answer(request, response).catch(() => response.destroy());
      }
    });
  }

  static async start(): Promise<RecordingSource> {
    const source = new RecordingSource();
    source.#server.listen(0, "127.0.0.1");
    await once(source.#server, "listening");
    return source;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  get url(): string {
    return `http://127.0.0.1:${String(this.port)}`;
  }

  /** The last request. */
  get last(): Seen {
    const seen = this.requests.at(-1);
    if (seen === undefined) throw new Error("the source has seen no request");
    return seen;
  }

  /** Answers what `/hold` keeps waiting. */
  release(): void {
    for (const response of this.#held) response.end("released");
    this.#held = [];
  }

  async stop(): Promise<void> {
    this.release();
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url: target = "", rawHeaders } = request;
    const seen: Seen = {
      method,
      target,
      rawHeaders,
      header: (name) => headerOf(rawHeaders, name),
      ended: watchBody(request),
    };
    this.requests.push(seen);
    const [, verb = "", argument = ""] = (target.split("?")[0] ?? "").split("/");
    const act = this.#acts[verb];
    if (act === undefined) response.end(`${method} ${target}\n`);
    else await act({ request, response, argument, seen });
  }

  readonly #acts: Record<
    string,
    (on: {
      request: IncomingMessage;
      response: ServerResponse;
      argument: string;
      seen: Seen;
    }) => Promise<void> | void
  > = {
    /** The request's body, streamed back. */
    echo: ({ request, response }) => pipeline(request, response),
    /** N pseudo-random bytes. */
    bytes: async ({ response, argument }) => {
      response.setHeader("Content-Length", argument);
      await pipeline(Readable.from(pseudoRandomBytes(Number(argument))), response);
    },
    /** Swallows the body and tells its hash. */
    sink: async ({ response, seen }) => {
      const { bytes, sha256 } = await seen.ended;
      response.end(JSON.stringify({ bytes, sha256 }));
    },
    status: ({ response, argument }) => {
      response.writeHead(Number(argument), "As Asked", { "X-Source": "yes" });
      response.end(argument === "204" || argument === "304" ? undefined : "body of the source");
    },
    /** Sends half of what it announced and cuts the connection. */
    cut: ({ response }) => {
      response.writeHead(200, { "Content-Length": "1000" });
      response.write("half", () => response.destroy());
    },
    /** The same without a length. */
    "cut-chunked": ({ response }) => {
      response.writeHead(200);
      response.write("half", () => response.destroy());
    },
    /** Not HTTP at all. */
    garbage: ({ response }) => {
      response.socket?.end("this is not HTTP\r\n\r\n");
    },
    /** Answers when `release` is called. */
    hold: ({ response }) => {
      this.#held.push(response);
    },
    trailers: ({ response }) => {
      response.writeHead(200, { Trailer: "X-Checksum" });
      response.write("body");
      response.addTrailers({
        "X-Checksum": "abc",
        "Fsc-Transaction-Id": "forged",
        "X-Other": "kept",
      });
      response.end();
    },
    /** Sends headers that are not the source's to set. */
    forge: ({ response }) => {
      response.writeHead(200, {
        "Fsc-Transaction-Id": "forged",
        "Fsc-Error-Code": "FORGED",
        "Schakel-Receipt": "forged",
        "X-Source": "yes",
      });
      response.end("ok");
    },
    /** Answers before the request's body is complete. */
    early: ({ response }) => {
      response.writeHead(403, { "Content-Type": "text/plain" });
      response.end("enough");
    },
  };
}
