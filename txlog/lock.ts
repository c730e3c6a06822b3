// The lock of a log's folder. It is the system's own file lock, which ends with its process however
// that ends; Node reaches it through SQLite, whose empty file here never holds anything.
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { LogUnusable } from "./folder.js";

const SQLITE_BUSY = 5;

/**
 * Takes the lock of a folder.
 *
 * @returns the function that gives it back
 * @throws LogUnusable when another process, or this one, holds it
 */
export const lockFolder = (folder: string): (() => void) => {
  const database = new DatabaseSync(join(folder, "lock"), { timeout: 0 });
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) {
      throw new LogUnusable(
        `another process writes the transaction log in ${folder}`,
        "give each inway and outway a data folder of its own, or stop the other process",
        { cause: error },
      );
    }
    throw error;
  }
  return () => database.close();
};
