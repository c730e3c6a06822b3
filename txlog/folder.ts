// The folder of a writer's log: segments/, keys/, writer.json and lock. The keys are apart because they
// must be erasable: a backup of the log leaves that folder out.
import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rm, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncFolder, writeFileDurably } from "../core/durable-file.js";
import type { Durability } from "./record.js";

/** Why a log cannot be opened, and what to do about it. */
export class LogUnusable extends Error {
  constructor(
    message: string,
    readonly hint: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "LogUnusable";
  }
}

/** Where a folder's segments are. */
export const segmentsFolder = (folder: string): string => join(folder, "segments");

/** Where the keys of a folder's segments are. */
export const keysFolder = (folder: string): string => join(folder, "keys");

const numbered = (segment: number): string => String(segment).padStart(8, "0");

/** The file of a segment. */
export const segmentPath = (folder: string, segment: number): string =>
  join(segmentsFolder(folder), `${numbered(segment)}.seg`);

/** The file of a segment's key, 32 bytes. */
export const segmentKeyPath = (folder: string, segment: number): string =>
  join(keysFolder(folder), `${numbered(segment)}.key`);

/** File systems that do not outlive their machine or container, by statfs(2)'s number. */
const VOLATILE: ReadonlyMap<number, string> = new Map([
  [0x01021994, "tmpfs"],
  [0x858458f6, "ramfs"],
  [0x794c7630, "overlayfs"],
]);

/**
 * What the folder lies on.
 *
 * @throws LogUnusable when it is volatile and that is not allowed
 */
const durabilityOf = async (folder: string, allowVolatile: boolean): Promise<Durability> => {
  const name = VOLATILE.get((await statfs(folder)).type);
  if (name === undefined) return "disk";
  if (allowVolatile) return "volatile";
  throw new LogUnusable(
    `the transaction log's folder ${folder} lies on ${name}, which is lost with its machine or container`,
    "put it on a disk or a mounted volume; only where records may be lost (a test), start with --allow-volatile-log",
  );
};

const makeFolders = async (folder: string): Promise<void> => {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const sub of [segmentsFolder(folder), keysFolder(folder)]) {
    await mkdir(sub, { recursive: true, mode: 0o700 });
  }
  if (first === undefined) return;
  // Each folder that was made is an entry of the one above it.
  for (let made = folder; made.length >= first.length; made = dirname(made)) {
    await syncFolder(dirname(made));
  }
};

/** Removes what a write that was cut short by a crash left beside the files; it was never used. */
const sweep = async (folder: string): Promise<void> => {
  for (const sub of [folder, segmentsFolder(folder), keysFolder(folder)]) {
    for (const name of await readdir(sub)) {
      if (name.endsWith(".tmp")) await rm(join(sub, name), { force: true });
    }
  }
};

interface WriterFile {
  readonly version: number;
  readonly writer_id: string;
  readonly group_id: string;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const parseWriter = (text: string): WriterFile | undefined => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  const file = parsed as Partial<WriterFile> | null;
  return file?.version === 1 &&
    UUID.test(String(file.writer_id)) &&
    typeof file.group_id === "string"
    ? (file as WriterFile)
    : undefined;
};

const newWriter = async (folder: string, groupId: string): Promise<string> => {
  if ((await readdir(segmentsFolder(folder))).length > 0) {
    throw new LogUnusable(
      `${folder} holds segments but no writer.json, so whose they are is unknown`,
      `move ${folder} away as it is, for examination; a new log begins in its place`,
    );
  }
  const writer: WriterFile = { version: 1, writer_id: randomUUID(), group_id: groupId };
  await writeFileDurably(join(folder, "writer.json"), `${JSON.stringify(writer)}\n`);
  return writer.writer_id;
};

const writerOf = async (folder: string, groupId: string): Promise<string> => {
  const path = join(folder, "writer.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      return newWriter(folder, groupId);
    }
    throw error;
  }
  const writer = parseWriter(text);
  if (writer === undefined) {
    throw new LogUnusable(
      `${path} is not the description of a writer`,
      `move ${folder} away as it is, for examination; a new log begins in its place`,
    );
  }
  if (writer.group_id !== groupId) {
    throw new LogUnusable(
      `the transaction log in ${folder} belongs to group "${writer.group_id}", not "${groupId}"`,
      "give each group a data folder of its own",
    );
  }
  return writer.writer_id;
};

/** Makes the folder if it is absent, and tells what it lies on. The lock is taken after this and before prepareFolder. */
export const makeFolder = async (folder: string, allowVolatile: boolean): Promise<Durability> => {
  await makeFolders(folder);
  return durabilityOf(folder, allowVolatile);
};

/**
 * Readies a locked folder for writing.
 *
 * @returns the writer's id, made once and kept
 * @throws LogUnusable when the folder is another group's or is not whole
 */
export const prepareFolder = async (folder: string, groupId: string): Promise<string> => {
  await sweep(folder);
  return writerOf(folder, groupId);
};
