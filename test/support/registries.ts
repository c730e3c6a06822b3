// Registries of a directory on real stores, opened and opened again as a process does that starts.
import { join } from "node:path";
import { Registry, type RegistryParts } from "../../directory/registry.js";
import { openDatabase } from "../../core/database.js";
import {
  openDirectoryStore,
  type DirectorySchema,
  type DirectoryStore,
} from "../../directory/store.js";
import { surroundings, type Surroundings } from "./component.js";
import { PUBLISHED, type Members } from "./members.js";
import { MovedClock } from "./moved-clock.js";
import { temporaryFolder } from "./temporary.js";

/** How long a lease is here, in milliseconds. */
export const LEASE_MS = 30_000;

/** A store on a file of its own. */
export interface OpenedStore extends DirectoryStore {
  close(): Promise<void>;
}

/** Opens the store of a file. Whoever opens it closes it. */
export const openStore = async (file: string, groupId: string): Promise<OpenedStore> => {
  const db = openDatabase<DirectorySchema>(file);
  try {
    const store = await openDirectoryStore(db, groupId);
    return { ...store, close: () => db.destroy() };
  } catch (error) {
    await db.destroy();
    throw error;
  }
};

/** One directory's registry with what it stands on. */
export interface Opened {
  readonly registry: Registry;
  readonly store: OpenedStore;
  readonly clock: MovedClock;
  readonly around: Surroundings;
  /** Ends it and opens another one on the same file, as after a restart. */
  readonly again: (changes?: Partial<RegistryParts>) => Promise<Opened>;
  readonly close: () => Promise<void>;
}

/** Opens a registry on a new, empty store. Whoever opens it closes it. */
export const openRegistry = async (
  members: Members,
  changes: Partial<RegistryParts> = {},
  file = join(temporaryFolder(), "directory.db"),
): Promise<Opened> => {
  const around = await surroundings(members.test.groupFile, members.peers.directory.files);
  const store = await openStore(file, around.groups.current.id);
  const clock = new MovedClock();
  const { groups, log, lifecycle } = around;
  const registry = await Registry.open({
    ...{ groups, store, clock, log, leaseMs: LEASE_MS, anyPort: false },
    ...{ componentsPerPeerMax: 100, componentsMax: 1000, published: () => PUBLISHED },
    ...changes,
  });
  const close = async (): Promise<void> => {
    await registry.settled();
    await lifecycle.stop();
    await store.close();
  };
  const again = async (more: Partial<RegistryParts> = {}): Promise<Opened> => {
    await close();
    return openRegistry(members, { ...changes, ...more }, file);
  };
  return { registry, store, clock, around, again, close };
};
