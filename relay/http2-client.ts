// One request that came over HTTP/2, and the response as it is written there.
import { constants, type ServerHttp2Stream } from "node:http2";
import { octetsCame } from "../core/young-octets.js";
import { FramedClient, isBodiless } from "./framed-client.js";
import { endedWell } from "./http2-endings.js";
import { rawFields, trailerObject, trailerOctets, type RawFields } from "./http2-fields.js";
import type { HeaderLines, ResponseHead } from "./message.js";
import type { Framing } from "./scan-lines.js";
import type { RequestLimits, ScannedRequest } from "./scan-request.js";

/** Node.js makes up no Date; its types do not know the option. */
const NO_DATE = { sendDate: false };

/** Made by the server for each stream whose head it accepts. */
export class Http2Client extends FramedClient {
  #begun = false;
  /** The response has no body. */
  #bodiless = false;
  #over = false;
  /** Trailers of the request. */
  #came: RawFields | undefined;

  constructor(
    request: ScannedRequest,
    private readonly stream: ServerHttp2Stream,
    limits: RequestLimits,
  ) {
    super(request, limits);
    stream.on("aborted", () => this.leave());
    stream.on("close", () => this.#closed());
    stream.on("drain", () => this.drained?.());
    stream.on("trailers", (_fields: unknown, _flags: number, raw: RawFields) => {
      this.#came = raw;
    });
    stream.on("data", (piece: Buffer) => this.#pieceCame(piece));
    stream.on("end", () => this.#endCame());
  }

  override get begun(): boolean {
    return this.#begun;
  }

  override interim(status: number, headers: HeaderLines): void {
    if (this.gone || this.stream.closed) return;
    const fields = trailerObject(status === 100 ? [] : headers);
    this.stream.additionalHeaders({ ...fields, ":status": status });
  }

  override begin(head: ResponseHead, framing: Framing): void {
    const fields = [":status", String(head.status), ...rawFields(head.headers)];
    if (framing.kind === "length") fields.push("content-length", String(framing.bytes));
    this.#bodiless = isBodiless(this.request.method, head.status, framing);
    this.#begun = true;
    if (this.gone || this.stream.closed) return;
    // Without trailers to come, Node.js would end in good order what is broken off.
    const how = this.#bodiless ? { endStream: true } : { waitForTrailers: true };
    const options = { ...how, ...NO_DATE };
    this.stream.respond(fields, options);
  }

  override write(piece: Buffer): boolean {
    this.responseBytes += piece.length;
    if (this.#bodiless || this.stream.writableEnded || this.stream.closed) return true;
    return this.stream.write(piece);
  }

  override end(trailers: HeaderLines, finished: () => void): void {
    const done = (): void => {
      this.#over = true;
      finished();
    };
    if (this.#bodiless) {
      process.nextTick(done);
      return;
    }
    this.stream.once("wantTrailers", () => {
      this.stream.sendTrailers(trailerObject(trailers));
      setImmediate(done);
    });
    this.stream.end();
  }

  override cut(): void {
    this.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    this.leave();
  }

  override pauseBody(): void {
    this.stream.pause();
  }

  override resumeBody(): void {
    this.stream.resume();
  }

  #closed(): void {
    if (!this.#over) this.leave();
  }

  #pieceCame(piece: Buffer): void {
    octetsCame(piece.length);
    this.holds(() => {
      this.body.piece(piece.length);
      this.bodyPiece(piece);
    });
  }

  #endCame(): void {
    if (!endedWell(this.stream)) {
      this.#closed();
      return;
    }
    let found: HeaderLines = [];
    const came = this.#came;
    const isHeld = this.holds(() => {
      // Trailers after a body of a stated length have no place in HTTP/1.1: they may be left out (RFC 9110, 6.5.1).
      const pass = came !== undefined && this.request.framing.kind === "chunked";
      const octets = came === undefined ? undefined : trailerOctets(came);
      found = this.body.end(pass ? octets : undefined);
    });
    if (isHeld && !this.complete) this.bodyEnd(found);
  }
}
