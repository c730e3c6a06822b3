// The database on a real PostgreSQL server: it behaves as the one in a file does.
import { expect } from "chai";
import { sql, type Kysely } from "kysely";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseError, migrate, type Migration } from "../../core/database.js";
import { holdAlone, openPostgres, type Alone, type PostgresPlace } from "../../core/postgres.js";
import { hasPostgres, NO_POSTGRES, PostgresServer } from "../support/postgres.js";
import { freePort } from "../support/network-peers.js";
import { skip } from "../support/skip.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";

interface Schema {
  readonly thing: {
    readonly id: number;
    readonly name: string;
    readonly large: number;
    readonly bytes: Uint8Array;
  };
}

const THINGS: Migration = {
  name: "things",
  up: async (db) => {
    await db.schema
      .createTable("thing")
      .addColumn("id", "integer", (column) => column.primaryKey().autoIncrement())
      .addColumn("name", "varchar(100)", (column) => column.notNull())
      .addColumn("large", "bigint", (column) => column.notNull())
      .addColumn("bytes", "blob", (column) => column.notNull())
      .execute();
  },
};
const MAX = Number.MAX_SAFE_INTEGER;
const BYTES = Buffer.from([0, 255, 128]);

const rejection = async (work: Promise<unknown>): Promise<Error> => {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not reject");
};

