// The database file of a process and the runner of migrations.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { sql, type Kysely } from "kysely";
import {
  DatabaseError,
  migrate,
  openDatabase,
  scrub,
  type Migration,
} from "../../core/database.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";

interface Schema {
  readonly parent: { readonly id: number };
  readonly child: { readonly id: number; readonly parent_id: number; readonly bytes: Uint8Array };
}

const FIRST: Migration = {
  name: "parents",
  up: async (db) => {
    await db.schema
      .createTable("parent")
      .addColumn("id", "integer", (column) => column.primaryKey())
      .execute();
  },
};
const SECOND: Migration = {
  name: "children",
  up: async (db) => {
    await db.schema
      .createTable("child")
      .addColumn("id", "integer", (column) => column.primaryKey())
      .addColumn("parent_id", "integer", (column) => column.references("parent.id"))
      .addColumn("bytes", "blob")
      .execute();
  },
};

/** A program of its own that migrates a database and says when it is done. */
const PROGRAM = fileURLToPath(new URL("../support/migrating.ts", import.meta.url));

const rejection = async (work: Promise<unknown>): Promise<Error> => {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not reject");
};

describe("core/database", () => {
  const open: Kysely<Schema>[] = [];
  let file: string;
  const openFile = (): Kysely<Schema> => {
    const db = openDatabase<Schema>(file);
    open.push(db);
    return db;
  };
  beforeEach(() => {
    file = join(temporaryFolder(), "test.db");
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((db) => db.destroy()));
    removeTemporaryFolders();
  });

  const setting = async (db: Kysely<Schema>, name: string): Promise<unknown> => {
    const { rows } = await sql<Record<string, unknown>>`pragma ${sql.raw(name)}`.execute(db);
    return Object.values(rows[0] ?? {})[0];
  };

  it("makes a file that only its owner reads, its side files too", async () => {
    const db = openFile();
    await migrate(db, "room", [FIRST]);
    for (const name of [file, `${file}-wal`, `${file}-shm`]) {
      expect(statSync(name).mode & 0o777, name).to.equal(0o600);
    }
  });

  it("narrows a file that others could read", () => {
    writeFileSync(file, "", { mode: 0o644 });
    openFile();
    expect(statSync(file).mode & 0o777).to.equal(0o600);
  });

  it("syncs each commit to disk, waits for other writers and keeps references", async () => {
    const db = openFile();
    expect(await setting(db, "journal_mode")).to.equal("wal");
    expect(await setting(db, "synchronous")).to.equal(2);
    expect(await setting(db, "busy_timeout")).to.equal(5000);
    await migrate(db, "room", [FIRST, SECOND]);
    const orphan = { id: 1, parent_id: 9, bytes: new Uint8Array() };
    const error = await rejection(db.insertInto("child").values(orphan).execute());
    expect(error.message).to.match(/FOREIGN KEY/);
  });

  for (const secureDelete of [true, false]) {
    it(`${secureDelete ? "leaves nothing" : "leaves something"} of what was removed in its files ${secureDelete ? "with" : "without"} secure delete`, async () => {
      const db = openDatabase<Schema>(file, { secureDelete });
      open.push(db);
      await migrate(db, "room", [FIRST, SECOND]);
      await db.insertInto("parent").values({ id: 1 }).execute();
      const marked = (id: number) => Buffer.from(`what is row ${id} about`.repeat(3));
      for (let id = 1; id <= 50; id++) {
        await db
          .insertInto("child")
          .values({ id, parent_id: 1, bytes: marked(id) })
          .execute();
      }
      await db.deleteFrom("child").where("id", "=", 25).execute();
      const files = (): boolean[] =>
        [file, `${file}-wal`].map((path) => readFileSync(path).includes(marked(25)));
      expect(files()[1], "the write-ahead log before it is scrubbed").to.equal(true);
      await scrub(db);
      expect(files()).to.deep.equal([!secureDelete, false]);
      expect(await db.selectFrom("child").select("id").execute()).to.have.length(49);
    });
  }

  it("scrubs nothing while another reads, and says so", async () => {
    const db = openFile();
    await migrate(db, "room", [FIRST]);
    await db.insertInto("parent").values({ id: 1 }).execute();
    const other = new DatabaseSync(file);
    other.exec("BEGIN");
    other.prepare("SELECT * FROM parent").all();
    await db.insertInto("parent").values({ id: 2 }).execute();
    expect((await rejection(scrub(db))).message).to.contain("read by another process");
    other.close();
    await scrub(db);
  });

  it("gives bytes back as they were, and how many rows a change hit", async () => {
    const db = openFile();
    await migrate(db, "room", [FIRST, SECOND]);
    await db.insertInto("parent").values({ id: 1 }).execute();
    const bytes = new Uint8Array([0, 255, 128]);
    await db.insertInto("child").values({ id: 1, parent_id: 1, bytes }).execute();
    const row = await db.selectFrom("child").selectAll().executeTakeFirstOrThrow();
    expect(row).to.deep.equal({ id: 1, parent_id: 1, bytes });
    const { numDeletedRows } = await db.deleteFrom("child").executeTakeFirst();
    expect(numDeletedRows).to.equal(1n);
  });

  it("keeps a query of somebody else out of a transaction that is undone", async () => {
    const db = openFile();
    await migrate(db, "room", [FIRST]);
    const undone = db.transaction().execute(async (tx) => {
      await tx.insertInto("parent").values({ id: 1 }).execute();
      await new Promise((resolve) => setImmediate(resolve));
      throw new Error("changed its mind");
    });
    const other = db.insertInto("parent").values({ id: 2 }).execute();
    expect((await rejection(undone)).message).to.equal("changed its mind");
    await other;
    const rows = await db.selectFrom("parent").select("id").execute();
    expect(rows.map(({ id }) => id)).to.deep.equal([2]);
  });

  it("applies each migration once, over restarts and as they are added", async () => {
    let runs = 0;
    const counting: Migration = {
      name: "counting",
      up: (db) => {
        runs += 1;
        return FIRST.up(db);
      },
    };
    await migrate(openFile(), "room", [counting]);
    await migrate(openFile(), "room", [counting]);
    await migrate(openFile(), "room", [counting, SECOND]);
    expect(runs).to.equal(1);
    await openFile().selectFrom("child").selectAll().execute();
  });

  it("counts each room's migrations apart", async () => {
    const db = openFile();
    await migrate(db, "one", [FIRST]);
    await migrate(db, "two", [SECOND]);
    await db.selectFrom("child").selectAll().execute();
  });

  it("applies them once when two processes begin at the same moment", async () => {
    const start = () => spawn(process.execPath, ["--import", "tsx", PROGRAM, file]);
    const codes = [start(), start()].map(async (child) => (await once(child, "exit"))[0] as number);
    expect(await Promise.all(codes)).to.deep.equal([0, 0]);
    const rows = await openFile().selectFrom("parent").select("id").execute();
    expect(rows.map(({ id }) => id)).to.deep.equal([1]);
  });

  it("undoes all of them when one fails", async () => {
    const failing: Migration = {
      name: "failing",
      up: async (db) => {
        await SECOND.up(db);
        throw new Error("no");
      },
    };
    const db = openFile();
    expect((await rejection(migrate(db, "room", [FIRST, failing]))).message).to.equal("no");
    await migrate(db, "room", [FIRST, SECOND]);
  });

  it("refuses a database that newer software has written", async () => {
    await migrate(openFile(), "room", [FIRST, SECOND]);
    const error = await rejection(migrate(openFile(), "room", [FIRST]));
    expect(error).to.be.instanceOf(DatabaseError);
    expect(error.message).to.match(/version 2 of the room's tables, this software knows 1: use/);
  });

  const unusable: readonly [string, () => void][] = [
    ["a file that is no database", () => writeFileSync(file, "x".repeat(5000))],
    ["a folder in place of the file", () => mkdirSync(file)],
    [
      "a folder that is not there",
      () => {
        file = join(temporaryFolder(), "none", "test.db");
      },
    ],
  ];
  for (const [what, make] of unusable) {
    it(`refuses ${what}, naming it`, () => {
      make();
      expect(() => openFile()).to.throw(DatabaseError, /test\.db cannot be opened as a database/);
    });
  }
});
