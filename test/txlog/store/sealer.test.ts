// What has arrived is sealed: one tree, whose checkpoints all lie on one line, whoever seals and whatever is restored.
import { expect } from "chai";
import { spawn } from "node:child_process";
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeLeaf } from "../../../txlog/decode-leaf.js";
import type { WitnessContact } from "../../../txlog/store/cosigner.js";
import type { StoredCheckpoint } from "../../../txlog/store/read-side.js";
import { WriterNames } from "../../../txlog/store/tables.js";
import { thin } from "../../../txlog/store/thin.js";
import { logOrigin, openCheckpoint, witnessName } from "../../../txlog/tree/checkpoint.js";
import { noteKey, parseVerifier, type NoteKey } from "../../../txlog/tree/note.js";
import { verifyConsistency, verifyInclusion } from "../../../txlog/tree/tiles.js";
import {
  addCheckpoint,
  formatAddCheckpoint,
  type WitnessedCheckpoint,
} from "../../../txlog/tree/witness.js";
import { codeOf } from "../../support/codes.js";
import { openStore, OWN_PEER, type OpenStore } from "../../support/log-stores.js";
import { ShippingWriter } from "../../support/shipped.js";
import { removeTemporaryFolders, temporaryFolder } from "../../support/temporary.js";
import { GROUP } from "../../support/transaction-log.js";
import { until } from "../../support/until.js";

const CHILD = fileURLToPath(new URL("../../support/sealing-child.ts", import.meta.url));

/** A witness of the group, in memory. */
class TestWitness {
  readonly key: NoteKey;
  readonly seen = new Map<string, WitnessedCheckpoint>();
  asked = 0;

  constructor(peerId: string) {
    const { privateKey } = generateKeyPairSync("ed25519");
    this.key = noteKey(witnessName(GROUP, peerId), privateKey, 4);
  }

  contact(vkey: string): WitnessContact {
    return {
      verifier: this.key,
      add: async (request) => {
        this.asked += 1;
        const answer = await addCheckpoint(formatAddCheckpoint(request), {
          ...{ key: this.key, nowSeconds: 1_700_000_000 },
          keysOf: () => Promise.resolve([parseVerifier(vkey)]),
          store: {
            get: (origin) => Promise.resolve(this.seen.get(origin)),
            put: (origin, oldSize, checkpoint) => {
              const isSame = (this.seen.get(origin)?.size ?? 0) === oldSize;
              if (isSame) this.seen.set(origin, checkpoint);
              return Promise.resolve(isSame);
            },
          },
        });
        if (answer.status === 200) return { kind: "cosigned", lines: answer.body };
        if (answer.status === 409) return { kind: "conflict", size: Number(answer.body) };
        if (answer.status === 422) return { kind: "forked" };
        return { kind: "refused", reason: answer.body };
      },
    };
  }
}

