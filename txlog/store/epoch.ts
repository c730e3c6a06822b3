// A log that was restored from an older copy goes on in a new epoch: a tree of its own, whose first record names the
// last checkpoint that a witness has seen.
import { randomUUID } from "node:crypto";
import type { Clock } from "../../core/clock.js";
import { SchakelError } from "../../core/errors.js";
import { EMPTY_ROOT } from "../tree/merkle.js";
import { encodeLeaf, KINDS, leafHash } from "../leaf.js";
import type { Sealer } from "./sealer.js";
import type { LogDatabase, LogRow } from "./schema.js";
import type { Tables } from "./tables.js";
import { checkpointRow, sealedSize, withCosignatures } from "./tree-rows.js";

/** Whose records those of the store itself are. */
const OWN_COMPONENT = "manager/log";
const REASON_MAX = 1000;

/** What beginning an epoch stands on. */
export interface EpochParts {
  readonly tables: Tables;
  readonly sealer: Sealer;
  readonly clock: Clock;
}

/** What began. */
export interface BegunEpoch {
  readonly epoch: number;
  /** Empty when none was ever witnessed. */
  readonly namedCheckpoint: string;
}

interface OwnWriter {
  readonly writer: number;
  readonly writer_id: string;
  readonly next_sequence: number;
}

/** The writer of the store's own records. */
const ownWriter = async (tx: LogDatabase, log: LogRow): Promise<OwnWriter> => {
  const known = await tx
    .selectFrom("txlog_writer")
    .select(["writer", "writer_id", "next_sequence"])
    .where("group_id", "=", log.group_id)
    .where("component", "=", OWN_COMPONENT)
    // A copy may have lost records of the writer before, so each epoch has one of its own.
    .where("next_sequence", "=", 1)
    .executeTakeFirst();
  if (known !== undefined) return known;
  const own = { writer: log.next_writer, writer_id: randomUUID(), next_sequence: 1 };
  await tx
    .insertInto("txlog_writer")
    .values({
      ...{ ...own, group_id: log.group_id, component: OWN_COMPONENT, epoch: log.epoch },
      ...{ segment: 0, segment_from: 1, new_segment: 0 },
    })
    .execute();
  await tx
    .updateTable("txlog_log")
    .set({ next_writer: log.next_writer + 1 })
    .where("group_id", "=", log.group_id)
    .execute();
  return own;
};

/** Moves what is not sealed to the new epoch, behind its first record. Gives how many records that are. */
const moveUnsealed = async (tx: LogDatabase, log: LogRow, epoch: number): Promise<number> => {
  const { group_id: groupId } = log;
  const size = await sealedSize(tx, { groupId, epoch: log.epoch });
  const moved = tx
    .selectFrom("txlog_record")
    .select("writer")
    .distinct()
    .where("group_id", "=", groupId)
    .where("epoch", "=", log.epoch)
    .where("tree_index", ">=", size);
  // They follow on what the copy had, so no gap is to be allowed to their writers.
  await tx
    .updateTable("txlog_writer")
    .set({ epoch })
    .where("group_id", "=", groupId)
    .where("writer", "in", moved)
    .execute();
  const { numUpdatedRows } = await tx
    .updateTable("txlog_record")
    .set((eb) => ({ epoch, tree_index: eb("tree_index", "-", size - 1) }))
    .where("group_id", "=", groupId)
    .where("epoch", "=", log.epoch)
    .where("tree_index", ">=", size)
    .executeTakeFirstOrThrow();
  return Number(numUpdatedRows);
};

const putEpochRecord = async (
  tx: LogDatabase,
  log: LogRow,
  record: {
    readonly epoch: number;
    readonly checkpoint: string;
    readonly reason: string;
    readonly nowMs: number;
  },
): Promise<void> => {
  const { epoch, checkpoint, reason, nowMs } = record;
  const { writer, writer_id } = await ownWriter(tx, log);
  const createdAtUs = Math.round(nowMs * 1000);
  const leaf = encodeLeaf({
    ...{ kind: "epoch", groupId: log.group_id, writerId: writer_id, sequence: 1n },
    ...{ createdAtUs, epoch, checkpoint, reason },
  });
  await tx
    .insertInto("txlog_record")
    .values({
      ...{ group_id: log.group_id, writer, sequence: 1, kind: KINDS.indexOf("epoch") + 1 },
      ...{ leaf, leaf_hash: leafHash(leaf), sealed: null, created_at_us: createdAtUs },
      ...{ epoch, tree_index: 0 },
    })
    .execute();
  await tx
    .updateTable("txlog_writer")
    .set({ next_sequence: 2, epoch })
    .where("group_id", "=", log.group_id)
    .where("writer", "=", writer)
    .execute();
};

/** The newest checkpoint that a witness is known to have seen: as the file has it, or the database. */
const lastWitnessed = async ({ tables, sealer }: EpochParts, log: LogRow): Promise<string> => {
  const { db, groupId } = tables;
  for (let epoch = log.epoch; epoch >= 1; epoch--) {
    const row = await checkpointRow(db, { groupId, epoch }, { witnessed: true });
    const { witnessed = "", witnessedSize = 0, epoch: headEpoch = 0 } = sealer.head ?? {};
    const isNewer = headEpoch > epoch || witnessedSize >= (row?.size ?? 0);
    if (witnessed !== "" && isNewer) return witnessed;
    if (row !== undefined) return (await withCosignatures(db, row)).note;
  }
  return sealer.head?.witnessed ?? "";
};

/**
 * Begins a new epoch on a database that was rolled back.
 *
 * @throws SchakelError ERROR_CODE_REQUEST_INVALID when the database is in order, or the reason is empty or too long
 */
export const beginEpoch = (parts: EpochParts, reason: string): Promise<BegunEpoch> =>
  parts.sealer.pausing(async () => {
    const { tables, sealer, clock } = parts;
    const { db, groupId } = tables;
    await sealer.judge();
    if (!sealer.isRolledBack) {
      throw invalid("the log is in order; a new epoch is for one that was restored from a backup");
    }
    if (reason.trim() === "" || reason.length > REASON_MAX) {
      throw invalid(`the reason has ${reason.length} characters, allowed are 1 to ${REASON_MAX}`);
    }
    const begun = await db.transaction().execute(async (tx) => {
      const log = await tx
        .updateTable("txlog_log")
        .set((eb) => ({ next_index: eb.ref("next_index") }))
        .where("group_id", "=", groupId)
        .returningAll()
        .executeTakeFirstOrThrow();
      const epoch = Math.max(log.epoch, sealer.head?.epoch ?? 0) + 1;
      const checkpoint = await lastWitnessed({ ...parts, tables: { ...tables, db: tx } }, log);
      const moved = await moveUnsealed(tx, log, epoch);
      const nowMs = clock.now();
      await putEpochRecord(tx, log, { epoch, checkpoint, reason, nowMs });
      await tx
        .insertInto("txlog_epoch")
        .values({
          ...{ group_id: groupId, epoch, began_at_ms: nowMs, reason },
          named_checkpoint: checkpoint,
        })
        .execute();
      await tx
        .updateTable("txlog_log")
        .set({ epoch, next_index: moved + 1 })
        .where("group_id", "=", groupId)
        .execute();
      return { epoch, namedCheckpoint: checkpoint };
    });
    const { witnessed = "", witnessedSize = 0 } = sealer.head ?? {};
    const head = { epoch: begun.epoch, size: 0, root: EMPTY_ROOT, witnessed, witnessedSize };
    await sealer.rejudge(head);
    return begun;
  });

const invalid = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_REQUEST_INVALID", { detail });
