// A log of many records behind a real manager: read in several messages, changed on its disk, cut, pruned, restored.
import { expect } from "chai";
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openManager } from "../../component/manager-channel.js";
import { LogServiceClient, type ReadLogResponse } from "../../proto/gen/schakel/manager/v1/log.js";
import { CommandLine } from "../support/command-line.js";
import { Organisations, type Organisation } from "../support/managers.js";
import { schakel } from "../support/schakel.js";
import { ShippingWriter } from "../support/shipped.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";

const EXCHANGES = 1500;
const PEER = "00000000000000000077";
/** Whole bundles of 256 in the records of all exchanges. */
const PRUNED = Math.floor((2 * EXCHANGES) / 256) * 256;

interface Verified {
  readonly valid: boolean;
  readonly entries: number;
  readonly from: number;
  readonly size: number;
  readonly selected: boolean;
  readonly signed: boolean;
}

describe("a large log behind a manager", function () {
  this.timeout(180_000);
  let all: Organisations;
  let own: Organisation;
  let group = "";
  const cli = new CommandLine();

  const verified = (...args: readonly string[]): Promise<Verified> =>
    cli.json(own, "log", "verify", "--group", group, ...args);

  /** Runs something with the store's database changed under the manager, and changes it back. */
  const changed = async (change: string, back: string, work: () => Promise<void>) => {
    const db = new DatabaseSync(join(own.data, "log.db"));
    try {
      db.exec(change);
      await work();
    } finally {
      db.exec(back);
      db.close();
    }
  };

  before(async () => {
    all = await Organisations.start(2);
    own = all.at(0);
    group = all.group.groupFile;
    const writer = new ShippingWriter(Date.now, "test");
    for (let n = 0; n < EXCHANGES; n++) {
      const personal = {
        path: `/${String(n)}`,
        dataSubjects: [{ key: "bsn", value: `9${String(n)}` }],
      };
      const parties = { source: { peerId: own.peerId }, destination: { peerId: PEER } };
      const service = n % 3 === 0 ? "third" : "others";
      writer.outcome(writer.intent({ ...parties, personal, service, direction: "outgoing" }));
    }
    const { logStore } = own.manager.state;
    await logStore.ingest.begin({ writerId: writer.writerId, component: "outway/one" });
    await logStore.ingest.batch(writer.take());
    await until("all to be sealed", async () => {
      const { sealed, unsealed } = await logStore.reader.status();
      return unsealed === 0 && sealed === 2 * EXCHANGES;
    });
  });

  after(async () => {
    await all.remove();
    removeTemporaryFolders();
  });

  it("is verified whole, from a place on, and in part", async () => {
    expect(await verified()).to.include({ entries: 2 * EXCHANGES, from: 0, selected: false });
    expect(await verified("--from", "1001")).to.include({ from: 1001, entries: 1999 });
    expect(await verified("--from", "300", "--to", "900")).to.include({ entries: 600 });
  });

  it("is searched by pages without a double or a gap", async () => {
    const found = await cli.json<{ sequence: number }[]>(own, "log", "search", "--all");
    expect(new Set(found.map(({ sequence }) => sequence)).size).to.equal(EXCHANGES);
    const third = await cli.json<object[]>(
      ...([own, "log", "search", "--service", "third", "--all"] as const),
    );
    expect(third).to.have.length(EXCHANGES / 3);
  });

  it("is exported by a filter, each entry with its proof", async () => {
    const out = join(temporaryFolder(), "third.jsonl");
    await cli.printed(own, "log", "export", "--out", out, "--service", "third");
    expect(await verified("--bundle", out)).to.include({
      ...{ entries: (2 * EXCHANGES) / 3, selected: true, signed: true },
    });
  });

  const faults: readonly (readonly [string, string, string, string])[] = [
    [
      "a byte of a record",
      "update txlog_record set leaf = cast(leaf || x'00' as blob) where tree_index = 700",
      "update txlog_record set leaf = substr(cast(leaf as blob), 1, length(leaf) - 1) where tree_index = 700",
      "leaf-changed: entry 700",
    ],
    [
      "a record with its hash",
      "update txlog_record set tree_index = case tree_index when 10 then -12 when 12 then -10 end where tree_index in (10, 12); update txlog_record set tree_index = -tree_index where tree_index < 0",
      "update txlog_record set tree_index = case tree_index when 10 then -12 when 12 then -10 end where tree_index in (10, 12); update txlog_record set tree_index = -tree_index where tree_index < 0",
      "entry 10: ",
    ],
    [
      "a record that was removed",
      "update txlog_record set epoch = 9 where tree_index = 1500",
      "update txlog_record set epoch = 1 where tree_index = 1500",
      "entry-missing: entry 1500",
    ],
    [
      "a root that nobody signed",
      "update txlog_checkpoint set note = replace(note, char(10) || '3000' || char(10), char(10) || '2999' || char(10))",
      "update txlog_checkpoint set note = replace(note, char(10) || '2999' || char(10), char(10) || '3000' || char(10))",
      "signature-wrong: ",
    ],
    [
      "a leaf, now text,",
      "create table kept as select leaf as it from txlog_record where tree_index = 700; update txlog_record set leaf = hex(leaf) where tree_index = 700",
      "update txlog_record set leaf = (select it from kept) where tree_index = 700; drop table kept",
      "leaf-changed: entry 700",
    ],
    [
      "a leaf, now the same bytes as text,",
      "create table kept as select leaf as it from txlog_record where tree_index = 700; update txlog_record set leaf = cast(leaf as text) where tree_index = 700",
      "update txlog_record set leaf = (select it from kept) where tree_index = 700; drop table kept",
      "leaf-changed: entry 700",
    ],
    [
      "a leaf, now nothing,",
      "create table kept as select leaf as it from txlog_record where tree_index = 700; update txlog_record set leaf = null where tree_index = 700",
      "update txlog_record set leaf = (select it from kept) where tree_index = 700; drop table kept",
      "leaf-changed: entry 700",
    ],
    [
      "a leaf, now a number,",
      "create table kept as select leaf as it from txlog_record where tree_index = 700; update txlog_record set leaf = 17 where tree_index = 700",
      "update txlog_record set leaf = (select it from kept) where tree_index = 700; drop table kept",
      "leaf-changed: entry 700",
    ],
    [
      "a leaf, now no bytes,",
      "create table kept as select leaf as it from txlog_record where tree_index = 700; update txlog_record set leaf = x'' where tree_index = 700",
      "update txlog_record set leaf = (select it from kept) where tree_index = 700; drop table kept",
      "leaf-changed: entry 700",
    ],
    [
      "the first leaf, now nothing,",
      "create table kept as select leaf as it from txlog_record where tree_index = 0; update txlog_record set leaf = null where tree_index = 0",
      "update txlog_record set leaf = (select it from kept) where tree_index = 0; drop table kept",
      "leaf-changed: entry 0",
    ],
    [
      "the hash beside a leaf, now text,",
      "create table kept as select leaf_hash as it from txlog_record where tree_index = 700; update txlog_record set leaf_hash = 'x' where tree_index = 700",
      "update txlog_record set leaf_hash = (select it from kept) where tree_index = 700; drop table kept",
      "leaf-changed: entry 700",
    ],
    [
      "the hash beside a leaf, now a number,",
      "create table kept as select leaf_hash as it from txlog_record where tree_index = 700; update txlog_record set leaf_hash = 5 where tree_index = 700",
      "update txlog_record set leaf_hash = (select it from kept) where tree_index = 700; drop table kept",
      "leaf-changed: entry 700",
    ],
    [
      "the hash beside a leaf, now no bytes,",
      "create table kept as select leaf_hash as it from txlog_record where tree_index = 700; update txlog_record set leaf_hash = x'' where tree_index = 700",
      "update txlog_record set leaf_hash = (select it from kept) where tree_index = 700; drop table kept",
      "leaf-changed: entry 700",
    ],
    [
      "a place in the tree, now text,",
      "update txlog_record set tree_index = 'x' where tree_index = 700",
      "update txlog_record set tree_index = 700 where tree_index = 'x'",
      "entry-missing: entry 700",
    ],
    [
      "a place in the tree, now a fraction,",
      "update txlog_record set tree_index = 700.5 where tree_index = 700",
      "update txlog_record set tree_index = 700 where tree_index = 700.5",
      "entry-missing: entry 700",
    ],
    [
      "a checkpoint, now text that is none,",
      "create table kept as select note as it from txlog_checkpoint where size = (select max(size) from txlog_checkpoint where typeof(size) = 'integer'); update txlog_checkpoint set note = 'x' where size = (select max(size) from txlog_checkpoint where typeof(size) = 'integer')",
      "update txlog_checkpoint set note = (select it from kept) where size = (select max(size) from txlog_checkpoint where typeof(size) = 'integer'); drop table kept",
      "malformed: ",
    ],
    [
      "a checkpoint, now bytes,",
      "create table kept as select note as it from txlog_checkpoint where size = (select max(size) from txlog_checkpoint where typeof(size) = 'integer'); update txlog_checkpoint set note = x'00ff' where size = (select max(size) from txlog_checkpoint where typeof(size) = 'integer')",
      "update txlog_checkpoint set note = (select it from kept) where size = (select max(size) from txlog_checkpoint where typeof(size) = 'integer'); drop table kept",
      "malformed: ",
    ],
    [
      "a checkpoint, now a number,",
      "create table kept as select note as it from txlog_checkpoint where size = (select max(size) from txlog_checkpoint where typeof(size) = 'integer'); update txlog_checkpoint set note = 5 where size = (select max(size) from txlog_checkpoint where typeof(size) = 'integer')",
      "update txlog_checkpoint set note = (select it from kept) where size = (select max(size) from txlog_checkpoint where typeof(size) = 'integer'); drop table kept",
      "malformed: ",
    ],
    [
      "a checkpoint, now an empty text,",
      "create table kept as select note as it from txlog_checkpoint where size = (select max(size) from txlog_checkpoint where typeof(size) = 'integer'); update txlog_checkpoint set note = '' where size = (select max(size) from txlog_checkpoint where typeof(size) = 'integer')",
      "update txlog_checkpoint set note = (select it from kept) where size = (select max(size) from txlog_checkpoint where typeof(size) = 'integer'); drop table kept",
      "malformed: ",
    ],
    [
      "the statement of a key, now text,",
      "create table kept as select statement as it from txlog_key where purpose = 'log'; update txlog_key set statement = 'x' where purpose = 'log'",
      "update txlog_key set statement = (select it from kept) where purpose = 'log'; drop table kept",
      "key-statement-wrong: ",
    ],
    [
      "the size of the checkpoint, now text,",
      "update txlog_checkpoint set size = 'x' where size = 3000",
      "update txlog_checkpoint set size = 3000 where size = 'x'",
      "size-differs: entry 0",
    ],
  ];

  for (const [name, change, back, told] of faults) {
    it(`tells ${name} that was changed in the database, and exits 1`, async () => {
      await changed(change, back, async () => {
        const result = await cli.run(own, "log", "verify", "--group", group);
        expect(result.stderr).to.contain(told);
        expect([result.code, result.stdout]).to.deep.equal([1, ""]);
      });
      await verified();
    });
  }

  it("does not export under a checkpoint that is none", async () => {
    const where = "where size = 3000";
    const change = `create table kept as select note as it from txlog_checkpoint ${where}; update txlog_checkpoint set note = 'x' ${where}`;
    const back = `update txlog_checkpoint set note = (select it from kept) ${where}; drop table kept`;
    await changed(change, back, async () => {
      const out = join(temporaryFolder(), "none.jsonl");
      const result = await cli.run(own, "log", "export", "--out", out);
      expect(result.stderr).to.contain("malformed: ");
      expect(result.stderr).to.contain("'schakel log verify' says more");
      expect([result.code, existsSync(out)]).to.deep.equal([1, false]);
    });
  });

  it("is read by as many at once as the setting allows; more are refused, until those have ended", async () => {
    const bundle = await own.pki.bundle("cli", "auditor");
    const address = own.manager.internalAddress;
    const client = await openManager(LogServiceClient, { bundle, address });
    const request = { epoch: 0, from: 0n, to: 0n, filter: undefined, proofs: true };
    const ended = Array.from({ length: 40 }, async () => {
      const call = client.readLog(request);
      try {
        let entries = 0;
        for await (const message of call) entries += (message as ReadLogResponse).entries.length;
        return String(entries);
      } catch (error) {
        return String(error);
      }
    });
    const answers = await Promise.all(ended);
    const refused = answers.filter((each) => each !== String(2 * EXCHANGES));
    expect(answers.length - refused.length).to.be.at.least(8);
    expect(refused).not.to.deep.equal([]);
    for (const each of refused) {
      expect(each).to.contain("8 calls are reading the log, allowed are 8 at once");
    }
    client.close();
    await verified();
  });

  for (const [name, value] of [
    ["text", "'x'"],
    ["a number", "5"],
    ["no bytes", "x''"],
    ["fewer bytes", "substr(bytes, 1, 64)"],
  ] as const) {
    it(`tells what hashes that were changed to ${name} no longer prove, and exits 1`, async () => {
      const where = "where level = 0 and tile_index = 2";
      const change = `create table kept as select bytes as it from txlog_tile ${where}; update txlog_tile set bytes = ${value} ${where}`;
      const back = `update txlog_tile set bytes = (select it from kept) ${where}; drop table kept`;
      await changed(change, back, async () => {
        const part = ["log", "verify", "--group", group, "--from", "600"];
        const end = await cli.run(own, ...part);
        expect([end.code, end.stdout]).to.deep.equal([1, ""]);
        expect(end.stderr).to.contain("malformed: the tree before entry 600 is not given");
        const range = await cli.run(own, ...part, "--to", "700");
        expect([range.code, range.stdout]).to.deep.equal([1, ""]);
        expect(range.stderr).to.contain("proof-wrong: entry 600");
      });
      await verified("--from", "600");
    });
  }

  it("is pruned by whole bundles, and what is left is verified and exported", async () => {
    const before = new Date(Date.now() + 3_600_000).toISOString();
    const prune = ["log", "prune", "--before", before];
    const dry = await cli.json<object>(own, ...prune, "--dry-run");
    expect(dry).to.include({ entries: PRUNED, first_kept: PRUNED });
    expect(await cli.json<object>(own, ...prune, "--yes")).to.include({ entries: PRUNED });
    const left = 2 * EXCHANGES - PRUNED;
    expect(await verified()).to.include({ from: PRUNED, entries: left, size: 2 * EXCHANGES });
    const out = join(temporaryFolder(), "left.jsonl");
    await cli.printed(own, "log", "export", "--out", out);
    const result = await schakel(["log", "verify", "--bundle", out, "--group", group, "--json"]);
    expect(result.code, result.stderr).to.equal(0);
    expect(JSON.parse(result.stdout)).to.include({ entries: left, signed: true });
    const [first] = await cli.json<{ transaction_id: string }[]>(
      ...([own, "log", "search", "--oldest-first", "--limit", "1"] as const),
    );
    expect(await cli.printed(own, "log", "show", first!.transaction_id, "--here")).to.contain(
      "pruned",
    );
  });

  it("is compared with another organisation's, and each difference is named with exit code 1", async () => {
    const other = all.at(1);
    const writer = new ShippingWriter(Date.now, "test");
    const parties = { source: { peerId: own.peerId }, destination: { peerId: other.peerId } };
    const { transactionId } = writer.intent({ ...parties, service: "lost", direction: "outgoing" });
    // The other side has a log too, of an exchange with somebody else.
    const theirs = new ShippingWriter(Date.now, "test");
    theirs.intent({ source: { peerId: PEER }, destination: { peerId: other.peerId } });
    for (const [at, writes] of [
      [own, writer],
      [other, theirs],
    ] as const) {
      const { ingest, reader } = at.manager.state.logStore;
      await ingest.begin({ writerId: writes.writerId, component: "outway/two" });
      await ingest.batch(writes.take());
      await until("it to be sealed", async () => (await reader.status()).unsealed === 0);
    }
    const to = new Date(Date.now() + 60_000).toISOString();
    const reconcile = ["log", "reconcile", "--with", other.peerId, "--to", to];
    const text = await cli.run(own, ...reconcile);
    expect(text.stdout, text.stderr).to.match(
      new RegExp(`${transactionId} +missing-there +lost +`),
    );
    expect([text.code, text.stderr]).to.deep.equal([1, "schakel: the two logs differ\n"]);
    const json = await cli.run(own, ...reconcile, "--json");
    expect([json.code, json.stderr]).to.deep.equal([1, ""]);
    const { differences } = JSON.parse(json.stdout) as { differences: { kind: string }[] };
    expect(differences.map(({ kind }) => kind)).to.deep.equal(["missing-there"]);
    const [kept] = await cli.json<{ differences: object[] }[]>(
      ...([other, "log", "reconciliations", "--with", own.peerId] as const),
    );
    expect(kept?.differences).to.have.length(1);
  });

  it("keeps what was verified in the identity folder alone", async () => {
    const folder = join(await cli.identity(own), "known-logs");
    const [name = "", ...more] = readdirSync(folder);
    expect(more).to.deep.equal([]);
    expect(decodeURIComponent(name)).to.equal(`schakel/test/${own.peerId}.txt`);
    expect((await readFile(join(folder, name), "utf8")).split("\n")[1]).to.equal("3000");
  });
});