describe("the sealer of the log's store", function () {
  this.timeout(60_000);
  const open: OpenStore[] = [];
  let writer: ShippingWriter;

  const opened = async (...args: Parameters<typeof openStore>): Promise<OpenStore> => {
    const store = await openStore(...args);
    open.push(store);
    return store;
  };

  const arrive = async ({ store }: OpenStore, exchanges: number, by = writer): Promise<void> => {
    for (let n = 0; n < exchanges; n++) by.outcome(by.intent());
    await store.ingest.begin({ writerId: by.writerId, component: "outway/one" });
    await store.ingest.batch(by.take());
  };

  const head = async ({ store }: OpenStore): Promise<StoredCheckpoint> => {
    const checkpoint = await store.reader.checkpointAt();
    if (checkpoint === undefined) throw new Error("nothing is sealed");
    return checkpoint;
  };

  /** The newest tree goes on each of these. */
  const expectOneLine = async (
    of: OpenStore,
    earlier: readonly StoredCheckpoint[],
  ): Promise<void> => {
    for (const { epoch, size, root } of earlier) {
      const { checkpoint, hashes } = await of.store.reader.consistencyFrom(epoch, size);
      verifyConsistency({
        ...{ oldSize: size, oldRoot: root, newSize: checkpoint.size },
        ...{ newRoot: checkpoint.root, proof: hashes },
      });
    }
  };

  beforeEach(() => {
    writer = new ShippingWriter();
  });

  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
    removeTemporaryFolders();
  });

  it("signs a checkpoint over everything that has arrived, and proves each record", async () => {
    const one = await opened();
    expect(await one.store.reader.checkpointAt()).to.equal(undefined);
    await arrive(one, 300);
    expect(await one.store.reader.proofFor(1, 0)).to.equal(undefined);
    expect(await one.store.sealer.seal()).to.equal(false);
    const { note, size, root } = await head(one);
    expect(size).to.equal(600);
    const keys = await one.store.keys.verifiers();
    const { checkpoint } = openCheckpoint(note, { log: keys, witnesses: [] });
    expect(checkpoint).to.deep.equal({ origin: logOrigin(GROUP, OWN_PEER), size, root });
    for await (const { index, leafHash, isSealed } of one.store.reader.entries(1, 0, 600)) {
      expect(isSealed).to.equal(true);
      if (index % 97 !== 0) continue;
      const proof = await one.store.reader.proofFor(1, index);
      verifyInclusion({ leafHash, index, size, root, proof: proof?.hashes ?? [] });
    }
    const { unsealed, sealed } = await one.store.reader.status();
    expect([sealed, unsealed]).to.deep.equal([600, 0]);
  });

  it("makes no checkpoint when nothing has arrived", async () => {
    const one = await opened();
    await arrive(one, 1);
    await one.store.sealer.seal();
    const before = await head(one);
    await one.store.sealer.seal();
    expect(await head(one)).to.deep.equal(before);
  });

  it("seals by itself within a second, and goes on after a restart", async () => {
    const one = await opened();
    one.start();
    const earlier: StoredCheckpoint[] = [];
    one.store.onCheckpoint((checkpoint) => void earlier.push(checkpoint));
    await arrive(one, 10);
    const arrived = Date.now();
    await until("a checkpoint", () => earlier.length > 0, 10_000);
    expect(Date.now() - arrived).to.be.below(3_000);
    await one.close();
    const two = await opened(one.folder);
    two.start();
    two.store.onCheckpoint((checkpoint) => void earlier.push(checkpoint));
    await arrive(two, 10);
    await until("a checkpoint", () => earlier.at(-1)?.size === 40, 10_000);
    await expectOneLine(two, earlier);
  });

  it("makes one tree of two processes that seal at once", async () => {
    const one = await opened();
    await arrive(one, 1);
    const child = spawn(process.execPath, ["--import", "tsx", CHILD, one.folder], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = new Promise((resolve) => child.once("exit", resolve));
    const theirs: number[] = [];
    child.stdout.on("data", (chunk: Buffer) => {
      theirs.push(...String(chunk).trim().split("\n").map(Number));
    });
    try {
      await until("the other process", () => theirs.length > 0, 30_000);
      const earlier: StoredCheckpoint[] = [];
      one.store.onCheckpoint((checkpoint) => void earlier.push(checkpoint));
      for (let round = 0; round < 40; round++) {
        await arrive(one, 5);
        await one.store.sealer.seal();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      // The other one is killed with the lease in its hand, perhaps; then it is waited for.
      child.kill("SIGKILL");
      await exited;
      await until("everything to be sealed", async () => {
        await one.store.sealer.seal();
        return (await head(one)).size === 402;
      });
      const all = await one.db.selectFrom("txlog_checkpoint").select(["size", "root"]).execute();
      expect(earlier.filter(({ size }) => theirs.includes(size))).to.deep.equal([]);
      for (const { size, root } of all) {
        const { checkpoint, hashes } = await one.store.reader.consistencyFrom(1, size);
        verifyConsistency({
          ...{ oldSize: size, oldRoot: Buffer.from(root), newSize: checkpoint.size },
          ...{ newRoot: checkpoint.root, proof: hashes },
        });
      }
    } finally {
      child.kill("SIGKILL");
      await exited;
    }
  });

  it("lets nobody seal whose lease another has taken", async () => {
    let now = 1_700_000_000_000;
    const clock = { now: () => now, monotonic: () => now };
    const one = await opened(undefined, { clock });
    const two = await opened(one.folder, { clock });
    await arrive(one, 10);
    await one.store.sealer.seal();
    await arrive(one, 10);
    await two.store.sealer.seal();
    expect((await head(one)).size).to.equal(20);
    now += 60_000;
    await two.store.sealer.seal();
    expect((await head(one)).size).to.equal(40);
    await arrive(one, 10);
    await one.store.sealer.seal();
    expect((await head(one)).size).to.equal(40);
    now += 60_000;
    const first = await head(one);
    await one.store.sealer.seal();
    expect((await head(one)).size).to.equal(60);
    await expectOneLine(one, [first]);
  });

  it("keeps its keys in files that their owner alone reads, and their history", async () => {
    const one = await opened();
    await arrive(one, 1);
    await one.store.sealer.seal();
    const old = await head(one);
    const rotated = await one.store.keys.rotate();
    await arrive(one, 1);
    await one.store.sealer.seal();
    const keys = await one.store.keys.verifiers();
    for (const { note } of [old, await head(one)])
      openCheckpoint(note, { log: keys, witnesses: [] });
    expect(JSON.parse(rotated.statement)).to.include({ previousVkey: keys[1]?.vkey });
    const folder = join(one.folder, "log-keys");
    const names = (await readdir(folder)).sort();
    expect(names).to.deep.equal(["log-0001.pem", "log-0002.pem", "witness-0001.pem"]);
    for (const name of names) {
      expect((await stat(join(folder, name))).mode & 0o777).to.equal(0o600);
    }
    await one.close();
    const two = await opened(one.folder);
    expect(two.store.keys.signer.vkey).to.equal(rotated.vkey);
    expect(
      (await two.store.reader.keys()).filter(({ retiredMs }) => retiredMs === undefined),
    ).to.have.length(2);
  });

  it("collects co-signatures, and tells of the newest", async () => {
    const witness = new TestWitness("00000000000000000002");
    const contacts: WitnessContact[] = [];
    const one = await opened(undefined, { witnesses: () => Promise.resolve(contacts) });
    contacts.push(witness.contact(one.store.keys.signer.vkey));
    await arrive(one, 3);
    await one.store.sealer.seal();
    await one.store.cosign();
    await one.store.cosign();
    expect(witness.asked).to.equal(1);
    await arrive(one, 300);
    await one.store.sealer.seal();
    await one.store.cosign();
    const { note } = await head(one);
    const log = one.store.keys.signer;
    const { cosignatures } = openCheckpoint(note, { log, witnesses: [witness.key] });
    expect(cosignatures).to.deep.equal([{ name: witness.key.name, time: 1_700_000_000 }]);
    expect((await one.store.reader.status()).witnessedAt).to.equal(1_700_000_000);
    await arrive(one, 1);
    await one.store.sealer.seal();
    expect((await one.store.reader.checkpointAt({ witnessed: true }))?.size).to.equal(606);
  });

  it("warns when no witness has seen the newest checkpoint for a quarter of an hour", async () => {
    let now = Date.UTC(2026, 4, 1);
    const clock = { now: () => now, monotonic: () => now };
    const witness = new TestWitness("00000000000000000002");
    const contacts: WitnessContact[] = [];
    const one = await opened(undefined, { clock, witnesses: () => Promise.resolve(contacts) });
    now += 3_600_000;
    expect(one.store.warning(), "an empty log").to.equal(undefined);
    await arrive(one, 1);
    await one.store.sealer.seal();
    expect(one.store.warning()).to.equal(undefined);
    now += 15 * 60_000;
    expect(one.store.warning()).to.equal(undefined);
    now += 1;
    expect(one.store.warning()).to.contain("no witness has co-signed the log for 15 minutes");
    contacts.push(witness.contact(one.store.keys.signer.vkey));
    await one.store.cosign();
    expect(one.store.warning()).to.equal(undefined);
  });

  it("keeps of checkpoints older than a day the last of each hour, and the last that was co-signed", async () => {
    let now = Date.UTC(2026, 4, 1);
    const witness = new TestWitness("00000000000000000002");
    const contacts: WitnessContact[] = [];
    const clock = { now: () => now, monotonic: () => now };
    const one = await opened(undefined, { clock, witnesses: () => Promise.resolve(contacts) });
    contacts.push(witness.contact(one.store.keys.signer.vkey));
    for (let n = 1; n <= 12; n++) {
      now += 15 * 60_000;
      await arrive(one, 1);
      await one.store.sealer.seal();
      if (n % 6 === 1) await one.store.cosign();
    }
    const tables = { db: one.db, groupId: GROUP, writers: new WriterNames(one.db, GROUP) };
    const sizes = async () =>
      (await one.db.selectFrom("txlog_checkpoint").select("size").orderBy("size").execute()).map(
        ({ size }) => size / 2,
      );
    expect(await thin(tables, 1, now)).to.equal(0);
    // The hours end before 4, 8 and 12; 1 and 7 are co-signed.
    now += 24 * 3_600_000 - 3_600_000;
    expect(await thin(tables, 1, now)).to.equal(3);
    expect(await sizes()).to.deep.equal([1, 3, 6, 7, 8, 9, 10, 11, 12]);
    now += 3_600_001;
    expect(await thin(tables, 1, now)).to.equal(3);
    expect(await sizes()).to.deep.equal([1, 3, 6, 7, 11, 12]);
    expect((await one.store.reader.checkpointAt({ witnessed: true }))?.size).to.equal(14);
    expect((await one.store.reader.consistencyFrom(1, 9)).oldSize).to.equal(9);
  });

  it("stores no co-signature by another key than the witness's", async () => {
    const witness = new TestWitness("00000000000000000002");
    const stranger = new TestWitness("00000000000000000002");
    const contacts: WitnessContact[] = [];
    const one = await opened(undefined, { witnesses: () => Promise.resolve(contacts) });
    contacts.push({ ...stranger.contact(one.store.keys.signer.vkey), verifier: witness.key });
    await arrive(one, 3);
    await one.store.sealer.seal();
    await one.store.cosign();
    expect(await one.store.reader.checkpointAt({ witnessed: true })).to.equal(undefined);
    expect(one.lines.join()).to.contain("a witness has not co-signed");
  });

  describe("on a database that was restored", () => {
    let copy: string;
    let one: OpenStore;
    const witness = new TestWitness("00000000000000000002");
    const contacts: WitnessContact[] = [];
    const withWitness = { witnesses: () => Promise.resolve(contacts) };

    const copyTo = async (from: string, to: string): Promise<void> => {
      await mkdir(to, { recursive: true });
      for (const name of await readdir(from)) {
        if (name.startsWith("log.db")) await cp(join(from, name), join(to, name));
      }
    };

    const restore = async (): Promise<void> => {
      for (const name of await readdir(one.folder)) {
        if (name.startsWith("log.db")) await rm(join(one.folder, name));
      }
      await copyTo(copy, one.folder);
    };

    beforeEach(async () => {
      copy = temporaryFolder();
      witness.seen.clear();
      contacts.length = 0;
      one = await opened(undefined, withWitness);
      contacts.push(witness.contact(one.store.keys.signer.vkey));
      await arrive(one, 5);
      await one.store.sealer.seal();
      await one.close();
      await copyTo(one.folder, copy);
      one = await opened(one.folder, withWitness);
      await arrive(one, 5);
      await one.store.sealer.seal();
      await one.store.cosign();
    });

    it("finds that by its own file, and seals nothing", async () => {
      await one.close();
      await restore();
      const two = await opened(one.folder, withWitness);
      expect(two.store.sealer.problem).to.contain("begin-epoch");
      const other = new ShippingWriter();
      await arrive(two, 1, other);
      await two.store.sealer.seal();
      expect((await head(two)).size).to.equal(10);
      expect((await two.store.reader.status()).problem).to.contain("older than what was sealed");
    });

    it("finds a database that is gone altogether", async () => {
      await one.close();
      for (const name of await readdir(one.folder)) {
        if (name.startsWith("log.db")) await rm(join(one.folder, name));
      }
      const two = await opened(one.folder, withWitness);
      expect(two.store.sealer.isRolledBack).to.equal(true);
    });

    it("finds other records at the same size", async () => {
      await one.close();
      await restore();
      const headFile = join(one.folder, "log-head");
      const kept = await readFile(headFile);
      await rm(headFile);
      const two = await opened(one.folder, withWitness);
      await arrive(two, 5, new ShippingWriter());
      await two.store.sealer.seal();
      expect((await head(two)).size).to.equal(20);
      await two.close();
      await rm(headFile);
      await writeFile(headFile, kept);
      const three = await opened(one.folder, withWitness);
      expect(three.store.sealer.problem).to.contain("are not those");
    });

    it("is told by a witness when its own file was restored too", async () => {
      await one.close();
      await restore();
      await rm(join(one.folder, "log-head"));
      const two = await opened(one.folder, withWitness);
      expect(two.store.sealer.isRolledBack).to.equal(false);
      await two.store.cosign();
      expect(two.store.sealer.problem).to.contain(witness.key.name);
    });

    it("goes on in a new epoch that names the last witnessed checkpoint, also with writers that left a gap", async () => {
      const witnessed = await head(one);
      await one.close();
      await restore();
      const two = await opened(one.folder, withWitness);
      // It follows on what the copy has, and arrives before anybody has noticed.
      const late = new ShippingWriter();
      await arrive(two, 2, late);
      const begun = await two.store.keeper.beginEpoch("restored the backup of Monday");
      expect(begun).to.deep.equal({ epoch: 2, namedCheckpoint: witnessed.note });
      expect(two.store.sealer.problem).to.equal(undefined);
      // It had removed what the copy lost.
      writer.outcome(writer.intent());
      expect((await two.store.ingest.batch(writer.take())).nextSequence).to.equal(23);
      await two.store.sealer.seal();
      const { epoch, size, note } = await head(two);
      expect([epoch, size]).to.deep.equal([2, 7]);
      expect(note.split("\n")[0]).to.equal(logOrigin(GROUP, OWN_PEER, 2));
      const records = [];
      for await (const { leaf } of two.store.reader.entries(2, 0, 100)) {
        records.push(decodeLeaf(leaf ?? Buffer.alloc(0)));
      }
      expect(records[0]).to.include({ kind: "epoch", checkpoint: witnessed.note });
      expect(records.map(({ sequence }) => Number(sequence))).to.deep.equal([
        1, 1, 2, 3, 4, 21, 22,
      ]);
      await two.store.cosign();
      expect((await two.store.reader.checkpointAt({ witnessed: true }))?.epoch).to.equal(2);
      expect((await two.store.reader.checkpointAt({ epoch: 1 }))?.size).to.equal(10);
      expect(await two.store.reader.epochs()).to.deep.equal([1, 2]);
      await two.close();
      const three = await opened(one.folder, withWitness);
      expect(three.store.sealer.problem).to.equal(undefined);
    });

    it("begins no epoch when the log is in order, nor without a reason", async () => {
      expect(await codeOf(one.store.keeper.beginEpoch("why not"))).to.equal(
        "ERROR_CODE_REQUEST_INVALID",
      );
      await one.close();
      await restore();
      const two = await opened(one.folder, withWitness);
      for (const reason of ["", "  ", "x".repeat(1001)]) {
        expect(await codeOf(two.store.keeper.beginEpoch(reason))).to.equal(
          "ERROR_CODE_REQUEST_INVALID",
        );
      }
    });
  });
});
