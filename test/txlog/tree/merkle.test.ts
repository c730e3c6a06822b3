// The tree's hashes by the published vectors of RFC 6962's first implementation, and tiles and proofs by a tree that
// is computed the way the RFC defines it.
import { expect } from "chai";
import { leafHash } from "../../../txlog/leaf.js";
import { CompactTree, EMPTY_ROOT, nodeHash } from "../../../txlog/tree/merkle.js";
import {
  consistencyProof,
  edgeFromTiles,
  entriesPath,
  GrowingTree,
  inclusionProof,
  parseEntriesPath,
  parseTilePath,
  ProofError,
  rootFromTiles,
  tilePath,
  tilesFor,
  verifyConsistency,
  verifyInclusion,
  type Tile,
  type TileReader,
} from "../../../txlog/tree/tiles.js";
import { long } from "../../support/scale.js";

const LEAVES = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
].map((hex) => leafHash(Buffer.from(hex, "hex")));

const ROOTS = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/** MTH of RFC 6962, 2.1, word for word. */
const mth = (hashes: readonly Buffer[]): Buffer => {
  if (hashes.length === 0) return EMPTY_ROOT;
  if (hashes.length === 1) return hashes[0]!;
  let k = 1;
  while (k * 2 < hashes.length) k *= 2;
  return nodeHash(mth(hashes.slice(0, k)), mth(hashes.slice(k)));
};

const numbered = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, n) => leafHash(Buffer.from(`leaf ${n}`)));

/** A store of tiles, as the one that seals fills it. */
class Tiles {
  readonly #tiles = new Map<string, Buffer>();

  put(tiles: readonly Tile[]): void {
    for (const { level, index, bytes } of tiles) this.#tiles.set(`${level}/${index}`, bytes);
  }

  readonly reader: TileReader = (level, index, width) => {
    const bytes = this.#tiles.get(`${level}/${index}`);
    return bytes === undefined || bytes.length < width * 32
      ? Promise.reject(new Error(`no tile ${level}/${index} of width ${width}`))
      : Promise.resolve(bytes.subarray(0, width * 32));
  };
}

const grown = async (leaves: readonly Buffer[], step: number): Promise<Tiles> => {
  const tiles = new Tiles();
  for (let at = 0; at < leaves.length; at += step) {
    // Read again each time, as after a restart.
    const tree = await GrowingTree.read(tiles.reader, at);
    tiles.put(tree.append(leaves.slice(at, at + step)));
    expect(tree.root().equals(await rootFromTiles(tiles.reader, tree.size))).to.equal(true);
  }
  return tiles;
};

const kindOf = (work: () => void): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof ProofError) return error.kind;
    throw error;
  }
  return "proven";
};

describe("The Merkle tree", () => {
  it("has the roots of the published vectors at every size", () => {
    const tree = CompactTree.from();
    expect(tree.root().toString("hex")).to.equal(ROOTS[0]);
    for (const [n, leaf] of LEAVES.entries()) {
      tree.append(leaf);
      expect(tree.root().toString("hex")).to.equal(ROOTS[n + 1]);
      const again = CompactTree.from(tree.edge, tree.size);
      expect(again.root()).to.deep.equal(tree.root());
    }
  });

  it("refuses an edge that is not that of its size", () => {
    expect(() => CompactTree.from([], 1)).to.throw(RangeError);
    expect(() => CompactTree.from([EMPTY_ROOT, EMPTY_ROOT], 4)).to.throw(RangeError);
    expect(() => CompactTree.from([Buffer.alloc(31)], 1)).to.throw(RangeError);
    expect(() => CompactTree.from([], -1)).to.throw(RangeError);
    expect(() => CompactTree.from([], 0.5)).to.throw(RangeError);
  });
});

