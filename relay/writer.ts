// Writes to a connection: what one turn of the event loop gives it leaves in one piece, and whoever writes is
// told when the other side does not keep up.
import type { Duplex } from "node:stream";

/** So much is handed over at once, before the turn is over. */
const AT_ONCE = 64 * 1024;
/** Pieces that are smaller together are copied into one. */
const JOINED_MAX = 16 * 1024;
/** So much may wait in the connection before the writer asks for patience; not below the stream's own mark, so that its `drain` follows. */
const AHEAD_MAX = 128 * 1024;

/** What was written during the piece of work that runs now. */
const written: Writer[] = [];
let working = false;

/** Does a piece of work, such as taking in what has arrived, and then hands over what it wrote anywhere. Not within another. */
export const writingAtOnce = <T>(work: (given: T) => void, given: T): void => {
  if (working) {
    work(given);
    return;
  }
  working = true;
  try {
    work(given);
  } finally {
    working = false;
    for (let next = written.pop(); next !== undefined; next = written.pop()) next.flush();
  }
};

/** One for each connection; nobody else may write to it. */
export class Writer {
  #pieces: Buffer[] = [];
  #bytes = 0;
  #scheduled = false;
  #unwritten = 0;
  #handed = 0;
  #idle: (() => void) | undefined;
  readonly #flushLater = (): void => {
    this.#scheduled = false;
    this.flush();
  };
  readonly #written = (): void => {
    this.#unwritten -= 1;
    this.#tellIdle();
  };

  constructor(private readonly stream: Duplex) {}

  /** Octets that have been handed to the connection so far. */
  get handed(): number {
    return this.#handed;
  }

  /** Adds a piece, which nobody may change any more. False: wait for the connection's `drain` before the next. */
  push(piece: Buffer): boolean {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes >= AT_ONCE) this.flush();
    else if (!this.#scheduled) {
      if (working) {
        if (this.#pieces.length === 1) written.push(this);
      } else {
        this.#scheduled = true;
        process.nextTick(this.#flushLater);
      }
    }
    const { stream } = this;
    return !stream.writableNeedDrain || stream.writableLength <= AHEAD_MAX;
  }

  /** Hands over what there is. */
  flush(): void {
    const pieces = this.#pieces;
    const [first] = pieces;
    if (first === undefined) return;
    this.#pieces = [];
    const bytes = this.#bytes;
    this.#bytes = 0;
    const { stream } = this;
    if (stream.destroyed || !stream.writable) return;
    this.#handed += bytes;
    if (pieces.length === 1) this.#write(first);
    else if (bytes <= JOINED_MAX) this.#write(Buffer.concat(pieces, bytes));
    else {
      stream.cork();
      for (const piece of pieces) this.#write(piece);
      stream.uncork();
    }
  }

  /** Hands over what there is, and calls `idle` once the system has taken all of it; never when the connection breaks before. */
  finish(idle: () => void): void {
    this.flush();
    // The usual case: the system has taken it at once.
    if (this.stream.writableLength === 0 && !this.stream.destroyed) process.nextTick(idle);
    else this.#idle = idle;
  }

  #write(piece: Buffer): void {
    this.#unwritten += 1;
    this.stream.write(piece, this.#written);
  }

  #tellIdle(): void {
    if (this.#unwritten > 0 || this.#pieces.length > 0 || this.stream.destroyed) return;
    const idle = this.#idle;
    this.#idle = undefined;
    idle?.();
  }
}
