// Stores of a transaction log in real files, for tests.
import { join } from "node:path";
import type { Kysely } from "kysely";
import { openDatabase } from "../../core/database.js";
import { LogStore, type LogStoreOptions } from "../../txlog/store/log-store.js";
import type { LogSchema } from "../../txlog/store/schema.js";
import { recordedLog } from "./recorded-log.js";
import { temporaryFolder } from "./temporary.js";
import { GROUP } from "./transaction-log.js";

/** The peer whose log it is. */
export const OWN_PEER = "00000000000000000001";

/** A store that is open, and what a test wants to reach of it. */
export interface OpenStore {
  readonly store: LogStore;
  readonly db: Kysely<LogSchema>;
  readonly folder: string;
  readonly lines: readonly string[];
  close(): Promise<void>;
}

/** Opens a store in a folder, a new one unless given. Whoever opens it closes it. */
export const openStore = async (
  folder = temporaryFolder(),
  options: Partial<LogStoreOptions> = {},
): Promise<OpenStore> => {
  const { log, lines } = recordedLog();
  const db = openDatabase<LogSchema>(join(folder, "log.db"), { secureDelete: true });
  const store = await LogStore.open({ db, groupId: GROUP, peerId: OWN_PEER, log, ...options });
  return { store, db, folder, lines, close: () => db.destroy() };
};
