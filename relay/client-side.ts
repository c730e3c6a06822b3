// The client's half of one exchange: the request as node:http hands it over, and the response on its way
// back. Knows how to begin, end and break off a response; knows nothing of where it comes from.
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { SchakelError } from "../core/errors.js";
import { Deadline } from "./deadline.js";
import type { Answer } from "./exchange.js";
import { endToEnd } from "./hop-by-hop.js";
import { pairsOf, withoutHeaders, type HeaderLines, type ResponseHead } from "./message.js";
import type { Framing } from "./strict.js";

const EMPTY = Buffer.alloc(0);

/** One request on a client's connection. The connection makes it, tells it when the client fails, and reads its state. */
export class ClientSide {
  readonly receivedAt = performance.now();
  /** Octets of the body taken from the client, and handed to it. */
  requestBytes = 0;
  responseBytes = 0;
  /** Set once the response's head is out: whether the connection ends after it. */
  closes = false;
  #gone = false;
  #problem: SchakelError | undefined;
  #untilClose = false;
  #headWaits = false;
  readonly #aborter = new AbortController();

  /** @param mayStayOpen whether the connection wants more requests after this one, asked when the response begins */
  constructor(
    readonly request: IncomingMessage,
    readonly response: ServerResponse,
    private readonly socket: Duplex,
    private readonly mayStayOpen: () => boolean,
  ) {
    // Both are ended by the connection, which sees the same error.
    request.on("error", () => undefined);
    response.on("error", () => undefined);
  }

  /** Whether nothing can be sent to the client any more. */
  get gone(): boolean {
    return this.#gone;
  }

  /** What was wrong with the request's body, once it was. */
  get problem(): SchakelError | undefined {
    return this.#problem;
  }

  /** Aborts with the first failure of the client. */
  get signal(): AbortSignal {
    return this.#aborter.signal;
  }

  /** Whether a final response has begun. */
  get begun(): boolean {
    return this.response.headersSent;
  }

  /** The client has left. */
  leave(): void {
    this.#gone = true;
    this.#aborter.abort();
  }

  /** The client's body cannot be read on. */
  fail(problem: SchakelError): void {
    this.#problem ??= problem;
    this.#aborter.abort();
  }

  /** Passes an interim response on; a client of HTTP/1.0 knows none. */
  interim(status: number, headers: HeaderLines): void {
    if (this.request.httpVersion !== "1.1" || this.#gone) return;
    if (status === 100) this.response.writeContinue();
    else this.response.writeInformation(status, headers.flat());
  }

  /** Begins the response; its head leaves with the first bytes of the body, or at the end of this turn. */
  begin(head: ResponseHead, framing: Framing): void {
    const { response, request } = this;
    const old = request.httpVersion !== "1.1";
    this.#untilClose = old && (framing.kind === "chunked" || framing.kind === "until-close");
    const chunked = !old && (framing.kind === "chunked" || framing.kind === "until-close");
    const whole = request.complete && this.#problem === undefined;
    this.closes = old || !whole || !response.shouldKeepAlive || !this.mayStayOpen();
    const headers: (readonly [string, string])[] = chunked
      ? [...head.headers]
      : [...withoutHeaders(head.headers, (name) => name === "trailer")];
    // Framing comes last: after a Content-Length node:http would re-encode a Content-Disposition.
    if (this.closes) headers.push(["Connection", "close"]);
    if (framing.kind === "length") headers.push(["Content-Length", String(framing.bytes)]);
    if (chunked) headers.push(["Transfer-Encoding", "chunked"]);
    response.sendDate = false;
    // Nothing is added by node:http: what the lines above do not say is not said.
    for (const name of ["Connection", "Content-Length", "Transfer-Encoding"]) {
      response.removeHeader(name);
    }
    response.writeHead(head.status, head.reason, headers.flat());
    this.#headWaits = true;
    process.nextTick(() => {
      if (this.#headWaits) this.write(EMPTY);
    });
  }

  /** Hands on a piece of the body. False: wait for the socket's `drain` before the next. */
  write(chunk: Buffer): boolean {
    this.#headWaits = false;
    this.responseBytes += chunk.length;
    return this.response.write(chunk);
  }

  /** Ends the response; `finished` is called when all of it has been handed to the system. */
  end(trailers: HeaderLines, finished: () => void): void {
    this.#headWaits = false;
    this.response.once("finish", finished);
    if (trailers.length > 0 && this.response.chunkedEncoding) {
      this.response.addTrailers(pairsOf(trailers));
    }
    this.response.end();
  }

  /** Gives the head and what was written to the system now, and not at the end of this turn. */
  flush(): void {
    if (this.#headWaits) this.write(EMPTY);
    while (this.socket.writableCorked > 0) this.socket.uncork();
  }

  /** Breaks the response off, so that the client cannot take it for a complete one. */
  cut(): void {
    // What only the end of the connection delimits looks complete unless the connection is reset.
    const { socket } = this;
    const tcp = socket instanceof Socket && !(socket instanceof TLSSocket);
    if (this.#untilClose && tcp) socket.resetAndDestroy();
    else socket.destroy();
  }

  /** Calls `drained` whenever the client has taken what was written. Gives back how to stop that. */
  onDrain(drained: () => void): () => void {
    this.socket.on("drain", drained);
    return () => this.socket.removeListener("drain", drained);
  }

  /** Sends a whole answer of our own. Resolves when it has been handed to the system, or the client is gone or takes nothing of it for `idleMs`. */
  answer(answer: Answer, idleMs: number): Promise<"complete" | "client-aborted"> {
    return new Promise((resolve) => {
      const deadline = new Deadline(
        () => idleMs,
        () => this.cut(),
      );
      const done = (result: "complete" | "client-aborted"): void => {
        deadline.stop();
        resolve(result);
      };
      if (this.#gone) {
        done("client-aborted");
        return;
      }
      this.response.once("close", () => done("client-aborted"));
      this.begin(
        {
          status: answer.status,
          reason: STATUS_CODES[answer.status] ?? "",
          headers: endToEnd(answer.headers),
        },
        answer.status === 204 ? { kind: "none" } : { kind: "length", bytes: answer.body.length },
      );
      if (this.request.method !== "HEAD" && answer.body.length > 0) this.write(answer.body);
      this.end([], () => done("complete"));
    });
  }

  /** Throws away what is still to come of the request's body. */
  discardBody(): void {
    this.request.removeAllListeners("data");
    this.request.removeAllListeners("end");
    this.request.resume();
  }
}
