// One connection to a target, which carries one exchange at a time: writes the request as it is told to, and
// reads the response strictly.
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { octetsCame } from "../core/young-octets.js";
import type { ForwardFailure } from "./exchange.js";
import { HeadReader } from "./head-reader.js";
import type { RelayLimits } from "./limits.js";
import { headerValues, type HeaderLines } from "./message.js";
import { BodyReader, MalformedBody, type BodySink } from "./scan-body.js";
import { NAME } from "./scan-names.js";
import {
  bodyOf,
  MalformedResponse,
  scanResponse,
  type FoundResponse,
  type ScannedResponse,
} from "./scan-response.js";
import { CHUNK_AFTER, chunkBefore, lastChunk } from "./write-head.js";
import { Writer, writingAtOnce } from "./writer.js";

/** A connection is given up this much before the target would do so itself. */
const KEEP_ALIVE_MARGIN_MS = 1_000;
const SECONDS_MAX = 999_999;

/** What comes back of an exchange. It is told of one failure at most. */
export interface ResponseSink extends BodySink {
  interim(head: ScannedResponse): void;
  begin(head: ScannedResponse): void;
  failed(kind: ForwardFailure, cause: unknown): void;
  /** The target has taken what was written. */
  drained(): void;
}

/** A request as it is sent, apart from its body. */
export interface SentRequest {
  readonly method: string;
  readonly head: Buffer;
  /** Whether its body is chunked. */
  readonly chunked: boolean;
  /** Whether no body follows. */
  readonly ends: boolean;
  /** A token that `takesToken` took; the head does not have it then. */
  readonly token: string | undefined;
}

/** What an exchange goes out on; `TargetConnection` is the one of HTTP/1.1. While it is leased it carries one exchange. */
export interface TargetSide {
  /** Whether it has carried an exchange before. */
  readonly reused: boolean;
  /** Whether a byte has come in during this exchange. */
  readonly answered: boolean;
  /** Whether a byte of this exchange may have gone out. */
  readonly written: boolean;
  /** What it is, for the record. */
  readonly link: "http1" | "schakel" | "http2";
  /** Whether a token goes beside the head instead of in it. */
  takesToken(token: string): boolean;
  /**
   * Sends a request's head; its answer goes to `sink`.
   *
   * @throws SchakelError when the target does not take a head of that size; nothing of it was sent then
   */
  send(request: SentRequest, sink: ResponseSink): void;
  /** Hands on a piece of the body. False: wait for `drained` before the next. */
  write(piece: Buffer): boolean;
  /** Ends the body. */
  end(trailers: HeaderLines): void;
  /** Asks the target to send no more for now, and to go on. Pieces that are under way still come. */
  pause(): void;
  resume(): void;
  /** Gives it back after an exchange that came to its end both ways. */
  release(): void;
  /** Ends it now. */
  destroy(): void;
}

/** Made by the pool, which learns of its end. */
export class TargetConnection implements TargetSide {
  readonly link = "http1";
  reused = false;
  /** How long the target said it keeps an idle connection. */
  keptMs = Number.POSITIVE_INFINITY;
  /** False once it must not go back to the pool. */
  poolable = true;
  /** While it is idle: until when it is kept. */
  idleUntil = 0;
  readonly #writer: Writer;
  readonly #heads: HeadReader<FoundResponse>;
  #sink: ResponseSink | undefined;
  #body: BodyReader | undefined;
  #method = "";
  #chunked = false;
  /** The final response has come to its end. */
  #over = false;
  #answered = false;
  #handedBefore = 0;
  #error: unknown;

