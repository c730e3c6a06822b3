// What we have co-signed of others' logs, for txlog/tree/witness.ts.
import type { WitnessedCheckpoint, WitnessStore } from "../tree/witness.js";
import { toBuffer } from "./exchange-rows.js";
import type { LogDatabase } from "./schema.js";

/** The newest checkpoint of each log that we have co-signed, in the database. */
export class WitnessRows implements WitnessStore {
  constructor(
    private readonly db: LogDatabase,
    private readonly groupId: string,
  ) {}

  async get(origin: string): Promise<WitnessedCheckpoint | undefined> {
    const row = await this.db
      .selectFrom("txlog_witness")
      .selectAll()
      .where("group_id", "=", this.groupId)
      .where("origin", "=", origin)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const { size, note } = row;
    return { origin, size, note, root: toBuffer(row.root) ?? Buffer.alloc(0) };
  }

  async put(origin: string, oldSize: number, checkpoint: WitnessedCheckpoint): Promise<boolean> {
    const { size, root, note } = checkpoint;
    const { groupId } = this;
    return this.db.transaction().execute(async (tx) => {
      const { numUpdatedRows } = await tx
        .updateTable("txlog_witness")
        .set({ size, root, note })
        .where("group_id", "=", groupId)
        .where("origin", "=", origin)
        .where("size", "=", oldSize)
        .executeTakeFirstOrThrow();
      if (numUpdatedRows === 1n) return true;
      if (oldSize !== 0) return false;
      const { numInsertedOrUpdatedRows } = await tx
        .insertInto("txlog_witness")
        .values({ group_id: groupId, origin, size, root, note })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirstOrThrow();
      return numInsertedOrUpdatedRows === 1n;
    });
  }
}
