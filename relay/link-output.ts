// What a link connection sends: the frames of all its exchanges are gathered in one batch and written once per
// turn of the event loop. A frame's octets are copied into the batch; nothing else is made for it.
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { LinkCode } from "./link-codes.js";
import { FRAME, FRAME_HEADER_BYTES, writeHeader } from "./link-frames.js";

const BATCH_BYTES = 128 * 1024;
/** Batches that the process keeps for use again, whichever connection had them. */
const SPARE_MAX = 16;
/** Beyond this much that is not written yet, bodies wait: what is small then has little to wait for. */
const BACKLOG_BYTES = 256 * 1024;

/** Octets of the number that a frame's payload is, where they are not four. */
const NUMBER_BYTES: Readonly<Record<number, number>> = { [FRAME.reset]: 2, [FRAME.end]: 1 };

const spare: Buffer[] = [];

const takeBatch = (bytes: number): Buffer =>
  bytes > BATCH_BYTES
    ? Buffer.allocUnsafeSlow(bytes)
    : (spare.pop() ?? Buffer.allocUnsafeSlow(BATCH_BYTES));

const giveBack = (batch: Buffer): void => {
  if (batch.length === BATCH_BYTES && spare.length < SPARE_MAX) spare.push(batch);
};

/** Told once whether what was sent so far has been handed to the system. */
export type Told = (written: boolean) => void;

/** The sending half of a connection. */
export class LinkOutput {
  #batch: Buffer | undefined;
  #used = 0;
  #scheduled = false;
  #closed = false;
  // Batches that the socket has and may still read, oldest first.
  readonly #written: Buffer[] = [];
  #unwritten = 0;
  // Who is to be told when the batch, or the last one that the socket has, is written.
  #telling: Told[] = [];
  #tellingWritten: Told[] = [];
  /** Batches that have been written. */
  writes = 0;
  readonly #flush = (): void => this.flush();

  /**
   * @param flushing called before each write, which everything that was sent until then takes with it
   * @param written called after each write, when there may be room again
   */
  constructor(
    private readonly socket: Duplex,
    private readonly flushing: () => void,
    private readonly written: () => void,
  ) {
    if (socket instanceof Socket) socket.setNoDelay(true);
  }

  /** Octets that are not written yet. */
  get backlog(): number {
    return this.#unwritten + this.#used;
  }

  /** Whether bodies may be sent now. */
  get hasRoom(): boolean {
    return this.#unwritten + this.#used < BACKLOG_BYTES;
  }

  /** A frame whose payload is up to three parts. */
  frame(type: number, exchange: number, ...parts: readonly Buffer[]): void {
    let length = 0;
    for (const part of parts) length += part.length;
    let at = this.#begin(type, exchange, length);
    for (const part of parts) at += part.copy(this.#into, at);
  }

  /** HEAD: its prefix, and the head. */
  head(exchange: number, prefix: number, head: Buffer): void {
    const at = this.#begin(FRAME.head, exchange, 4 + head.length);
    this.#into.writeUInt32BE(prefix, at);
    head.copy(this.#into, at + 4);
  }

  /** DATA with the octets of a buffer from one place to another. */
  data(exchange: number, octets: Buffer, from: number, to: number): void {
    const at = this.#begin(FRAME.data, exchange, to - from);
    octets.copy(this.#into, at, from, to);
  }

  /** GOAWAY. */
  goaway(last: number, code: LinkCode): void {
    const at = this.#begin(FRAME.goaway, 0, 6);
    this.#into.writeUInt32BE(last, at);
    this.#into.writeUInt16BE(code, at + 4);
  }

  /** A frame whose payload is one number. */
  number(type: number, exchange: number, value: number): void {
    const bytes = NUMBER_BYTES[type] ?? 4;
    const at = this.#begin(type, exchange, bytes);
    this.#into.writeUIntBE(value, at, bytes);
  }

  /** Tells when everything that was sent so far has been handed to the system, or never will be. */
  whenWritten(told: Told): void {
    if (this.#closed && this.#written.length === 0) process.nextTick(told, false);
    else if (this.#used > 0) this.#telling.push(told);
    else if (this.#written.length > 0) this.#tellingWritten.push(told);
    else process.nextTick(told, true);
  }

  /** Writes now what has been gathered. */
  flush(): void {
    this.#scheduled = false;
    if (this.#closed) return;
    this.flushing();
    this.#write();
  }

  /** Writes what has been gathered and then the end of our half. Nothing can be sent after it. */
  end(): void {
    if (this.#closed) return;
    this.#write();
    this.close();
    this.socket.end();
  }

  /** Nothing can be sent any more. */
  close(): void {
    this.#closed = true;
    this.#batch = undefined;
    this.#used = 0;
    const telling = this.#telling;
    this.#telling = [];
    for (const told of telling) told(false);
  }

  get #into(): Buffer {
    this.#batch ??= takeBatch(BATCH_BYTES);
    return this.#batch;
  }

  /** Makes room for a frame and writes its header; gives the place of its payload. */
  #begin(type: number, exchange: number, length: number): number {
    const bytes = FRAME_HEADER_BYTES + length;
    if (this.#batch !== undefined && this.#used + bytes > this.#batch.length) this.#write();
    this.#batch ??= takeBatch(bytes);
    const at = this.#used;
    writeHeader(this.#batch, at, { type, length }, exchange);
    this.#used = at + bytes;
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(this.#flush);
    }
    return at + FRAME_HEADER_BYTES;
  }

  #write(): void {
    const batch = this.#batch;
    if (batch === undefined || this.#used === 0 || this.#closed) return;
    const bytes = this.#used;
    const telling = this.#telling;
    this.#batch = undefined;
    this.#used = 0;
    this.#telling = [];
    this.#tellingWritten = telling;
    this.#written.push(batch);
    this.#unwritten += bytes;
    this.socket.write(batch.subarray(0, bytes), (error) => this.#done(bytes, telling, error));
  }

  #done(bytes: number, telling: readonly Told[], error: Error | null | undefined): void {
    const batch = this.#written.shift();
    this.#unwritten -= bytes;
    this.writes += 1;
    const failed = error !== null && error !== undefined;
    if (this.#tellingWritten === telling) this.#tellingWritten = [];
    for (const told of telling) told(!failed);
    if (failed) return;
    if (batch !== undefined) giveBack(batch);
    if (!this.#closed) this.written();
  }
}
