// The hashes of a Merkle tree as RFC 6962 (section 2.1) and RFC 9162 define them, and its right edge, which is
// all that a growing log needs to keep. Sizes and indexes are whole numbers up to 2^53 - 1.
import { hash } from "node:crypto";

/** Every hash of the tree has so many bytes. */
export const HASH_BYTES = 32;

/** The root of a tree without leaves: SHA-256 of nothing. */
export const EMPTY_ROOT = hash("sha256", "", "buffer");

/** A node and what is hashed of it never overlap in time with another's, so one piece of memory serves them all. */
const node = Buffer.alloc(1 + 2 * HASH_BYTES, 1);

/**
 * The hash of an inner node: SHA-256(0x01 || left || right). Both have 32 bytes.
 */
export const nodeHash = (left: Uint8Array, right: Uint8Array): Buffer => {
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  // A hash as a string of bytes is cheaper than as a Buffer, which has memory outside of the heap.
  return Buffer.from(hash("sha256", node, "binary"), "latin1");
};

/** Whether it can be the size of a tree. */
export const isSize = (size: number): boolean => Number.isSafeInteger(size) && size >= 0;

/** The sizes of the largest complete subtrees that a tree of this size is made of, the largest first. */
export const edgeSizes = (size: number): number[] => {
  const sizes: number[] = [];
  let rest = size;
  for (let part = 2 ** 52; rest > 0; part /= 2) {
    if (part > rest) continue;
    sizes.push(part);
    rest -= part;
  }
  return sizes;
};

/** The hash over complete subtrees side by side, the largest first; EMPTY_ROOT for none. */
export const foldEdge = (edge: readonly Buffer[]): Buffer => {
  let root = edge.at(-1) ?? EMPTY_ROOT;
  for (const left of edge.slice(0, -1).reverse()) root = nodeHash(left, root);
  return root;
};

/** The root over a whole number of hashes side by side, each of which is the hash of a subtree of one size; their number is a power of two. */
export const perfectRoot = (hashes: Buffer): Buffer => {
  let level = hashes;
  while (level.length > HASH_BYTES) {
    const above = Buffer.allocUnsafe(level.length / 2);
    for (let at = 0; at < above.length; at += HASH_BYTES) {
      node.set(level.subarray(2 * at, 2 * at + 2 * HASH_BYTES), 1);
      above.write(hash("sha256", node, "binary"), at, HASH_BYTES, "latin1");
    }
    level = above;
  }
  return level;
};

/** A tree of which only the right edge is kept: at most 53 hashes, whatever its size. */
export class CompactTree {
  readonly #edge: Buffer[];
  #size: number;

  private constructor(edge: Buffer[], size: number) {
    this.#edge = edge;
    this.#size = size;
  }

  /**
   * A tree of this size whose right edge has these hashes, the largest subtree first; none and 0 for an empty one.
   *
   * @throws RangeError when the number of hashes is not that of the size, or one has not 32 bytes
   */
  static from(hashes: readonly Buffer[] = [], size = 0): CompactTree {
    if (!isSize(size) || edgeSizes(size).length !== hashes.length) {
      throw new RangeError(`${hashes.length} hashes are not the edge of a tree of ${size} leaves`);
    }
    if (hashes.some(({ length }) => length !== HASH_BYTES)) {
      throw new RangeError(`a hash has ${HASH_BYTES} bytes`);
    }
    return new CompactTree([...hashes], size);
  }

  /** How many leaves it has. */
  get size(): number {
    return this.#size;
  }

  /** The hashes of its complete subtrees, the largest first: what `from` takes. */
  get edge(): readonly Buffer[] {
    return [...this.#edge];
  }

  /** Adds a leaf by its hash, 32 bytes, which the tree keeps and nobody may change. */
  append(leafHash: Buffer): void {
    let subtree = leafHash;
    // Each 1 at the end of the size is a subtree as large as the one that is being made.
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
      const left = this.#edge.pop();
      if (left === undefined) throw new Error("the edge does not fit the size");
      subtree = nodeHash(left, subtree);
    }
    this.#edge.push(subtree);
    this.#size += 1;
  }

  /** The root over all leaves, 32 bytes. */
  root(): Buffer {
    return foldEdge(this.#edge);
  }
}