describe("The names of tiles", () => {
  it("are those of C2SP", () => {
    const names: [string, string][] = [
      [tilePath(0, 0), "tile/0/000"],
      [tilePath(0, 1_234_067), "tile/0/x001/x234/067"],
      [tilePath(1, 273, 112), "tile/1/273.p/112"],
      [tilePath(2, 1000, 1), "tile/2/x001/000.p/1"],
      [tilePath(0, 999), "tile/0/999"],
      [entriesPath(1_234_067, 8), "tile/entries/x001/x234/067.p/8"],
      [entriesPath(5), "tile/entries/005"],
    ];
    for (const [ours, right] of names) expect(ours).to.equal(right);
    expect(parseTilePath("tile/1/x001/273.p/112")).to.deep.equal({
      level: 1,
      index: 1273,
      width: 112,
    });
    expect(parseEntriesPath("tile/entries/x001/273")).to.deep.equal({ index: 1273, width: 256 });
  });

  for (const wrong of [
    "tile/0/1",
    "tile/0/0000",
    "tile/0/x000/001",
    "tile/0/001/002",
    "tile/0/x001",
    "tile/00/001",
    "tile/64/001",
    "tile/-1/001",
    "tile/0/001.p/0",
    "tile/0/001.p/256",
    "tile/0/001.p/01",
    "tile/0/001.p/",
    "tile/0/001/",
    "/tile/0/001",
    "tile/0/x999/x999/x999/x999/x999/999",
    "tile/0/001?x",
    "tile/0/..",
    "tile/entries/001",
  ]) {
    it(`are not ${wrong} for a tile`, () => {
      expect(parseTilePath(wrong)).to.equal(undefined);
    });
  }

  it("refuse what is no index or width when they are written", () => {
    expect(() => tilePath(0, -1)).to.throw(RangeError);
    expect(() => tilePath(0, 0, 0)).to.throw(RangeError);
    expect(() => entriesPath(0, 257)).to.throw(RangeError);
  });

  it("are, for a tree of 70,000 and of 256 leaves, those that C2SP gives as example", () => {
    const tiles = tilesFor(0, 70_000);
    const count = (level: number, full: boolean): number =>
      tiles.filter((tile) => tile.level === level && (tile.width === 256) === full).length;
    expect([count(0, true), count(0, false), count(1, true), count(1, false)]).to.deep.equal([
      273, 1, 1, 1,
    ]);
    expect(
      tiles.filter(({ width }) => width < 256).map(({ level, width }) => [level, width]),
    ).to.deep.equal([
      [0, 112],
      [1, 17],
      [2, 1],
    ]);
    expect(tilesFor(0, 256)).to.deep.equal([
      { level: 0, index: 0, width: 256 },
      { level: 1, index: 0, width: 1 },
    ]);
    expect(tilesFor(70_000, 70_000)).to.deep.equal([]);
    expect(tilesFor(0, 0)).to.deep.equal([]);
  });
});

