// One request that came over a link, and the response as it is written there.
import { STATUS_CODES } from "node:http";
import { responseHead } from "./edited-lines.js";
import { FramedClient, isBodiless } from "./framed-client.js";
import { LINK_CODE } from "./link-codes.js";
import type { LinkExchange, LinkExchangeOwner } from "./link-exchange.js";
import type { LinkEnd } from "./link-frames.js";
import type { HeaderLines, ResponseHead } from "./message.js";
import type { BodySink } from "./scan-body.js";
import type { Framing } from "./scan-lines.js";
import type { RequestLimits, ScannedRequest } from "./scan-request.js";
import { responseBytes, trailerBytes } from "./write-head.js";

/** Made by the link's server for each exchange that it accepts. */
export class LinkClient extends FramedClient implements LinkExchangeOwner {
  #begun = false;
  /** The head has said that no body follows. */
  #ended = false;
  // What comes is taken when somebody reads it.
  #paused = true;
  #untaken = 0;

  constructor(
    request: ScannedRequest,
    private readonly exchange: LinkExchange,
    limits: RequestLimits,
  ) {
    super(request, limits);
  }

  override get begun(): boolean {
    return this.#begun;
  }

  override interim(status: number, headers: HeaderLines): void {
    const reason = STATUS_CODES[status] ?? "";
    const passed = status === 100 ? [] : headers;
    this.exchange.sendHead(responseBytes({ status, reason, headers: passed }, ""), {
      interim: true,
    });
  }

  override begin(head: ResponseHead, framing: Framing): void {
    const chunked = framing.kind === "chunked" || framing.kind === "until-close";
    let own = framing.kind === "length" ? `Content-Length: ${framing.bytes}\r\n` : "";
    if (chunked) own = "Transfer-Encoding: chunked\r\n";
    const ends = isBodiless(this.request.method, head.status, framing);
    this.exchange.sendHead(responseHead(head, own, chunked), { ends });
    this.#ended = ends;
    this.#begun = true;
  }

  override write(piece: Buffer): boolean {
    this.responseBytes += piece.length;
    return this.exchange.send(piece);
  }

  override end(trailers: HeaderLines, finished: () => void): void {
    const told = (written: boolean): void => {
      if (written) finished();
      else this.leave();
    };
    if (this.#ended) this.exchange.whenWritten(told);
    else this.exchange.end({ trailers: trailerBytes(trailers), hash: undefined }, told);
  }

  override cut(): void {
    this.exchange.reset(LINK_CODE.broken);
    this.leave();
  }

  override readBody(reader: BodySink | undefined): void {
    super.readBody(reader);
    if (reader !== undefined) this.resumeBody();
  }

  override pauseBody(): void {
    this.#paused = true;
  }

  override resumeBody(): void {
    this.#paused = false;
    const untaken = this.#untaken;
    this.#untaken = 0;
    if (untaken > 0) this.exchange.taken(untaken);
  }

  headCame(): void {
    // A request has one head; the link lets no other come.
  }

  dataCame(piece: Buffer): void {
    if (!this.holds(() => this.body.piece(piece.length))) {
      this.exchange.taken(piece.length);
      return;
    }
    this.#untaken += piece.length;
    if (!this.holds(() => this.bodyPiece(piece))) this.#paused = false;
    if (!this.#paused) this.resumeBody();
  }

  endCame({ trailers }: LinkEnd): void {
    let found: HeaderLines = [];
    if (!this.holds(() => (found = this.body.end(trailers)))) return;
    if (!this.complete) this.bodyEnd(found);
  }

  resetCame(): void {
    this.leave();
  }

  writable(): void {
    this.drained?.();
  }
}
