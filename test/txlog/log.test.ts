// The writer: durable intents, batches, refusals, limits, and what lies in the folder.
import { expect } from "chai";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { SchakelError } from "../../core/errors.js";
import { leafHash } from "../../txlog/leaf.js";
import { LogUnusable } from "../../txlog/folder.js";
import type { TransactionLog } from "../../txlog/log.js";
import { readPersonal } from "../../txlog/read-personal.js";
import { expectEnded, recordsOf } from "../support/logs.js";
import { skip } from "../support/skip.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import {
  COMPLETE,
  exchange,
  itemsOf,
  openLog,
  storedRecordsOf,
} from "../support/transaction-log.js";
import { until } from "../support/until.js";

const DENIED = { status: 403, code: "ERROR_CODE_ACCESS_DENIED" } as const;

const rejectionOf = async (promise: Promise<unknown>): Promise<SchakelError> => {
  try {
    await promise;
  } catch (error) {
    if (error instanceof SchakelError) return error;
    throw error;
  }
  throw new Error("it resolved");
};

const causeOf = (error: SchakelError): string => (error.cause as Error).message;

describe("txlog/log", () => {
  let folder = "";
  const opened: TransactionLog[] = [];
  const open = async (...args: Parameters<typeof openLog>): Promise<TransactionLog> => {
    const log = await openLog(...args);
    opened.push(log);
    return log;
  };
  beforeEach(() => {
    folder = join(temporaryFolder(), "data", "log");
  });
  afterEach(async () => {
    for (const log of opened.splice(0)) await log.close();
    removeTemporaryFolders();
  });

  it("makes its folder for its user alone", async () => {
    await open(folder);
    const modes = ["", "segments", "keys", "segments/00000001.seg", "keys/00000001.key"].map(
      (path) => statSync(join(folder, path)).mode & 0o777,
    );
    expect(modes).to.deep.equal([0o700, 0o700, 0o700, 0o600, 0o600]);
  });

  it("has the intent on disk when it resolves, under the hash and sequence that it gave", async () => {
    const log = await open(folder);
    const given = exchange({ pathTemplate: "/personen/{bsn}", traceId: Buffer.alloc(16, 7) });
    const intent = await log.intent(given);
    const found = (await storedRecordsOf(folder)).find(({ record }) => record.kind === "intent");
    expect(found?.record).to.deep.include({ sequence: intent.sequence, writerId: log.writerId });
    expect(found?.record.kind === "intent" && found.record.exchange).to.deep.equal(given);
    expect(found === undefined || leafHash(found.leaf)).to.deep.equal(intent.leafHash);
  });

  it("joins an outcome to its intent, without a sync that an intent could have shared", async () => {
    const log = await open(folder, { limits: { flushMs: 60_000 } });
    const first = await log.intent(exchange());
    log.outcome(first, COMPLETE);
    const { syncs } = log.records;
    await log.intent(exchange());
    expect(log.records.syncs).to.equal(syncs + 1);
    const records = await recordsOf(folder);
    expect(records.map(({ kind }) => kind)).to.deep.equal([
      "writer-start",
      "intent",
      "outcome",
      "intent",
    ]);
    const outcome = records[2];
    expect(outcome?.kind === "outcome" && outcome.intent).to.deep.equal(first);
    expect(outcome?.kind === "outcome" && outcome.outcome).to.deep.equal(COMPLETE);
  });

  it("writes an outcome soon when no intent comes", async () => {
    const log = await open(folder);
    log.outcome(await log.intent(exchange()), COMPLETE);
    await until("the outcome to be written", async () =>
      (await recordsOf(folder)).some(({ kind }) => kind === "outcome"),
    );
  });

  it("makes many intents durable with few syncs, in the order in which they came", async () => {
    const log = await open(folder);
    const intents = await Promise.all(Array.from({ length: 500 }, () => log.intent(exchange())));
    const sequences = intents.map(({ sequence }) => Number(sequence));
    expect(sequences).to.deep.equal(sequences.map((_, index) => 2 + index));
    expect(log.records.syncs).to.be.at.most(4);
    expect(log.records.records).to.equal(501);
  });

  it("keeps one writer and one sequence over restarts and begins a segment each time", async () => {
    const writers = new Set<string>();
    for (let run = 0; run < 3; run++) {
      const log = await openLog(folder);
      writers.add(log.writerId);
      log.outcome(await log.intent(exchange()), COMPLETE);
      await log.close();
    }
    expect(writers.size).to.equal(1);
    const records = await recordsOf(folder);
    expect(records.map(({ sequence }) => Number(sequence))).to.deep.equal(
      records.map((_, index) => index + 1),
    );
    expectEnded(records);
    const starts = records.filter((record) => record.kind === "writer-start");
    expect(starts.map(({ previousStop }) => previousStop)).to.deep.equal([
      "none",
      "clean",
      "clean",
    ]);
    expect(readdirSync(join(folder, "segments"))).to.have.length(3);
  });

  it("follows a full segment with a new one under a new key", async () => {
    const log = await open(folder, { limits: { segmentBytes: 4096 } });
    for (let i = 0; i < 60; i++) log.outcome(await log.intent(exchange()), COMPLETE);
    await log.close();
    const keys = readdirSync(join(folder, "keys"));
    expect(keys.length).to.be.above(4);
    expect(
      new Set(keys.map((name) => readFileSync(join(folder, "keys", name), "hex"))).size,
    ).to.equal(keys.length);
    expectEnded(await recordsOf(folder));
    const items = await itemsOf(folder);
    expect(items.every(({ status }) => status === "record")).to.equal(true);
  });

  it("records a refusal without a transaction id", async () => {
    const log = await open(folder);
    log.refusal(exchange({ transactionId: undefined, service: "x".repeat(5000) }), DENIED);
    await log.close();
    const refusal = (await recordsOf(folder)).find((record) => record.kind === "refusal");
    expect(refusal).to.include(DENIED);
    expect(refusal?.exchange.transactionId).to.equal(undefined);
    expect(refusal?.exchange.service.length).to.be.below(1100);
  });

  it("sums refusals above a rate per peer, code and minute", async () => {
    const minute = 29_400_000;
    let now = minute * 60_000;
    const clock = { now: () => now, monotonic: () => performance.now() };
    const log = await open(folder, { clock, limits: { refusalsPerMinute: 3 } });
    const refuse = (peerId: string, times: number) => {
      for (let i = 0; i < times; i++) log.refusal(exchange({ source: { peerId } }), DENIED);
    };
    refuse("1", 10);
    refuse("2", 4);
    now += 60_000;
    refuse("1", 5);
    log.refusal(exchange({ source: { peerId: "1" } }), { ...DENIED, code: "ERROR_CODE_INTERNAL" });
    await log.close();
    const records = await recordsOf(folder);
    expect(records.filter(({ kind }) => kind === "refusal")).to.have.length(9);
    const sums = records
      .filter((record) => record.kind === "refusal-sum")
      .map(({ peerId, code, minuteUs, count }) => [
        peerId,
        code,
        minuteUs / 60_000_000 - minute,
        count,
      ]);
    expect(sums).to.deep.equal([
      ["1", "ERROR_CODE_ACCESS_DENIED", 0, 7],
      ["2", "ERROR_CODE_ACCESS_DENIED", 0, 1],
      ["1", "ERROR_CODE_ACCESS_DENIED", 1, 2],
      ["1", "ERROR_CODE_INTERNAL", 1, 1],
    ]);
  });

  it("bounds the sums of refusals, and counts those of further peers together", async () => {
    const log = await open(folder, { limits: { refusalsPerMinute: 0, refusalSums: 5 } });
    for (let peer = 0; peer < 100; peer++) {
      log.refusal(exchange({ source: { peerId: String(peer) } }), DENIED);
    }
    await log.close();
    const sums = (await recordsOf(folder)).filter((record) => record.kind === "refusal-sum");
    expect(sums.length).to.be.at.most(12);
    expect(sums.reduce((total, { count }) => total + count, 0)).to.equal(100);
  });

  it("refuses intents beyond what may wait, and takes them again afterwards", async () => {
    const log = await open(folder, { limits: { queueBytes: 10_000 } });
    const results = await Promise.allSettled(
      Array.from({ length: 200 }, () => log.intent(exchange())),
    );
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused.length).to.be.within(50, 190);
    for (const { reason } of refused) {
      expect(reason).to.be.instanceOf(SchakelError);
      expect((reason as SchakelError).code).to.equal("TRANSACTION_LOG_WRITE_ERROR");
    }
    expect(log.records.intentsRefused).to.equal(refused.length);
    await log.intent(exchange());
    expect((await recordsOf(folder)).length).to.equal(202 - refused.length);
  });

  const UNFIT: readonly (readonly [string, Parameters<typeof exchange>[0]])[] = [
    ["whose service name is too long", { service: "x".repeat(2000) }],
    ["whose additional data are too long", { additionalData: "x".repeat(20_000) }],
    ["without transaction id", { transactionId: undefined }],
    ["whose receipt is no hash", { otherReceipt: Buffer.alloc(31) }],
    ["that is larger than a leaf may be", { grantHash: "x".repeat(66_000) }],
  ];
  for (const [what, more] of UNFIT) {
    it(`refuses an intent ${what}, and goes on without a gap`, async () => {
      const log = await open(folder, {
        limits: { nameBytes: what.startsWith("that") ? 70_000 : 1024 },
      });
      const error = await rejectionOf(log.intent(exchange(more)));
      expect(error.code).to.equal("TRANSACTION_LOG_WRITE_ERROR");
      expect(causeOf(error)).to.equal("the exchange does not fit a record");
      expect((await log.intent(exchange())).sequence).to.equal(2n);
      expect(await recordsOf(folder)).to.have.length(2);
    });
  }

  it("refuses intents after it was closed, and can be closed twice", async () => {
    const log = await open(folder);
    await Promise.all([log.close(), log.close()]);
    expect(causeOf(await rejectionOf(log.intent(exchange())))).to.equal("the log is closed");
  });

  it("finishes what was handed in before it is closed", async () => {
    const log = await open(folder);
    const waiting = [log.intent(exchange()), log.intent(exchange())];
    log.refusal(exchange(), DENIED);
    await log.close();
    await Promise.all(waiting);
    expect((await recordsOf(folder)).map(({ kind }) => kind)).to.deep.equal([
      "writer-start",
      "intent",
      "intent",
      "refusal",
      "writer-stop",
    ]);
  });

  it("has nothing personal in clear in any file", async () => {
    const log = await open(folder);
    const personal = {
      path: "/personen/geheim-pad",
      dataSubjects: [{ key: "geheim-sleutel", value: "geheim-bsn" }],
      processId: "geheim-proces",
      dataElements: "geheim-elementen",
      user: "geheim-gebruiker",
      claims: "geheim-claims",
      userId: "geheim-id",
      applicationId: "geheim-toepassing",
      subjectIdentifier: "geheim-onderwerp",
    };
    await log.intent(exchange({ personal }));
    log.refusal(exchange({ personal }), DENIED);
    await log.close();
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const content = readFileSync(join(entry.parentPath, entry.name), "latin1");
      expect(content, entry.name).not.to.include("geheim");
    }
    const stored = (await storedRecordsOf(folder)).filter(({ sealed }) => sealed !== undefined);
    expect(stored.map(({ record }) => record.kind)).to.deep.equal(["intent", "refusal"]);
    for (const item of stored) {
      expect(await readPersonal(folder, item)).to.deep.equal({ status: "readable", personal });
    }
  });

  it("forgets what is personal when the key is erased, and every hash stays", async () => {
    const log = await open(folder);
    const intent = await log.intent(exchange({ personal: { path: "/personen/1" } }));
    await log.close();
    const before = (await storedRecordsOf(folder)).map(({ leaf }) =>
      leafHash(leaf).toString("hex"),
    );
    rmSync(join(folder, "keys"), { recursive: true });
    const stored = await storedRecordsOf(folder);
    expect(stored.map(({ leaf }) => leafHash(leaf).toString("hex"))).to.deep.equal(before);
    const item = stored.find(({ record }) => record.sequence === intent.sequence);
    if (item === undefined) return expect.fail("the intent is gone");
    expect(leafHash(item.leaf)).to.deep.equal(intent.leafHash);
    expect(await readPersonal(folder, item)).to.deep.equal({ status: "erased" });
    const again = await open(folder);
    expect((await again.intent(exchange())).sequence).to.equal(6n);
  });

  it("lets no second process, nor this one twice, write the same folder", async () => {
    await open(folder);
    const second = await openLog(folder).then(
      () => expect.fail("it was opened twice"),
      (error: unknown) => error,
    );
    expect(second).to.be.instanceOf(LogUnusable);
    expect((second as LogUnusable).message).to.include("another process");
    expect((second as LogUnusable).hint).to.include("data folder");
  });

  it("leaves the folder free when it could not be opened", async () => {
    await openLog(folder).then((log) => log.close());
    await openLog(folder, { groupId: "another" }).catch(() => undefined);
    await open(folder);
  });

  const unusable = async (options: Parameters<typeof openLog>[1] = {}): Promise<LogUnusable> => {
    try {
      await open(folder, options);
    } catch (error) {
      if (error instanceof LogUnusable) return error;
      throw error;
    }
    throw new Error("it was opened");
  };

  it("refuses the folder of another group", async () => {
    await openLog(folder).then((log) => log.close());
    const { message } = await unusable({ groupId: "another" });
    expect(message).to.include('belongs to group "test.group", not "another"');
  });

  it("refuses a folder whose writer is unknown or unreadable", async () => {
    await openLog(folder).then((log) => log.close());
    writeFileSync(join(folder, "writer.json"), '{"version":1}');
    expect((await unusable()).message).to.include("not the description of a writer");
    rmSync(join(folder, "writer.json"));
    const { message, hint } = await unusable();
    expect(message).to.include("no writer.json");
    expect(hint).to.include("move");
  });

  it("removes what an interrupted write left beside the files", async () => {
    mkdirSync(join(folder, "keys"), { recursive: true });
    writeFileSync(join(folder, "keys", "00000001.key.abc.tmp"), "x");
    await open(folder);
    expect(existsSync(join(folder, "keys", "00000001.key.abc.tmp"))).to.equal(false);
  });

  it("says that the log lies on a volatile disk, unless it may", async function () {
    const volatile = "/dev/shm";
    if (
      !existsSync(volatile) ||
      execFileSync("stat", ["-f", "-c", "%T", volatile]).toString() !== "tmpfs\n"
    ) {
      skip(this, "/dev/shm is no tmpfs here");
    }
    folder = join(volatile, `schakel-test-${String(process.pid)}`, "log");
    try {
      const { message, hint } = await unusable({ allowVolatile: false });
      expect(message).to.include("tmpfs");
      expect(hint).to.include("--allow-volatile-log");
      const log = await open(folder, { allowVolatile: true });
      await log.close();
      const [start] = await recordsOf(folder);
      expect(start).to.include({ kind: "writer-start", durability: "volatile" });
    } finally {
      rmSync(dirname(folder), { recursive: true, force: true });
    }
  });

  it("refuses a limit that the format cannot hold", async () => {
    const error = await openLog(folder, { limits: { queueBytes: 2 ** 24 } }).catch(
      (e: unknown) => e,
    );
    expect(error).to.be.instanceOf(RangeError);
  });
});
