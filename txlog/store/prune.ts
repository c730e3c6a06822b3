// Removing the leaves of old records, a whole bundle of 256 at a time. Their hashes stay, so the tree can still be
// proven and verified from there on; what is personal in them goes with them.
import { scrub } from "../../core/database.js";
import { breath } from "./breath.js";
import { eraseRecords } from "./erase.js";
import type { Pruned } from "./read-side.js";
import type { Tables } from "./tables.js";
import { currentEpoch, sealedSize } from "./tree-rows.js";

const BUNDLE = 256;
/** How many records are looked at or changed at once: whole bundles. */
const PAGE = 16 * BUNDLE;

/** The first record of an epoch, of those that the caller asks for. */
const firstOf = ({ db, groupId }: Tables, epoch: number) =>
  db
    .selectFrom("txlog_record")
    .select("tree_index")
    .where("group_id", "=", groupId)
    .where("epoch", "=", epoch)
    .orderBy("tree_index")
    .limit(1);

/** The first index of an epoch whose leaf is there. */
const firstKept = async (tables: Tables, epoch: number): Promise<number> => {
  const row = await firstOf(tables, epoch).where("leaf", "is not", null).executeTakeFirst();
  return row?.tree_index ?? (await sealedSize(tables.db, { groupId: tables.groupId, epoch }));
};

/** The end of the whole bundles from `from` on in which every record is older. */
const oldUntil = async (
  tables: Tables,
  epoch: number,
  { from, beforeUs }: { readonly from: number; readonly beforeUs: number },
): Promise<number> => {
  const size = await sealedSize(tables.db, { groupId: tables.groupId, epoch });
  for (let at = from; at < size; at += PAGE) {
    const newer = await firstOf(tables, epoch)
      .where("tree_index", ">=", at)
      .where("tree_index", "<", at + PAGE)
      .where("created_at_us", ">=", beforeUs)
      .executeTakeFirst();
    if (newer !== undefined) return newer.tree_index - (newer.tree_index % BUNDLE);
    await breath();
  }
  return size - (size % BUNDLE);
};

const prunePage = (
  { db, groupId }: Tables,
  epoch: number,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<void> =>
  db.transaction().execute(async (tx) => {
    const records = await tx
      .selectFrom("txlog_record")
      .select(["writer", "sequence"])
      .where("group_id", "=", groupId)
      .where("epoch", "=", epoch)
      .where("tree_index", ">=", from)
      .where("tree_index", "<", to)
      .where("sealed", "is not", null)
      .execute();
    await eraseRecords(tx, groupId, records);
    await tx
      .updateTable("txlog_record")
      .set({ leaf: null })
      .where("group_id", "=", groupId)
      .where("epoch", "=", epoch)
      .where("tree_index", ">=", from)
      .where("tree_index", "<", to)
      .execute();
  });

/** Prunes every epoch. Gives how many entries, and where the newest epoch then begins. */
export const prune = async (tables: Tables, beforeUs: number, dryRun = false): Promise<Pruned> => {
  const newest = await currentEpoch(tables.db, tables.groupId);
  let entries = 0;
  let first = 0;
  for (let epoch = 1; epoch <= newest; epoch++) {
    const from = await firstKept(tables, epoch);
    const to = await oldUntil(tables, epoch, { from, beforeUs });
    first = Math.max(from, to);
    if (to <= from) continue;
    entries += to - from;
    if (dryRun) continue;
    for (let at = from; at < to; at += PAGE) {
      await prunePage(tables, epoch, { from: at, to: Math.min(at + PAGE, to) });
      await breath();
    }
  }
  if (!dryRun && entries > 0) await scrub(tables.db);
  return { entries, firstKept: first };
};
