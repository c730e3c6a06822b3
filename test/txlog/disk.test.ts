// A disk that fails or is full: exchanges are refused, nothing acknowledged is lost, and the log goes on by itself.
import { expect } from "chai";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SchakelError } from "../../core/errors.js";
import type { Intent, TransactionLog } from "../../txlog/log.js";
import { expectEnded, recordsOf } from "../support/logs.js";
import { skip } from "../support/skip.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { COMPLETE, exchange, openLog } from "../support/transaction-log.js";
import { until } from "../support/until.js";

const DENIED = { status: 403, code: "ERROR_CODE_ACCESS_DENIED" } as const;

const isRefused = async (log: TransactionLog): Promise<boolean> => {
  try {
    await log.intent(exchange());
    return false;
  } catch (error) {
    expect(error).to.be.instanceOf(SchakelError);
    expect((error as SchakelError).code).to.equal("TRANSACTION_LOG_WRITE_ERROR");
    return true;
  }
};

const expectWhole = async (folder: string, acknowledged: readonly Intent[]): Promise<void> => {
  const records = await recordsOf(folder);
  expect(records.map(({ sequence }) => Number(sequence))).to.deep.equal(
    records.map((_, index) => index + 1),
  );
  expectEnded(records);
  const intents = records.filter(({ kind }) => kind === "intent").map(({ sequence }) => sequence);
  expect(intents).to.include.members(acknowledged.map(({ sequence }) => sequence));
};

describe("txlog/disk", function () {
  this.timeout(60_000);
  let folder = "";
  let log: TransactionLog;
  afterEach(async () => {
    await log.close();
  });
  after(removeTemporaryFolders);

  it("refuses while no segment can be made, keeps outcomes, sums refusals, and goes on by itself", async () => {
    folder = join(temporaryFolder(), "log");
    // Each batch fills its segment, so that the next one needs a new segment.
    log = await openLog(folder, { limits: { segmentBytes: 1 } });
    const before = [await log.intent(exchange()), await log.intent(exchange())];
    renameSync(join(folder, "segments"), join(folder, "away"));

    expect(await isRefused(log)).to.equal(true);
    expect(log.problem()).to.match(/cannot be written \(ENOENT\)/);
    expect(await isRefused(log)).to.equal(true);
    for (const intent of before) log.outcome(intent, COMPLETE);
    log.refusal(exchange(), DENIED);
    expect(log.records.failures).to.equal(1);
    renameSync(join(folder, "away"), join(folder, "segments"));

    await until("the log to be written again", () => log.problem() === undefined);
    const later = await log.intent(exchange());
    expect(later.sequence).to.equal(4n + 2n);
    log.outcome(later, COMPLETE);
    await log.close();
    await expectWhole(folder, [...before, later]);
    const kinds = (await recordsOf(folder)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "outcome")).to.have.length(3);
    expect(kinds.filter((kind) => kind === "refusal-sum")).to.have.length(1);
    expect(kinds).not.to.include("unfinished");
  });

  it("gives up outcomes beyond what it may keep; they are unfinished at the next start", async () => {
    folder = join(temporaryFolder(), "log");
    log = await openLog(folder, { limits: { segmentBytes: 1, outcomesKept: 1 } });
    const intents = [await log.intent(exchange()), await log.intent(exchange())];
    renameSync(join(folder, "segments"), join(folder, "away"));
    expect(await isRefused(log)).to.equal(true);
    for (const intent of intents) log.outcome(intent, COMPLETE);
    expect(log.records.outcomesLost).to.equal(1);
    renameSync(join(folder, "away"), join(folder, "segments"));
    await until("the log to be written again", () => log.problem() === undefined);
    await log.close();
    log = await openLog(folder);
    await log.close();
    await expectWhole(folder, intents);
    const kinds = (await recordsOf(folder)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "unfinished")).to.have.length(1);
  });

  it("can be closed while it fails, and a later start ends what was open", async () => {
    folder = join(temporaryFolder(), "log");
    log = await openLog(folder, { limits: { segmentBytes: 1 } });
    const intent = await log.intent(exchange());
    renameSync(join(folder, "segments"), join(folder, "away"));
    expect(await isRefused(log)).to.equal(true);
    log.outcome(intent, COMPLETE);
    await log.close();
    renameSync(join(folder, "away"), join(folder, "segments"));
    log = await openLog(folder);
    await log.close();
    await expectWhole(folder, [intent]);
  });

  it("does not start on a disk on which nothing can be written", async () => {
    folder = join(temporaryFolder(), "log");
    log = await openLog(folder);
    await log.close();
    const next = join(folder, "segments", "00000002.seg");
    mkdirSync(next);
    await openLog(folder).then(
      () => expect.fail("it was opened"),
      (error: unknown) => expect(error).to.be.instanceOf(Error),
    );
    rmSync(next, { recursive: true });
    log = await openLog(folder);
  });
});

describe("txlog/full disk", function () {
  this.timeout(60_000);
  let mount = "";
  before(function () {
    mount = join(temporaryFolder(), "disk");
    mkdirSync(mount);
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", mount]);
    if (mounted.status !== 0) skip(this, "a file system can only be mounted as root");
  });
  after(() => {
    spawnSync("umount", [mount]);
    removeTemporaryFolders();
  });

  it("refuses when the disk is full, and goes on within ten seconds of there being room", async () => {
    const folder = join(mount, "log");
    const log = await openLog(folder);
    const acknowledged: Intent[] = [];
    for (let i = 0; i < 20; i++) {
      const intent = await log.intent(exchange());
      acknowledged.push(intent);
      if (i % 2 === 0) log.outcome(intent, COMPLETE);
    }
    const filler = join(mount, "filler");
    spawnSync("dd", ["if=/dev/zero", `of=${filler}`, "bs=4096"]);
    expect(execFileSync("df", ["--output=avail", mount]).toString()).to.match(/\n *0\n/);

    const results: boolean[] = [];
    await until("the log to refuse", async () => {
      results.push(await isRefused(log));
      return results.at(-1);
    });
    expect(log.problem()).to.include("ENOSPC");
    for (const intent of acknowledged.filter((_, i) => i % 2 === 1)) log.outcome(intent, COMPLETE);
    const attempts = readdirSync(join(folder, "segments")).length;
    await until(
      "further attempts to fail",
      () => log.records.failures > 0 && log.problem() !== undefined,
    );
    expect(attempts).to.be.at.most(2);

    rmSync(filler);
    await until("the log to be written again", () => log.problem() === undefined, 10_000);
    acknowledged.push(await log.intent(exchange()));
    await log.close();
    await openLog(folder).then((again) => again.close());
    await expectWhole(folder, acknowledged);
    const kinds = (await recordsOf(folder)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "outcome")).to.have.length(20);
  });

  it("fills a disk to its last byte and keeps what it acknowledged", async () => {
    const folder = join(mount, "second");
    const reserve = join(mount, "reserve");
    writeFileSync(reserve, Buffer.alloc(300_000));
    const log = await openLog(folder);
    const acknowledged: Intent[] = [];
    try {
      for (;;) acknowledged.push(await log.intent(exchange({ additionalData: "x".repeat(3000) })));
    } catch (error) {
      expect((error as SchakelError).code).to.equal("TRANSACTION_LOG_WRITE_ERROR");
    }
    expect(acknowledged.length).to.be.above(100);
    await log.close();
    rmSync(reserve);
    await openLog(folder).then((again) => again.close());
    await expectWhole(folder, acknowledged);
  });
});