describe("Proofs", () => {
  it("are made and verified for every index and every older size of each tree of up to 40 leaves", async () => {
    const leaves = numbered(40);
    for (let size = 1; size <= leaves.length; size++) {
      const { reader } = await grown(leaves.slice(0, size), 7);
      const root = mth(leaves.slice(0, size));
      for (let index = 0; index < size; index++) {
        const proof = await inclusionProof(reader, index, size);
        verifyInclusion({ leafHash: leaves[index]!, index, size, proof, root });
      }
      for (let oldSize = 0; oldSize <= size; oldSize++) {
        const oldRoot = mth(leaves.slice(0, oldSize));
        const proof = await consistencyProof(reader, oldSize, size);
        verifyConsistency({ oldSize, oldRoot, newSize: size, newRoot: root, proof });
      }
    }
  });

  it("are right over several levels of tiles, whatever the steps in which the tree grew", async () => {
    const leaves = numbered(long ? 140_000 : 67_000);
    const size = leaves.length;
    const { reader } = await grown(leaves, 1789);
    const root = mth(leaves);
    expect(await rootFromTiles(reader, size)).to.deep.equal(root);
    expect(CompactTree.from(await edgeFromTiles(reader, size), size).root()).to.deep.equal(root);
    for (const index of [0, 1, 255, 256, 65_535, 65_536, size - 1]) {
      const proof = await inclusionProof(reader, index, size);
      verifyInclusion({ leafHash: leaves[index]!, index, size, proof, root });
    }
    for (const oldSize of [1, 255, 256, 257, 1024, 65_535, 65_536, 65_537, size - 1]) {
      const oldRoot = mth(leaves.slice(0, oldSize));
      const proof = await consistencyProof(reader, oldSize, size);
      verifyConsistency({ oldSize, oldRoot, newSize: size, newRoot: root, proof });
    }
  });

  it("of the smallest tree are empty", async () => {
    const { reader } = await grown(numbered(1), 1);
    expect(await inclusionProof(reader, 0, 1)).to.deep.equal([]);
    expect(await consistencyProof(reader, 0, 1)).to.deep.equal([]);
    expect(await consistencyProof(reader, 1, 1)).to.deep.equal([]);
  });

  it("are not made for what is not in the tree", async () => {
    const { reader } = await grown(numbered(5), 5);
    for (const work of [
      () => inclusionProof(reader, 5, 5),
      () => inclusionProof(reader, -1, 5),
      () => inclusionProof(reader, 0.5, 5),
      () => inclusionProof(reader, 0, 0),
      () => consistencyProof(reader, 6, 5),
      () => consistencyProof(reader, -1, 5),
      () => inclusionProof(() => Promise.resolve(Buffer.alloc(31)), 0, 5),
    ]) {
      let thrown: unknown;
      await work().catch((error: unknown) => (thrown = error));
      expect(thrown).to.be.instanceOf(RangeError);
    }
  });

  it("with any byte changed, a hash too few, too many or elsewhere, are refused", async () => {
    const leaves = numbered(13);
    const { reader } = await grown(leaves, 13);
    const root = mth(leaves);
    for (let index = 0; index < 13; index++) {
      const proof = await inclusionProof(reader, index, 13);
      const claim = { leafHash: leaves[index]!, index, size: 13, proof, root };
      const kind = (change: Partial<typeof claim>): string =>
        kindOf(() => verifyInclusion({ ...claim, ...change }));
      expect(kind({})).to.equal("proven");
      for (const [n, hash] of proof.entries()) {
        const changed = Buffer.from(hash);
        changed[n] = (changed[n] ?? 0) ^ 1;
        expect(kind({ proof: proof.with(n, changed) })).to.equal("root");
        expect(kind({ proof: proof.with(n, hash.subarray(1)) })).to.equal("shape");
      }
      expect(kind({ proof: proof.slice(1) })).to.equal("shape");
      expect(kind({ proof: [...proof, root] })).to.equal("shape");
      expect(kind({ leafHash: root })).to.equal("root");
      expect(kind({ index: 13 })).to.equal("shape");
      expect(kind({ index: -1 })).to.equal("shape");
      expect(kind({ index: (index + 1) % 12 })).to.not.equal("proven");
      expect(kind({ size: 1 })).to.not.equal("proven");
    }
  });

  it("of consistency with anything changed are refused, each with what is wrong", async () => {
    const leaves = numbered(13);
    const { reader } = await grown(leaves, 13);
    const newRoot = mth(leaves);
    for (let oldSize = 1; oldSize < 13; oldSize++) {
      const oldRoot = mth(leaves.slice(0, oldSize));
      const proof = await consistencyProof(reader, oldSize, 13);
      const claim = { oldSize, oldRoot, newSize: 13, newRoot, proof };
      const kind = (change: Partial<typeof claim>): string =>
        kindOf(() => verifyConsistency({ ...claim, ...change }));
      expect(kind({})).to.equal("proven");
      for (const n of proof.keys()) {
        expect(kind({ proof: proof.with(n, EMPTY_ROOT) })).to.match(/root/);
      }
      expect(kind({ proof: proof.slice(1) })).to.not.equal("proven");
      expect(kind({ proof: [...proof, newRoot] })).to.equal("shape");
      expect(kind({ proof: [] })).to.equal("shape");
      expect(kind({ oldRoot: EMPTY_ROOT })).to.match(/root/);
      expect(kind({ newRoot: EMPTY_ROOT })).to.equal("root");
      expect(kind({ oldSize: 14 })).to.equal("shape");
      expect(kind({ oldSize: 13 })).to.equal("shape");
    }
    const same = { oldSize: 13, newSize: 13, oldRoot: newRoot, newRoot, proof: [] };
    expect(kindOf(() => verifyConsistency({ ...same, oldRoot: EMPTY_ROOT }))).to.equal("old-root");
    const empty = { oldSize: 0, newSize: 13, oldRoot: EMPTY_ROOT, newRoot, proof: [] };
    expect(kindOf(() => verifyConsistency(empty))).to.equal("proven");
    expect(kindOf(() => verifyConsistency({ ...empty, oldRoot: newRoot }))).to.equal("old-root");
    expect(kindOf(() => verifyConsistency({ ...empty, proof: [newRoot] }))).to.equal("shape");
  });
});
