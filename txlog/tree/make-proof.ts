// Making inclusion and consistency proofs from tiles (RFC 6962, 2.1.1 and 2.1.2): which subtrees' hashes a proof has,
// and how to get them from the tiles that a tree of that size has.
import { foldEdge, HASH_BYTES, isSize, perfectRoot } from "./merkle.js";
import { TILE_WIDTH, tileWidth, type TileReader } from "./tile-names.js";

/** The leaves from `start` up to but not including `end`: never empty. */
interface Range {
  readonly start: number;
  readonly end: number;
}

/** The largest power of two below a number from 2. */
const splitAt = (count: number): number => {
  let part = 1;
  while (part * 2 < count) part *= 2;
  return part;
};

/** The subtrees whose hashes prove that a leaf is in a tree, from the leaf's sibling up. */
const inclusionRanges = (index: number, size: number): Range[] => {
  const ranges: Range[] = [];
  let [start, end] = [0, size];
  while (end - start > 1) {
    const middle = start + splitAt(end - start);
    if (index < middle) {
      ranges.push({ start: middle, end });
      end = middle;
    } else {
      ranges.push({ start, end: middle });
      start = middle;
    }
  }
  return ranges.reverse();
};

/** The subtrees whose hashes prove that a tree of the old size is the beginning of one of the new size. */
const consistencyRanges = (oldSize: number, newSize: number): Range[] => {
  const ranges: Range[] = [];
  let [start, end] = [0, newSize];
  while (end !== oldSize) {
    const middle = start + splitAt(end - start);
    if (oldSize <= middle) {
      ranges.push({ start: middle, end });
      end = middle;
    } else {
      ranges.push({ start, end: middle });
      start = middle;
    }
  }
  // What is left is a subtree of the older tree; when it is all of it, its root is known.
  if (start > 0) ranges.push({ start, end });
  return ranges.reverse();
};

/** The complete subtrees that a range is made of, the largest first. */
const completeParts = ({ start, end }: Range): Range[] => {
  const parts: Range[] = [];
  let at = start;
  for (let part = 2 ** 52; at < end; part /= 2) {
    if (part > end - at) continue;
    parts.push({ start: at, end: at + part });
    at += part;
  }
  return parts;
};

/** Reads each tile once; a tree of one size never has a tile with two widths. */
class Subtrees {
  readonly #tiles = new Map<string, Promise<Buffer>>();

  constructor(
    private readonly reader: TileReader,
    private readonly size: number,
  ) {}

  async hash(range: Range): Promise<Buffer> {
    return foldEdge(await Promise.all(completeParts(range).map((part) => this.#complete(part))));
  }

  async #complete({ start, end }: Range): Promise<Buffer> {
    let level = 0;
    while (TILE_WIDTH ** (level + 1) <= end - start) level += 1;
    const first = start / TILE_WIDTH ** level;
    const count = (end - start) / TILE_WIDTH ** level;
    const tile = await this.#tile(level, Math.floor(first / TILE_WIDTH));
    const at = (first % TILE_WIDTH) * HASH_BYTES;
    return Buffer.from(perfectRoot(tile.subarray(at, at + count * HASH_BYTES)));
  }

  #tile(level: number, index: number): Promise<Buffer> {
    const name = `${level}/${index}`;
    const tile = this.#tiles.get(name) ?? this.#read(level, index);
    this.#tiles.set(name, tile);
    return tile;
  }

  async #read(level: number, index: number): Promise<Buffer> {
    const width = tileWidth(level, index, this.size);
    const bytes = await this.reader(level, index, width);
    if (bytes.length === width * HASH_BYTES) return bytes;
    throw new RangeError(`a tile of ${bytes.length} bytes instead of ${width * HASH_BYTES}`);
  }
}

const hashes = (reader: TileReader, size: number, ranges: readonly Range[]): Promise<Buffer[]> => {
  const subtrees = new Subtrees(reader, size);
  return Promise.all(ranges.map((range) => subtrees.hash(range)));
};

/**
 * The proof that the leaf at an index is in the tree of this size.
 *
 * @throws RangeError when the index is not in the tree or a tile is not as wide as it should be; whatever the reader throws
 */
export const inclusionProof = async (
  reader: TileReader,
  index: number,
  size: number,
): Promise<Buffer[]> => {
  if (!isSize(size) || !isSize(index) || index >= size) {
    throw new RangeError(`the index ${index} is not in a tree of ${size} leaves`);
  }
  return hashes(reader, size, inclusionRanges(index, size));
};

/**
 * The proof that the tree of the old size is the beginning of the tree of the new size; empty when they are
 * of one size, or the old one is empty.
 *
 * @throws RangeError when the old size is larger or a tile is not as wide as it should be; whatever the reader throws
 */
export const consistencyProof = async (
  reader: TileReader,
  oldSize: number,
  newSize: number,
): Promise<Buffer[]> => {
  if (!isSize(oldSize) || !isSize(newSize) || oldSize > newSize) {
    throw new RangeError(`${oldSize} leaves are not the beginning of ${newSize}`);
  }
  if (oldSize === 0) return [];
  return hashes(reader, newSize, consistencyRanges(oldSize, newSize));
};

/** The root of the tree of this size. @throws as the proofs do */
export const rootFromTiles = async (reader: TileReader, size: number): Promise<Buffer> =>
  size === 0 ? foldEdge([]) : new Subtrees(reader, size).hash({ start: 0, end: size });

/** The edge of the tree of this size, the largest subtree first: what CompactTree.from takes. */
export const edgeFromTiles = (reader: TileReader, size: number): Promise<Buffer[]> =>
  hashes(reader, size, size === 0 ? [] : completeParts({ start: 0, end: size }));
