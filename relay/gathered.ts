// Octets of a head or trailer that comes in pieces: gathered in one growing buffer, and looked at again only
// when a piece holds what could end or spoil a line, so that a sender who drips octets costs no more than
// one who sends them at once.
import { CLASS, CONTROL } from "./scan-bytes.js";

const EMPTY = Buffer.alloc(0);
const FIRST_OCTETS = 1024;

/** Whether an octet from `from` on ends a line or may not stand in one. */
const hasControl = (bytes: Buffer, from: number): boolean => {
  for (let at = from; at < bytes.length; at++) {
    if (((CLASS[bytes[at] ?? 0] ?? 0) & CONTROL) !== 0) return true;
  }
  return false;
};

/** Owns the octets that it gathers. */
export class Gathered {
  #buffer: Buffer = EMPTY;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What has been gathered: a view that the next `add` may change. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Adds the octets from an offset on. True when it is worth scanning again: a line may have ended, or more than `most` is there. */
  add(piece: Buffer, from: number, most: number): boolean {
    const length = this.#length + piece.length - from;
    if (length > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_OCTETS, length, this.#length * 2));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    piece.copy(this.#buffer, this.#length, from);
    this.#length = length;
    return length > most || hasControl(piece, from);
  }

  /** Gives up what has been gathered; whoever holds views of it keeps them. */
  clear(): void {
    this.#buffer = EMPTY;
    this.#length = 0;
  }
}
