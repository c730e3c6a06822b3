// Reading records: those of one exchange, those of a stretch of the tree, and what is personal in one.
import type { TransactionId } from "../../core/names.js";
import { FormatError } from "../bytes.js";
import { openPersonal } from "../personal.js";
import type { PersonalReading } from "../read-personal.js";
import type { RecordedExchange } from "../record.js";
import { breath } from "./breath.js";
import { toBuffer } from "./exchange-rows.js";
import type { RecordKey, StoredEntry } from "./read-side.js";
import type { RecordRow } from "./schema.js";
import type { Tables } from "./tables.js";
import { sealedSize } from "./tree-rows.js";

/** How many records are read at once: a bundle of C2SP tlog-tiles. */
const BUNDLE = 256;
/** How many exchanges that share a transaction id are shown. */
const REPEATED_MAX = 100;

const COLUMNS = ["writer", "sequence", "leaf", "leaf_hash", "epoch", "tree_index"] as const;
type Row = Pick<RecordRow, (typeof COLUMNS)[number]>;

const entriesOf = async (tables: Tables, rows: readonly Row[]): Promise<StoredEntry[]> => {
  const idOf = await tables.writers.ids(rows.map(({ writer }) => writer));
  const sizes = new Map<number, number>();
  for (const { epoch } of rows) {
    if (sizes.has(epoch)) continue;
    sizes.set(epoch, await sealedSize(tables.db, { groupId: tables.groupId, epoch }));
  }
  return rows.map((row) => ({
    ...{ writerId: idOf(row.writer), sequence: row.sequence },
    ...{ epoch: row.epoch, index: row.tree_index },
    isSealed: row.tree_index < (sizes.get(row.epoch) ?? 0),
    leaf: toBuffer(row.leaf),
    leafHash: toBuffer(row.leaf_hash) ?? Buffer.alloc(0),
  }));
};

const rowsOf = (
  { db, groupId }: Tables,
  writer: number,
  sequences: readonly number[],
): Promise<Row[]> =>
  db
    .selectFrom("txlog_record")
    .select(COLUMNS)
    .where("group_id", "=", groupId)
    .where("writer", "=", writer)
    .where("sequence", "in", [...sequences])
    .orderBy("sequence")
    .execute();

/** One record; undefined when there is none. */
export const entry = async (
  tables: Tables,
  { writerId, sequence }: RecordKey,
): Promise<StoredEntry | undefined> => {
  const writer = await tables.writers.number(writerId);
  if (writer === undefined) return undefined;
  return (await entriesOf(tables, await rowsOf(tables, writer, [sequence])))[0];
};

/** The records of an exchange, with the ends of its intents, in order of recording. */
export const exchange = async (
  tables: Tables,
  wanted: TransactionId | RecordKey,
): Promise<readonly StoredEntry[]> => {
  const { db, groupId } = tables;
  let query = db
    .selectFrom("txlog_exchange")
    .select(["writer", "sequence", "end_sequence"])
    .where("group_id", "=", groupId);
  if (typeof wanted === "string") {
    query = query.where("transaction_id", "=", wanted);
  } else {
    const writer = await tables.writers.number(wanted.writerId);
    if (writer === undefined) return [];
    query = query.where("writer", "=", writer).where("sequence", "=", wanted.sequence);
  }
  const found = await query
    .orderBy("created_at_us")
    .orderBy("writer")
    .orderBy("sequence")
    .limit(REPEATED_MAX)
    .execute();
  const rows: Row[] = [];
  for (const { writer, sequence, end_sequence } of found) {
    rows.push(...(await rowsOf(tables, writer, [sequence, end_sequence])));
  }
  return entriesOf(tables, rows);
};

/** Entries of an epoch by rising index, a bundle at a time. */
export async function* entries(
  tables: Tables,
  epoch: number,
  { from, to }: { readonly from: number; readonly to: number },
): AsyncGenerator<StoredEntry> {
  for (let at = from; at < to; at += BUNDLE) {
    const rows = await tables.db
      .selectFrom("txlog_record")
      .select(COLUMNS)
      .where("group_id", "=", tables.groupId)
      .where("epoch", "=", epoch)
      .where("tree_index", ">=", at)
      .where("tree_index", "<", Math.min(at + BUNDLE, to))
      .orderBy("tree_index")
      .execute();
    if (rows.length === 0) return;
    // In SQLite a place may have been changed to a fraction, which is none.
    const placed = rows.filter(({ tree_index }) => Number.isSafeInteger(tree_index));
    yield* await entriesOf(tables, placed);
    await breath();
  }
}

/**
 * What is personal in a record, checked against what its leaf commits to.
 *
 * @throws FormatError when secret, ciphertext and commitment do not belong together
 */
export const personal = async (
  tables: Tables,
  { writerId, sequence }: RecordKey,
  { commitment }: RecordedExchange,
): Promise<PersonalReading> => {
  if (commitment === undefined) return { status: "none" };
  const writer = await tables.writers.number(writerId);
  const row = await tables.db
    .selectFrom("txlog_record as r")
    .leftJoin("txlog_secret as s", (join) =>
      join
        .onRef("s.group_id", "=", "r.group_id")
        .onRef("s.writer", "=", "r.writer")
        .onRef("s.sequence", "=", "r.sequence"),
    )
    .select(["r.sealed", "s.secret"])
    .where("r.group_id", "=", tables.groupId)
    .where("r.writer", "=", writer ?? 0)
    .where("r.sequence", "=", sequence)
    .executeTakeFirst();
  if (row === undefined) throw new FormatError("the record is not in the store");
  const sealed = toBuffer(row.sealed);
  const secret = toBuffer(row.secret);
  if (sealed === undefined || secret === undefined) return { status: "erased" };
  return { status: "readable", personal: openPersonal(secret, { commitment, sealed }) };
};
