// Records for another peer (FSC Logging, GET /logs): forwarded exchanges in which it is one of the four peers.
import type { TransactionId } from "../../core/names.js";
import { decodeLeaf } from "../decode-leaf.js";
import { hasPeer, isBehind, isOfAny, type ExchangePlace } from "./exchange-conditions.js";
import { foundExchange, toBuffer } from "./exchange-rows.js";
import type { FoundExchange } from "./read-side.js";
import type { LogDatabase } from "./schema.js";
import type { Tables } from "./tables.js";

/** Records of either kind in one answer. */
const LEAVES_MAX = 1000;

/** Which records are wanted. */
export interface PeerRecordsWanted {
  /** Source, destination or delegator of either. */
  readonly peerId: string;
  /** At or after, and before, these moments in microseconds since 1970. */
  readonly fromUs?: number | undefined;
  readonly toUs?: number | undefined;
  /** Of one of these grants or services; when both are empty, of all. */
  readonly grantHashes: readonly string[];
  readonly services: readonly string[];
  /** Only these, when given. */
  readonly transactionIds?: readonly TransactionId[] | undefined;
  readonly limit: number;
  readonly after?: ExchangePlace | undefined;
  readonly oldestFirst: boolean;
}

/** A record with its place, and what its leaf holds beside. */
export interface PeerRecord extends FoundExchange {
  readonly place: ExchangePlace;
  /** A JSON object as text; empty when there is none or the leaf was pruned. */
  readonly additionalData: string;
}

const additionalDataOf = (leaf: Buffer | undefined): string => {
  if (leaf === undefined) return "";
  const record = decodeLeaf(leaf);
  return record.kind === "intent" ? (record.exchange.additionalData ?? "") : "";
};

const selected = (db: LogDatabase, groupId: string, wanted: PeerRecordsWanted) => {
  const { peerId, fromUs, toUs, grantHashes, services, transactionIds } = wanted;
  let query = db
    .selectFrom("txlog_exchange as e")
    .innerJoin("txlog_record as r", (join) =>
      join
        .onRef("r.group_id", "=", "e.group_id")
        .onRef("r.writer", "=", "e.writer")
        .onRef("r.sequence", "=", "e.sequence"),
    )
    .selectAll("e")
    .select("r.leaf")
    .where("e.group_id", "=", groupId)
    .where("e.item_digest", "is not", null)
    .where(hasPeer(peerId));
  if (transactionIds !== undefined) {
    return query.where("e.transaction_id", "in", transactionIds);
  }
  if (fromUs !== undefined) query = query.where("e.created_at_us", ">=", fromUs);
  if (toUs !== undefined) query = query.where("e.created_at_us", "<", toUs);
  if (grantHashes.length === 0 && services.length === 0) return query;
  return query.where(isOfAny({ services, grantHashes }));
};

/** Reads records, at most as many as wanted. Their writer ids are left empty: they are nobody else's concern. */
export const peerRecords = async (
  db: LogDatabase,
  groupId: string,
  wanted: PeerRecordsWanted,
): Promise<readonly PeerRecord[]> => {
  const { after, oldestFirst, limit } = wanted;
  const order = oldestFirst ? "asc" : "desc";
  let query = selected(db, groupId, wanted);
  if (after !== undefined) query = query.where(isBehind(after, order));
  const rows = await query
    .orderBy("e.created_at_us", order)
    .orderBy("e.writer", order)
    .orderBy("e.sequence", order)
    .limit(limit)
    .execute();
  return rows.map(({ leaf, ...row }) => ({
    ...foundExchange(row, ""),
    place: { createdAtUs: row.created_at_us, writer: row.writer, sequence: row.sequence },
    additionalData: additionalDataOf(toBuffer(leaf)),
  }));
};

/** A record of a transaction. */
export interface PeerLeaf {
  readonly leaf: Buffer;
  readonly epoch: number;
  /** Its place in the tree of its epoch. */
  readonly index: number;
}

interface LeavesWanted extends Pick<Tables, "db" | "groupId"> {
  readonly peerId: string;
  readonly ids: readonly TransactionId[];
}

const leavesOf = (
  { db, groupId, peerId, ids }: LeavesWanted,
  which: "e.sequence" | "e.end_sequence",
) =>
  db
    .selectFrom("txlog_exchange as e")
    .innerJoin("txlog_record as r", (join) =>
      join
        .onRef("r.group_id", "=", "e.group_id")
        .onRef("r.writer", "=", "e.writer")
        .onRef("r.sequence", "=", which),
    )
    .select(["r.leaf", "r.epoch", "r.tree_index"])
    .where("e.group_id", "=", groupId)
    .where("e.transaction_id", "in", ids)
    .where(hasPeer(peerId))
    .orderBy("e.transaction_id")
    .orderBy("e.writer")
    .orderBy("e.sequence")
    .limit(LEAVES_MAX)
    .execute();

/** The records of some transactions in which a peer is one of the four: first intents and refusals, then their ends. */
export const peerLeaves = async (
  { db, groupId }: Tables,
  peerId: string,
  ids: readonly TransactionId[],
): Promise<readonly PeerLeaf[]> => {
  const first = await leavesOf({ db, groupId, peerId, ids }, "e.sequence");
  const ends = await leavesOf({ db, groupId, peerId, ids }, "e.end_sequence");
  return [...first, ...ends].flatMap(({ leaf, epoch, tree_index: index }) => {
    const bytes = toBuffer(leaf);
    return bytes === undefined ? [] : [{ leaf: bytes, epoch, index }];
  });
};
