// The manager's store of the transaction log: its own database beside manager.db.
import { join } from "node:path";
import { openDatabase } from "../core/database.js";
import { LogStore } from "../txlog/store/log-store.js";
import type { LogSchema } from "../txlog/store/schema.js";
import type { ManagerSettings } from "./settings.js";
import type { Sources, Surroundings } from "./state.js";

/** Opens the store in the data folder, which is there. The life cycle ends it. */
export const openLogStore = async (
  { data }: ManagerSettings,
  { groups, own }: Sources,
  { log, lifecycle }: Surroundings,
): Promise<LogStore> => {
  const db = openDatabase<LogSchema>(join(data, "log.db"), { secureDelete: true });
  lifecycle.onStop("log's database", () => db.destroy());
  return LogStore.open({ db, groupId: groups.current.id, peerId: own, log });
};
