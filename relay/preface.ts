// A connection of a client that speaks HTTP/1.1 or, with prior knowledge, HTTP/2: its first octets show which.
import type { Duplex } from "node:stream";
import type { ServedConnection } from "./serve.js";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

const EMPTY = Buffer.alloc(0);

/** How it is served once it is known what it speaks. */
export interface Choices {
  readonly http1: () => ServedConnection;
  readonly http2: () => ServedConnection;
  /** Called when it ended before anything was known. */
  readonly closed: () => void;
}

/** Owns the socket until it is known what it speaks. */
export class Undecided<C> implements ServedConnection {
  #serving: ServedConnection | undefined;
  #came: Buffer = EMPTY;
  #since = performance.now();

  constructor(
    private readonly socket: Duplex,
    readonly context: C,
    private readonly choices: Choices,
    private readonly limits: {
      readonly headTimeoutMs: number;
      readonly keepAliveTimeoutMs: number;
    },
  ) {
    socket.on("data", this.#arrived);
    socket.on("end", this.#ended);
    socket.on("error", this.#ended);
    socket.on("close", choices.closed);
  }

  /** Looks at the clock: whoever says too little for too long is let go. */
  sweep(now: number): void {
    if (this.#serving !== undefined) {
      this.#serving.sweep(now);
      return;
    }
    const { headTimeoutMs, keepAliveTimeoutMs } = this.limits;
    const mostMs = this.#came.length > 0 ? headTimeoutMs : keepAliveTimeoutMs;
    if (now - this.#since > mostMs) this.destroy();
  }

  /** Ends the connection, after the exchanges that run on it. */
  drain(): void {
    if (this.#serving === undefined) this.destroy();
    else this.#serving.drain();
  }

  /** Ends the connection now. */
  destroy(): void {
    if (this.#serving === undefined) this.socket.destroy();
    else this.#serving.destroy();
  }

  readonly #ended = (): void => {
    if (this.#serving === undefined) this.socket.destroy();
  };

  readonly #arrived = (chunk: Buffer): void => {
    if (this.#came.length === 0) this.#since = performance.now();
    this.#came = this.#came.length === 0 ? chunk : Buffer.concat([this.#came, chunk]);
    const came = this.#came;
    const there = Math.min(came.length, PREFACE.length);
    const isLike = came.subarray(0, there).equals(PREFACE.subarray(0, there));
    if (isLike && there < PREFACE.length) return;
    const { socket, choices } = this;
    socket.pause();
    socket.off("data", this.#arrived);
    socket.off("end", this.#ended);
    socket.off("close", choices.closed);
    this.#came = EMPTY;
    socket.unshift(came);
    this.#serving = isLike ? choices.http2() : choices.http1();
    if (!isLike) socket.resume();
  };
}
