// The newest checkpoint that a user has verified of each log, kept in the identity folder: what comes later must
// continue it.
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { readText } from "../certs/read-file.js";
import { writeFileDurably } from "../core/durable-file.js";
import { LogFault } from "../txlog/tree/log-fault.js";
import type { Checkpoint } from "../txlog/tree/checkpoint.js";
import { NoteError, openNote, type Verifier } from "../txlog/tree/note.js";
import { CommandError } from "./command.js";
import { checkpointIn } from "./log-pieces.js";

const NOTE_BYTES_MAX = 1024 ** 2;

/** A checkpoint that was seen before, as it was signed then. */
export interface KnownCheckpoint {
  readonly note: string;
  readonly checkpoint: Checkpoint;
}

const pathOf = (identity: string, keyName: string): string =>
  join(identity, "known-logs", `${encodeURIComponent(keyName)}.txt`);

/** What was verified of a log before, by the name of its key; undefined when nothing was. */
export const knownOf = async (
  identity: string,
  keyName: string,
): Promise<KnownCheckpoint | undefined> => {
  const path = pathOf(identity, keyName);
  if (!existsSync(path)) return undefined;
  const note = await readText(path, NOTE_BYTES_MAX);
  try {
    return { note, checkpoint: checkpointIn(note) };
  } catch (error) {
    if (!(error instanceof LogFault)) throw error;
    throw new CommandError(
      `${path}: ${error.message}`,
      "it holds the checkpoint that 'schakel log verify' verified last; without it nothing older is known",
      { cause: error },
    );
  }
};

/** Requires that one of the keys signed what was seen before. @throws LogFault `unknown-key` */
export const requireSameKeys = ({ note }: KnownCheckpoint, keys: readonly Verifier[]): void => {
  try {
    openNote(note, keys);
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    throw new LogFault(
      "unknown-key",
      "none of the keys that the manager states signed the checkpoint that was seen before",
    );
  }
};

/** Keeps what was verified. */
export const keepKnown = async (identity: string, keyName: string, note: string): Promise<void> => {
  await mkdir(join(identity, "known-logs"), { recursive: true, mode: 0o700 });
  await writeFileDurably(pathOf(identity, keyName), note);
};
