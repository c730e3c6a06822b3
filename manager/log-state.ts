// The manager's store of the transaction log: its own database beside manager.db.
import { join } from "node:path";
import type { Bundle } from "../certs/bundle.js";
import type { JwsSigner } from "../contracts/jws.js";
import { openDatabase } from "../core/database.js";
import { signKeyStatement } from "../txlog/tree/key-statement.js";
import { LogStore, type Witnesses } from "../txlog/store/log-store.js";
import type { LogSchema } from "../txlog/store/schema.js";
import { openPlace } from "./database-place.js";
import type { ManagerSettings } from "./settings.js";
import type { Sources, Surroundings } from "./state.js";

const signerOf = ({ key, chain }: Bundle): JwsSigner => {
  const [certificate] = chain;
  if (certificate === undefined) throw new Error("a bundle has a certificate");
  return { key, certificate };
};

/**
 * Opens the store in the data folder, which is there; its owner starts it. The life cycle ends its database.
 *
 * @param witnesses who co-signs our checkpoints now
 */
export const openLogStore = async (
  settings: ManagerSettings,
  { groups, bundles, own }: Sources,
  { log, lifecycle, clock }: Surroundings,
  witnesses: Witnesses,
): Promise<LogStore> => {
  const { data } = settings;
  const db = await openPlace(settings, log, () =>
    openDatabase<LogSchema>(join(data, "log.db"), { secureDelete: true }),
  );
  lifecycle.onStop("log's database", () => db.destroy());
  return LogStore.open({
    ...{ db, folder: data, groupId: groups.current.id, peerId: own, clock, log },
    sign: (statement) => signKeyStatement(statement, signerOf(bundles.current)),
    witnesses,
  });
};
