// HMAC-SHA-256 (RFC 2104) for 32-byte keys that are used once. Node's createHmac costs several times
// more than the two hashes themselves, and a record needs three of them (docs/log-format.md).
import { hash } from "node:crypto";

const BLOCK = 64;
const SIZE = 32;

/** Keys and messages of a record never overlap in time, so one piece of memory serves them all. */
const inner = Buffer.alloc(BLOCK + 192);
const outer = Buffer.alloc(BLOCK + SIZE);

/**
 * @param key 32 bytes
 * @param message at most 192 bytes
 * @returns 32 bytes of their own
 */
export const hmacSha256 = (key: Buffer, message: Buffer): Buffer => {
  for (let i = 0; i < BLOCK; i++) {
    const byte = i < SIZE ? (key[i] ?? 0) : 0;
    inner[i] = byte ^ 0x36;
    outer[i] = byte ^ 0x5c;
  }
  inner.set(message, BLOCK);
  // A hash as a string of bytes is cheaper than as a Buffer, which has memory outside of the heap.
  const innerHash = hash("sha256", inner.subarray(0, BLOCK + message.length), "binary");
  outer.write(innerHash, BLOCK, SIZE, "latin1");
  return Buffer.from(hash("sha256", outer, "binary"), "latin1");
};
