// C2SP tlog-checkpoint: a log's size and root in a note that the log signs and witnesses co-sign.
import { HASH_BYTES, isSize } from "./merkle.js";
import {
  fromBase64,
  NoteError,
  openNote,
  readNote,
  signatureLine,
  signNote,
  type NoteKey,
  type UnknownSignature,
  type Verifier,
} from "./note.js";

/** How far a log was, and what was in it. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Buffer;
}

/** A witness's word: it saw this tree, and it had seen no other. */
export interface Cosignature {
  /** The name of the witness's key. */
  readonly name: string;
  /** Seconds since 1970-01-01T00:00:00Z, by the witness's clock. */
  readonly time: number;
}

/** A checkpoint whose signatures have been verified. */
export interface OpenedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly cosignatures: readonly Cosignature[];
  /** Signatures by keys that are not known: they prove nothing. */
  readonly unknown: readonly UnknownSignature[];
}

/** The keys by which a checkpoint is opened. */
export interface CheckpointKeys {
  /** The log's key, or several when it was replaced: one of them must have signed. */
  readonly log: Verifier | readonly Verifier[];
  readonly witnesses: readonly Verifier[];
}

// A peer id may have a plus, which the name of a key must not have.
const part = (text: string): string => text.replaceAll("%", "%25").replaceAll("+", "%2B");

/** The origin of a peer's log, which is also the name of the key of all of its epochs when the epoch is 1. */
export const logOrigin = (groupId: string, peerId: string, epoch = 1): string =>
  `schakel/${part(groupId)}/${part(peerId)}${epoch === 1 ? "" : `/${epoch}`}`;

/** How many epochs of another peer's log are looked at or witnessed: what is kept of each is kept for good. */
export const EPOCHS_MAX = 100;

/**
 * Refuses the origin of an epoch of another peer's log beyond `EPOCHS_MAX`; passes over what is no epoch of that log.
 *
 * @param first the origin of the log's first epoch
 * @throws NoteError (`malformed`) with the epoch that was found
 */
export const requireEpoch = (origin: string, first: string): void => {
  if (!isOriginOf(origin, first) || origin === first) return;
  const epoch = origin.slice(first.length + 1);
  if (Number(epoch) <= EPOCHS_MAX) return;
  throw new NoteError("malformed", `the epoch is ${epoch}, allowed are 1 to ${EPOCHS_MAX}`);
};

/** The name of the key with which a peer witnesses others' logs. */
export const witnessName = (groupId: string, peerId: string): string =>
  `${logOrigin(groupId, peerId)}/witness`;

/** The text of a checkpoint: three lines. */
export const formatCheckpoint = ({ origin, size, root }: Checkpoint): string => {
  if (!isSize(size) || root.length !== HASH_BYTES || !/^[^\n]+$/.test(origin)) {
    throw new RangeError("a checkpoint has an origin, a size and a root of 32 bytes");
  }
  return `${origin}\n${size}\n${root.toString("base64")}\n`;
};

/**
 * The checkpoint of a text. Extension lines are allowed, as C2SP has them, and left out of the result.
 *
 * @throws NoteError (`malformed`) when it is none
 */
export const parseCheckpoint = (text: string): Checkpoint => {
  const [origin = "", size = "", root = "", ...more] = text.split("\n");
  const bytes = fromBase64(root);
  const ended = more.pop() === "" && !more.includes("");
  if (
    origin === "" ||
    !/^(?:0|[1-9][0-9]{0,15})$/.test(size) ||
    !isSize(Number(size)) ||
    bytes?.length !== HASH_BYTES ||
    !ended
  ) {
    throw new NoteError(
      "malformed",
      "it is no checkpoint: an origin, a size and a root, a line each",
    );
  }
  return { origin, size: Number(size), root: bytes };
};

/** A checkpoint signed by its log. */
export const signCheckpoint = (checkpoint: Checkpoint, key: NoteKey): string =>
  signNote(formatCheckpoint(checkpoint), [key]);

/**
 * A witness's signature line for a checkpoint, at a time in seconds since 1970. The note's own signatures are not
 * looked at: whoever co-signs has verified them (witness.ts).
 *
 * @throws NoteError (`malformed`) when the note is no checkpoint; TypeError when the key is none of type 4
 */
export const cosign = (note: string, key: NoteKey, timeSeconds: number): string => {
  if (key.type !== 4) throw new TypeError("a witness's key has the type 4");
  const { text } = readNote(note);
  parseCheckpoint(text);
  return signatureLine(text, key, timeSeconds);
};

/** A note with more signature lines; a line that it has already is not added again. */
export const addSignatures = (note: string, lines: readonly string[]): string =>
  lines.reduce((all, line) => (all.includes(`\n${line}`) ? all : all + line), note);

/** Whether an origin is that of a log whose key has this name: of its first epoch or a later one. */
export const isOriginOf = (origin: string, keyName: string): boolean =>
  origin === keyName ||
  (origin.startsWith(`${keyName}/`) &&
    /^(?:[2-9]|[1-9][0-9]+)$/.test(origin.slice(keyName.length + 1)));

/**
 * Verifies a checkpoint: the log's signature, and the co-signatures of the witnesses that are known.
 *
 * @throws NoteError when the note is no checkpoint, a signature is not by the known key that it names, or the
 * log did not sign; `malformed` also when the checkpoint is another log's than the key's
 */
export const openCheckpoint = (
  note: string,
  { log, witnesses }: CheckpointKeys,
): OpenedCheckpoint => {
  const logs = [log].flat();
  const { text, signatures, unknown } = openNote(note, [...logs, ...witnesses]);
  const checkpoint = parseCheckpoint(text);
  const own = signatures.filter(({ verifier }) => logs.includes(verifier));
  if (own.length === 0) throw new NoteError("unsigned", "the log has not signed its checkpoint");
  if (!own.every(({ verifier }) => isOriginOf(checkpoint.origin, verifier.name))) {
    throw new NoteError("malformed", `the key is not that of the log ${checkpoint.origin}`);
  }
  const cosignatures = signatures.flatMap(({ verifier, time }) =>
    time === undefined ? [] : [{ name: verifier.name, time }],
  );
  return { checkpoint, cosignatures, unknown };
};
