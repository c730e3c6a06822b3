// The group as a process holds it: loaded at the start, followed while it runs.
import type { Log } from "../core/log.js";
import {
  GROUP_BYTES_MAX,
  GroupError,
  readGroupFile,
  type Group,
  type SignedGroup,
} from "./group-file.js";
import { readText } from "./read-file.js";
import type { RevocationList } from "./revocation-list.js";
import { Watched } from "./watched.js";

export {
  createGroup,
  parseGroup,
  GroupError,
  type Group,
  type GroupContent,
} from "./group-file.js";

/** How a group is opened. */
export interface GroupOptions {
  /** The only key that may have signed it (SPKI DER in base64url); without it the first file decides. */
  readonly signedBy?: string | undefined;
}

/** Loads a group.json once, with who signed it. Throws as `loadGroup` does. */
export const readSignedGroup = async (path: string): Promise<SignedGroup> => {
  const text = await readText(path, GROUP_BYTES_MAX);
  try {
    return readGroupFile(text);
  } catch (error) {
    if (!(error instanceof GroupError)) throw error;
    throw new GroupError(error.mistakes.map((mistake) => `${path}: ${mistake}`));
  }
};

/** Loads a group once. Throws GroupError listing every mistake, or FileError when the file cannot be read. */
export const loadGroup = async (path: string): Promise<Group> =>
  (await readSignedGroup(path)).group;

/**
 * Checks that one group.json may follow another: the same signing key and group id, and a higher version
 * unless the content is the same.
 *
 * @throws GroupError naming every reason why not
 */
export const checkSuccession = (current: SignedGroup, next: SignedGroup): void => {
  const [from, to] = [current.group, next.group];
  const sameContent = next.content === current.content;
  const mistakes = [
    ...(next.signedBy === current.signedBy ? [] : ["it is signed by another key than before"]),
    ...(to.id === from.id ? [] : [`it is of the group ${to.id}, not ${from.id}`]),
    ...(sameContent || to.version > from.version
      ? []
      : [`its version is ${String(to.version)}, allowed is one above ${String(from.version)}`]),
  ];
  if (mistakes.length > 0) throw new GroupError(mistakes);
};

/**
 * The group of a process. Follows its file: a new content counts when it may follow the one in use
 * (`checkSuccession`); any other leaves the group as it is, with an error in the log. What was in use
 * before a restart is not remembered: whoever can write the file and stop the process can go back to an
 * older version.
 */
export class GroupSource {
  readonly #watched: Watched<SignedGroup>;

  private constructor(watched: Watched<SignedGroup>) {
    this.#watched = watched;
  }

  /**
   * Loads the group and begins to follow its file.
   *
   * @throws GroupError listing every mistake, or FileError when the file cannot be read
   */
  static async open(path: string, log: Log, { signedBy }: GroupOptions = {}): Promise<GroupSource> {
    const watched = await Watched.open<SignedGroup>({
      paths: [path],
      read: async (current) => {
        const next = await readSignedGroup(path);
        if (signedBy !== undefined && next.signedBy !== signedBy) {
          throw new GroupError([
            `${path}: it is signed by ${next.signedBy}, allowed is ${signedBy}`,
          ]);
        }
        if (current === undefined) return next;
        checkSuccession(current, next);
        if (next.content === current.content) return current;
        log.info({ path, group: next.group.id, version: next.group.version }, "group loaded again");
        const { revocationLists } = current.group;
        return { ...next, group: { ...next.group, revocationLists } };
      },
      failed: (error) =>
        log.error({ path, err: error }, "the new group.json is refused; the group stays as it was"),
    });
    return new GroupSource(watched);
  }

  /** The group in use. */
  get current(): Group {
    return this.#watched.current.group;
  }

  /**
   * Takes revocation lists into use: from the next check on, certificates that they name count for
   * nothing. The group is replaced whole and every listener is told, so that servers end the connections
   * that they would not let in any more.
   *
   * @param lists the newest list of each issuer; replaces those before
   */
  setRevocationLists(lists: readonly RevocationList[]): void {
    this.#watched.replace((signed) => ({
      ...signed,
      group: { ...signed.group, revocationLists: lists },
    }));
  }

  /** Calls the listener with each new group. Returns the function that ends this. */
  onChange(listener: (group: Group) => void): () => void {
    return this.#watched.onChange(({ group }) => listener(group));
  }

  /** Ends the watch; no listener is called from now on. */
  close(): void {
    this.#watched.close();
  }
}
