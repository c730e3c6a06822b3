// The store of an organisation's transaction log, which its manager alone opens.
import { randomBytes } from "node:crypto";
import type { Log } from "../../core/log.js";
import { Ingest } from "./ingest.js";
import { toBuffer } from "./exchange-rows.js";
import { migrateLog } from "./migrations.js";
import type { LogDatabase } from "./schema.js";

const SEARCH_KEY_BYTES = 32;

/** What the store stands on. */
export interface LogStoreOptions {
  /** Opened with secure delete; whoever opened it ends it. */
  readonly db: LogDatabase;
  readonly groupId: string;
  /** Our own peer. */
  readonly peerId: string;
  readonly log: Log;
}

/** Makes the row of the log when there is none. Gives the key under which data subjects are found. */
const openRow = async (db: LogDatabase, groupId: string): Promise<Buffer> => {
  await db
    .insertInto("txlog_log")
    .values({
      ...{ group_id: groupId, epoch: 1, next_index: 0, next_writer: 1 },
      search_key: randomBytes(SEARCH_KEY_BYTES),
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const row = await db
    .selectFrom("txlog_log")
    .select("search_key")
    .where("group_id", "=", groupId)
    .executeTakeFirstOrThrow();
  return toBuffer(row.search_key) ?? Buffer.alloc(0);
};

/** The store. */
export class LogStore {
  private constructor(
    /** Takes the records of writers in. */
    readonly ingest: Ingest,
  ) {}

  /** Opens the store: brings its tables up to date. */
  static async open(options: LogStoreOptions): Promise<LogStore> {
    const { db, groupId, peerId, log } = options;
    await migrateLog(db);
    const searchKey = await openRow(db, groupId);
    const ingest = new Ingest({ db, groupId, peerId, log, arrived: () => undefined }, searchKey);
    return new LogStore(ingest);
  }
}