describe("core/postgres", function () {
  this.timeout(60_000);
  let server: PostgresServer;
  let started: PostgresServer | undefined;
  let place: PostgresPlace;
  const open: Kysely<Schema>[] = [];
  const held: Alone[] = [];
  const opened = async (): Promise<Kysely<Schema>> => {
    const db = await openPostgres<Schema>(place);
    open.push(db);
    return db;
  };
  const filled = async (...names: readonly string[]): Promise<Kysely<Schema>> => {
    const db = await opened();
    await migrate(db, "room", [THINGS]);
    const rows = names.map((name) => ({ name, large: MAX, bytes: BYTES }));
    await db
      .insertInto("thing")
      .values(rows as never)
      .execute();
    return db;
  };
  const alone = async (waiting: () => void = () => undefined): Promise<Alone> => {
    const { signal } = new AbortController();
    const one = await holdAlone(place, { kind: "manager", waiting, signal });
    held.push(one);
    return one;
  };

  before(async function () {
    if (!hasPostgres()) skip(this, NO_POSTGRES);
    started = await PostgresServer.start();
    server = started;
  });
  beforeEach(async () => {
    place = await server.database();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((db) => db.destroy()));
    await Promise.all(held.splice(0).map((one) => one.release()));
  });
  after(async () => {
    removeTemporaryFolders();
    await started?.remove();
  });

  it("gives numbers up to 2^53 - 1, counts, sums and bytes back as the file does", async () => {
    const db = await filled("a", "b");
    const row = await db.selectFrom("thing").selectAll().orderBy("id").executeTakeFirstOrThrow();
    expect(row).to.deep.equal({ id: 1, name: "a", large: MAX, bytes: BYTES });
    const { counted, summed } = await db
      .selectFrom("thing")
      .select(({ fn }) => [fn.countAll().as("counted"), fn.sum("id").as("summed")])
      .executeTakeFirstOrThrow();
    expect({ counted, summed }).to.deep.equal({ counted: 2, summed: 3 });
  });

  it("orders texts by their bytes, whatever the server's language", async () => {
    const db = await filled("a", "B", "é", "-", "_a");
    const rows = await db.selectFrom("thing").select("name").orderBy("name").execute();
    expect(rows.map(({ name }) => name)).to.deep.equal(["-", "B", "_a", "a", "é"]);
  });

  it("has transactions of all connections take turns, so that none works on what another changes", async () => {
    const db = await filled("a");
    const other = await opened();
    await db.updateTable("thing").set({ large: 0 }).execute();
    const addOne = (on: Kysely<Schema>): Promise<void> =>
      on.transaction().execute(async (tx) => {
        const { large } = await tx.selectFrom("thing").select("large").executeTakeFirstOrThrow();
        await tx
          .updateTable("thing")
          .set({ large: large + 1 })
          .execute();
      });
    await Promise.all(Array.from({ length: 40 }, (_, at) => addOne(at % 2 === 0 ? db : other)));
    expect(await db.selectFrom("thing").select("large").execute()).to.deep.equal([{ large: 40 }]);
  });

  it("undoes what a transaction that failed has written", async () => {
    const db = await filled("a");
    const failed = db.transaction().execute(async (tx) => {
      await tx.deleteFrom("thing").execute();
      throw new Error("changed its mind");
    });
    expect((await rejection(failed)).message).to.equal("changed its mind");
    expect(await db.selectFrom("thing").select("name").execute()).to.deep.equal([{ name: "a" }]);
  });

  it("applies a migration once when several begin at the same moment", async () => {
    let runs = 0;
    const counting: Migration = {
      name: "counting",
      up: (db) => {
        runs += 1;
        return THINGS.up(db);
      },
    };
    const begun = Array.from({ length: 5 }, async () =>
      migrate(await opened(), "room", [counting]),
    );
    await Promise.all(begun);
    expect(runs).to.equal(1);
  });

  it("goes on by itself after the server was away", async () => {
    const db = await filled("a");
    await server.stop();
    await rejection(db.selectFrom("thing").select("name").execute());
    await server.run();
    expect(await db.selectFrom("thing").select("name").execute()).to.deep.equal([{ name: "a" }]);
  });

  it("gives a database to one process of a kind, and to the next when that one ends", async () => {
    const first = await alone();
    let waits = false;
    let second = false;
    const waiting = alone(() => (waits = true)).then(() => (second = true));
    await until("the second to wait", () => waits);
    expect(second).to.equal(false);
    const { signal } = new AbortController();
    const another = { kind: "another kind", waiting: () => undefined, signal };
    await holdAlone(place, another).then((one) => one.release());
    await first.release();
    await waiting;
  });

  it("ends the waiting when the process is to stop", async () => {
    await alone();
    const stop = new AbortController();
    const waiting = (): void => stop.abort(new Error("asked to stop"));
    const waited = holdAlone(place, { kind: "manager", waiting, signal: stop.signal });
    expect((await rejection(waited)).message).to.equal("asked to stop");
  });

  it("tells whoever had the database alone that this is over when the server goes", async () => {
    const { lost } = await alone();
    await server.stop();
    expect(await lost).to.be.a("string");
    await server.run();
  });

  const notDurable: readonly (readonly [setting: string, message: RegExp])[] = [
    ["fsync=off", /fsync is "off", allowed is "on"/],
    ["full_page_writes=off", /full_page_writes is "off", allowed is "on"/],
    ["synchronous_commit=off", /synchronous_commit is "off", allowed is "on", "local"/],
  ];
  for (const [setting, message] of notDurable) {
    it(`refuses a server with ${setting}: what it acknowledges may be lost`, async () => {
      await server.stop();
      await server.run([setting]);
      try {
        const error = await rejection(openPostgres(place));
        expect(error).to.be.instanceOf(DatabaseError);
        expect(error.message).to.match(message);
      } finally {
        await server.stop();
        await server.run();
      }
    });
  }

  it("refuses a wrong password, and repeats it nowhere", async () => {
    const passwordFile = join(temporaryFolder(), "password");
    await writeFile(passwordFile, "not the password\n");
    const error = await rejection(openPostgres({ ...place, passwordFile }));
    expect(error).to.be.instanceOf(DatabaseError);
    expect(error.message).to.contain("cannot be opened as a database: password authentication");
    expect(JSON.stringify([error.message, error.stack])).to.not.contain("not the password");
  });

  const unusable: readonly (readonly [what: string, place: () => Promise<PostgresPlace>])[] = [
    [
      "a server that is not there",
      async () => ({ ...place, url: `postgres://a@127.0.0.1:${await freePort()}/b` }),
    ],
    [
      "a database that is not there",
      async () => Promise.resolve({ ...place, url: server.url("nope") }),
    ],
    [
      "a password file that is not there",
      async () => Promise.resolve({ ...place, passwordFile: "/nowhere" }),
    ],
  ];
  for (const [what, make] of unusable) {
    it(`refuses ${what}, naming the database and what to check`, async () => {
      const error = await rejection(openPostgres(await make()));
      expect(error).to.be.instanceOf(DatabaseError);
      expect(error.message).to.match(/^postgres:\/\/.* cannot be opened as a database: .*; check/);
    });
  }

  it("refuses a number beyond 2^53 - 1 instead of changing it", async () => {
    const db = await filled("a");
    await sql`update thing set large = 9007199254740993`.execute(db);
    const error = await rejection(db.selectFrom("thing").select("large").execute());
    expect(error.message).to.contain("beyond 2^53");
  });
});
