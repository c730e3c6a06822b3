// An HTTP/2 connection of a client: each stream is served like a request on a connection of its own, through the
// same scanner and to the same handler.
import {
  constants,
  performServerHandshake,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Duplex } from "node:stream";
import { serve, type Served } from "./serve.js";
import type { Answer } from "./exchange.js";
import { endToEnd } from "./hop-by-hop.js";
import { Http2Client } from "./http2-client.js";
import { rawFields, requestOctets, type RawFields } from "./http2-fields.js";
import { CONNECTION_WINDOW, sessionOptions } from "./http2-limits.js";
import { RefusedHead, scanRequestHead } from "./scan-request.js";

/** Owns the socket from its acceptance to its end. */
export class Http2Server<C> {
  readonly #session: ServerHttp2Session;
  #streams = 0;
  #quietSince = performance.now();
  #ending = false;

  constructor(
    socket: Duplex,
    readonly context: C,
    private readonly served: Served<C>,
    closed: () => void,
  ) {
    const session = performServerHandshake(socket, sessionOptions(served.limits));
    this.#session = session;
    session.on("error", () => undefined);
    session.on("stream", (stream, _fields: IncomingHttpHeaders, flags, raw) => {
      this.#opened(stream, raw, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0);
    });
    session.on("close", closed);
    session.setLocalWindowSize(CONNECTION_WINDOW);
  }

  /** Looks at the clock: a connection that is idle for too long is ended, and one that will not end is cut. */
  sweep(now: number): void {
    if (this.#streams > 0) return;
    const { keepAliveTimeoutMs, lingerMs } = this.served.limits;
    const quietMs = now - this.#quietSince;
    if (quietMs > keepAliveTimeoutMs + lingerMs || (this.#ending && quietMs > lingerMs)) {
      this.destroy();
    } else if (quietMs > keepAliveTimeoutMs) this.drain();
  }

  /** Ends the connection, after the exchanges that run on it. */
  drain(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#session.close();
  }

  /** Ends the connection now, and with it what runs on it. */
  destroy(): void {
    this.#session.destroy();
  }

  #opened(stream: ServerHttp2Stream, raw: RawFields, ends: boolean): void {
    // What goes wrong with a stream shows in its end.
    stream.on("error", () => undefined);
    this.#streams += 1;
    stream.once("close", () => {
      this.#streams -= 1;
      this.#quietSince = performance.now();
    });
    try {
      const { limits } = this.served;
      const request = scanRequestHead(requestOctets(raw, ends), limits);
      request.overHttp2 = true;
      this.#serve(new Http2Client(request, stream, limits), stream);
    } catch (error) {
      if (!(error instanceof RefusedHead)) throw error;
      this.#refuseHead(stream, error);
    }
  }

  #serve(client: Http2Client, stream: ServerHttp2Stream): void {
    const settled = (): void => {
      client.readBody(undefined);
      // A request that was answered before its end is not taken further.
      if (!client.complete) stream.close(constants.NGHTTP2_NO_ERROR);
    };
    if (stream.closed) {
      client.leave();
      return;
    }
    serve(this.served, { client, context: this.context, settled });
  }

  /** Answers what is not a request. */
  #refuseHead(stream: ServerHttp2Stream, refused: RefusedHead): void {
    let answer: Answer;
    try {
      answer = this.served.handler.refused(refused.problem, refused.head, this.context);
    } catch {
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      return;
    }
    if (stream.closed) return;
    const { status, headers, body } = answer;
    const fields = [":status", String(status), ...rawFields(endToEnd(headers))];
    stream.respond([...fields, "content-length", String(body.length)]);
    stream.end(refused.head?.method === "HEAD" ? undefined : body, () => {
      stream.close(constants.NGHTTP2_NO_ERROR);
    });
    stream.resume();
  }
}
