// A job that one process does at a time: a row in the database with a fencing token.
import type { Kysely } from "kysely";
import type { Clock } from "./clock.js";

/** A row of a room's table of leases, whose key is group and name. */
export interface LeaseRow {
  readonly group_id: string;
  readonly name: string;
  readonly holder: string;
  /** The fencing token: rises with each new holder. */
  readonly token: number;
  readonly expires_ms: number;
}

// Whatever the room calls its table: the statements take the name from the options.
type LeaseDatabase = Kysely<{ readonly lease: LeaseRow }>;

/** A lease, as one process sees it. */
export interface LeaseOptions<Schema> {
  readonly db: Kysely<Schema>;
  /** The room's table, of LeaseRow. */
  readonly table: keyof Schema & string;
  readonly groupId: string;
  /** Which job. */
  readonly name: string;
  /** Who wants it: another name each time a process starts. */
  readonly holder: string;
  readonly clock: Clock;
  readonly durationMs: number;
}

/** What came of asking for a lease. */
export type Held =
  | { readonly token: number }
  /** Another process has it, until this moment in milliseconds since 1970 unless it asks again. */
  | { readonly token: undefined; readonly until: number };

/** Another process has the job now. */
export class LeaseLost extends Error {
  constructor() {
    super("another process has taken over");
    this.name = "LeaseLost";
  }
}

/**
 * A lease on a job. It runs out when its holder does not ask for it again; whoever takes it then gets a
 * higher token. What a holder writes it writes after `require` in the same transaction, or on the condition
 * that its token is still the lease's, so that one who was late changes nothing.
 */
export class Lease<Schema> {
  readonly #table: "lease";

  constructor(private readonly options: LeaseOptions<Schema>) {
    const table: string = options.table;
    this.#table = table as "lease";
  }

  /** Takes the lease or keeps it. */
  hold(): Promise<Held> {
    const { db, groupId, name, holder, clock, durationMs } = this.options;
    const table = this.#table;
    const now = clock.now();
    return leasesIn(db)
      .transaction()
      .execute(async (tx): Promise<Held> => {
        // A write comes first, so that two processes never read the same row before either writes.
        await tx
          .insertInto(table)
          .values({ group_id: groupId, name, holder, token: 1, expires_ms: now + durationMs })
          .onConflict((conflict) => conflict.doNothing())
          .execute();
        const row = await tx
          .selectFrom(table)
          .selectAll()
          .where("group_id", "=", groupId)
          .where("name", "=", name)
          .executeTakeFirstOrThrow();
        // A lease that ends later than any can was taken before the clock was set back.
        const runs = row.expires_ms > now && row.expires_ms <= now + durationMs;
        if (row.holder !== holder && runs) return { token: undefined, until: row.expires_ms };
        const token = row.holder === holder ? row.token : row.token + 1;
        await tx
          .updateTable(table)
          .set({ holder, token, expires_ms: now + durationMs })
          .where("group_id", "=", groupId)
          .where("name", "=", name)
          .execute();
        return { token };
      });
  }

  /** Keeps the lease from others until the transaction's end. @throws LeaseLost when the token is no longer the lease's */
  async require(tx: Kysely<Schema>, token: number): Promise<void> {
    const { groupId, name } = this.options;
    const { numUpdatedRows } = await leasesIn(tx)
      .updateTable(this.#table)
      .set({ token })
      .where("group_id", "=", groupId)
      .where("name", "=", name)
      .where("token", "=", token)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows !== 1n) throw new LeaseLost();
  }

  /** Lets another process have it at once. */
  async release(): Promise<void> {
    const { db, groupId, name, holder } = this.options;
    await leasesIn(db)
      .updateTable(this.#table)
      .set({ expires_ms: 0 })
      .where("group_id", "=", groupId)
      .where("name", "=", name)
      .where("holder", "=", holder)
      .execute();
  }
}

// Kysely's types do not see that a database with more tables is one with fewer.
const leasesIn = <Schema>(db: Kysely<Schema>): LeaseDatabase => db as unknown as LeaseDatabase;
