// What auditors and privacy officers do with the transaction log, through the command line and real processes of two
// organisations: search, show, verify, export, compare, erase, count.
import { expect } from "chai";
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { newTransactionId } from "../../core/names.js";
import { parseCheckpoint, signCheckpoint } from "../../txlog/tree/checkpoint.js";
import { noteKey, readNote } from "../../txlog/tree/note.js";
import { Auditor } from "../support/auditor.js";
import { call } from "../support/call.js";
import { Network, PEERS } from "../support/network.js";
import { provoked } from "../support/provoked.js";
import { schakel } from "../support/schakel.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";

const WAIT_MS = 60_000;
const BSN = "999993653";
const SUBJECT = `bsn=${BSN}`;
const PATH = "/geheim-pad-771";
const { consumer, provider } = PEERS;

interface Found {
  readonly transaction_id: string;
  readonly result: string;
  readonly status: number;
  readonly direction: string;
  readonly writer_id: string;
  readonly sequence: number;
}

interface ShownExchange {
  readonly entries: readonly { personal_state: string; index: number | null; personal?: object }[];
  readonly other_entries: readonly { index: number | null }[];
  readonly other_problem: string;
  readonly receipts: string;
}

const filesWith = (folder: string, text: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(text));

describe("system/what auditors do with the log", function () {
  this.timeout(180_000);
  let network: Network;
  let auditor: Auditor;
  let theirs: Auditor;
  let id = "";
  let other = "";
  const out = (name: string): string => join(temporaryFolder(), name);

  const exchange = async (path: string, headers: [string, string][] = []): Promise<string> => {
    const answer = await call(network.url(path), { headers });
    return String(answer.headers["fsc-transaction-id"]);
  };

  const isComplete = (at: Auditor, wanted: string): Promise<unknown> =>
    until(
      `${wanted} to be in the store and sealed`,
      async () => {
        const { code, stdout } = await at.run("show", wanted, "--here", "--json");
        if (code !== 0) return false;
        const { entries } = JSON.parse(stdout) as ShownExchange;
        return entries.length === 2 && entries.every(({ index }) => index !== null);
      },
      WAIT_MS,
    );

  const search = (...args: readonly string[]): Promise<readonly Found[]> =>
    auditor.json("search", ...args);

  before(async () => {
    network = await Network.start();
    auditor = await Auditor.open(network.organisations.consumer);
    theirs = await Auditor.open(network.organisations.provider);
    id = await exchange(PATH, [["X-NLX-Request-Data-Subject", SUBJECT]]);
    other = await exchange("/other", [["X-NLX-Request-Data-Subject", "bsn=123456782,kenteken=ab"]]);
    await call(network.url("/", "no-such-service"));
    for (const at of [auditor, theirs]) {
      await isComplete(at, id);
      await isComplete(at, other);
    }
  });

  after(async () => {
    await network.stop();
    removeTemporaryFolders();
    auditor.close();
    theirs.close();
  });

  const day = 86_400_000;
  const moment = (ms: number): string => new Date(Date.now() + ms).toISOString();
  /** Each filter, and whether it finds the exchange with the data subject. */
  const filters: readonly (readonly [string, () => readonly string[], boolean])[] = [
    ["its time", () => ["--from", moment(-day), "--to", moment(day)], true],
    ["an earlier time", () => ["--to", moment(-day)], false],
    ["its provider", () => ["--peer", provider.peerId], true],
    ["another peer", () => ["--peer", PEERS.stranger.peerId], false],
    ["its service", () => ["--service", "echo"], true],
    ["another service", () => ["--service", "ech"], false],
    ["its direction", () => ["--direction", "outgoing"], true],
    ["the other direction", () => ["--direction", "incoming"], false],
    ["its status", () => ["--status", "200"], true],
    ["its hundred", () => ["--status", "2xx"], true],
    ["another hundred", () => ["--status", "5xx"], false],
    ["its transaction", () => ["--transaction", id], true],
    ["another transaction", () => ["--transaction", newTransactionId()], false],
    ["its data subject", () => ["--subject", SUBJECT], true],
    ["the same value of another key", () => ["--subject", `kenteken=${BSN}`], false],
    ["another data subject", () => ["--subject", "bsn=999993654"], false],
    ["its grant", () => ["--grant", network.grantHash()], true],
    ["another grant", () => ["--grant", "$1$4$other"], false],
    [
      "all of them at once",
      () => [
        ...["--from", moment(-day), "--peer", provider.peerId, "--service", "echo"],
        ...["--direction", "outgoing", "--status", "200", "--subject", SUBJECT],
      ],
      true,
    ],
  ];

  for (const [name, args, isFound] of filters) {
    it(`search ${isFound ? "finds it" : "does not find it"} by ${name}`, async () => {
      const found = await search(...args(), "--all");
      expect(found.some(({ transaction_id }) => transaction_id === id)).to.equal(isFound);
    });
  }

  it("search lists a table, newest first, and stops at the limit", async () => {
    const text = await auditor.printed("search");
    expect(text).to.match(/^RECORDED +TRANSACTION +DIRECTION +FROM +TO +SERVICE +METHOD +RESULT\n/);
    const row = new RegExp(
      `${id} +outgoing +${consumer.peerId} +${provider.peerId} +echo +GET +complete 200`,
    );
    expect(text).to.match(row);
    expect(text.indexOf(other)).to.be.below(text.indexOf(id));
    const { stdout, stderr } = await auditor.run("search", "--limit", "1");
    expect(stdout.trimEnd().split("\n")).to.have.length(2);
    expect(stderr).to.contain("there may be more");
    const oldest = await search("--oldest-first", "--all");
    const newest = await search("--all");
    expect(oldest.map((each) => each.sequence)).to.deep.equal(
      newest.map((each) => each.sequence).reverse(),
    );
    expect(oldest.some(({ result }) => result === "refused")).to.equal(true);
  });

  it("show has the records of both sides next to each other, with receipts that match", async () => {
    const text = await auditor.printed("show", id);
    expect(text).to.match(/^log +ours +the other side's\n/);
    expect(text).to.match(/^direction +outgoing +incoming$/m);
    expect(text).to.match(/^in the tree +entry \d+ +entry \d+$/m);
    expect(text).to.contain("receipts of both sides: match");
    expect(text).to.contain("encrypted (--personal)");
    expect(text).not.to.contain(BSN);
    const document = await auditor.json<ShownExchange>("show", id);
    expect([document.entries.length, document.other_entries.length]).to.deep.equal([2, 2]);
    expect([document.receipts, document.other_problem]).to.deep.equal(["match", ""]);
  });

  it("show opens what is personal only when it is asked to", async () => {
    const text = await auditor.printed("show", id, "--personal", "--here");
    expect(text).to.match(new RegExp(`^path +${PATH}$`, "m"));
    expect(text).to.match(new RegExp(`^data subject +${SUBJECT}$`, "m"));
    const [found] = await search("--transaction", id);
    const key = `${found!.writer_id}/${String(found!.sequence)}`;
    expect(await auditor.printed("show", key, "--here")).to.contain(id);
  });

  it("show says why there is nothing of the other side", async () => {
    const [refused] = (await search("--all")).filter(({ result }) => result === "refused");
    const key = `${refused!.writer_id}/${String(refused!.sequence)}`;
    expect(await auditor.printed("show", key)).to.contain(
      "nothing of the other side: it was refused",
    );
  });

  it("verify checks the whole log, a range, and by the group's anchors", async () => {
    const { groupFile } = network.group;
    expect(await auditor.printed("verify")).to.match(/^valid +schakel\/.*\n[\s\S]*without a gap/);
    const whole = await auditor.json<{ size: number; entries: number; from: number }>(
      ...["verify", "--group", groupFile],
    );
    expect(whole.entries).to.equal(whole.size);
    const end = await auditor.json<{ size: number; entries: number; from: number }>(
      ...["verify", "--from", "2"],
    );
    expect([end.from, end.entries]).to.deep.equal([2, end.size - 2]);
    const some = await auditor.json<{ entries: number; selected: boolean }>(
      ...["verify", "--from", "1", "--to", "3", "--group", groupFile],
    );
    expect([some.entries, some.selected]).to.deep.equal([2, true]);
  });

  /** Puts a checkpoint, signed with the log's own key, where the last verified one is kept; gives what verify then says. */
  const verifyAfter = async (
    change: (size: number, root: Buffer) => { size: number; root: Buffer },
    key?: KeyObject,
  ): Promise<string> => {
    const folder = join(auditor.identity, "known-logs");
    const [name = ""] = readdirSync(folder);
    const path = join(folder, name);
    const kept = await readFile(path, "utf8");
    const { origin, size, root } = parseCheckpoint(readNote(kept).text);
    const pem = join(network.organisations.consumer.data, "log-keys", "log-0001.pem");
    const signer = noteKey(origin, key ?? createPrivateKey(await readFile(pem)));
    await writeFile(path, signCheckpoint({ origin, ...change(size, root) }, signer));
    const result = await auditor.run("verify");
    expect([result.code, result.stdout]).to.deep.equal([1, ""]);
    await writeFile(path, kept);
    return result.stderr;
  };

  it("verify tells a log that does not continue what was seen from one that was cut", async () => {
    await auditor.printed("verify");
    expect(await verifyAfter((size, root) => ({ size: size + 1000, root }))).to.contain(
      "checkpoint-older: the checkpoint has",
    );
    const root = Buffer.alloc(32, 7);
    expect(await verifyAfter((size) => ({ size, root }))).to.contain("log-forked");
    expect(await verifyAfter((size) => ({ size: size - 1, root }))).to.contain("log-forked");
    const { privateKey } = generateKeyPairSync("ed25519");
    expect(await verifyAfter((size, same) => ({ size, root: same }), privateKey)).to.contain(
      "unknown-key",
    );
    await auditor.printed("verify");
  });

  it("export writes a bundle that is signed as a whole, and tables", async () => {
    const whole = out("whole.jsonl");
    expect(await auditor.printed("export", "--out", whole)).to.contain("signed by the log");
    const lines = (await readFile(whole, "utf8")).trimEnd().split("\n");
    const types = new Set(lines.map((line) => (JSON.parse(line) as { type: string }).type));
    for (const type of ["checkpoint", "key-statement", "certificate", "entry", "contract", "end"]) {
      expect([...types], type).to.include(type);
    }
    const csv = out("exchanges.csv");
    await auditor.printed("export", "--out", csv, "--format", "csv", "--subject", SUBJECT);
    const rows = (await readFile(csv, "utf8")).trimEnd().split("\n");
    expect(rows[0]).to.match(/^created_at,transaction_id,direction,/);
    expect([rows.length, rows[1]!.split(",")[1]]).to.deep.equal([2, id]);
    const jsonl = out("exchanges.jsonl");
    await auditor.printed("export", "--out", jsonl, "--format", "jsonl");
    const parsed = (await readFile(jsonl, "utf8")).trimEnd().split("\n");
    expect(parsed.map((line) => (JSON.parse(line) as Found).transaction_id)).to.include.members([
      ...[id, other],
    ]);
  });

  it("export with a filter has those records alone, each with its proof", async () => {
    const some = out("some.jsonl");
    await auditor.printed("export", "--out", some, "--transaction", id);
    const verified = await auditor.json<{ entries: number; selected: boolean; contracts: number }>(
      ...["verify", "--bundle", some, "--group", network.group.groupFile],
    );
    expect(verified).to.include({ entries: 2, selected: true, contracts: 1, signed: true });
  });

  it("reconcile finds that the logs of both sides agree, signed by both, and keeps that", async () => {
    const result = await auditor.json<{ differences: object[]; signed_by: string[] }>(
      ...["reconcile", "--with", provider.peerId, "--to", moment(60_000)],
    );
    expect(result.differences).to.deep.equal([]);
    expect(result.signed_by).to.have.members([consumer.peerId, provider.peerId]);
    for (const [at, peer] of [
      [auditor, provider],
      [theirs, consumer],
    ] as const) {
      const list = await at.json<{ peer_id: string; exchanges_here: number }[]>("reconciliations");
      expect(list[0]).to.include({ peer_id: peer.peerId });
      expect(list[0]!.exchanges_here).to.be.at.least(2);
    }
    expect(await auditor.printed("reconciliations", "--with", provider.peerId)).to.match(/ both\n/);
  });

  it("counts exchanges of months as CSV", async () => {
    const month = new Date().toISOString().slice(0, 7);
    const text = await auditor.printed("counts", "--from", month, "--to", month);
    const [head, ...rows] = text.trimEnd().split("\n");
    expect(head).to.equal(
      "month,direction,source_peer_id,source_delegator_id,destination_peer_id,service,exchanges,successful,refused",
    );
    const row = rows.find((each) => each.includes(",echo,"));
    const start = `${month},outgoing,${consumer.peerId},,${provider.peerId},echo,`;
    expect(row?.startsWith(start), text).to.equal(true);
    const [exchanges, successful, refused] = row!.slice(start.length).split(",").map(Number);
    expect([exchanges! >= 2, successful! >= 2, refused]).to.deep.equal([true, true, 0]);
  });

  it("head says where the log stands", async () => {
    const document = await auditor.json<{ size: number; epoch: number; checkpoint: string }>(
      "head",
    );
    expect(document.epoch).to.equal(1);
    expect(document.size).to.be.above(0);
    expect(document.checkpoint.split("\n")[1]).to.equal(String(document.size));
    expect(await auditor.printed("head")).to.match(/^epoch +1$/m);
  });

  it("has every look in the audit log, and no data subject in it", async () => {
    const { stdout } = await schakel([
      ...["audit", "list", "--all", "--json", "--identity", auditor.identity],
    ]);
    const acts = JSON.parse(stdout) as { action: string; subject: string }[];
    const actions = new Set(acts.map(({ action }) => action));
    for (const action of [
      ...["SearchExchanges", "GetExchange", "ReadLog", "GetLogHead", "GetEvidence", "SignBundle"],
      ...["Reconcile", "ListReconciliations", "CountExchanges"],
    ]) {
      expect([...actions], action).to.include(action);
    }
    expect(stdout).not.to.contain(BSN);
    const bySubject = acts.filter(({ subject }) => subject.includes("hmac:"));
    expect(bySubject.length).to.be.above(0);
    expect(bySubject.every(({ subject }) => /bsn|kenteken/.test(subject))).to.equal(true);
  });

  const refusals: readonly (readonly [string, () => readonly string[], 1 | 2, RegExp])[] = [
    ["an id that is none", () => ["show", "nothing"], 2, /neither a transaction id/],
    ["an unknown exchange", () => ["show", newTransactionId()], 1, /no such record/],
    [
      "an unknown record",
      () => ["show", "501bcd69-53f6-45a3-91dc-96c72f756acf/12"],
      1,
      /no such record/,
    ],
    ["a folder and --here", () => ["show", id, "--folder", "x", "--here"], 2, /cannot be used/],
    ["a moment without a zone", () => ["search", "--from", "2026-01-01"], 2, /RFC 3339/],
    [
      "an end before the beginning",
      () => ["search", "--from", moment(0), "--to", moment(-day)],
      2,
      /not before/,
    ],
    ["a direction that is none", () => ["search", "--direction", "up"], 2, /incoming, outgoing/],
    ["a status that is none", () => ["search", "--status", "6xx"], 2, /404, or 4xx/],
    ["a transaction that is none", () => ["search", "--transaction", "1"], 2, /version 7/],
    ["a subject without a value", () => ["search", "--subject", "bsn"], 2, /one key=value/],
    ["two subjects", () => ["search", "--subject", "a=1,b=2"], 2, /one key=value/],
    ["a peer that is none", () => ["search", "--peer", "x"], 1, /peer_id is "x"/],
    ["a limit of 0", () => ["search", "--limit", "0"], 2, /from 1 to/],
    ["an unknown flag", () => ["search", "--all-of-them"], 2, /unknown option/],
    ["a verification of nothing", () => ["verify", "--from", "5", "--to", "5"], 2, /not before/],
    ["a range behind the end", () => ["verify", "--from", "9000000"], 1, /is not within/],
    ["an epoch that is not there", () => ["verify", "--epoch", "7"], 1, /epoch is 7/],
    ["a range of a bundle", () => ["verify", "--bundle", "x", "--from", "1"], 2, /not for a b/],
    ["an export without a file", () => ["export"], 2, /--out/],
    ["another format", () => ["export", "--out", "x", "--format", "xml"], 2, /bundle, csv/],
    [
      "a folder that is not there",
      () => ["export", "--out", out("none/x")],
      1,
      /cannot be written \(ENOENT\)/,
    ],
    ["a comparison with nobody", () => ["reconcile"], 2, /--with/],
    ["a comparison with ourselves", () => ["reconcile", "--with", consumer.peerId], 1, /our own/],
    [
      "a comparison with a stranger",
      () => ["reconcile", "--with", "00000000000000000099"],
      1,
      /peer/,
    ],
    ["an erasure without a reason", () => ["erase", "--subject", SUBJECT], 2, /--reason/],
    ["an erasure of nothing", () => ["erase", "--reason", "x", "--yes"], 2, /and not both/],
    [
      "an erasure of both",
      () => ["erase", "--reason", "x", "--yes", "--subject", SUBJECT, "--transaction", id],
      2,
      /and not both/,
    ],
    [
      "an erasure that nobody confirms",
      () => ["erase", "--reason", "x", "--subject", SUBJECT],
      2,
      /no terminal/,
    ],
    [
      "a reason that is too long",
      () => ["erase", "--yes", "--transaction", id, "--reason", "x".repeat(1001)],
      1,
      /1001 characters, allowed are 1 to 1000/,
    ],
    ["no days", () => ["retention"], 2, /--days or --remove/],
    ["days and --remove", () => ["retention", "--days", "1", "--remove"], 2, /not both/],
    ["too many days", () => ["retention", "--days", "36501"], 2, /from 0 to 36500/],
    ["pruning without a moment", () => ["prune", "--yes"], 2, /--before/],
    ["pruning that nobody confirms", () => ["prune", "--before", moment(-day)], 2, /no terminal/],
    ["an epoch without a reason", () => ["begin-epoch"], 2, /--reason/],
    ["an epoch of a sound log", () => ["begin-epoch", "--reason", "x"], 1, /in order/],
    [
      "a month that is none",
      () => ["counts", "--from", "2026-13", "--to", "2026-01"],
      2,
      /2026-01/,
    ],
    [
      "months in the wrong order",
      () => ["counts", "--from", "2026-02", "--to", "2026-01"],
      2,
      /after/,
    ],
    [
      "too many months",
      () => ["counts", "--from", "2000-01", "--to", "2026-01"],
      1,
      /allowed are 1 to 120 months/,
    ],
  ];

  for (const [name, args, code, message] of refusals) {
    it(`refuses ${name} with exit code ${String(code)}`, async () => {
      const result = await auditor.run(...args());
      expect(result.stderr).to.match(message);
      expect([result.code, result.stdout]).to.deep.equal([code, ""]);
      if (result.stderr.includes("no such record")) provoked("ERROR_CODE_RECORD_NOT_FOUND");
    });
  }

  it("answers programs that pass a limit with the limit", async () => {
    const codes = async (work: Promise<unknown>): Promise<string> =>
      work.then(
        () => "answered",
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
    const page = { filter: undefined, pageToken: "", oldestFirst: false };
    expect(await codes(auditor.call("searchExchanges", { ...page, pageSize: 1001 }))).to.contain(
      "page_size is 1001, allowed is 1 to 1000",
    );
    const token = { ...page, pageSize: 10, pageToken: "x" };
    expect(await codes(auditor.call("searchExchanges", token))).to.contain("page token");
    const grantHashes = Array.from({ length: 1001 }, (_, n) => `$1$4$${String(n)}`);
    const evidence = { fromUs: 0n, toUs: 0n, grantHashes };
    expect(await codes(auditor.all("getEvidence", evidence))).to.contain("allowed are 1000");
    const sha256 = Buffer.alloc(31);
    expect(await codes(auditor.call("signBundle", { sha256 }))).to.contain("allowed are 32");
    const proof = { epoch: 0, index: 9_000_000n, oldSize: 0n, size: 0n };
    expect(await codes(auditor.call("getProof", proof))).to.contain("no checkpoint");
  });

  it("erases a data subject: the value is nowhere, was never there, and every proof holds", async () => {
    const { dir } = network.group;
    expect(filesWith(dir, BSN), "before").to.deep.equal([]);
    const dry = await auditor.json<{ records: number }>(
      ...["erase", "--subject", SUBJECT, "--reason", "request 17", "--dry-run"],
    );
    expect(dry.records).to.equal(1);
    expect(await auditor.printed("show", id, "--personal", "--here")).to.contain(BSN);
    const erase = ["erase", "--subject", SUBJECT, "--reason", "request 17", "--yes"];
    expect(await auditor.json<{ records: number }>(...erase)).to.include({ records: 1 });
    expect(await theirs.json<{ records: number }>(...erase)).to.include({ records: 1 });
    expect(await search("--subject", SUBJECT)).to.deep.equal([]);
    const text = await auditor.printed("show", id, "--personal");
    expect(text).to.match(/^personal data +erased/m);
    expect(text).not.to.contain(BSN);
    expect(await auditor.printed("show", other, "--personal", "--here")).to.contain("123456782");
    await auditor.printed("verify", "--group", network.group.groupFile);
    const again = await auditor.json<{ records: number }>(...erase);
    expect(again.records).to.equal(0);
    expect(filesWith(dir, BSN), "after").to.deep.equal([]);
    expect(filesWith(dir, PATH), "the path").to.deep.equal([]);
  });

  it("sets, lists and removes retentions, and prunes nothing that fills no bundle", async () => {
    const set = await auditor.json<object[]>("retention", "--service", "echo", "--days", "90");
    expect(set).to.deep.equal([{ service: "echo", days: 90 }]);
    expect(await auditor.json("retention", "--service", "echo", "--remove")).to.deep.equal([]);
    const pruned = await auditor.json("prune", "--before", moment(day), "--dry-run");
    expect(pruned).to.deep.equal({ entries: 0, first_kept: 0, dry_run: true });
  });

  it("says so when the other organisation's manager is away, and compares nothing", async () => {
    await network.member("manager-provider").running.stop();
    const result = await auditor.run("reconcile", "--with", provider.peerId);
    expect(result.stderr).to.match(/could not be compared with the other organisation's/);
    expect([result.code, result.stdout]).to.deep.equal([1, ""]);
    provoked("ERROR_CODE_RECONCILIATION_FAILED");
  });

  it("verifies the bundle when no process runs any more, and finds each change of it", async () => {
    const bundle = out("bundle.jsonl");
    await auditor.printed("export", "--out", bundle);
    await network.processes.stopAll();
    const { groupFile } = network.group;
    const offline = ["log", "verify", "--bundle", bundle, "--group", groupFile, "--json"];
    const { code, stdout } = await schakel(offline);
    expect(code, stdout).to.equal(0);
    expect(JSON.parse(stdout)).to.include({ valid: true, signed: true });
    const lines = (await readFile(bundle, "utf8")).split("\n");
    const entry = lines.findIndex((line) => line.startsWith('{"type":"entry","index":3'));
    const without = out("without.jsonl");
    await writeFile(without, lines.filter((_, at) => at !== entry).join("\n"));
    const cut = await schakel(["log", "verify", "--bundle", without, "--group", groupFile]);
    expect(cut.code).to.equal(1);
    expect(cut.stderr).to.contain("entry-missing: entry 3");
  });
});
