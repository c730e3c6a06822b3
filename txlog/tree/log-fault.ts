// What is wrong with a log, in one word for programs and one sentence for people.

/**
 * - `leaf-changed`: a leaf's hash is not the one that the tree has at its place
 * - `leaf-unreadable`: a leaf is no record of the format
 * - `leaf-foreign`: a record of another group
 * - `entry-missing`, `entry-repeated`: the entries' places in the tree do not follow each other
 * - `sequence-gap`, `sequence-repeated`, `sequence-backwards`: the sequences of a writer do not follow each other
 * - `intent-missing`: an end without its intent; `intent-differs`: one that names another hash or transaction
 * - `size-differs`: fewer or more entries than the checkpoint says
 * - `root-differs`: the entries are not those that the checkpoint was signed over
 * - `proof-wrong`: an inclusion or consistency proof proves nothing
 * - `checkpoint-older`: a later checkpoint of this log was seen before
 * - `log-forked`: another checkpoint was seen that this log does not continue
 * - `consistency-missing`: nothing shows that it continues the checkpoint that was seen before
 * - `signature-wrong`: a signature is not by the key that it names
 * - `unsigned`: the log has not signed
 * - `unknown-key`: a co-signature, or the log's own, by a key that is not trusted
 * - `key-statement-wrong`: a statement about a key is not by a peer of the group
 * - `malformed`: a checkpoint, proof or bundle is none
 */
export const FAULT_KINDS = [
  "leaf-changed",
  "leaf-unreadable",
  "leaf-foreign",
  "entry-missing",
  "entry-repeated",
  "sequence-gap",
  "sequence-repeated",
  "sequence-backwards",
  "intent-missing",
  "intent-differs",
  "size-differs",
  "root-differs",
  "proof-wrong",
  "checkpoint-older",
  "log-forked",
  "consistency-missing",
  "signature-wrong",
  "unsigned",
  "unknown-key",
  "key-statement-wrong",
  "malformed",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** The first thing that is wrong with a log. */
export class LogFault extends Error {
  constructor(
    readonly kind: FaultKind,
    /** What was found, in a sentence. */
    readonly detail: string,
    /** The first bad place in the tree, from 0; absent when it is not the entries that are wrong. */
    readonly index?: number,
  ) {
    super(index === undefined ? detail : `entry ${index}: ${detail}`);
    this.name = "LogFault";
  }
}
