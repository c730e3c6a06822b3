// Octets into frames. DATA is handed on in the pieces in which it comes; every other frame is handed on whole,
// as a part of what came where it came whole.
import { checkHeader, FRAME, FRAME_HEADER_BYTES } from "./link-frames.js";
import type { LinkLimits } from "./link-limits.js";

/** What takes the frames. What it throws ends the decoding and comes out of `push`. */
export interface FrameSink {
  /** A whole frame of any type but DATA. The payload is kept by nobody: it may be a part of something large. */
  frame(type: number, exchange: number, payload: Buffer): void;
  /** A DATA frame begins. */
  dataBegins(exchange: number, length: number): void;
  /** A piece of the DATA frame that has begun, never empty. */
  dataComes(exchange: number, piece: Buffer): void;
}

/** Use for one connection, in order. */
export class LinkDecoder {
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerBytes = 0;
  #type = 0;
  #exchange = 0;
  /** Octets of the payload still to come, while a frame is under way. */
  #left = 0;
  #payload: Buffer | undefined;
  #stopped = false;
  /** Frames that have begun. */
  begun = 0;

  constructor(
    private readonly limits: LinkLimits,
    private readonly sink: FrameSink,
  ) {}

  /** Whether a frame has come in part. */
  get midFrame(): boolean {
    return this.#left > 0 || this.#headerBytes > 0;
  }

  /** Nothing that comes from now on is looked at. */
  stop(): void {
    this.#stopped = true;
    this.#payload = undefined;
  }

  /** @throws LinkError, or what the sink threw; the decoder then decodes no more */
  push(chunk: Buffer): void {
    let at = 0;
    try {
      while (at < chunk.length && !this.#stopped) {
        at = this.#left > 0 ? this.#continue(chunk, at) : this.#begin(chunk, at);
      }
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  #begin(chunk: Buffer, from: number): number {
    let header = chunk;
    let at = from;
    let next = from + FRAME_HEADER_BYTES;
    if (this.#headerBytes > 0 || next > chunk.length) {
      if (this.#headerBytes === 0) this.begun += 1;
      const copied = chunk.copy(this.#header, this.#headerBytes, from);
      this.#headerBytes += copied;
      if (this.#headerBytes < FRAME_HEADER_BYTES) return from + copied;
      header = this.#header;
      at = 0;
      next = from + copied;
      this.#headerBytes = 0;
    } else {
      this.begun += 1;
    }
    const first = header.readUInt32BE(at);
    const exchange = header.readUInt32BE(at + 4);
    return this.#payloadOf(first >>> 24, exchange, first & 0xff_ffff, { chunk, next });
  }

  #payloadOf(
    type: number,
    exchange: number,
    length: number,
    { chunk, next }: { chunk: Buffer; next: number },
  ): number {
    checkHeader(type, length, exchange, this.limits);
    if (type === FRAME.data) {
      this.sink.dataBegins(exchange, length);
    } else if (next + length <= chunk.length) {
      this.sink.frame(type, exchange, chunk.subarray(next, next + length));
      return next + length;
    } else {
      this.#payload = Buffer.allocUnsafeSlow(length);
    }
    this.#type = type;
    this.#exchange = exchange;
    this.#left = length;
    return next;
  }

  #continue(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    const payload = this.#payload;
    if (payload === undefined) {
      this.#left -= end - at;
      this.sink.dataComes(this.#exchange, chunk.subarray(at, end));
      return end;
    }
    chunk.copy(payload, payload.length - this.#left, at, end);
    this.#left -= end - at;
    if (this.#left === 0) {
      this.#payload = undefined;
      this.sink.frame(this.#type, this.#exchange, payload);
    }
    return end;
  }
}
