// Notices that a file has changed. Polling its status works on every file system, through symbolic
// links that a container platform swaps, and when the file is away for a moment.
import { unwatchFile, watchFile, type Stats } from "node:fs";

const INTERVAL_MS = 500;

/**
 * Calls `changed` each time the file's content may have changed: its time, size or inode differ, and it exists.
 * Returns the function that ends the watch. Does not keep the process alive.
 */
export const watchFileChanges = (path: string, changed: () => void): (() => void) => {
  const listener = (now: Stats, before: Stats): void => {
    const same =
      now.mtimeMs === before.mtimeMs && now.size === before.size && now.ino === before.ino;
    if (now.nlink > 0 && !same) changed();
  };
  watchFile(path, { interval: INTERVAL_MS, persistent: false }, listener);
  return () => unwatchFile(path, listener);
};
