// What the transaction log costs: exchanges made durable by 1, 16 and 64 callers at once, beside the same bytes put
// into a table by SQLite and PostgreSQL, one transaction for each group.
import { randomBytes } from "node:crypto";
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import { pino } from "pino";
import { systemClock } from "../core/clock.js";
import { newTransactionId } from "../core/names.js";
import type { ExchangeEntry, OutcomeEntry } from "../txlog/entry.js";
import type { openTransactionLog as open } from "../txlog/log.js";
import { hasPostgres, NO_POSTGRES, PostgresServer } from "../test/support/postgres.js";
import type { Row } from "./main.js";

/** As it runs: built, without what a loader of TypeScript puts into it. */
const { openTransactionLog } = (await import(
  new URL("../dist/txlog/log.js", import.meta.url).href
)) as { readonly openTransactionLog: typeof open };

const WRITERS = [1, 16, 64];
/** About what an intent and its outcome have in a segment. */
const RECORD_BYTES = [480, 190];

const THUMBPRINT = randomBytes(32);
const TRACE = randomBytes(16);
const RECEIPT = randomBytes(32);
/** Made before: what they cost is not the log's. */
const IDS = Array.from({ length: 50_000 }, () => newTransactionId());
let used = 0;

/** An exchange as an outway records one, with all that most have. */
const exchange = (personal: boolean): ExchangeEntry => ({
  direction: "outgoing",
  transactionId: IDS[used++ % IDS.length],
  grantHash:
    "$1$1$Zm9yIG1lYXN1cmluZyBvbmx5LCBhbmQgb2YgdGhlIGxlbmd0aCBvZiBhIHJlYWwgb25lLCBzaXh0eS1mb3Vy",
  source: { peerId: "00000000000000000001" },
  destination: { peerId: "00000000000000000002" },
  service: "basisregistratie-personen",
  method: "GET",
  clause: "grant",
  client: "loopback",
  certificateThumbprint: THUMBPRINT,
  traceId: TRACE,
  ...(personal
    ? {
        personal: {
          path: "/personen/999990019?fields=naam,geboorte",
          dataSubjects: [{ key: "bsn", value: "999990019" }],
          processId: "verhuizing",
        },
      }
    : {}),
});

const OUTCOME: OutcomeEntry = {
  result: "complete",
  status: 200,
  requestBytes: 0,
  responseBytes: 1024,
  durationUs: { total: 2_345, other: 1_234 },
  link: "http1",
  otherReceipt: RECEIPT,
};

interface Measured {
  readonly count: number;
  readonly seconds: number;
  /** Of all threads of this process, in microseconds. */
  readonly cpuUs: number;
  readonly latenciesMs: Float64Array;
}

const measure = async (
  seconds: number,
  work: (until: number, done: (startedAt: number) => void) => Promise<unknown>,
): Promise<Measured> => {
  const latenciesMs: number[] = [];
  const started = performance.now();
  const cpu = process.cpuUsage();
  await work(started + seconds * 1000, (at) => latenciesMs.push(performance.now() - at));
  const { user, system } = process.cpuUsage(cpu);
  const took = (performance.now() - started) / 1000;
  return {
    count: latenciesMs.length,
    seconds: took,
    cpuUs: user + system,
    latenciesMs: Float64Array.from(latenciesMs).sort(),
  };
};

const rowOf = (
  what: string,
  writers: number,
  { count, seconds, cpuUs, latenciesMs }: Measured,
): Row => {
  const at = (share: number): string =>
    (latenciesMs[Math.floor((latenciesMs.length - 1) * share)] ?? 0).toFixed(2);
  return {
    what,
    writers,
    "records/s": Math.round((count * 2) / seconds),
    "CPU µs an exchange": (cpuUs / count).toFixed(2),
    "p50 ms": at(0.5),
    "p99 ms": at(0.99),
  };
};

