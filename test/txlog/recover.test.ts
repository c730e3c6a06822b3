// A start after a stop of any kind: what is taken over, what is reported, what is refused.
import { expect } from "chai";
import {
  cpSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { LogUnusable, segmentPath } from "../../txlog/folder.js";
import type { LogRecord } from "../../txlog/record.js";
import { decodeSegmentHeader } from "../../txlog/segment.js";
import { expectEnded, recordsOf } from "../support/logs.js";
import { randomFrom } from "../support/random.js";
import { long, seed } from "../support/scale.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import {
  COMPLETE,
  exchange,
  itemsOf,
  openLog,
  storedRecordsOf,
} from "../support/transaction-log.js";

const CUTS = long ? Infinity : 40;

const openAndClose = (folder: string, lines: string[] = []): Promise<void> =>
  openLog(folder, { lines }).then((log) => log.close());

const refusedStart = async (folder: string): Promise<LogUnusable> => {
  try {
    await openAndClose(folder);
  } catch (error) {
    if (error instanceof LogUnusable) return error;
    throw error;
  }
  throw new Error("the log was opened");
};

const runStarts = (records: readonly LogRecord[]) =>
  records.filter((record) => record.kind === "writer-start");

describe("txlog/recover", () => {
  /** A log of one run that was stopped in order: two ended exchanges and one open one, each record in a batch of its own. */
  let original = "";
  before(async () => {
    original = join(temporaryFolder(), "log");
    const log = await openLog(original);
    for (let i = 0; i < 3; i++) {
      const intent = await log.intent(exchange({ personal: { path: `/p/${String(i)}` } }));
      if (i === 1) continue;
      log.outcome(intent, COMPLETE);
      await log.intent(exchange()).then((other) => log.outcome(other, COMPLETE));
    }
    await log.close();
  });
  after(removeTemporaryFolders);

  const copy = (): string => {
    const folder = join(temporaryFolder(), "log");
    cpSync(original, folder, { recursive: true });
    return folder;
  };

  it("writes unfinished for an intent without outcome, also after a clean stop, once", async () => {
    const folder = copy();
    await openAndClose(folder);
    await openAndClose(folder);
    const records = await recordsOf(folder);
    expect(records.filter(({ kind }) => kind === "unfinished")).to.have.length(1);
    expectEnded(records);
    const last = records.findLast((record) => record.kind === "unfinished");
    const intent = (await storedRecordsOf(folder)).find(
      ({ record }) => record.kind === "intent" && record.sequence === last?.intent.sequence,
    );
    expect(intent?.record.kind === "intent" && intent.record.exchange.transactionId).to.equal(
      last?.intent.transactionId,
    );
  });

  const file = join("segments", "00000001.seg");

  const cutTest = async (size: number): Promise<void> => {
    const folder = copy();
    const path = join(folder, file);
    truncateSync(path, size);
    const kept = await storedRecordsOf(folder);
    const whole = kept.at(-1)?.batchEnd ?? decodeSegmentHeader(readFileSync(path)).end;
    const before = readFileSync(path);
    const lines: string[] = [];
    await openAndClose(folder, lines);

    const where = `cut at ${String(size)}`;
    expect(readFileSync(path).equals(before), `${where}: the file is unchanged`).to.equal(true);
    const records = await recordsOf(folder);
    expect(records.slice(0, kept.length), where).to.deep.equal(kept.map(({ record }) => record));
    expect(records.map(({ sequence }) => Number(sequence))).to.deep.equal(
      records.map((_, index) => index + 1),
    );
    expectEnded(records);
    const tornBytes = size - whole;
    expect(runStarts(records).at(-1), where).to.include({
      tornBytes,
      tornSegment: tornBytes === 0 ? 0 : 1,
      previousStop: "unclean",
    });
    expect(
      lines.some((line) => line.includes("is torn")),
      where,
    ).to.equal(tornBytes > 0);
    rmSync(folder, { recursive: true });
  };

  it(`goes on after a tail that was cut anywhere, with exactly the records before the cut (seed ${String(seed)})`, async function () {
    this.timeout(long ? 600_000 : 60_000);
    const bytes = readFileSync(join(original, file));
    const { end } = decodeSegmentHeader(bytes);
    const offsets = Array.from({ length: bytes.length - end }, (_, index) => end + index);
    const next = randomFrom(seed);
    const sample = offsets.filter(() => next() < CUTS / offsets.length);
    for (const size of sample) await cutTest(size);
  });

  it("takes zeros at the end, as a file system may leave them, for a torn tail", async () => {
    const folder = copy();
    const path = join(folder, file);
    writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(3000)]));
    await openAndClose(folder);
    expect(runStarts(await recordsOf(folder)).at(-1)).to.include({ tornBytes: 3000 });
  });

  const flip = (folder: string, at: number): void => {
    const path = join(folder, file);
    const bytes = readFileSync(path);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(path, bytes);
  };

  it("refuses to start over damage that whole batches follow, and changes nothing", async () => {
    const folder = copy();
    const [, second] = await storedRecordsOf(folder);
    flip(folder, (second?.batchEnd ?? 0) - 20);
    const before = readFileSync(join(folder, file));
    const { message, hint } = await refusedStart(folder);
    expect(message).to.match(/damaged: segment 1, byte \d+: a batch is damaged/);
    expect(hint).to.include("move it away");
    expect(readdirSync(join(folder, "segments"))).to.deep.equal(["00000001.seg"]);
    expect(readFileSync(join(folder, file)).equals(before)).to.equal(true);
  });

  it("refuses to start over a damaged header", async () => {
    const folder = copy();
    flip(folder, 60);
    expect((await refusedStart(folder)).message).to.include("checksum of the segment's header");
  });

  it("refuses to start when a batch is missing", async () => {
    const folder = copy();
    const [start, second] = await storedRecordsOf(folder);
    const path = join(folder, file);
    const bytes = readFileSync(path);
    writeFileSync(
      path,
      Buffer.concat([bytes.subarray(0, start?.batchEnd), bytes.subarray(second?.batchEnd)]),
    );
    expect((await refusedStart(folder)).message).to.match(/goes on with record 3 where 2 was due/);
  });

  it("refuses to start when a batch comes twice", async () => {
    const folder = copy();
    const [start, second] = await storedRecordsOf(folder);
    const path = join(folder, file);
    const bytes = readFileSync(path);
    writeFileSync(
      path,
      Buffer.concat([bytes.subarray(0, second?.batchEnd), bytes.subarray(start?.batchEnd)]),
    );
    expect((await refusedStart(folder)).message).to.match(/goes on with record 2 where 3 was due/);
  });

  it("refuses to start when the segment with an open intent is missing", async () => {
    const folder = copy();
    const log = await openLog(folder, { limits: { segmentBytes: 1 } });
    await log.intent(exchange());
    await log.intent(exchange());
    await log.close();
    const numbers = readdirSync(join(folder, "segments")).sort();
    const [last = ""] = numbers.slice(-1);
    for (const name of numbers) {
      if (name !== last) rmSync(join(folder, "segments", name));
    }
    expect((await refusedStart(folder)).message).to.match(/the records from \d+ on are missing/);
  });

  it("refuses to start when a segment in the middle is missing", async () => {
    const folder = copy();
    const log = await openLog(folder, { limits: { segmentBytes: 1 } });
    for (let i = 0; i < 3; i++) await log.intent(exchange());
    await log.close();
    rmSync(segmentPath(folder, 3));
    expect((await refusedStart(folder)).message).to.match(/where \d+ was due/);
  });

  it("refuses to start on another writer's segment", async () => {
    const folder = copy();
    const other = join(temporaryFolder(), "log");
    await openAndClose(other);
    renameSync(segmentPath(other, 1), segmentPath(folder, 2));
    expect((await refusedStart(folder)).message).to.include("belongs to the writer");
  });

  it("reads no older segment than the oldest open intent needs", async () => {
    const folder = copy();
    await openAndClose(folder);
    await openAndClose(folder);
    // Damage in what is no longer needed is for `verify` to find.
    flip(folder, 30);
    await openAndClose(folder);
  });

  it("lets the next segment's first sequence decide over what a fenced one holds beyond it", async () => {
    const folder = copy();
    const stored = await storedRecordsOf(folder);
    // The next segment begins with the last batch's first sequence, as after a sync that failed.
    const lastBatch = stored.filter(({ batchEnd }) => batchEnd === stored.at(-1)?.batchEnd);
    const path = join(folder, file);
    const bytes = readFileSync(path);
    truncateSync(path, stored.at(-1 - lastBatch.length)?.batchEnd);
    await openAndClose(folder);
    writeFileSync(path, bytes);

    const items = await itemsOf(folder);
    const superseded = items.filter((item) => item.status === "superseded");
    expect(superseded.map(({ record }) => record)).to.deep.equal(
      lastBatch.map(({ record }) => record),
    );
    expect(items.filter(({ status }) => status === "gap")).to.have.length(0);
    await openAndClose(folder);
    expectEnded(await recordsOf(folder));
  });

  it("goes on after many intents without outcome in several batches", async () => {
    const folder = join(temporaryFolder(), "log");
    const log = await openLog(folder);
    const rounds = long ? 25 : 1;
    const count = rounds * 2_000;
    for (let round = 0; round < rounds; round += 1) {
      await Promise.all(Array.from({ length: 2_000 }, () => log.intent(exchange())));
    }
    await log.close();
    const again = await openLog(folder, { limits: { queueBytes: 20_000 } });
    expect(again.records.batches).to.be.above(count / 500);
    await again.close();
    expectEnded(await recordsOf(folder));
  });
});
