// Sealing is done by one process at a time: a row in the database with a fencing token.
import type { Clock } from "../../core/clock.js";
import type { LogDatabase } from "./schema.js";

/** A lease, as one process sees it. */
export interface LeaseOptions {
  readonly db: LogDatabase;
  readonly groupId: string;
  /** Which job. */
  readonly name: string;
  /** Who wants it: another name each time a store is opened. */
  readonly holder: string;
  readonly clock: Clock;
  readonly durationMs: number;
}

/**
 * A lease on a job. It runs out when its holder does not ask for it again; whoever takes it then gets a
 * higher token. What a holder writes it writes after `require` in the same transaction, so that one who was late
 * changes nothing.
 */
export class Lease {
  constructor(private readonly options: LeaseOptions) {}

  /** Takes the lease or keeps it. Gives the token; undefined while another has it. */
  hold(): Promise<number | undefined> {
    const { db, groupId, name, holder, clock, durationMs } = this.options;
    const now = clock.now();
    return db.transaction().execute(async (tx) => {
      // A write comes first, so that two processes never read the same row before either writes.
      await tx
        .insertInto("txlog_lease")
        .values({ group_id: groupId, name, holder, token: 1, expires_ms: now + durationMs })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      const row = await tx
        .selectFrom("txlog_lease")
        .selectAll()
        .where("group_id", "=", groupId)
        .where("name", "=", name)
        .executeTakeFirstOrThrow();
      // A lease that ends later than any can was taken before the clock was set back.
      const runs = row.expires_ms > now && row.expires_ms <= now + durationMs;
      if (row.holder !== holder && runs) return undefined;
      const token = row.holder === holder ? row.token : row.token + 1;
      await tx
        .updateTable("txlog_lease")
        .set({ holder, token, expires_ms: now + durationMs })
        .where("group_id", "=", groupId)
        .where("name", "=", name)
        .execute();
      return token;
    });
  }

  /** Keeps the lease from others until the transaction's end. @throws LeaseLost when the token is no longer the lease's */
  async require(tx: LogDatabase, token: number): Promise<void> {
    const { groupId, name } = this.options;
    const { numUpdatedRows } = await tx
      .updateTable("txlog_lease")
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
    await db
      .updateTable("txlog_lease")
      .set({ expires_ms: 0 })
      .where("group_id", "=", groupId)
      .where("name", "=", name)
      .where("holder", "=", holder)
      .execute();
  }
}

/** Another process has the job now. */
export class LeaseLost extends Error {
  constructor() {
    super("another process has taken over");
    this.name = "LeaseLost";
  }
}