const benchOurs = async (folder: string, personal: boolean, seconds: number): Promise<Row[]> => {
  const log = await openTransactionLog({
    folder,
    groupId: "bench",
    software: "bench",
    log: pino({ level: "silent" }),
    clock: systemClock,
    allowVolatile: true,
  });
  const rows: Row[] = [];
  // Once for nothing, so that all code is compiled.
  for (const writers of [64, ...WRITERS]) {
    const measured = await measure(seconds, (until, done) => {
      const writer = async (): Promise<void> => {
        for (let at = performance.now(); at < until; at = performance.now()) {
          const intent = await log.intent(exchange(personal));
          done(at);
          log.outcome(intent, OUTCOME);
        }
      };
      return Promise.all(Array.from({ length: writers }, writer));
    });
    rows.push(rowOf(personal ? "log" : "log, nothing personal", writers, measured));
  }
  await log.close();
  return rows.slice(1);
};

/** The bytes of as many exchanges as there are writers: what goes into one group. */
const group = (writers: number): Buffer[] =>
  Array.from({ length: writers }, () => RECORD_BYTES.map((size) => randomBytes(size))).flat();

const benchSqlite = async (folder: string, seconds: number): Promise<Row[]> => {
  const db = new DatabaseSync(join(folder, "bench.db"));
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  db.exec("CREATE TABLE record (sequence INTEGER PRIMARY KEY, leaf BLOB NOT NULL)");
  const insert = db.prepare("INSERT INTO record (leaf) VALUES (?)");
  const rows: Row[] = [];
  for (const writers of WRITERS) {
    const records = group(writers);
    const measured = await measure(seconds, async (until, done) => {
      for (let at = performance.now(); at < until; at = performance.now()) {
        db.exec("BEGIN");
        for (const record of records) insert.run(record);
        db.exec("COMMIT");
        for (let i = 0; i < writers; i++) done(at);
        await Promise.resolve();
      }
    });
    rows.push(rowOf("SQLite, group insert", writers, measured));
  }
  db.close();
  return rows;
};

const benchPostgres = async (seconds: number): Promise<Row[]> => {
  if (!hasPostgres()) return [{ what: `PostgreSQL: ${NO_POSTGRES}` }];
  const server = await PostgresServer.start(["fsync=on", "synchronous_commit=on"]);
  const client = new pg.Client({ connectionString: server.fullUrl });
  await client.connect();
  await client.query("CREATE TABLE record (sequence BIGSERIAL PRIMARY KEY, leaf BYTEA NOT NULL)");
  const rows: Row[] = [];
  for (const writers of WRITERS) {
    const records = group(writers);
    const measured = await measure(seconds, async (until, done) => {
      for (let at = performance.now(); at < until; at = performance.now()) {
        const query = {
          name: "insert",
          text: "INSERT INTO record (leaf) SELECT unnest($1::bytea[])",
          values: [records],
        };
        await client.query(query);
        for (let i = 0; i < writers; i++) done(at);
      }
    });
    rows.push(rowOf("PostgreSQL, group insert (client's CPU)", writers, measured));
  }
  await client.end();
  await server.remove();
  return rows;
};

/** How long the disk takes for one sync, beside all of it. */
const benchSync = async (folder: string, seconds: number): Promise<Row> => {
  const fd = openSync(join(folder, "sync"), "w");
  const block = randomBytes(4096);
  const measured = await measure(Math.min(1, seconds), async (until, done) => {
    for (let at = performance.now(); at < until; at = performance.now()) {
      writeSync(fd, block);
      fdatasyncSync(fd);
      done(at);
      await Promise.resolve();
    }
  });
  closeSync(fd);
  const { "p50 ms": p50 = "", "p99 ms": p99 = "" } = rowOf("", 1, measured);
  return { what: "write and fdatasync of 4 KiB", writers: 1, "p50 ms": p50, "p99 ms": p99 };
};

/** Measures, in a folder below the working folder: a temporary one may lie in memory. */
export const benchLog = async (seconds: number): Promise<readonly Row[]> => {
  const folder = mkdtempSync(join(process.cwd(), ".bench-"));
  try {
    return [
      await benchSync(folder, seconds),
      ...(await benchOurs(join(folder, "log"), true, seconds)),
      ...(await benchOurs(join(folder, "plain"), false, seconds)),
      ...(await benchSqlite(folder, seconds)),
      ...(await benchPostgres(seconds)),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
