// One request on a client's HTTP/1.x connection, and the response as it is written there.
import { STATUS_CODES } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { ClientSide } from "./client-side.js";
import { responseHead } from "./edited-lines.js";
import type { HeaderLines, ResponseHead } from "./message.js";
import type { Framing } from "./scan-lines.js";
import type { ScannedRequest } from "./scan-request.js";
import { CHUNK_AFTER, chunkBefore, lastChunk, responseBytes } from "./write-head.js";
import type { Writer } from "./writer.js";

/** The connection as its messages see it. */
export interface ClientWire {
  readonly socket: Duplex;
  readonly writer: Writer;
  /** Whether the connection wants more requests after the one that is being answered. */
  readonly mayStayOpen: () => boolean;
  /** Called when the client has taken what was written; the message that is being answered sets it. */
  drained: (() => void) | undefined;
}

/** One request and its response. */
export class ClientMessage extends ClientSide {
  #begun = false;
  #chunked = false;
  #untilClose = false;

  constructor(
    request: ScannedRequest,
    private readonly wire: ClientWire,
    bodyBytesMax: number,
  ) {
    super(request, bodyBytesMax);
  }

  override get begun(): boolean {
    return this.#begun;
  }

  override interim(status: number, headers: HeaderLines): void {
    if (this.request.version !== "1.1" || this.gone) return;
    const reason = STATUS_CODES[status] ?? "";
    // Nothing of a 100 is for the client but that it may go on.
    const passed = status === 100 ? [] : headers;
    this.wire.writer.push(responseBytes({ status, reason, headers: passed }, ""));
  }

  override begin(head: ResponseHead, framing: Framing): void {
    const { request, wire } = this;
    const old = request.version !== "1.1";
    const unknown = framing.kind === "chunked" || framing.kind === "until-close";
    const whole = this.complete && this.problem === undefined;
    const closes = !whole || request.says.closes || !wire.mayStayOpen();
    const chunked = unknown && !old;
    let own = closes ? "Connection: close\r\n" : "";
    if (framing.kind === "length") own += `Content-Length: ${framing.bytes}\r\n`;
    if (chunked) own += "Transfer-Encoding: chunked\r\n";
    wire.writer.push(responseHead(head, own, chunked));
    this.closes = closes;
    this.#chunked = chunked;
    this.#untilClose = unknown && old;
    this.#begun = true;
  }

  override write(piece: Buffer): boolean {
    const { writer } = this.wire;
    this.responseBytes += piece.length;
    if (!this.#chunked) return writer.push(piece);
    // A chunk without octets would end the body.
    if (piece.length === 0) return true;
    writer.push(chunkBefore(piece.length));
    writer.push(piece);
    return writer.push(CHUNK_AFTER);
  }

  override end(trailers: HeaderLines, finished: () => void): void {
    const { writer } = this.wire;
    if (this.#chunked) writer.push(lastChunk(trailers));
    writer.finish(finished);
  }

  override flush(): void {
    this.wire.writer.flush();
  }

  override cut(): void {
    const { socket } = this.wire;
    this.flush();
    // What only the end of the connection delimits looks complete unless the connection is reset.
    const tcp = socket instanceof Socket && !(socket instanceof TLSSocket);
    if (this.#untilClose && tcp) socket.resetAndDestroy();
    else socket.destroy();
  }

  override onDrain(drained: (() => void) | undefined): void {
    this.wire.drained = drained;
  }

  override pauseBody(): void {
    this.wire.socket.pause();
  }

  override resumeBody(): void {
    this.wire.socket.resume();
  }
}
