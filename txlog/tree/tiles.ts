// The tree in tiles (C2SP tlog-tiles) and its proofs: everything about them in one place to import from.
export { GrowingTree } from "./growing-tree.js";
export { consistencyProof, edgeFromTiles, inclusionProof, rootFromTiles } from "./make-proof.js";
export { ProofError, type ProofErrorKind } from "./proof-error.js";
export {
  entriesPath,
  parseEntriesPath,
  parseTilePath,
  splitHashes,
  TILE_WIDTH,
  tilePath,
  tileRoot,
  tilesFor,
  tileWidth,
  type Tile,
  type TileName,
  type TileReader,
} from "./tile-names.js";
export {
  inclusionRoot,
  verifyConsistency,
  verifyInclusion,
  type ConsistencyClaim,
  type InclusionClaim,
} from "./verify-proof.js";
