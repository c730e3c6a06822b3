// One exchange that goes out over HTTP/2: sends the request as it is told to, and reads the response with the
// scanner that reads those of HTTP/1.1.
import { constants, type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import { octetsCame } from "../core/young-octets.js";
import type { ForwardFailure } from "./exchange.js";
import { endedWell, watchEnding } from "./http2-endings.js";
import { rawFields, responseOctets, trailerObject, trailerOctets } from "./http2-fields.js";
import type { RawFields } from "./http2-fields.js";
import { LinkBody } from "./link-body.js";
import { headerValues, withoutHeaders, type HeaderLines } from "./message.js";
import { MalformedBody } from "./scan-body.js";
import type { LineLimits } from "./scan-lines.js";
import { scanRequestHead } from "./scan-request.js";
import { bodyOf, MalformedResponse, scanResponseHead } from "./scan-response.js";
import type { ResponseSink, SentRequest, TargetSide } from "./target-connection.js";

/** What we have written ourselves has our own lines beyond what a client may send. */
const OWN_BYTES = 32 * 1024;
const OWN_LINES = 32;

/** Use once, for one exchange. */
export class Http2Target implements TargetSide {
  readonly link = "http2";
  answered = false;
  written = false;
  #stream: ClientHttp2Stream | undefined;
  #sink: ResponseSink | undefined;
  #body: LinkBody | undefined;
  #chunked = false;
  #trailers: HeaderLines = [];
  #came: RawFields | undefined;

  constructor(
    private readonly session: ClientHttp2Session,
    readonly reused: boolean,
    private readonly limits: LineLimits,
    /** Called once, when it has its place on the connection no more. */
    private readonly left: () => void,
  ) {}

  takesToken(): boolean {
    return false;
  }

  send({ method, head, ends }: SentRequest, sink: ResponseSink): void {
    this.#sink = sink;
    const fields = this.#fields(method, head);
    const stream = this.session.request(fields, { endStream: ends, waitForTrailers: !ends });
    this.#stream = stream;
    watchEnding(stream);
    this.written = !this.session.closed && !this.session.destroyed;
    stream.on("headers", (_fields: unknown, _flags: number, raw: RawFields) =>
      this.#read(() =>
        sink.interim(scanResponseHead(responseOctets(raw, false), method, this.limits)),
      ),
    );
    stream.on("response", (_fields: unknown, flags: number, raw: RawFields) =>
      this.#read(() => this.#begin(raw, method, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0)),
    );
    stream.on("trailers", (_fields: unknown, _flags: number, raw: RawFields) => {
      this.#came = raw;
    });
    stream.on("wantTrailers", () => stream.sendTrailers(trailerObject(this.#trailers)));
    stream.on("data", (piece: Buffer) => this.#piece(piece));
    stream.on("end", () => this.#end());
    stream.on("drain", () => this.#sink?.drained());
    stream.on("error", (error) => this.#lost(error));
    stream.on("close", () => {
      this.left();
      this.#lost(undefined);
    });
  }

  write(piece: Buffer): boolean {
    const stream = this.#stream;
    if (stream === undefined || stream.closed || stream.writableEnded) return true;
    return stream.write(piece);
  }

  end(trailers: HeaderLines): void {
    this.#trailers = trailers;
    if (this.#stream?.closed === false) this.#stream.end();
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  release(): void {
    this.#sink = undefined;
    this.#stream?.resume();
  }

  destroy(): void {
    this.#sink = undefined;
    if (this.#stream === undefined) this.left();
    else if (!this.#stream.closed) this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  /** The head that the relay wrote, as fields. */
  #fields(method: string, head: Buffer): string[] {
    const { headBytesMax, headersMax } = this.limits;
    const { target, headers } = scanRequestHead(head, {
      headBytesMax: headBytesMax + OWN_BYTES,
      headersMax: headersMax + OWN_LINES,
      targetBytesMax: headBytesMax,
      bodyBytesMax: Number.POSITIVE_INFINITY,
    });
    const [authority = ""] = headerValues(headers, "host");
    const scheme = this.session.encrypted === true ? "https" : "http";
    const start = [":method", method, ":scheme", scheme, ":authority", authority, ":path", target];
    return [...start, ...rawFields(withoutHeaders(headers, (name) => name === "host"))];
  }

  #begin(raw: RawFields, method: string, ends: boolean): void {
    this.answered = true;
    const response = scanResponseHead(responseOctets(raw, ends), method, this.limits);
    this.#chunked = response.framing.kind === "chunked";
    this.#body = new LinkBody(bodyOf(response, method), this.limits);
    this.#sink?.begin(response);
  }

  #piece(piece: Buffer): void {
    octetsCame(piece.length);
    this.#read(() => {
      this.#body?.piece(piece.length);
      this.#sink?.bodyPiece(piece);
    });
  }

  #end(): void {
    const stream = this.#stream;
    if (stream === undefined || !endedWell(stream) || this.#body === undefined) {
      this.#lost(undefined);
      return;
    }
    this.#read(() => {
      const came = this.#came === undefined ? undefined : trailerOctets(this.#came);
      const lines = this.#body?.end(this.#chunked ? came : undefined) ?? [];
      const sink = this.#sink;
      sink?.bodyEnd(lines);
      // What comes after the last octet concerns nobody.
      this.#sink = undefined;
    });
  }

  #read(work: () => void): void {
    if (this.#sink === undefined) return;
    try {
      work();
    } catch (error) {
      if (!(error instanceof MalformedResponse) && !(error instanceof MalformedBody)) throw error;
      this.#fail("malformed", error);
      this.#stream?.close(constants.NGHTTP2_PROTOCOL_ERROR);
    }
  }

  #lost(cause: unknown): void {
    const code = this.#stream?.rstCode;
    // The other side has certainly not looked at it.
    if (code === constants.NGHTTP2_REFUSED_STREAM) this.written = false;
    this.#fail(code === constants.NGHTTP2_PROTOCOL_ERROR ? "malformed" : "broken", cause);
  }

  #fail(kind: ForwardFailure, cause: unknown): void {
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.failed(kind, cause);
  }
}
