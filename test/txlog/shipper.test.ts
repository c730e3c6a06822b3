// A log and the manager that its records are brought to: nothing is lost or doubled, whichever side is away, and what
// the manager has is removed here as soon as it may be.
import { expect } from "chai";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { InternalBundle } from "../../certs/internal-bundle.js";
import { SchakelError } from "../../core/errors.js";
import type { Address } from "../../core/address.js";
import { systemClock } from "../../core/clock.js";
import { segmentKeyPath, segmentPath } from "../../txlog/folder.js";
import type { Intent, TransactionLog } from "../../txlog/log.js";
import { openPersonal, recordSecret } from "../../txlog/personal.js";
import { readPersonal } from "../../txlog/read-personal.js";
import { shippedBefore } from "../../txlog/shipped-segments.js";
import { Shipper, type ShipLimits } from "../../txlog/shipper.js";
import { LogIntakeServiceClient } from "../../proto/gen/schakel/manager/v1/log.js";
import { internalClient, serveInternal, type InternalServed } from "../support/internal-grpc.js";
import { InternalPki } from "../support/internal-pki.js";
import { LogIntake, type TakenLog } from "../support/log-intake.js";
import { expectEnded, recordsOf } from "../support/logs.js";
import { skip } from "../support/skip.js";
import { recordedLog, type RecordedLog } from "../support/recorded-log.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { COMPLETE, exchange, GROUP, openLog, storedRecordsOf } from "../support/transaction-log.js";
import { until } from "../support/until.js";

const PERSONAL = { path: "/personen/999990019?fields=naam" };

