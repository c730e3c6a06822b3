// What came of dealings with other organisations: reconciliations and proven receipts.
import { SchakelError } from "../../core/errors.js";
import type { TransactionId } from "../../core/names.js";
import { toBuffer } from "./exchange-rows.js";
import type { Page, ProvenReceipt, StoredReconciliation } from "./read-side.js";
import type { Tables } from "./tables.js";

const NUMBER = /^[1-9][0-9]{0,14}$/;

/** Keeps the result of a reconciliation. */
export const putReconciliation = async (
  { db, groupId }: Tables,
  { peerId, fromMs, toMs, madeAtMs, result }: StoredReconciliation,
): Promise<void> => {
  await db.transaction().execute(async (tx) => {
    // A write comes first, so that no other transaction gives the same number.
    await tx
      .updateTable("txlog_log")
      .set((eb) => ({ next_index: eb.ref("next_index") }))
      .where("group_id", "=", groupId)
      .execute();
    const last = await tx
      .selectFrom("txlog_reconciliation")
      .select(({ fn }) => fn.max("number").as("number"))
      .where("group_id", "=", groupId)
      .executeTakeFirst();
    await tx
      .insertInto("txlog_reconciliation")
      .values({
        ...{ group_id: groupId, number: (last?.number ?? 0) + 1, peer_id: peerId },
        ...{ from_ms: fromMs, to_ms: toMs, made_at_ms: madeAtMs, result },
      })
      .execute();
  });
};

/** Reconciliations, newest first. @throws SchakelError ERROR_CODE_REQUEST_INVALID for a token that is none */
export const reconciliations = async (
  { db, groupId }: Tables,
  peerId: string | undefined,
  { limit, token }: Page,
): Promise<{
  readonly results: readonly StoredReconciliation[];
  readonly nextToken: string | undefined;
}> => {
  if (token !== undefined && !NUMBER.test(token)) {
    throw new SchakelError("ERROR_CODE_REQUEST_INVALID", {
      detail: "the page token is not the next one of an answer",
    });
  }
  let query = db.selectFrom("txlog_reconciliation").selectAll().where("group_id", "=", groupId);
  if (peerId !== undefined) query = query.where("peer_id", "=", peerId);
  if (token !== undefined) query = query.where("number", "<", Number(token));
  const rows = await query
    .orderBy("number", "desc")
    .limit(limit + 1)
    .execute();
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  return {
    results: shown.map((row) => ({
      ...{ peerId: row.peer_id, fromMs: row.from_ms, toMs: row.to_ms },
      ...{ madeAtMs: row.made_at_ms, result: row.result },
    })),
    nextToken: last === undefined ? undefined : String(last.number),
  };
};

/** Keeps receipts that were proven; one that is there already stays. */
export const putReceipts = async (
  { db, groupId }: Tables,
  receipts: readonly ProvenReceipt[],
): Promise<void> => {
  await db.transaction().execute(async (tx) => {
    for (const { transactionId, peerId, leafHash, proof, provenAtMs } of receipts) {
      await tx
        .insertInto("txlog_receipt")
        .values({
          ...{ group_id: groupId, transaction_id: transactionId, leaf_hash: leafHash },
          ...{ peer_id: peerId, proof, proven_at_ms: provenAtMs },
        })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    }
  });
};

/** The proven receipts of a transaction. */
export const receipts = async (
  { db, groupId }: Tables,
  transactionId: TransactionId,
): Promise<readonly ProvenReceipt[]> => {
  const rows = await db
    .selectFrom("txlog_receipt")
    .selectAll()
    .where("group_id", "=", groupId)
    .where("transaction_id", "=", transactionId)
    .orderBy("leaf_hash")
    .execute();
  return rows.map((row) => ({
    ...{ transactionId, peerId: row.peer_id, proof: row.proof, provenAtMs: row.proven_at_ms },
    leafHash: toBuffer(row.leaf_hash) ?? Buffer.alloc(0),
  }));
};
