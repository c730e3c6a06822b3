// How the tables of the log's store come to be (schema.ts).
import { sql, type Kysely } from "kysely";
import { migrate, type Migration } from "../../core/database.js";
import type { LogDatabase } from "./schema.js";

const NAME = "varchar(255)";
const TEXT = "varchar(4096)";

const createLog = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable("txlog_log")
    .addColumn("group_id", NAME, (column) => column.primaryKey().notNull())
    .addColumn("epoch", "integer", (column) => column.notNull())
    .addColumn("next_index", "bigint", (column) => column.notNull())
    .addColumn("next_writer", "integer", (column) => column.notNull())
    .addColumn("search_key", "blob", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("txlog_writer")
    .addColumn("group_id", NAME, (column) => column.notNull())
    .addColumn("writer", "integer", (column) => column.notNull())
    .addColumn("writer_id", "varchar(36)", (column) => column.notNull())
    .addColumn("next_sequence", "bigint", (column) => column.notNull())
    .addColumn("component", NAME, (column) => column.notNull())
    .addColumn("epoch", "integer", (column) => column.notNull())
    .addColumn("segment", "bigint", (column) => column.notNull())
    .addColumn("segment_from", "bigint", (column) => column.notNull())
    .addColumn("new_segment", "integer", (column) => column.notNull())
    .addPrimaryKeyConstraint("txlog_writer_key", ["group_id", "writer"])
    .addUniqueConstraint("txlog_writer_id", ["group_id", "writer_id"])
    .execute();
  await db.schema
    .createTable("txlog_epoch")
    .addColumn("group_id", NAME, (column) => column.notNull())
    .addColumn("epoch", "integer", (column) => column.notNull())
    .addColumn("began_at_ms", "bigint", (column) => column.notNull())
    .addColumn("reason", "text", (column) => column.notNull())
    .addColumn("named_checkpoint", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("txlog_epoch_key", ["group_id", "epoch"])
    .execute();
};

const createRecords = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable("txlog_record")
    .addColumn("group_id", NAME, (column) => column.notNull())
    .addColumn("writer", "integer", (column) => column.notNull())
    .addColumn("sequence", "bigint", (column) => column.notNull())
    .addColumn("kind", "integer", (column) => column.notNull())
    .addColumn("leaf", "blob")
    .addColumn("leaf_hash", "blob", (column) => column.notNull())
    .addColumn("sealed", "blob")
    .addColumn("created_at_us", "bigint", (column) => column.notNull())
    .addColumn("epoch", "integer", (column) => column.notNull())
    .addColumn("tree_index", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("txlog_record_key", ["group_id", "writer", "sequence"])
    .addUniqueConstraint("txlog_record_index", ["group_id", "epoch", "tree_index"])
    .execute();
  // What the job of retention looks for; entries leave it when a personal part is erased.
  await db.schema
    .createIndex("txlog_record_personal")
    .on("txlog_record")
    .columns(["group_id", "created_at_us"])
    .where(sql.ref("sealed"), "is not", null)
    .execute();
};

const createSecrets = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable("txlog_secret")
    .addColumn("group_id", NAME, (column) => column.notNull())
    .addColumn("writer", "integer", (column) => column.notNull())
    .addColumn("sequence", "bigint", (column) => column.notNull())
    .addColumn("secret", "blob", (column) => column.notNull())
    .addPrimaryKeyConstraint("txlog_secret_key", ["group_id", "writer", "sequence"])
    .execute();
  await db.schema
    .createTable("txlog_subject")
    .addColumn("group_id", NAME, (column) => column.notNull())
    .addColumn("hash", "blob", (column) => column.notNull())
    .addColumn("writer", "integer", (column) => column.notNull())
    .addColumn("sequence", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("txlog_subject_key", ["group_id", "hash", "writer", "sequence"])
    .execute();
  await db.schema
    .createIndex("txlog_subject_record")
    .on("txlog_subject")
    .columns(["group_id", "writer", "sequence"])
    .execute();
};

const createExchanges = async (db: Kysely<unknown>): Promise<void> => {
  let table = db.schema
    .createTable("txlog_exchange")
    .addColumn("group_id", NAME, (column) => column.notNull())
    .addColumn("writer", "integer", (column) => column.notNull())
    .addColumn("sequence", "bigint", (column) => column.notNull())
    .addColumn("created_at_us", "bigint", (column) => column.notNull())
    .addColumn("transaction_id", "varchar(36)")
    .addColumn("direction", "varchar(8)", (column) => column.notNull());
  for (const name of ["source", "source_delegator", "destination", "destination_delegator"]) {
    table = table.addColumn(name, TEXT, (column) => column.notNull());
  }
  for (const name of ["other_peer", "service", "grant_hash", "method", "result", "code"]) {
    table = table.addColumn(name, TEXT, (column) => column.notNull());
  }
  for (const name of ["status", "repeated"]) {
    table = table.addColumn(name, "integer", (column) => column.notNull());
  }
  for (const name of ["duration_us", "request_bytes", "response_bytes", "end_sequence"]) {
    table = table.addColumn(name, "bigint", (column) => column.notNull());
  }
  for (const name of ["outway_intent_hash", "inway_intent_hash", "item_digest"]) {
    table = table.addColumn(name, "blob");
  }
  await table
    .addPrimaryKeyConstraint("txlog_exchange_key", ["group_id", "writer", "sequence"])
    .execute();
  for (const column of ["source_delegator", "destination_delegator"]) {
    await db.schema
      .createIndex(`txlog_exchange_${column}`)
      .on("txlog_exchange")
      .columns(["group_id", column, "created_at_us"])
      .where(sql.ref(column), "!=", "")
      .execute();
  }
  const indexes = {
    time: ["group_id", "created_at_us"],
    transaction: ["group_id", "transaction_id"],
    shared: ["group_id", "other_peer", "transaction_id"],
    peer: ["group_id", "other_peer", "created_at_us"],
    service: ["group_id", "service", "created_at_us"],
    grant: ["group_id", "grant_hash", "created_at_us"],
    status: ["group_id", "status", "created_at_us"],
  };
  for (const [name, columns] of Object.entries(indexes)) {
    await db.schema
      .createIndex(`txlog_exchange_${name}`)
      .on("txlog_exchange")
      .columns(columns)
      .execute();
  }
};

const createTree = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable("txlog_tile")
    .addColumn("group_id", NAME, (column) => column.notNull())
    .addColumn("epoch", "integer", (column) => column.notNull())
    .addColumn("level", "integer", (column) => column.notNull())
    .addColumn("tile_index", "bigint", (column) => column.notNull())
    .addColumn("bytes", "blob", (column) => column.notNull())
    .addPrimaryKeyConstraint("txlog_tile_key", ["group_id", "epoch", "level", "tile_index"])
    .execute();
  await db.schema
    .createTable("txlog_checkpoint")
    .addColumn("group_id", NAME, (column) => column.notNull())
    .addColumn("epoch", "integer", (column) => column.notNull())
    .addColumn("size", "bigint", (column) => column.notNull())
    .addColumn("root", "blob", (column) => column.notNull())
    .addColumn("note", "text", (column) => column.notNull())
    .addColumn("made_at_ms", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("txlog_checkpoint_key", ["group_id", "epoch", "size"])
    .execute();
  await db.schema
    .createTable("txlog_cosignature")
    .addColumn("group_id", NAME, (column) => column.notNull())
    .addColumn("epoch", "integer", (column) => column.notNull())
    .addColumn("size", "bigint", (column) => column.notNull())
    .addColumn("witness", "varchar(1000)", (column) => column.notNull())
    .addColumn("signed_at", "bigint", (column) => column.notNull())
    .addColumn("line", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("txlog_cosignature_key", ["group_id", "epoch", "size", "witness"])
    .execute();
  await db.schema
    .createTable("txlog_key")
    .addColumn("group_id", NAME, (column) => column.notNull())
    .addColumn("purpose", "varchar(20)", (column) => column.notNull())
    .addColumn("vkey", "varchar(1000)", (column) => column.notNull())
    .addColumn("from_ms", "bigint", (column) => column.notNull())
    .addColumn("retired_ms", "bigint")
    .addColumn("statement", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("txlog_key_key", ["group_id", "purpose", "vkey"])
    .execute();
  await db.schema
    .createTable("txlog_lease")
    .addColumn("group_id", NAME, (column) => column.notNull())
    .addColumn("name", NAME, (column) => column.notNull())
    .addColumn("holder", NAME, (column) => column.notNull())
    .addColumn("token", "bigint", (column) => column.notNull())
    .addColumn("expires_ms", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("txlog_lease_key", ["group_id", "name"])
    .execute();
};

const createDealings = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable("txlog_witness")
    .addColumn("group_id", NAME, (column) => column.notNull())
    .addColumn("origin", "varchar(1000)", (column) => column.notNull())
    .addColumn("size", "bigint", (column) => column.notNull())
    .addColumn("root", "blob", (column) => column.notNull())
    .addColumn("note", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("txlog_witness_key", ["group_id", "origin"])
    .execute();
  await db.schema
    .createTable("txlog_reconciliation")
    .addColumn("group_id", NAME, (column) => column.notNull())
    .addColumn("number", "bigint", (column) => column.notNull())
    .addColumn("peer_id", NAME, (column) => column.notNull())
    .addColumn("from_ms", "bigint", (column) => column.notNull())
    .addColumn("to_ms", "bigint", (column) => column.notNull())
    .addColumn("made_at_ms", "bigint", (column) => column.notNull())
    .addColumn("result", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("txlog_reconciliation_key", ["group_id", "number"])
    .execute();
  await db.schema
    .createTable("txlog_receipt")
    .addColumn("group_id", NAME, (column) => column.notNull())
    .addColumn("transaction_id", "varchar(36)", (column) => column.notNull())
    .addColumn("leaf_hash", "blob", (column) => column.notNull())
    .addColumn("peer_id", NAME, (column) => column.notNull())
    .addColumn("proof", "text", (column) => column.notNull())
    .addColumn("proven_at_ms", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("txlog_receipt_key", ["group_id", "transaction_id", "leaf_hash"])
    .execute();
  await db.schema
    .createTable("txlog_retention")
    .addColumn("group_id", NAME, (column) => column.notNull())
    .addColumn("service", TEXT, (column) => column.notNull())
    .addColumn("days", "integer", (column) => column.notNull())
    .addPrimaryKeyConstraint("txlog_retention_key", ["group_id", "service"])
    .execute();
};

const MIGRATIONS: readonly Migration[] = [
  {
    name: "records, exchanges, tree, keys, dealings with others",
    up: async (db) => {
      await createLog(db);
      await createRecords(db);
      await createSecrets(db);
      await createExchanges(db);
      await createTree(db);
      await createDealings(db);
    },
  },
];

/** Brings the store's tables up to date. Throws DatabaseError when newer software wrote them. */
export const migrateLog = (db: LogDatabase): Promise<void> => migrate(db, "txlog", MIGRATIONS);
