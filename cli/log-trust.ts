// What `schakel log verify` trusts: keys from the command line, a group's file, and the checkpoint that was seen last.
import type { Group } from "../certs/group.js";
import { writeFileDurably } from "../core/durable-file.js";
import { parseCheckpoint, type Checkpoint } from "../txlog/tree/checkpoint.js";
import { NoteError, parseVerifier, readNote, type Verifier } from "../txlog/tree/note.js";
import { CommandError, UsageError } from "./command.js";

const NOTE_BYTES_MAX = 1024 ** 2;

/** What the command line says of it. */
export interface TrustOptions {
  readonly key?: readonly string[];
  readonly witness?: readonly string[];
  readonly group?: string;
  readonly anyWitness?: boolean;
  readonly knownCheckpoint?: string;
}

/** What is trusted, and what is known already. */
export interface Trust {
  readonly keys: readonly Verifier[];
  readonly witnesses: readonly Verifier[];
  readonly group?: Group;
  readonly anyWitness: boolean;
  readonly seen?: Checkpoint;
}

const verifierOf = (vkey: string, type: 1 | 4): Verifier => {
  try {
    const verifier = parseVerifier(vkey);
    if (verifier.type === type) return verifier;
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
  }
  const what = type === 1 ? "a log (type 1)" : "a witness (type 4)";
  throw new UsageError(
    `${JSON.stringify(vkey)} is no key of ${what}`,
    "a key is written NAME+ID+BASE64, as C2SP signed-note does",
  );
};

const seenAt = async (path: string): Promise<Checkpoint | undefined> => {
  const { existsSync } = await import("node:fs");
  if (!existsSync(path)) return undefined;
  const { readText } = await import("../certs/read-file.js");
  try {
    return parseCheckpoint(readNote(await readText(path, NOTE_BYTES_MAX)).text);
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    throw new CommandError(
      `${path}: ${error.message}`,
      "it must hold the checkpoint that 'schakel log verify' left there, or not exist yet",
      { cause: error },
    );
  }
};

/**
 * Reads what is trusted.
 *
 * @throws UsageError when nothing is, or for what is no key; CommandError for a file that cannot be read
 */
export const readTrust = async (options: TrustOptions): Promise<Trust> => {
  const { key = [], witness = [], group: path, knownCheckpoint } = options;
  if (key.length === 0 && path === undefined) {
    throw new UsageError(
      "nothing says which key of the log is trusted",
      "give the key with --key, or the group's file with --group",
    );
  }
  const keys = key.map((each) => verifierOf(each, 1));
  const witnesses = witness.map((each) => verifierOf(each, 4));
  const group = path === undefined ? undefined : await groupAt(path);
  const seen = knownCheckpoint === undefined ? undefined : await seenAt(knownCheckpoint);
  return {
    keys,
    witnesses,
    anyWitness: options.anyWitness ?? false,
    ...(group === undefined ? {} : { group }),
    ...(seen === undefined ? {} : { seen }),
  };
};

const groupAt = async (path: string): Promise<Group> => {
  const { loadGroup } = await import("../certs/group.js");
  return loadGroup(path);
};

/** Keeps a checkpoint that was verified, so that the next one must continue it. */
export const remember = (path: string, note: string): Promise<void> =>
  writeFileDurably(path, note, 0o644);