  constructor(
    readonly key: string,
    readonly socket: Duplex,
    private readonly limits: RelayLimits,
    private readonly pool: {
      readonly released: (connection: TargetConnection) => void;
      readonly closed: (connection: TargetConnection) => void;
    },
  ) {
    this.#writer = new Writer(socket);
    this.#heads = new HeadReader(
      (bytes, from) => scanResponse(bytes, from, this.#method, limits),
      limits.headBytesMax,
    );
    if (socket instanceof Socket) socket.setNoDelay(true);
    socket.on("error", (error) => (this.#error ??= error));
    const arrived = (chunk: Buffer): void => this.#arrived(chunk);
    socket.on("data", (chunk: Buffer) => writingAtOnce(arrived, chunk));
    socket.on("drain", () => this.#sink?.drained());
    socket.on("end", () => this.#ended());
    socket.on("close", () => {
      pool.closed(this);
      this.#fail("broken", this.#error);
    });
  }

  get answered(): boolean {
    return this.#answered;
  }

  get written(): boolean {
    return this.#writer.handed > this.#handedBefore;
  }

  /** Whether an exchange could go out on it. */
  get usable(): boolean {
    return this.socket.writable && !this.socket.readableEnded;
  }

  takesToken(): boolean {
    return false;
  }

  send(request: SentRequest, sink: ResponseSink): void {
    this.#sink = sink;
    this.#method = request.method;
    this.#chunked = request.chunked;
    this.#over = false;
    this.#writer.push(request.head);
    if (request.ends) this.#writer.flush();
  }

  write(piece: Buffer): boolean {
    if (!this.#chunked) return this.#writer.push(piece);
    // A chunk without octets would end the body.
    if (piece.length === 0) return true;
    this.#writer.push(chunkBefore(piece.length));
    this.#writer.push(piece);
    return this.#writer.push(CHUNK_AFTER);
  }

  end(trailers: HeaderLines): void {
    if (this.#chunked) this.#writer.push(lastChunk(trailers));
    this.#writer.flush();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  release(): void {
    this.#sink = undefined;
    this.reused = true;
    this.#answered = false;
    this.#handedBefore = this.#writer.handed;
    // The exchange may have left it paused; its end must be seen.
    this.socket.resume();
    this.pool.released(this);
  }

  destroy(): void {
    this.#sink = undefined;
    this.socket.destroy();
  }

  #arrived(chunk: Buffer): void {
    octetsCame(chunk.length);
    this.#answered = true;
    let at = 0;
    try {
      while (at < chunk.length) {
        // After its last byte, and before a request, nothing may come.
        if (this.#sink === undefined || this.#over) {
          this.poolable = false;
          this.socket.destroy();
          return;
        }
        at = this.#body === undefined ? this.#readHead(chunk, at) : this.#readBody(chunk, at);
      }
    } catch (error) {
      if (!(error instanceof MalformedResponse) && !(error instanceof MalformedBody)) throw error;
      this.#fail("malformed", error);
      this.socket.destroy();
    }
  }

  #readHead(chunk: Buffer, from: number): number {
    const found = this.#heads.read(chunk, from);
    if (found === undefined) return chunk.length;
    const { head } = found;
    if (head.status < 200) {
      this.#sink?.interim(head);
      return found.end;
    }
    this.#keep(head);
    const body = new BodyReader(bodyOf(head, this.#method), this.limits, this);
    this.#sink?.begin(head);
    if (body.ended) this.bodyEnd([]);
    else this.#body = body;
    return found.end;
  }

  #readBody(chunk: Buffer, from: number): number {
    return this.#body?.feed(chunk, from) ?? chunk.length;
  }

  /** A piece of the response's body; for its reader alone. */
  bodyPiece(piece: Buffer): void {
    this.#sink?.bodyPiece(piece);
  }

  /** The end of the response's body; for its reader alone. */
  bodyEnd(trailers: HeaderLines): void {
    this.#body = undefined;
    this.#over = true;
    this.#sink?.bodyEnd(trailers);
  }

  #keep(head: ScannedResponse): void {
    if (!head.says.keeps) this.poolable = false;
    const { offsets } = head.lines;
    for (let at = 4; at < offsets.length; at += 5) {
      if (offsets[at] === NAME.keepAlive) this.#keepAlive(head.headers);
    }
  }

  /** `Keep-Alive: timeout=5`; what is not of that form is of no interest. */
  #keepAlive(headers: HeaderLines): void {
    for (const parameter of (headerValues(headers, "keep-alive")[0] ?? "").split(/[,\s]/)) {
      const [name, seconds = ""] = parameter.toLowerCase().split("=");
      const isTimeout = name === "timeout" && seconds !== "";
      if (isTimeout && Number(seconds) >= 0 && Number(seconds) <= SECONDS_MAX) {
        this.keptMs = Number(seconds) * 1_000 - KEEP_ALIVE_MARGIN_MS;
      }
    }
  }

  /** The target has sent its end of the connection. */
  #ended(): void {
    if (this.#body?.close() !== true && !this.#over) this.#fail("broken", this.#error);
    this.socket.destroy();
  }

  #fail(kind: ForwardFailure, cause: unknown): void {
    const sink = this.#sink;
    // What comes after the last byte of the response no longer concerns this exchange.
    if (sink === undefined || this.#over) return;
    this.#sink = undefined;
    sink.failed(kind, cause);
  }
}
