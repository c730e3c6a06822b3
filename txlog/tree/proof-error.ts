// Why a proof about a tree is not accepted.

/**
 * `shape`: the proof cannot be one for these sizes (an index outside of the tree, too many or too few
 * hashes, a hash of another length). `old-root`, `root`: the hashes lead to another root than the older
 * checkpoint's, or the newer's.
 */
export type ProofErrorKind = "shape" | "old-root" | "root";

/** A proof that proves nothing. */
export class ProofError extends Error {
  constructor(
    readonly kind: ProofErrorKind,
    message: string,
  ) {
    super(message);
    this.name = "ProofError";
  }
}
