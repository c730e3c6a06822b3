// What a tree's tiles are called and which there are (C2SP tlog-tiles): every eighth level is stored, 256 hashes to
// a tile, and the levels between are hashed again when they are needed. Only the tiles at the right edge ever change.
import { HASH_BYTES, isSize, perfectRoot } from "./merkle.js";

/** How many hashes a full tile has, and how many entries a full bundle. */
export const TILE_WIDTH = 256;

/** One tile: the level, its place in the level from 0, and its width from 1 to TILE_WIDTH. */
export interface TileName {
  readonly level: number;
  readonly index: number;
  readonly width: number;
}

/** A tile with its bytes: HASH_BYTES for each hash. */
export interface Tile extends TileName {
  readonly bytes: Buffer;
}

/** Gives a tile's bytes, HASH_BYTES * width; rejects when it has none. What it gives is never changed. */
export type TileReader = (level: number, index: number, width: number) => Promise<Buffer>;

const numberPath = (index: number): string => {
  if (!isSize(index)) throw new RangeError(`${index} is not the index of a tile`);
  const digits = String(index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
  return padded.replaceAll(/[0-9]{3}(?=[0-9])/g, "x$&/");
};

const suffix = (width: number): string => {
  if (!Number.isInteger(width) || width < 1 || width > TILE_WIDTH) {
    throw new RangeError(`${width} is not the width of a tile`);
  }
  return width === TILE_WIDTH ? "" : `.p/${width}`;
};

/** The path of a tile below the log's address: `tile/0/x001/234`, `tile/1/000.p/17`. */
export const tilePath = (level: number, index: number, width = TILE_WIDTH): string =>
  `tile/${level}/${numberPath(index)}${suffix(width)}`;

/** The path of a bundle of entries: `tile/entries/x001/234`. */
export const entriesPath = (index: number, width = TILE_WIDTH): string =>
  `tile/entries/${numberPath(index)}${suffix(width)}`;

const NAME =
  /^tile\/(entries|[0-9]|[1-5][0-9]|6[0-3])\/((?:x[0-9]{3}\/)*[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

const parse = (path: string): (Omit<TileName, "level"> & { level: string }) | undefined => {
  const [, level = "", number = "", narrow] = NAME.exec(path) ?? [];
  const index = Number(number.replaceAll(/[x/]/g, ""));
  const width = narrow === undefined ? TILE_WIDTH : Number(narrow);
  if (level === "" || !isSize(index) || numberPath(index) !== number) return undefined;
  return narrow !== undefined && width >= TILE_WIDTH ? undefined : { level, index, width };
};

/** The tile that a path names; undefined when it names none in the one form that it has. */
export const parseTilePath = (path: string): TileName | undefined => {
  const found = parse(path);
  return found === undefined || found.level === "entries"
    ? undefined
    : { ...found, level: Number(found.level) };
};

/** The bundle of entries that a path names; undefined when it names none in the one form that it has. */
export const parseEntriesPath = (path: string): Omit<TileName, "level"> | undefined => {
  const found = parse(path);
  return found?.level === "entries" ? { index: found.index, width: found.width } : undefined;
};

/** How many hashes the tiles of a level have together in a tree of this size. */
export const hashesIn = (level: number, size: number): number =>
  Math.floor(size / TILE_WIDTH ** level);

/** How wide a tile is in a tree of this size: 0 when the tree has it not yet. */
export const tileWidth = (level: number, index: number, size: number): number =>
  Math.max(0, Math.min(TILE_WIDTH, hashesIn(level, size) - index * TILE_WIDTH));

/**
 * The tiles that a tree of the new size has and one of the old size has not, or less wide: full and partial, by
 * rising level and index. For the entries' bundles those of level 0 count.
 */
export const tilesFor = (oldSize: number, newSize: number): TileName[] => {
  const tiles: TileName[] = [];
  for (let level = 0; hashesIn(level, newSize) > 0; level++) {
    const first = Math.floor(hashesIn(level, oldSize) / TILE_WIDTH);
    for (let index = first; tileWidth(level, index, newSize) > 0; index++) {
      const width = tileWidth(level, index, newSize);
      if (width > tileWidth(level, index, oldSize)) tiles.push({ level, index, width });
    }
  }
  return tiles;
};

/** The hash that a full tile has in the level above. */
export const tileRoot = (bytes: Buffer): Buffer => {
  if (bytes.length !== TILE_WIDTH * HASH_BYTES) throw new RangeError("it is no full tile");
  return perfectRoot(bytes);
};

/** The hashes of a tile. @throws RangeError when the tile has not that many */
export const splitHashes = (bytes: Buffer, width: number): Buffer[] => {
  if (bytes.length !== width * HASH_BYTES) {
    throw new RangeError(`a tile of ${bytes.length} bytes instead of ${width * HASH_BYTES}`);
  }
  return Array.from({ length: width }, (_, at) =>
    bytes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES),
  );
};
