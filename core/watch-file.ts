// Notices that a file has changed. Polling its status works on every file system, through symbolic
// links that a container platform swaps, and when the file is away for a moment.
import { statSync, type Stats } from "node:fs";

const INTERVAL_MS = 500;

const statusOf = (path: string): Stats | undefined => {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
};

const isSame = (a: Stats | undefined, b: Stats): boolean =>
  a?.mtimeMs === b.mtimeMs && a.size === b.size && a.ino === b.ino;

/**
 * Calls `changed` each time the file's content may have changed since this call: its time, size or inode
 * differ, and it exists. Whoever reads the file and then watches it calls this before reading, so that
 * no change falls between the two. Returns the function that ends the watch. Does not keep the process alive.
 */
export const watchFileChanges = (path: string, changed: () => void): (() => void) => {
  let before = statusOf(path);
  const timer = setInterval(() => {
    const now = statusOf(path);
    if (now === undefined || isSame(before, now)) return;
    before = now;
    changed();
  }, INTERVAL_MS);
  timer.unref();
  return () => clearInterval(timer);
};
