// The database of a process through Kysely, an SQLite file or PostgreSQL, and the runner of numbered migrations.
// Rooms write their queries with Kysely's builder, so that they need not know which of the two it is.
import { chmodSync, closeSync, openSync } from "node:fs";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import {
  Kysely,
  sql,
  SqliteAdapter,
  SqliteDialect,
  type SqliteDatabase,
  type SqliteStatement,
  type Transaction,
} from "kysely";
import { DatabaseError } from "./postgres.js";

export { DatabaseError } from "./postgres.js";

const BUSY_TIMEOUT_MS = 5_000;

/** One step of a room's schema. Once released it never changes; the next change is the next step. */
export interface Migration {
  /** What it does, in a few words. */
  readonly name: string;
  /** Makes the change; runs inside a transaction that is undone when it rejects. */
  readonly up: (db: Kysely<unknown>) => Promise<void>;
}

/** How many statements that write are kept prepared: a large insert costs more to prepare than to run. */
const PREPARED_MAX = 200;

const prepare = (database: DatabaseSync, text: string): SqliteStatement => {
  const statement = database.prepare(text);
  const values = (parameters: readonly unknown[]): SQLInputValue[] => [
    ...(parameters as readonly SQLInputValue[]),
  ];
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...values(parameters)),
    run: (parameters) => statement.run(...values(parameters)),
    iterate: (parameters) => statement.iterate(...values(parameters)) as IterableIterator<unknown>,
  };
};

/** Kysely's SQLite dialect asks for the shape of better-sqlite3; this gives it on Node's own SQLite. */
const adapt = (database: DatabaseSync): SqliteDatabase => {
  const prepared = new Map<string, SqliteStatement>();
  return {
    close: () => database.close(),
    prepare: (text) => {
      const kept = prepared.get(text);
      if (kept !== undefined) return kept;
      const statement = prepare(database, text);
      // One that reads may still be read from when the same text is asked for again.
      if (statement.reader) return statement;
      if (prepared.size >= PREPARED_MAX) prepared.clear();
      prepared.set(text, statement);
      return statement;
    },
  };
};

/** How a database in a file is kept. */
export interface FileOptions {
  /** Whether what is removed or overwritten is also overwritten in the file; see `scrub`. */
  readonly secureDelete?: boolean;
}

const openFile = (file: string, { secureDelete }: FileOptions): DatabaseSync => {
  // SQLite gives its side files the mode of the main file, so that is made first and narrow.
  closeSync(openSync(file, "a", 0o600));
  chmodSync(file, 0o600);
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    database.exec("PRAGMA journal_mode = WAL");
    // With FULL a commit is on disk when it returns, also after a power cut.
    database.exec("PRAGMA synchronous = FULL");
    database.exec("PRAGMA foreign_keys = ON");
    if (secureDelete === true) database.exec("PRAGMA secure_delete = ON");
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
};

/**
 * Opens a SQLite file, made when it is not there, with mode 0600. What a resolved query or transaction
 * wrote is durable. Queries may be issued concurrently; they run one after the other. The caller ends it with `destroy()`.
 *
 * @throws DatabaseError when the file cannot be opened or is no database
 */
export const openDatabase = <Schema>(file: string, options: FileOptions = {}): Kysely<Schema> => {
  try {
    const database = adapt(openFile(file, options));
    return new Kysely<Schema>({ dialect: new SqliteDialect({ database }) });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DatabaseError(`${file} cannot be opened as a database: ${reason}`, { cause: error });
  }
};

/**
 * Takes what was overwritten or removed out of the database's side files too: the write-ahead log is written back and
 * emptied. Only with FileOptions.secureDelete is it then in no file. On PostgreSQL that is the server's
 * operator's duty, and nothing is done.
 *
 * @throws DatabaseError when another process reads the database at this moment
 */
export const scrub = async <Schema>(db: Kysely<Schema>): Promise<void> => {
  if (!(db.getExecutor().adapter instanceof SqliteAdapter)) return;
  const { rows } = await sql<{ busy: number }>`pragma wal_checkpoint(truncate)`.execute(db);
  if (rows[0]?.busy !== 0) {
    throw new DatabaseError("the database is being read by another process: try again");
  }
};

interface MigrationTable {
  readonly schakel_migration: {
    readonly room: string;
    readonly number: number;
    readonly name: string;
  };
}

const createMigrationTable = async (db: Kysely<MigrationTable>): Promise<void> => {
  await db.schema
    .createTable("schakel_migration")
    .ifNotExists()
    .addColumn("room", "varchar(100)", (column) => column.notNull())
    .addColumn("number", "integer", (column) => column.notNull())
    .addColumn("name", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("schakel_migration_key", ["room", "number"])
    .execute();
};

const appliedNumber = async (tx: Transaction<MigrationTable>, room: string): Promise<number> => {
  // A transaction of SQLite takes the write lock with its first write, so one that changes nothing comes first.
  await tx.deleteFrom("schakel_migration").where("number", "<", 0).execute();
  const row = await tx
    .selectFrom("schakel_migration")
    .select(({ fn }) => fn.max("number").as("number"))
    .where("room", "=", room)
    .executeTakeFirst();
  return row?.number ?? 0;
};

/**
 * Brings a room's tables up to date: applies the migrations that are missing, in order, all in one
 * transaction that holds the database's write lock, so that two processes never migrate at once.
 *
 * @param room whose tables they are; each room counts its own migrations from 1
 * @throws DatabaseError when the database was written by newer software
 */
export const migrate = async <Schema>(
  database: Kysely<Schema>,
  room: string,
  migrations: readonly Migration[],
): Promise<void> => {
  const db = database as unknown as Kysely<MigrationTable>;
  await db.transaction().execute(createMigrationTable);
  await db.transaction().execute(async (tx) => {
    const done = await appliedNumber(tx, room);
    if (done > migrations.length) {
      throw new DatabaseError(
        `the database has version ${done} of the ${room}'s tables, this software knows ${migrations.length}: ` +
          "use the newer software, or restore the backup made before it ran",
      );
    }
    for (const [index, { name, up }] of migrations.entries()) {
      const number = index + 1;
      if (number <= done) continue;
      await up(tx as unknown as Kysely<unknown>);
      await tx.insertInto("schakel_migration").values({ room, number, name }).execute();
    }
  });
};
