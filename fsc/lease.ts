// A job that one process does at a time: a row in the database with a fencing token.
import type { Clock } from "../core/clock.js";
import type { FscDatabase } from "./schema.js";

/** A lease, as one process sees it. */
export interface LeaseOptions {
  readonly db: FscDatabase;
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

/**
 * A lease on a job. It runs out when its holder does not ask for it again; whoever takes it then gets a
 * higher token. What a holder writes it writes on the condition that its token is still the lease's, so
 * that one who was late changes nothing.
 */
export class Lease {
  constructor(private readonly options: LeaseOptions) {}

  /** Takes the lease or keeps it. */
  hold(): Promise<Held> {
    const { db, groupId, name, holder, clock, durationMs } = this.options;
    const now = clock.now();
    return db.transaction().execute(async (tx) => {
      // A write comes first, so that two processes never read the same row before either writes.
      await tx
        .insertInto("fsc_lease")
        .values({ group_id: groupId, name, holder, token: 1, expires_ms: now + durationMs })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      const row = await tx
        .selectFrom("fsc_lease")
        .selectAll()
        .where("group_id", "=", groupId)
        .where("name", "=", name)
        .executeTakeFirstOrThrow();
      // A lease that ends later than any can was taken before the clock was set back.
      const runs = row.expires_ms > now && row.expires_ms <= now + durationMs;
      if (row.holder !== holder && runs) return { token: undefined, until: row.expires_ms };
      const token = row.holder === holder ? row.token : row.token + 1;
      await tx
        .updateTable("fsc_lease")
        .set({ holder, token, expires_ms: now + durationMs })
        .where("group_id", "=", groupId)
        .where("name", "=", name)
        .execute();
      return { token };
    });
  }

  /** Lets another process have it at once. */
  async release(): Promise<void> {
    const { db, groupId, name, holder } = this.options;
    await db
      .updateTable("fsc_lease")
      .set({ expires_ms: 0 })
      .where("group_id", "=", groupId)
      .where("name", "=", name)
      .where("holder", "=", holder)
      .execute();
  }
}
