// Temporary folders that are gone after the test.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const made: string[] = [];

/** A new, empty folder. */
export const temporaryFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "schakel-test-"));
  made.push(folder);
  return folder;
};

/** Removes every folder that temporaryFolder has made. For an `after` or `afterEach` hook. */
export const removeTemporaryFolders = (): void => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
};
