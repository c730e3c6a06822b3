// Verifying inclusion and consistency proofs: the algorithms of RFC 9162, 2.1.3.2 and 2.1.4.2, over the proofs of
// RFC 6962, 2.1.1 and 2.1.2. They share nothing with the code that makes proofs but the hash of a node.
import { EMPTY_ROOT, HASH_BYTES, isSize, nodeHash } from "./merkle.js";
import { ProofError } from "./proof-error.js";

/** A claim that a leaf is in a tree. */
export interface InclusionClaim {
  readonly leafHash: Buffer;
  /** Where, from 0. */
  readonly index: number;
  readonly size: number;
  /** From the leaf's sibling up. */
  readonly proof: readonly Buffer[];
  readonly root: Buffer;
}

/** A claim that a tree is the beginning of a larger one. */
export interface ConsistencyClaim {
  readonly oldSize: number;
  readonly oldRoot: Buffer;
  readonly newSize: number;
  readonly newRoot: Buffer;
  readonly proof: readonly Buffer[];
}

const half = (value: number): number => Math.floor(value / 2);
const isOdd = (value: number): boolean => value % 2 === 1;

const requireHashes = (hashes: readonly Buffer[]): void => {
  const wrong = hashes.find(({ length }) => length !== HASH_BYTES);
  if (wrong !== undefined) {
    throw new ProofError("shape", `a hash has ${wrong.length} bytes, right are ${HASH_BYTES}`);
  }
};

const tooMany = (): ProofError =>
  new ProofError("shape", "the proof has more hashes than the tree has levels");
const tooFew = (): ProofError => new ProofError("shape", "the proof has too few hashes");

/** The root to which a proof leads from a leaf. @throws ProofError (`shape`) */
export const inclusionRoot = ({
  leafHash,
  index,
  size,
  proof,
}: Omit<InclusionClaim, "root">): Buffer => {
  if (!isSize(size) || !isSize(index) || index >= size) {
    throw new ProofError("shape", `the index ${index} is not in a tree of ${size} leaves`);
  }
  requireHashes([leafHash, ...proof]);
  let [place, last] = [index, size - 1];
  let root = leafHash;
  for (const hash of proof) {
    if (last === 0) throw tooMany();
    if (isOdd(place) || place === last) {
      root = nodeHash(hash, root);
      // On the right edge, levels without a sibling have no hash in the proof.
      while (!isOdd(place) && place !== 0) [place, last] = [half(place), half(last)];
    } else {
      root = nodeHash(root, hash);
    }
    [place, last] = [half(place), half(last)];
  }
  if (last !== 0) throw tooFew();
  return root;
};

/**
 * Verifies that a leaf stands at an index of the tree with a root.
 *
 * @throws ProofError when it is not proven
 */
export const verifyInclusion = ({ root, ...claim }: InclusionClaim): void => {
  if (!inclusionRoot(claim).equals(root)) {
    throw new ProofError("root", "the inclusion proof does not lead to the root of the checkpoint");
  }
};

interface Walk {
  /** The roots that the hashes so far make of the older and the newer tree. */
  readonly roots: readonly [old: Buffer, newer: Buffer];
  readonly rest: readonly Buffer[];
}

const walk = (start: Walk, oldSize: number, newSize: number): readonly [Buffer, Buffer] => {
  let [place, last] = [oldSize - 1, newSize - 1];
  while (isOdd(place)) [place, last] = [half(place), half(last)];
  let [old, newer] = start.roots;
  for (const hash of start.rest) {
    if (last === 0) throw tooMany();
    if (isOdd(place) || place === last) {
      old = nodeHash(hash, old);
      newer = nodeHash(hash, newer);
      while (!isOdd(place) && place !== 0) [place, last] = [half(place), half(last)];
    } else {
      newer = nodeHash(newer, hash);
    }
    [place, last] = [half(place), half(last)];
  }
  if (last !== 0) throw tooFew();
  return [old, newer];
};

const isPowerOfTwo = (size: number): boolean => 2 ** Math.round(Math.log2(size)) === size;

const requireSameRoot = ({ oldRoot, newRoot, proof }: ConsistencyClaim): void => {
  if (proof.length > 0) throw tooMany();
  if (!oldRoot.equals(newRoot)) {
    throw new ProofError("old-root", "two trees of one size have different roots");
  }
};

/**
 * Verifies that the older tree is the beginning of the newer one.
 *
 * @throws ProofError when it is not proven
 */
export const verifyConsistency = (claim: ConsistencyClaim): void => {
  const { oldSize, oldRoot, newSize, newRoot, proof } = claim;
  if (!isSize(oldSize) || !isSize(newSize) || oldSize > newSize) {
    throw new ProofError("shape", `${oldSize} leaves are not the beginning of ${newSize}`);
  }
  requireHashes([oldRoot, newRoot, ...proof]);
  if (oldSize === newSize) {
    requireSameRoot(claim);
    return;
  }
  if (oldSize === 0) {
    requireSameRoot({ ...claim, newRoot: EMPTY_ROOT });
    return;
  }
  // A complete subtree's root is known already, so the proof does not have it.
  const [first, ...rest] = isPowerOfTwo(oldSize) ? [oldRoot, ...proof] : proof;
  if (first === undefined) throw tooFew();
  const [old, newer] = walk({ roots: [first, first], rest }, oldSize, newSize);
  if (!old.equals(oldRoot)) {
    throw new ProofError("old-root", "the consistency proof does not lead to the older root");
  }
  if (!newer.equals(newRoot)) {
    throw new ProofError("root", "the consistency proof does not lead to the newer root");
  }
};
