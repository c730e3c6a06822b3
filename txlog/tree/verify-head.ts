// A checkpoint as the head of what is verified: its signatures by trusted keys, and what was seen of the log before.
import {
  isOriginOf,
  openCheckpoint,
  type Checkpoint,
  type OpenedCheckpoint,
} from "./checkpoint.js";
import { LogFault } from "./log-fault.js";
import { NoteError, readNote, type Verifier } from "./note.js";
import { ProofError } from "./proof-error.js";
import { forked } from "./verify-log.js";
import { verifyConsistency } from "./verify-proof.js";

/** The keys that are trusted. */
export interface TrustedKeys {
  /** Of the log: the key that signs now and those before it. */
  readonly log: readonly Verifier[];
  readonly witnesses: readonly Verifier[];
  /** Whether co-signatures by other keys are passed over; they are faults unless given. */
  readonly anyWitness?: boolean;
}

const faultOf = (error: NoteError, note: string, keys: TrustedKeys): LogFault => {
  if (error.kind !== "unsigned") return new LogFault(error.kind, error.message);
  const names = keys.log.map(({ name }) => name);
  const claimed = readNote(note).lines.find(({ name }) => names.includes(name));
  return claimed === undefined
    ? new LogFault("unsigned", error.message)
    : new LogFault("unknown-key", `the checkpoint is signed by another key of ${claimed.name}`);
};

/**
 * Opens a checkpoint by the keys that are trusted.
 *
 * @throws LogFault `malformed`, `signature-wrong`, `unsigned`, or `unknown-key` for a signature by a key that is not trusted
 */
export const openHead = (note: string, keys: TrustedKeys): OpenedCheckpoint => {
  let opened: OpenedCheckpoint;
  try {
    opened = openCheckpoint(note, keys);
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    throw faultOf(error, note, keys);
  }
  const [stranger] = opened.unknown;
  if (stranger !== undefined && keys.anyWitness !== true) {
    const id = stranger.id.toString(16).padStart(8, "0");
    const detail = `the checkpoint is co-signed by the key ${stranger.name}+${id}, which is not trusted`;
    throw new LogFault("unknown-key", detail);
  }
  return opened;
};

/**
 * Compares a head with a checkpoint of the same log that was seen before, as far as the two alone tell.
 *
 * @returns whether a consistency proof is still needed
 * @throws LogFault `checkpoint-older`, or `log-forked` for two roots at one size
 */
export const compareSeen = (head: Checkpoint, seen: Checkpoint): boolean => {
  if (head.size < seen.size) {
    const detail = `the checkpoint has ${head.size} entries, one with ${seen.size} was seen before`;
    throw new LogFault("checkpoint-older", detail);
  }
  if (head.size > seen.size) return seen.size > 0;
  if (!head.root.equals(seen.root)) throw forked(seen);
  return false;
};

/**
 * Verifies that a head continues a checkpoint that was seen before.
 *
 * @throws LogFault `checkpoint-older`, `log-forked`, or `proof-wrong` for what cannot be such a proof
 */
export const requireConsistent = (
  head: Checkpoint,
  seen: Checkpoint,
  proof: readonly Buffer[],
): void => {
  if (!compareSeen(head, seen)) return;
  const [oldSize, oldRoot] = [seen.size, seen.root];
  try {
    verifyConsistency({ oldSize, oldRoot, newSize: head.size, newRoot: head.root, proof });
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    if (error.kind === "old-root") throw forked(seen);
    throw new LogFault("proof-wrong", error.message);
  }
};

/** The number of an origin's epoch, for the key with this name; undefined for another log's. */
export const epochOf = (origin: string, keyName: string): number | undefined => {
  if (!isOriginOf(origin, keyName)) return undefined;
  return origin === keyName ? 1 : Number(origin.slice(keyName.length + 1));
};
