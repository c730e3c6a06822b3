// Where a manager's tables lie: in files of its data folder, or on the PostgreSQL server that the settings name.
import type { Kysely } from "kysely";
import type { Log } from "../core/log.js";
import { openPostgres, type PostgresPlace } from "../core/postgres.js";
import type { ManagerSettings } from "./settings.js";

/** The settings that say where. */
export type PlaceSettings = Pick<ManagerSettings, "database" | "databasePasswordFile">;

/** The server's database that the settings name; undefined when they name none. */
export const placeOf = ({
  database,
  databasePasswordFile,
}: PlaceSettings): PostgresPlace | undefined =>
  database === undefined ? undefined : { url: database, passwordFile: databasePasswordFile };

/**
 * Opens the server's database, or the file when there is none. The caller ends it.
 *
 * @throws DatabaseError when it cannot be used
 */
export const openPlace = async <Schema>(
  settings: PlaceSettings,
  log: Log,
  openFile: () => Kysely<Schema>,
): Promise<Kysely<Schema>> => {
  const place = placeOf(settings);
  if (place === undefined) return openFile();
  return await openPostgres<Schema>(place, ({ message }) => {
    log.warn({ message }, "a connection to the database broke");
  });
};
