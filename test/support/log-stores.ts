// Stores of a transaction log in real files, for tests.
import { join } from "node:path";
import { systemClock } from "../../core/clock.js";
import { openDatabase } from "../../core/database.js";
import { Lifecycle } from "../../core/lifecycle.js";
import { LogStore, type LogStoreOptions } from "../../txlog/store/log-store.js";
import type { LogDatabase, LogSchema } from "../../txlog/store/schema.js";
import { recordedLog } from "./recorded-log.js";
import { temporaryFolder } from "./temporary.js";
import { GROUP } from "./transaction-log.js";

/** The peer whose log it is. */
export const OWN_PEER = "00000000000000000001";

/** A store that is open, and what a test wants to reach of it. */
export interface OpenStore {
  readonly store: LogStore;
  readonly db: LogDatabase;
  readonly folder: string;
  readonly lines: readonly string[];
  /** Ends what `start` began, and the database. */
  close(): Promise<void>;
  /** Begins to seal by itself. */
  start(): void;
}

/** What a test may want to be otherwise. */
export type StoreOptions = Partial<LogStoreOptions>;

/** Opens a store in a folder, a new one unless given, and in a database, that of the folder unless given. Whoever opens it closes it. */
export const openStore = async (
  folder: string = temporaryFolder(),
  options: StoreOptions = {},
  database?: LogDatabase,
): Promise<OpenStore> => {
  const { log, lines } = recordedLog();
  const lifecycle = new Lifecycle(log);
  const db = database ?? openDatabase<LogSchema>(join(folder, "log.db"), { secureDelete: true });
  lifecycle.onStop("database", () => db.destroy());
  const store = await LogStore.open({
    ...{ db, folder, groupId: GROUP, peerId: OWN_PEER, clock: systemClock, log },
    sign: (statement) => Promise.resolve(JSON.stringify(statement)),
    ...options,
  });
  return {
    ...{ store, db, folder, lines },
    start: () => store.start(lifecycle),
    close: async () => {
      if (!lifecycle.signal.aborted) await store.sealer.stop();
      await lifecycle.stop();
    },
  };
};
