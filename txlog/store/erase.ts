// Erasing what is personal. The leaves stay, and with them every hash and proof; what could open a personal part is
// overwritten where it stands, and the database's side files are emptied.
import type { KeyObject } from "node:crypto";
import { scrub } from "../../core/database.js";
import { SchakelError } from "../../core/errors.js";
import type { Ingest } from "./ingest.js";
import type { Erased, EraseWanted } from "./read-side.js";
import type { LogDatabase } from "./schema.js";
import { subjectHash } from "./subject-hash.js";
import type { Tables } from "./tables.js";

/** How many records one statement names. */
const CHUNK = 500;
const GONE = Buffer.alloc(32);

/** A record by its writer's number. */
export interface NumberedRecord {
  readonly writer: number;
  readonly sequence: number;
}

/** What erasing stands on. */
export interface EraseParts {
  readonly tables: Tables;
  readonly searchKey: KeyObject;
  readonly ingest: Pick<Ingest, "askNewSegments">;
}

const byWriter = (records: readonly NumberedRecord[]): ReadonlyMap<number, readonly number[]> => {
  const found = new Map<number, number[]>();
  for (const { writer, sequence } of records) {
    const sequences = found.get(writer);
    if (sequences === undefined) found.set(writer, [sequence]);
    else sequences.push(sequence);
  }
  return found;
};

/**
 * Erases the personal parts of records, in the transaction. A secret is overwritten by as many zeros and its row left
 * where it is: SQLite then writes over the very bytes, and no copy of a neighbour is left behind by moving rows.
 */
export const eraseRecords = async (
  tx: LogDatabase,
  groupId: string,
  records: readonly NumberedRecord[],
): Promise<void> => {
  for (const [writer, sequences] of byWriter(records)) {
    for (let at = 0; at < sequences.length; at += CHUNK) {
      const some = sequences.slice(at, at + CHUNK);
      await tx
        .updateTable("txlog_secret")
        .set({ secret: GONE })
        .where("group_id", "=", groupId)
        .where("writer", "=", writer)
        .where("sequence", "in", some)
        .execute();
      await tx
        .updateTable("txlog_record")
        .set({ sealed: null })
        .where("group_id", "=", groupId)
        .where("writer", "=", writer)
        .where("sequence", "in", some)
        .execute();
      await tx
        .deleteFrom("txlog_subject")
        .where("group_id", "=", groupId)
        .where("writer", "=", writer)
        .where("sequence", "in", some)
        .execute();
    }
  }
};

/** The records with a personal part that are wanted. */
const wantedRecords = async (
  { tables: { db, groupId }, searchKey }: EraseParts,
  { dataSubject, transactionId }: EraseWanted,
): Promise<NumberedRecord[]> => {
  const base = db
    .selectFrom("txlog_record as r")
    .select(["r.writer", "r.sequence"])
    .where("r.group_id", "=", groupId)
    .where("r.sealed", "is not", null);
  if (dataSubject !== undefined && transactionId === undefined) {
    return base
      .innerJoin("txlog_subject as s", (join) =>
        join
          .onRef("s.group_id", "=", "r.group_id")
          .onRef("s.writer", "=", "r.writer")
          .onRef("s.sequence", "=", "r.sequence"),
      )
      .where("s.hash", "=", subjectHash(searchKey, dataSubject))
      .execute();
  }
  if (transactionId !== undefined && dataSubject === undefined) {
    return base
      .innerJoin("txlog_exchange as e", (join) =>
        join
          .onRef("e.group_id", "=", "r.group_id")
          .onRef("e.writer", "=", "r.writer")
          .onRef("e.sequence", "=", "r.sequence"),
      )
      .where("e.transaction_id", "=", transactionId)
      .execute();
  }
  throw new SchakelError("ERROR_CODE_REQUEST_INVALID", {
    detail: "either a data subject or a transaction id is named",
  });
};

interface Holding {
  readonly writerId: string;
  readonly component: string;
}

/** The writers whose newest segment's key opens some of these, noted as having to begin a new one. */
const holding = async (
  tx: LogDatabase,
  groupId: string,
  { records, note }: { readonly records: readonly NumberedRecord[]; readonly note: boolean },
): Promise<readonly Holding[]> => {
  const held: Holding[] = [];
  for (const [writer, sequences] of byWriter(records)) {
    const row = await tx
      .selectFrom("txlog_writer")
      .select(["writer_id", "component", "segment_from"])
      .where("group_id", "=", groupId)
      .where("writer", "=", writer)
      .executeTakeFirstOrThrow();
    if (!sequences.some((sequence) => sequence >= row.segment_from)) continue;
    held.push({ writerId: row.writer_id, component: row.component });
    if (!note) continue;
    await tx
      .updateTable("txlog_writer")
      .set({ new_segment: 1 })
      .where("group_id", "=", groupId)
      .where("writer", "=", writer)
      .execute();
  }
  return held;
};

/**
 * Erases personal data for good, or only counts it. When it resolves, the data is in no file of the database (on
 * PostgreSQL: in no row), and writers that could still open it were asked for a new segment.
 *
 * @throws SchakelError ERROR_CODE_REQUEST_INVALID when not exactly one of subject and transaction is named;
 * DatabaseError when another process reads the database's file: then it is erased, and to be called again
 */
export const erase = async (parts: EraseParts, wanted: EraseWanted): Promise<Erased> => {
  const { tables, ingest } = parts;
  const { db, groupId } = tables;
  const records = await wantedRecords(parts, wanted);
  const note = wanted.dryRun !== true;
  const held = await db.transaction().execute(async (tx) => {
    if (note) await eraseRecords(tx, groupId, records);
    return holding(tx, groupId, { records, note });
  });
  if (note) {
    // Also when there is nothing: an earlier call may have been cut off before it came to this.
    await scrub(db);
    ingest.askNewSegments(held.map(({ writerId }) => writerId));
  }
  const pending = [...new Set(held.map(({ component }) => component))].sort();
  return { records: records.length, pending };
};
