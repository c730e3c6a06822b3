// Files that are either the old or the new content, never something between, also after a power cut.
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { randomBytes } from "node:crypto";

/** Makes a folder's entries durable: what was created, renamed or removed in it stays so after a power cut. */
export const syncFolder = async (path: string): Promise<void> => {
  let folder: FileHandle | undefined;
  try {
    folder = await open(path, "r");
    await folder.sync();
  } finally {
    await folder?.close();
  }
};

/**
 * Replaces a file's content: written beside it, synced, renamed over it, and the folder synced. When
 * it rejects, the old or the new content is there, whole; only when it resolves does a power cut leave the new.
 *
 * @param mode the permissions of a new file, 0o600 unless said otherwise
 */
export const writeFileDurably = async (
  path: string,
  content: string | Uint8Array,
  mode = 0o600,
): Promise<void> => {
  const beside = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const file = await open(beside, "wx", mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
};
