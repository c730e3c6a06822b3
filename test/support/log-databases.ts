// The databases that the store of a transaction log may lie in, for tests that must hold in each of them.
import { openPostgres } from "../../core/postgres.js";
import type { LogSchema } from "../../txlog/store/schema.js";
import { openStore, type OpenStore, type StoreOptions } from "./log-stores.js";
import { hasPostgres, NO_POSTGRES, PostgresServer } from "./postgres.js";
import { skip } from "./skip.js";

/** Opens a new store, in a new database. */
export type OpenNewStore = (options?: StoreOptions) => Promise<OpenStore>;

/**
 * Describes the same tests for each database.
 *
 * @param tests the tests; whether files are to be looked into says its second argument: those of a server are its own
 */
export const onEachDatabase = (tests: (open: OpenNewStore, hasFiles: boolean) => void): void => {
  describe("in SQLite", () => {
    tests((options) => openStore(undefined, options), true);
  });
  describe("in PostgreSQL", function () {
    this.timeout(90_000);
    let server: PostgresServer | undefined;
    before(async function () {
      if (!hasPostgres()) skip(this, NO_POSTGRES);
      server = await PostgresServer.start();
    });
    after(() => server?.remove());
    tests(async (options) => {
      if (server === undefined) throw new Error("the server does not run");
      const db = await openPostgres<LogSchema>(await server.database());
      return openStore(undefined, options, db);
    }, false);
  });
};
