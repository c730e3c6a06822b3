// What we share with one other peer, for comparing the two logs and proving receipts.
import type { TransactionId } from "../../core/names.js";
import { breath } from "./breath.js";
import { toBuffer } from "./exchange-rows.js";
import type { MillisecondRange, SharedExchangeItem, UnprovenReceipt } from "./read-side.js";
import type { Tables } from "./tables.js";

const PAGE = 2_000;
const TIME_MAX = 2 ** 48 - 1;

/** The beginning that every transaction id made at this moment or later has, or comes after. */
const idFrom = (ms: number): string => {
  const time = Math.max(0, Math.min(TIME_MAX, Math.ceil(ms)));
  const hex = time.toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}`;
};

interface SharedPlace {
  readonly id: string;
  readonly writer: number;
  readonly sequence: number;
}

const pageOf = (
  { db, groupId }: Tables,
  peerId: string,
  { toMs }: MillisecondRange,
  after: SharedPlace,
) =>
  db
    .selectFrom("txlog_exchange")
    .select(["transaction_id", "service", "item_digest", "writer", "sequence"])
    .where("group_id", "=", groupId)
    .where("other_peer", "=", peerId)
    .where("transaction_id", ">=", after.id)
    .where("transaction_id", "<", idFrom(toMs))
    .where((eb) =>
      eb.or([
        eb("transaction_id", ">", after.id),
        eb("writer", ">", after.writer),
        eb.and([eb("writer", "=", after.writer), eb("sequence", ">", after.sequence)]),
      ]),
    )
    .orderBy("transaction_id")
    .orderBy("writer")
    .orderBy("sequence")
    .limit(PAGE)
    .execute();

/** Reads what we share with a peer in a time, by rising transaction id, page by page. */
export async function* sharedWith(
  tables: Tables,
  peerId: string,
  range: MillisecondRange,
  service?: string,
): AsyncGenerator<readonly SharedExchangeItem[]> {
  let after: SharedPlace = { id: idFrom(range.fromMs), writer: 0, sequence: 0 };
  let isFull = true;
  while (isFull) {
    const rows = await pageOf(tables, peerId, range, after);
    isFull = rows.length === PAGE;
    const last = rows.at(-1);
    if (last === undefined) return;
    after = { id: last.transaction_id ?? "", writer: last.writer, sequence: last.sequence };
    const idOf = await tables.writers.ids(new Set(rows.map(({ writer }) => writer)));
    const items = rows.flatMap((row): SharedExchangeItem[] => {
      const digest = toBuffer(row.item_digest);
      // Refusals are nobody's but ours.
      if (digest === undefined || row.transaction_id === null) return [];
      if (service !== undefined && row.service !== service) return [];
      const transactionId = row.transaction_id as TransactionId;
      const key = { writerId: idOf(row.writer), sequence: row.sequence };
      return [{ ...key, transactionId, service: row.service, digest }];
    });
    if (items.length > 0) yield items;
    await breath();
  }
}

/** Peers with which exchanges were recorded in a time, by rising id. */
export const peersWith = async (
  { db, groupId }: Tables,
  { fromMs, toMs }: MillisecondRange,
): Promise<readonly string[]> => {
  const rows = await db
    .selectFrom("txlog_exchange")
    .select("other_peer")
    .distinct()
    .where("group_id", "=", groupId)
    .where("created_at_us", ">=", fromMs * 1000)
    .where("created_at_us", "<", toMs * 1000)
    .where("result", "!=", "refused")
    .orderBy("other_peer")
    .execute();
  return rows.map(({ other_peer }) => other_peer);
};

/** Receipts of a peer that its tree has not proven yet, by rising transaction id. */
export const unproven = async (
  { db, groupId }: Tables,
  peerId: string,
  range: MillisecondRange,
  { limit, after }: { readonly limit: number; readonly after?: TransactionId },
): Promise<readonly UnprovenReceipt[]> => {
  const rows = await db
    .selectFrom("txlog_exchange as e")
    .leftJoin("txlog_receipt as r", (join) =>
      join
        .onRef("r.group_id", "=", "e.group_id")
        .onRef("r.transaction_id", "=", "e.transaction_id")
        .on("r.peer_id", "=", peerId),
    )
    .select(["e.transaction_id", "e.direction", "e.outway_intent_hash", "e.inway_intent_hash"])
    .where("e.group_id", "=", groupId)
    .where("e.other_peer", "=", peerId)
    .where("e.transaction_id", ">", after ?? idFrom(range.fromMs))
    .where("e.transaction_id", "<", idFrom(range.toMs))
    .where("r.leaf_hash", "is", null)
    .where((eb) =>
      eb.or([
        eb.and([eb("e.direction", "=", "outgoing"), eb("e.inway_intent_hash", "is not", null)]),
        eb.and([eb("e.direction", "=", "incoming"), eb("e.outway_intent_hash", "is not", null)]),
      ]),
    )
    .orderBy("e.transaction_id")
    .limit(limit)
    .execute();
  return rows.flatMap((row) => {
    const theirs = row.direction === "outgoing" ? row.inway_intent_hash : row.outway_intent_hash;
    const leafHash = toBuffer(theirs);
    if (leafHash === undefined || row.transaction_id === null) return [];
    return [{ transactionId: row.transaction_id as TransactionId, leafHash }];
  });
};
