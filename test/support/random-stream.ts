// A stream of bytes that can be made again anywhere from its seed, without a disk.
import { createCipheriv, createHash } from "node:crypto";

const CHUNK = Buffer.alloc(64 * 1024);

/** Yields `bytes` pseudo-random bytes (AES-CTR over zeros), the same for the same seed. */
export function* pseudoRandomBytes(bytes: number, seed = 1): Generator<Buffer> {
  const key = createHash("sha256").update(String(seed)).digest();
  const cipher = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
  for (let left = bytes; left > 0; left -= CHUNK.length) {
    yield cipher.update(left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK);
  }
}

/** The SHA-256 of that stream, hexadecimal. */
export const pseudoRandomSha256 = (bytes: number, seed = 1): string => {
  const hash = createHash("sha256");
  for (const chunk of pseudoRandomBytes(bytes, seed)) hash.update(chunk);
  return hash.digest("hex");
};
