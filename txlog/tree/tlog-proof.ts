// C2SP tlog-proof: one text that proves offline that a leaf is in a log, with the checkpoint and its signatures.
import { openCheckpoint, type CheckpointKeys, type OpenedCheckpoint } from "./checkpoint.js";
import { HASH_BYTES, isSize } from "./merkle.js";
import { fromBase64, NoteError, readNote } from "./note.js";
import { verifyInclusion } from "./verify-proof.js";

const FIRST_LINE = "c2sp.org/tlog-proof@v1";
/** More levels than a tree of 2^53 leaves has. */
const HASHES_MAX = 63;

/** What a proof says; nothing of it is verified. */
export interface TlogProof {
  /** Where the leaf is, from 0. */
  readonly index: number;
  /** From the leaf's sibling up. */
  readonly proof: readonly Buffer[];
  /** The checkpoint that it leads to: a note with its signatures, as the log gave it. */
  readonly checkpoint: string;
  /** Further bytes, whose meaning nobody vouches for. */
  readonly extra?: Buffer;
}

/** A proof that has been verified. */
export interface VerifiedProof extends OpenedCheckpoint {
  readonly index: number;
}

/** The text of a proof, for a file that ends in `.tlog-proof`. */
export const formatProof = ({ index, proof, checkpoint, extra }: TlogProof): string =>
  [
    FIRST_LINE,
    ...(extra === undefined ? [] : [`extra ${extra.toString("base64")}`]),
    `index ${index}`,
    ...proof.map((hash) => hash.toString("base64")),
    "",
    checkpoint,
  ].join("\n");

const malformed = (what: string): NoteError =>
  new NoteError("malformed", `it is no tlog-proof: ${what}`);

const hashOf = (line: string): Buffer => {
  const hash = fromBase64(line);
  if (hash?.length !== HASH_BYTES) throw malformed("a line of its proof is no hash");
  return hash;
};

const extraOf = (line: string | undefined): Buffer | undefined => {
  if (line?.startsWith("extra ") !== true) return undefined;
  const extra = fromBase64(line.slice("extra ".length));
  if (extra === undefined) throw malformed("its extra data is not base64");
  return extra;
};

/**
 * Reads a proof without verifying it.
 *
 * @throws NoteError (`malformed`) when it is none
 */
export const parseProof = (text: string): TlogProof => {
  const end = text.indexOf("\n\n");
  if (end < 0) throw malformed("it has no checkpoint");
  const [first, ...lines] = text.slice(0, end).split("\n");
  if (first !== FIRST_LINE) throw malformed(`its first line is not ${FIRST_LINE}`);
  const extra = extraOf(lines[0]);
  const [place = "", ...hashes] = extra === undefined ? lines : lines.slice(1);
  const index = /^index (0|[1-9][0-9]{0,15})$/.exec(place)?.[1];
  if (index === undefined || !isSize(Number(index))) throw malformed("it has no index");
  if (hashes.length > HASHES_MAX) throw malformed(`it has more than ${HASHES_MAX} hashes`);
  const checkpoint = text.slice(end + 2);
  readNote(checkpoint);
  return {
    index: Number(index),
    proof: hashes.map(hashOf),
    checkpoint,
    ...(extra === undefined ? {} : { extra }),
  };
};

/**
 * Verifies that a leaf with this hash is in the log whose key signed, by nothing but the text and the keys.
 *
 * @throws NoteError when it is no proof or the checkpoint is not signed right; ProofError when the hashes do not
 * lead from the leaf to the checkpoint
 */
export const verifyProof = (
  text: string,
  leafHash: Buffer,
  keys: CheckpointKeys,
): VerifiedProof => {
  const { index, proof, checkpoint: note } = parseProof(text);
  const opened = openCheckpoint(note, keys);
  const { size, root } = opened.checkpoint;
  verifyInclusion({ leafHash, index, size, proof, root });
  return { ...opened, index };
};
