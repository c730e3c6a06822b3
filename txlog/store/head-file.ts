// The file beside the database that says how far the log was sealed: a database that was restored from an
// older copy is found by it.
import { readFile } from "node:fs/promises";
import { writeFileDurably } from "../../core/durable-file.js";

/** How far the log was sealed. */
export interface LogHead {
  readonly epoch: number;
  readonly size: number;
  readonly root: Buffer;
  /** The newest checkpoint that a witness has co-signed, with its co-signatures; empty when there was none. */
  readonly witnessed: string;
  /** How many leaves that one has. */
  readonly witnessedSize: number;
}

interface HeadFile {
  readonly version: number;
  readonly epoch: number;
  readonly size: number;
  readonly root: string;
  readonly witnessed: string;
  readonly witnessed_size: number;
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);

const parse = (text: string): LogHead | undefined => {
  let parsed: Partial<HeadFile> | null;
  try {
    parsed = JSON.parse(text) as Partial<HeadFile> | null;
  } catch {
    return undefined;
  }
  const { version, epoch, size, root, witnessed, witnessed_size } = parsed ?? {};
  if (version !== 1 || !isWhole(epoch) || !isWhole(size) || typeof root !== "string") {
    return undefined;
  }
  if (typeof witnessed !== "string" || !isWhole(witnessed_size)) return undefined;
  const head = { epoch, size, root: Buffer.from(root, "base64") };
  return { ...head, witnessed, witnessedSize: witnessed_size };
};

/**
 * Reads the file; undefined when there is none.
 *
 * @throws Error when it is not one that was written by writeHead
 */
export const readHead = async (path: string): Promise<LogHead | undefined> => {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  const head = parse(text);
  if (head !== undefined) return head;
  throw new Error(`${path} does not say how far the log was sealed: restore it from a backup`);
};

/** Replaces the file. Durable when it resolves. */
export const writeHead = async (path: string, head: LogHead): Promise<void> => {
  const { epoch, size, root, witnessed, witnessedSize } = head;
  const file: HeadFile = {
    ...{ version: 1, epoch, size, root: root.toString("base64") },
    ...{ witnessed, witnessed_size: witnessedSize },
  };
  await writeFileDurably(path, `${JSON.stringify(file)}\n`);
};
