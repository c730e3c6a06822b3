// What is left of an identity folder whose making was cut off: a folder beside its place, with a key in it.
import { readdir, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";

const SUFFIX = /^\.[0-9a-f]{12}\.tmp$/;

/** How old a leftover is that nobody works at any more, in milliseconds: an enrolment takes seconds. */
export const LEFTOVER_AGE_MS = 10 * 60_000;

/**
 * Removes what `prepareIdentity` left beside the place of an identity folder. What cannot be looked at or removed
 * stays; never rejects.
 *
 * @param path the identity folder, which need not be there
 * @param ageMs how long nothing has been put into a leftover; 0 where nobody else can be making the identity
 */
export const removeLeftovers = async (path: string, ageMs = LEFTOVER_AGE_MS): Promise<void> => {
  const dir = resolve(path);
  const name = basename(dir);
  const beside = await readdir(dirname(dir)).catch(() => []);
  const found = beside.filter(
    (entry) => entry.startsWith(name) && SUFFIX.test(entry.slice(name.length)),
  );
  for (const entry of found) {
    const leftover = join(dirname(dir), entry);
    try {
      const { mtimeMs } = await stat(leftover);
      if (Date.now() - mtimeMs >= ageMs) await rm(leftover, { recursive: true, force: true });
    } catch {
      // Not ours to remove, or gone already.
    }
  }
};
