// HMAC-SHA-256 (RFC 2104) for 32-byte keys that are used once. Node's createHmac costs several times
// more than the two hashes themselves, and a record needs three of them (docs/log-format.md).
import { hash } from "node:crypto";

const BLOCK = 64;
const SIZE = 32;

/** A key, and memory for one message at a time. */
export class Hmac {
  readonly #inner = Buffer.alloc(BLOCK + 192);
  readonly #outer = Buffer.alloc(BLOCK + SIZE);

  /** @param key 32 bytes, which may also be given later */
  constructor(key?: Buffer) {
    if (key !== undefined) this.setKey(key);
  }

  /** Takes another key. */
  setKey(key: Buffer): void {
    this.#inner.fill(0x36, 0, BLOCK);
    this.#outer.fill(0x5c, 0, BLOCK);
    for (let i = 0; i < SIZE; i++) {
      const byte = key[i] ?? 0;
      this.#inner[i] = byte ^ 0x36;
      this.#outer[i] = byte ^ 0x5c;
    }
  }

  /**
   * Writes the 32 bytes for a message of at most 192 bytes to where they are wanted.
   */
  write(message: Buffer, to: Buffer, at: number): void {
    this.#inner.set(message, BLOCK);
    // A hash as a string of bytes is cheaper than as a Buffer, which has memory outside of the heap.
    const inner = this.#inner.subarray(0, BLOCK + message.length);
    this.#outer.write(hash("sha256", inner, "binary"), BLOCK, SIZE, "latin1");
    to.write(hash("sha256", this.#outer, "binary"), at, SIZE, "latin1");
  }
}

const once = new Hmac();

/**
 * @param key 32 bytes
 * @param message at most 192 bytes
 * @returns 32 bytes of their own
 */
export const hmacSha256 = (key: Buffer, message: Buffer): Buffer => {
  const result = Buffer.alloc(SIZE);
  once.setKey(key);
  once.write(message, result, 0);
  return result;
};