describe("txlog/shipper", function () {
  this.timeout(60_000);
  let pki: InternalPki;
  let manager: InternalBundle;
  let inway: InternalBundle;
  before(async () => {
    pki = await InternalPki.create("shipping");
    manager = await pki.bundle("manager", "manager");
    inway = await pki.bundle("inway", "inway");
  });
  after(() => pki.remove());

  let folder = "";
  let intake: LogIntake;
  let served: InternalServed | undefined;
  let address: Address;
  let log: TransactionLog;
  let shipper: Shipper;
  let lines: RecordedLog;

  const serve = async (): Promise<void> => {
    served = await serveInternal(manager, (server) => intake.addTo(server));
    address = served.address;
  };
  const leave = async (): Promise<void> => {
    await served?.server.stop();
    served = undefined;
  };
  const open = async () => {
    const client = await internalClient(LogIntakeServiceClient, inway, address);
    const stream = client.shipLog();
    stream.on("status", () => client.close());
    return stream;
  };
  const ship = async (limits: Partial<ShipLimits> = {}): Promise<Shipper> =>
    Shipper.start({
      ...{ folder, groupId: GROUP, transactionLog: log, open, clock: systemClock, log: lines.log },
      limits: { delayMs: 5, keptBytes: 0, ...limits },
    });
  const start = async (
    limits: Parameters<typeof openLog>[1] = {},
    shipping: Partial<ShipLimits> = {},
  ): Promise<void> => {
    log = await openLog(folder, limits);
    shipper = await ship(shipping);
  };
  const stop = (): Promise<void> => log.close(() => shipper.stop());
  const exchanges = async (count: number): Promise<Intent[]> => {
    const intents = await Promise.all(
      Array.from({ length: count }, () => log.intent(exchange({ personal: PERSONAL }))),
    );
    for (const intent of intents) log.outcome(intent, COMPLETE);
    return intents;
  };
  const shipped = (): Promise<unknown> =>
    until("everything to be shipped", () => shipper.waiting.records === 0, 30_000);
  const taken = (): TakenLog => {
    if (intake.only === undefined) throw new Error("no writer has come");
    return intake.only;
  };
  const segments = (): string[] => readdirSync(join(folder, "segments"));
  const keys = (): string[] => readdirSync(join(folder, "keys"));

  beforeEach(async () => {
    folder = join(temporaryFolder(), "log");
    intake = new LogIntake();
    lines = recordedLog();
    await serve();
  });
  afterEach(async () => {
    await stop();
    await leave();
    removeTemporaryFolders();
  });

  it("brings every record as it stands in the segment, under the key that opens its personal part", async () => {
    await start({ limits: { segmentBytes: 4_000 } }, { keptBytes: 1024 ** 2 });
    const intents = await exchanges(40);
    await exchanges(3);
    await shipped();
    await stop();
    const stored = await storedRecordsOf(folder);
    const { records, groupId } = taken();
    expect(groupId).to.equal(GROUP);
    expect(records.map(({ leaf }) => leaf.toString("hex"))).to.deep.equal(
      stored.map(({ leaf }) => leaf.toString("hex")),
    );
    expect(intake.only?.repeated).to.equal(0);
    const sequence = Number(intents[7]?.sequence);
    const record = taken().decoded[sequence - 1];
    if (record?.kind !== "intent") throw new Error("it is no intent");
    const { sealed, key } = records[sequence - 1]!;
    const commitment = record.exchange.commitment!;
    expect(openPersonal(recordSecret(key, sealed), { sealed, commitment })).to.deep.equal(PERSONAL);
  });

  it("ships what is stopped with, and what an earlier run could not", async () => {
    await leave();
    await start();
    await exchanges(5);
    await stop();
    expect(intake.streams).to.equal(0);
    await serve();
    await start();
    await exchanges(1);
    await until("the stream", () => shipper.isConnected);
    await stop();
    const records = taken().decoded;
    expect(
      records.map(({ kind }) => kind).filter((kind) => kind.startsWith("writer")),
    ).to.deep.equal(["writer-start", "writer-stop", "writer-start", "writer-stop"]);
    expectEnded(records);
    expect(taken().repeated).to.equal(0);
  });

  it("goes on where the manager stands when that comes back, with nothing lost or doubled", async () => {
    await start({ limits: { segmentBytes: 3_000 } });
    for (let round = 0; round < 5; round++) {
      await exchanges(30);
      await leave();
      await exchanges(30);
      await serve();
      await until("records to be taken", () => shipper.isConnected);
    }
    await shipped();
    // The last outcomes wait for company before they are written.
    await stop();
    expectEnded(taken().decoded);
    expect(taken().decoded.filter(({ kind }) => kind === "intent")).to.have.length(300);
  });

  it("sends again what was not acknowledged, and the manager sees the same bytes", async () => {
    intake.acknowledges = false;
    await start();
    await exchanges(10);
    await until("the records to come", () => (intake.only?.next ?? 0) > 20);
    expect(shipper.waiting.records).to.be.above(20);
    // A manager that had them in memory alone and has lost half of them.
    taken().records.splice(10);
    intake.acknowledges = true;
    shipper.restart();
    await shipped();
    await stop();
    expect(taken().decoded.filter(({ kind }) => kind === "outcome")).to.have.length(10);
  });

  it("ships no record that was written before a failure and never acknowledged", async () => {
    await leave();
    await start();
    await exchanges(3);
    await stop();
    const path = segmentPath(folder, 1);
    const whole = readFileSync(path);
    const stored = await storedRecordsOf(folder);
    const last = stored.filter(({ batchEnd }) => batchEnd === stored.at(-1)?.batchEnd);
    // The next segment begins with the last batch's first sequence, as after a sync that failed.
    truncateSync(path, stored.at(-1 - last.length)?.batchEnd);
    log = await openLog(folder);
    writeFileSync(path, whole);
    await serve();
    shipper = await ship({ keptBytes: 1024 ** 2 });
    await exchanges(1);
    await shipped();
    await stop();
    expect(taken().decoded).to.deep.equal(await recordsOf(folder));
    const stops = taken().decoded.filter(({ kind }) => kind === "writer-stop");
    expect(stops, "that of the last run alone").to.have.length(1);
  });

  it("ships a batch that is larger than a message in several, each record once", async () => {
    intake.acknowledges = false;
    await start({}, { bytes: 2_000, records: 5, flyingBytes: 4_000 });
    await exchanges(100);
    await until("the first to come", () => (intake.only?.next ?? 0) > 5);
    const held = taken().next;
    expect(held, "bounded in what is on its way").to.be.below(40);
    intake.acknowledges = true;
    intake.acknowledge();
    await shipped();
    expect(taken().decoded.filter(({ kind }) => kind === "intent")).to.have.length(100);
    expect(taken().repeated).to.equal(0);
  });

  it("removes the key and the file of a segment that has ended and was acknowledged whole, and no other", async () => {
    await start({ limits: { segmentBytes: 500 } });
    intake.acknowledges = false;
    await until("the stream", () => shipper.isConnected);
    for (let round = 0; round < 6; round++) await exchanges(4);
    // The start, 24 intents and their outcomes.
    await until("all to be written", () => log.position.durable === 50);
    await until("all to come", () => intake.only?.next === 50);
    expect(segments().length).to.be.above(4);
    expect(keys()).to.deep.equal(segments().map((name) => name.replace("seg", "key")));
    intake.acknowledges = true;
    intake.acknowledge();
    await exchanges(4);
    await shipped();
    await until("the keys to go", () => keys().length <= 2);
    await until("the files to go", () => segments().length <= 3);
    expect(await shippedBefore(folder)).to.be.above(40);
    // What is left is what a start needs.
    await stop();
    log = await openLog(folder);
    expect(log.position.durable).to.be.above(50);
  });

  it("keeps the segment of an intent without an end, without its key", async () => {
    await start({ limits: { segmentBytes: 500 } });
    const first = await log.intent(exchange({ personal: PERSONAL }));
    for (let round = 0; round < 5; round++) await exchanges(4);
    await shipped();
    await until("the keys to go", () => !existsSync(segmentKeyPath(folder, 1)));
    expect(segments()).to.include("00000001.seg");
    const stored = (await storedRecordsOf(folder)).find(
      ({ record }) => record.sequence === first.sequence,
    )!;
    expect(await readPersonal(folder, stored)).to.deep.equal({ status: "shipped" });
    log.outcome(first, COMPLETE);
    for (let round = 0; round < 3; round++) await exchanges(4);
    await shipped();
    await until("the file to go", () => !segments().includes("00000001.seg"));
  });

  it("ends a segment with personal parts when it is old or the manager asks, and one without never", async () => {
    await start({ limits: { segmentAgeMs: 50 } });
    await log.intent(exchange()).then((intent) => log.outcome(intent, COMPLETE));
    await shipped();
    const [only] = keys();
    await exchanges(1);
    await until("the key to go", () => !keys().includes(String(only)));
    await stop();

    log = await openLog(folder, { limits: { segmentAgeMs: 600_000 } });
    shipper = await ship();
    await exchanges(1);
    await shipped();
    const before = keys();
    expect(before).to.have.length(1);
    const named = taken().segments.at(-1) ?? 0;
    intake.acknowledge(true);
    await until("the key to go", () => keys().length === 0);
    // Before there is a record in it: what waits for the keys to be gone need not wait longer.
    await until("the new segment to be named", () => (taken().segments.at(-1) ?? 0) > named);
    await exchanges(1);
    expect(keys()).to.have.length(1).and.not.to.deep.equal(before);
  });

  it("keeps the last of what was shipped for reading, as much as it is told", async () => {
    await start({ limits: { segmentBytes: 2_000 } }, { keptBytes: 10_000 });
    for (let round = 0; round < 20; round++) await exchanges(4);
    await shipped();
    await until("the keys to go", () => keys().length <= 2);
    await until("the files to go", () => segments().length < 12);
    expect(segments().length).to.be.above(3);
    const [first] = await recordsOf(folder);
    expect(Number(first?.sequence)).to.be.above(1);
  });

  it("says for how long the manager has been away, and why", async () => {
    await leave();
    await start({}, { awayMs: 1 });
    await exchanges(1);
    const warning = await until("a warning", () => shipper.warning());
    expect(warning).to.match(/^\d+ records wait for the manager, the oldest for \d+ s/);
    await until("the reason", () => shipper.warning()?.includes("ECONNREFUSED"));
    await serve();
    await shipped();
    expect(shipper.warning()).to.equal(undefined);
  });

  it("stops shipping, and says so, when the manager has records that this folder lacks", async () => {
    await start();
    const copy = join(temporaryFolder(), "copy");
    await stop();
    cpSync(folder, copy, { recursive: true });
    await start();
    await exchanges(10);
    await shipped();
    await stop();
    rmSync(folder, { recursive: true });
    folder = copy;
    await start({}, { awayMs: 1 });
    const warning = await until("the warning", () =>
      shipper.warning()?.includes("restored from a copy"),
    );
    expect(warning).to.equal(true);
    const { next } = taken();
    await exchanges(1);
    expect(taken().next).to.equal(next);
  });

  it("goes on trying when the manager refuses, and says what it said", async () => {
    intake.refuses = new Error("the store is away");
    await start({}, { awayMs: 1 });
    await exchanges(1);
    await until("several attempts", () => intake.streams > 2);
    expect(shipper.warning()).to.include("the store is away");
    intake.refuses = undefined;
    await shipped();
  });

  it("gives a silent manager up and opens another stream", async () => {
    intake.acknowledges = false;
    await start({}, { answerMs: 100 });
    await exchanges(1);
    await until("another stream", () => intake.streams > 1);
    intake.acknowledges = true;
    await shipped();
  });

  describe("on a disk of 1 MB", () => {
    let mount = "";
    before(function () {
      mount = join(temporaryFolder(), "disk");
      mkdirSync(mount);
      const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", mount]);
      if (mounted.status !== 0) skip(this, "a file system can only be mounted as root");
    });
    // Before the folders are removed.
    afterEach(async () => {
      await stop();
      spawnSync("umount", [mount]);
    });

    it("refuses when the manager is away for so long that the disk is full, and goes on by itself when it is back", async () => {
      folder = join(mount, "log");
      await leave();
      await start({}, { keptBytes: 64 * 1024 ** 2 });
      const ended: Intent[] = [];
      let code: unknown;
      while (code === undefined) {
        const personal = { path: `/p?${"x".repeat(2_000)}` };
        await log.intent(exchange({ personal })).then(
          (intent) => {
            ended.push(intent);
            log.outcome(intent, COMPLETE);
          },
          (error: unknown) => (code = (error as SchakelError).code),
        );
      }
      expect(code).to.equal("TRANSACTION_LOG_WRITE_ERROR");
      expect(log.problem()).to.include("ENOSPC");
      expect(ended.length).to.be.above(200);

      await serve();
      await until("the log to be written again", () => log.problem() === undefined, 10_000);
      for (let i = 0; i < 100; i++) {
        const intent = await log.intent(exchange({ personal: PERSONAL }));
        ended.push(intent);
        log.outcome(intent, COMPLETE);
      }
      await stop();
      const records = taken().decoded;
      expectEnded(records);
      const intents = records.filter(({ kind }) => kind === "intent");
      expect(intents.map(({ sequence }) => sequence)).to.deep.equal(
        ended.map(({ sequence }) => sequence),
      );
    });
  });

  describe("with durability store", () => {
    it("resolves an intent when the manager has acknowledged it, and not before", async () => {
      await start({ durability: "store", limits: { storeMs: 60_000 } }, { delayMs: 0 });
      const intent = await log.intent(exchange());
      expect(taken().next).to.be.above(Number(intent.sequence));
      const [begin] = taken().decoded;
      expect(begin).to.include({ kind: "writer-start", durability: "store" });

      intake.acknowledges = false;
      let isResolved = false;
      const { next } = taken();
      const later = log.intent(exchange()).then((resolved) => {
        isResolved = true;
        return resolved;
      });
      await until("the record to come", () => taken().next > next);
      expect(isResolved).to.equal(false);
      intake.acknowledge();
      log.outcome(await later, COMPLETE);
      log.outcome(intent, COMPLETE);
    });

    it("refuses what the manager does not acknowledge in time, and at once what comes then, until it does", async () => {
      await start({ durability: "store", limits: { storeMs: 200 } }, { delayMs: 0 });
      await until("the stream", () => shipper.isConnected);
      await leave();
      const refused = async (): Promise<string> => {
        const error: unknown = await log.intent(exchange()).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        expect(error).to.be.instanceOf(SchakelError);
        return (error as SchakelError).code;
      };
      expect(await refused()).to.equal("TRANSACTION_LOG_WRITE_ERROR");
      expect(log.problem()).to.include("the manager has not acknowledged records within 0.2 s");
      const { durable } = log.position;
      expect(await refused()).to.equal("TRANSACTION_LOG_WRITE_ERROR");
      expect(log.records.intentsRefused).to.equal(2);
      await serve();
      await until("all to be well", () => log.problem() === undefined);
      log.outcome(await log.intent(exchange()), COMPLETE);
      await stop();
      const records = taken().decoded;
      expectEnded(records);
      expect(records.filter(({ kind }) => kind === "intent")).to.have.length(2);
      expect(durable).to.be.below(taken().next);
      const failed = records.find((record) => record.kind === "outcome");
      expect(failed?.kind === "outcome" && failed.outcome.code).to.equal(
        "TRANSACTION_LOG_WRITE_ERROR",
      );
    });
  });
});
