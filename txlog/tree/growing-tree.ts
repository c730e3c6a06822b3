// A tree that grows in tiles: what a sealer keeps in memory, and which bytes it stores for new leaves.
import { CompactTree, perfectRoot } from "./merkle.js";
import {
  hashesIn,
  splitHashes,
  TILE_WIDTH,
  tileRoot,
  tilesFor,
  type Tile,
  type TileName,
  type TileReader,
} from "./tile-names.js";

/** The last tile of each level, from level 0, while it is partial; undefined where the level is none or ends in a full tile. */
const partialTiles = (size: number): (TileName | undefined)[] => {
  const names: (TileName | undefined)[] = [];
  for (let level = 0; hashesIn(level, size) > 0; level++) {
    const width = hashesIn(level, size) % TILE_WIDTH;
    const index = Math.floor(hashesIn(level, size) / TILE_WIDTH);
    names.push(width === 0 ? undefined : { level, index, width });
  }
  return names;
};

const hashesOf = async (reader: TileReader, name: TileName): Promise<Buffer[]> => {
  const bytes = await reader(name.level, name.index, name.width);
  return splitHashes(bytes, name.width);
};

/** The edge of a tree, largest first, from its partial tiles: those hold all of it. */
const edgeOf = (partial: readonly (readonly Buffer[])[], size: number): Buffer[] => {
  const edge: Buffer[] = [];
  for (const [level, hashes] of [...partial.entries()].reverse()) {
    let at = 0;
    for (let part = TILE_WIDTH / 2; part >= 1; part /= 2) {
      if (hashesIn(level, size) % (2 * part) < part) continue;
      edge.push(perfectRoot(Buffer.concat(hashes.slice(at, at + part))));
      at += part;
    }
  }
  return edge;
};

/**
 * A tree that grows, for whoever stores its tiles: the last, partial tile of each level and the right edge, at most a few
 * hundred kilobytes whatever its size.
 */
export class GrowingTree {
  readonly #partial: Buffer[][];
  readonly #compact: CompactTree;

  private constructor(partial: Buffer[][], compact: CompactTree) {
    this.#partial = partial;
    this.#compact = compact;
  }

  /**
   * Reads what is kept of a tree of this size; an empty tree reads nothing.
   *
   * @throws RangeError when a tile has not the bytes that its width says
   */
  static async read(reader: TileReader, size: number): Promise<GrowingTree> {
    const partial = await Promise.all(
      partialTiles(size).map(async (name) =>
        name === undefined ? [] : await hashesOf(reader, name),
      ),
    );
    return new GrowingTree(partial, CompactTree.from(edgeOf(partial, size), size));
  }

  /** How many leaves it has. */
  get size(): number {
    return this.#compact.size;
  }

  /** Its right edge, the largest subtree first. */
  get edge(): readonly Buffer[] {
    return this.#compact.edge;
  }

  /** The root over all leaves. */
  root(): Buffer {
    return this.#compact.root();
  }

  /** A tree of its own that is as this one is now: to grow before it is known whether that will be kept. */
  copy(): GrowingTree {
    const partial = this.#partial.map((hashes) => [...hashes]);
    return new GrowingTree(partial, CompactTree.from(this.edge, this.size));
  }

  /**
   * Adds leaves by their hashes, 32 bytes each, which nobody may change afterwards. Gives the tiles that are to be
   * stored now: those of tilesFor, with their bytes. A partial tile replaces the narrower one before it.
   */
  append(leafHashes: readonly Buffer[]): Tile[] {
    const oldSize = this.size;
    const full = new Map<string, Buffer>();
    for (const leafHash of leafHashes) {
      this.#compact.append(leafHash);
      this.#put(0, leafHash, full);
    }
    return tilesFor(oldSize, this.size).map((name) => {
      const complete = full.get(`${name.level}/${name.index}`);
      return { ...name, bytes: complete ?? Buffer.concat(this.#partial[name.level] ?? []) };
    });
  }

  #put(level: number, hash: Buffer, full: Map<string, Buffer>): void {
    const tile = (this.#partial[level] ??= []);
    tile.push(hash);
    if (tile.length < TILE_WIDTH) return;
    const bytes = Buffer.concat(tile);
    const index = hashesIn(level + 1, this.size) - 1;
    full.set(`${level}/${index}`, bytes);
    this.#partial[level] = [];
    this.#put(level + 1, tileRoot(bytes), full);
  }
}
