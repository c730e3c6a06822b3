// The manager's store of the transaction log as a process has it: killed at any moment, with a database that is away
// for a while, restored from a copy.
import { expect } from "chai";
import { readFileSync } from "node:fs";
import { cp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { verifyConsistency } from "../../txlog/tree/tiles.js";
import { call } from "../support/call.js";
import { openStore } from "../support/log-stores.js";
import { ManagerProcess } from "../support/manager-process.js";
import { provoked } from "../support/provoked.js";
import { randomFrom } from "../support/random.js";
import { schakel } from "../support/schakel.js";
import { long, seed } from "../support/scale.js";
import { ShippingStream } from "../support/ship-stream.js";
import { ShippingWriter } from "../support/shipped.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";
import type { ArrivingBatch } from "../../txlog/store/arrived.js";

const KILLS = long ? 200 : 20;
const GROUP = "test";

/** A writer that keeps what it ships until it is acknowledged, and ships it again when it is not. */
class KeepingWriter {
  readonly writer = new ShippingWriter(Date.now, GROUP);
  readonly #kept: ArrivingBatch[] = [];
  /** Every record before it was acknowledged once. */
  acknowledged = 1;

  /** Makes a batch, and keeps it. */
  more(exchanges: number): ArrivingBatch {
    for (let n = 0; n < exchanges; n++) {
      const personal = { path: `/${n}`, dataSubjects: [{ key: "bsn", value: String(n) }] };
      this.writer.outcome(this.writer.intent({ personal }));
    }
    const batch = this.writer.take();
    this.#kept.push(batch);
    return batch;
  }

  /** What is to be shipped when this record is wanted next. */
  from(next: number): readonly ArrivingBatch[] {
    return this.#kept.filter(({ firstSequence, count }) => firstSequence + count > next);
  }

  note(next: number): void {
    this.acknowledged = Math.max(this.acknowledged, next);
  }
}

describe(`system/the log's store, killed ${String(KILLS)} times (seed ${String(seed)})`, function () {
  this.timeout(60_000 + KILLS * 15_000);
  let manager: ManagerProcess;

  const connect = async ({ writer }: KeepingWriter): Promise<ShippingStream> => {
    const bundle = await manager.bundle("inway", "one");
    const stream = await ShippingStream.open(bundle, manager.address);
    await stream.begin(writer.writerId, GROUP);
    stream.segment(1, writer.segmentKey);
    return stream;
  };

  /** The checkpoint that the manager last noted in its file, if it has. */
  const noted = (): { epoch: number; size: number; root: string } | undefined => {
    try {
      return JSON.parse(readFileSync(join(manager.data, "log-head"), "utf8")) as never;
    } catch {
      return undefined;
    }
  };

  const health = async (): Promise<Record<string, unknown>> => {
    const { port } = manager.healthAddress;
    return (await call(`http://127.0.0.1:${port}/health/ready`)).json();
  };

  beforeEach(async () => {
    manager = await ManagerProcess.prepare();
  });

  afterEach(async () => {
    await manager.remove();
    removeTemporaryFolders();
  });

  it("loses and doubles nothing, and its tree goes on every checkpoint that it ever showed", async () => {
    const next = randomFrom(seed);
    const keeping = new KeepingWriter();
    const shown: { epoch: number; size: number; root: string }[] = [];
    for (let round = 0; round < KILLS; round++) {
      await manager.start();
      const stream = await connect(keeping);
      expect(stream.next, "what is wanted after a kill").to.be.at.least(keeping.acknowledged);
      for (const batch of keeping.from(stream.next)) stream.batch(batch);
      const killed = new Promise<void>((resolve) => {
        setTimeout(() => void manager.kill().then(resolve), Math.floor(next() * 1_000));
      });
      while (!manager.running.ended && stream.outcome === undefined) {
        stream.batch(keeping.more(1 + Math.floor(next() * 100)));
        const head = noted();
        if (head !== undefined) shown.push(head);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await killed;
      keeping.note(stream.next);
      stream.close();
    }
    await manager.start();
    const last = await connect(keeping);
    for (const batch of keeping.from(last.next)) last.batch(batch);
    await last.reached(keeping.writer.nextSequence);
    await until("everything to be sealed", () => noted()?.size === keeping.writer.nextSequence - 1);
    last.close();
    await manager.running.stop();

    const opened = await openStore(manager.data, {
      ...{ groupId: GROUP, peerId: manager.organisation.peerId },
    });
    const { store, db } = opened;
    try {
      const rows = await db
        .selectFrom("txlog_record")
        .select(["sequence", "tree_index"])
        .orderBy("tree_index")
        .execute();
      const expected = Array.from({ length: keeping.writer.nextSequence - 1 }, (_, at) => at);
      expect(rows.map(({ tree_index }) => tree_index)).to.deep.equal(expected);
      expect(rows.map(({ sequence }) => sequence - 1)).to.deep.equal(expected);
      const exchanges = await db.selectFrom("txlog_exchange").select("result").execute();
      expect(exchanges).to.have.length(expected.length / 2);
      expect(new Set(exchanges.map(({ result }) => result))).to.deep.equal(new Set(["complete"]));
      const subjects = await db.selectFrom("txlog_subject").select("sequence").execute();
      expect(subjects).to.have.length(expected.length / 2);
      const stored = await db.selectFrom("txlog_checkpoint").select(["size", "root"]).execute();
      const earlier = [
        ...stored.map(({ size, root }) => ({ size, root: Buffer.from(root) })),
        ...shown.map(({ size, root }) => ({ size, root: Buffer.from(root, "base64") })),
      ];
      const head = (await store.reader.checkpointAt())!;
      for (const { size, root } of new Map(earlier.map((each) => [each.size, each])).values()) {
        const { hashes } = await store.reader.consistencyFrom(1, size);
        verifyConsistency({
          ...{ oldSize: size, oldRoot: root, newSize: head.size, newRoot: head.root },
          proof: hashes,
        });
      }
      for (const { size, root } of shown) {
        const same = stored.find((each) => each.size === size);
        expect(Buffer.from(same?.root ?? []).toString("base64")).to.equal(root);
      }
    } finally {
      await opened.close();
    }
  });

  it("answers that the store is unavailable while its database is, and takes the records afterwards", async () => {
    await manager.start();
    const keeping = new KeepingWriter();
    const stream = await connect(keeping);
    stream.batch(keeping.more(5));
    await stream.reached(11);
    const other = new DatabaseSync(join(manager.data, "log.db"));
    other.exec("BEGIN IMMEDIATE");
    stream.batch(keeping.more(5));
    expect(await stream.ended()).to.equal("ERROR_CODE_LOG_UNAVAILABLE");
    provoked("ERROR_CODE_LOG_UNAVAILABLE");
    other.exec("ROLLBACK");
    other.close();
    const again = await connect(keeping);
    expect(again.next).to.equal(11);
    for (const batch of keeping.from(11)) again.batch(batch);
    await again.reached(21);
    again.close();
    stream.close();
  });

  it("refuses a record that it has with other bytes", async () => {
    await manager.start();
    const keeping = new KeepingWriter();
    const stream = await connect(keeping);
    stream.batch(keeping.more(5));
    await stream.reached(11);
    const forger = new KeepingWriter();
    Object.assign(forger.writer, { writerId: keeping.writer.writerId });
    const forged = await connect(forger);
    forged.batch(forger.more(10));
    expect(await forged.ended()).to.equal("ERROR_CODE_LOG_DIFFERS");
    provoked("ERROR_CODE_LOG_DIFFERS");
    forged.close();
    stream.close();
  });

  it("notices that its database was restored from an older copy, says so, and seals nothing until begin-epoch", async () => {
    await manager.start();
    const keeping = new KeepingWriter();
    const stream = await connect(keeping);
    stream.batch(keeping.more(5));
    await until("the first records to be sealed", () => noted()?.size === 10);
    expect(await health()).to.deep.include({ ready: true });
    await manager.running.stop();
    stream.close();
    const copy = `${manager.data}-copy`;
    const files = async (folder: string) =>
      (await readdir(folder)).filter((name) => name.startsWith("log.db"));
    for (const name of await files(manager.data)) {
      await cp(join(manager.data, name), join(copy, name));
    }
    await manager.start();
    const later = await connect(keeping);
    later.batch(keeping.more(5));
    await until("more records to be sealed", () => noted()?.size === 20);
    later.close();
    await manager.kill();
    for (const name of await files(manager.data)) await rm(join(manager.data, name));
    for (const name of await files(copy)) await cp(join(copy, name), join(manager.data, name));
    await manager.start();
    const { ready, problems } = await health();
    expect(ready).to.equal(false);
    expect(problems).to.have.property("transaction log").that.contains("schakel log begin-epoch");
    // Records are taken all the same: writers must not fill their disks.
    const after = await connect(keeping);
    expect(after.next).to.equal(11);
    for (const batch of keeping.from(11)) after.batch(batch);
    await after.reached(21);
    after.close();
    expect(noted()?.size).to.equal(20);

    const identity = await manager.organisation.pki.identity("cli", "operator", {
      manager: manager.address,
    });
    const run = (...args: readonly string[]) => schakel(["log", ...args, "--identity", identity]);
    const document = async (...args: readonly string[]): Promise<unknown> => {
      const { code, stdout, stderr } = await run(...args, "--json");
      expect(code, `${args.join(" ")}: ${stderr}`).to.equal(0);
      return JSON.parse(stdout);
    };
    const unasked = await run("begin-epoch");
    expect(unasked.code, unasked.stderr).to.equal(2);
    expect(noted()).to.include({ epoch: 1, size: 20 });
    expect(await document("begin-epoch", "--reason", "the disk was lost")).to.deep.equal({
      ...{ epoch: 2, named_checkpoint: "" },
    });
    // The record of the epoch, and what the writer shipped again.
    await until("the new epoch to be sealed", () => noted()?.epoch === 2 && noted()?.size === 11);
    expect(await health()).to.deep.include({ ready: true });
    const again = await run("begin-epoch", "--reason", "once more");
    expect(again.code).to.equal(1);
    expect(again.stderr).to.contain("in order");
    expect(await document("verify")).to.include({ valid: true, epoch: 2, entries: 11, size: 11 });
    expect(await document("verify", "--epoch", "1")).to.include({
      ...{ valid: true, epoch: 1, entries: 10, size: 10 },
    });
    const goesOn = await connect(keeping);
    goesOn.batch(keeping.more(5));
    await until("the log to go on", () => noted()?.size === 21);
    goesOn.close();
    const { group = "" } = manager.organisation.flags();
    const out = `${manager.data}-log.jsonl`;
    await document("export", "--out", out);
    const offline = ["verify", "--bundle", out, "--group", String(group)];
    const { code, stdout, stderr } = await schakel(["log", ...offline, "--json"]);
    await rm(out);
    expect(code, stderr).to.equal(0);
    expect(JSON.parse(stdout)).to.include({ valid: true, epoch: 2, entries: 21, signed: true });
  });
});
