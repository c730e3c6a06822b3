// `schakel log verify`, as an auditor runs it: on files, offline, with keys that are trusted or a group's file.
import { expect } from "chai";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { barLine, progressBar } from "../../cli/progress-bar.js";
import { decodeLeaf } from "../../txlog/decode-leaf.js";
import { encodeLeaf } from "../../txlog/leaf.js";
import { signKeyStatement } from "../../txlog/tree/key-statement.js";
import { bundleOf } from "../support/bundles.js";
import { signerOf } from "../support/contract-signers.js";
import { TestGroup } from "../support/pki.js";
import { schakel, type CommandResult } from "../support/schakel.js";
import { GROUP_ID, leavesOf, newNoteKey, PEER_ID, SealedLog } from "../support/sealed-log.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";

interface Document {
  readonly valid: boolean;
  readonly kind?: string;
  readonly index?: number | null;
  readonly entries?: number;
  readonly witnesses?: readonly { readonly name: string }[];
}

describe("cli/log verify", function () {
  this.timeout(60_000);
  let log: SealedLog;
  let dir: string;
  let trusted: string[];

  before(async () => (log = await SealedLog.of(leavesOf(20))));
  beforeEach(() => {
    dir = temporaryFolder();
    trusted = ["--key", log.key.vkey, "--witness", log.witness.vkey];
  });
  afterEach(() => removeTemporaryFolders());

  const file = async (name: string, text: string): Promise<string> => {
    const path = join(dir, name);
    await writeFile(path, text);
    return path;
  };
  const verify = async (text: string, ...args: readonly string[]): Promise<CommandResult> =>
    schakel(["log", "verify", "--bundle", await file("bundle.jsonl", text), ...args]);
  const judged = async (text: string, ...args: readonly string[]): Promise<Document> => {
    const { code, stdout, stderr } = await verify(text, ...args, "--json");
    const document = JSON.parse(stdout) as Document;
    expect([code, stderr]).to.deep.equal([document.valid ? 0 : 1, ""]);
    return document;
  };

  it("tells what a right bundle is, in words and as JSON", async () => {
    const text = await bundleOf(log);
    const { code, stdout, stderr } = await verify(text, ...trusted);
    expect([code, stderr]).to.deep.equal([0, ""]);
    expect(stdout).to.match(/^valid +schakel\/test\/00000000000000000001\n/);
    expect(stdout).to.contain("all 20");
    expect(stdout).to.match(
      /witnessed +2026-09-21T\d\d:\d\d:\d\dZ by schakel\/test\/00000000000000000002\/witness/,
    );
    const document = await judged(text, ...trusted);
    expect(document).to.deep.include({
      valid: true,
      entries: 20,
      origin: log.key.name,
      size: 20,
      signed: true,
    });
  });

  it("names the first bad entry and its fault, and exits 1", async () => {
    const lines = (await bundleOf(log)).split("\n");
    const at = lines.findIndex((line) => line.includes('"index":11,'));
    const record = decodeLeaf(log.leaves[11]!);
    const leaf = encodeLeaf({ ...record, createdAtUs: record.createdAtUs + 1 }).toString("base64");
    const entry = JSON.parse(lines[at]!) as object;
    const changed = lines.with(at, JSON.stringify({ ...entry, leaf })).join("\n");
    const { code, stdout, stderr } = await verify(changed, ...trusted);
    expect([code, stdout]).to.deep.equal([1, ""]);
    expect(stderr).to.contain("schakel: error: leaf-changed: entry 11: ");
    expect(await judged(changed, ...trusted)).to.deep.include({ kind: "leaf-changed", index: 11 });
    const cut = lines.toSpliced(at).join("\n");
    expect(await judged(`${cut}\n`, ...trusted)).to.deep.include({
      kind: "malformed",
      index: 11,
    });
  });

  it("verifies by the group's file alone, by what the peers stated", async () => {
    const group = await TestGroup.create({ groupId: GROUP_ID });
    try {
      const one = await signerOf(
        await group.peer({ peerId: PEER_ID, name: "One", names: ["one.test"] }),
      );
      const two = await signerOf(
        await group.peer({ peerId: "00000000000000000002", name: "Two", names: ["two.test"] }),
      );
      const from = Math.floor(Date.now() / 1000);
      const statements = await Promise.all([
        signKeyStatement({ origin: log.key.name, vkey: log.key.vkey, from }, one),
        signKeyStatement({ origin: log.witness.name, vkey: log.witness.vkey, from }, two),
      ]);
      const text = await bundleOf(log, { statements, certificates: [...one.chain, ...two.chain] });
      const right = await judged(text, "--group", group.groupFile);
      expect(right.witnesses?.map(({ name }) => name)).to.deep.equal([log.witness.name]);
      const without = await bundleOf(log, { statements });
      expect(await judged(without, "--group", group.groupFile)).to.deep.include({
        kind: "key-statement-wrong",
      });
    } finally {
      await group.remove();
    }
  });

  it("keeps the checkpoint that it saw, and refuses an older or forked one from then on", async () => {
    const seen = join(dir, "seen.txt");
    const args = [...trusted, "--known-checkpoint", seen];
    const shorter = await SealedLog.of(log.leaves.slice(0, 9), log.key);
    const early = await bundleOf(shorter, { note: log.note(9) });
    expect((await judged(early, ...args)).valid).to.equal(true);
    expect(await readFile(seen, "utf8")).to.equal(log.note(9));
    const whole = await bundleOf(log);
    expect((await judged(whole, ...args)).valid).to.equal(true);
    expect(await readFile(seen, "utf8")).to.equal(log.witnessed());
    expect(await judged(early, ...args)).to.deep.include({ kind: "checkpoint-older" });

    // Another log under the same key: what was seen is not in it, although all else is right.
    const moved = decodeLeaf(log.leaves[19]!);
    const other = encodeLeaf({ ...moved, createdAtUs: moved.createdAtUs + 5 });
    const fork = await SealedLog.of([...log.leaves.slice(0, 19), other], log.key);
    const forkText = await bundleOf(fork, { note: fork.note() });
    expect(await judged(forkText, ...args)).to.deep.include({ kind: "log-forked" });
    expect(await readFile(seen, "utf8")).to.equal(log.witnessed());
  });

  it("refuses a co-signature by an unknown key, unless it is to pass over it", async () => {
    const text = await bundleOf(log);
    const key = ["--key", log.key.vkey];
    expect(await judged(text, ...key)).to.deep.include({ kind: "unknown-key" });
    expect(await judged(text, "--key", newNoteKey(log.key.name).vkey)).to.deep.include({
      kind: "unknown-key",
    });
    expect(await judged(text, ...key, "--any-witness")).to.deep.include({ valid: true });
  });

  it("is used wrongly without anything trusted, or with what is no key", async () => {
    const path = await file("bundle.jsonl", await bundleOf(log));
    for (const [args, code] of [
      [[...trusted, "--identity", join(dir, "absent")], 1],
      [["--bundle", path], 2],
      [["--bundle", path, "--key", "nothing"], 2],
      [["--bundle", path, "--key", log.witness.vkey], 2],
      [["--bundle", path, "--witness", log.key.vkey, "--key", log.key.vkey], 2],
      [["--bundle", join(dir, "absent"), ...trusted], 1],
      [["--bundle", path, ...trusted, "--known-checkpoint", path], 1],
      [["--bundle", path, "--group", path], 1],
    ] as const) {
      const result = await schakel(["log", "verify", ...args]);
      expect(result.code, result.stderr).to.equal(code);
      expect(result.stderr).to.match(/^schakel: error: /);
      expect(result.stdout).to.equal("");
    }
    const { stderr } = await verify("no bundle\n", ...trusted);
    expect(stderr).to.contain("malformed");
  });
});

describe("The progress bar", () => {
  it("is drawn on a terminal a few times a second, and taken away", () => {
    const written: string[] = [];
    let at = 0;
    const bar = progressBar(
      "verifying",
      { isTTY: true, write: (text) => written.push(text) },
      () => at,
    );
    for (let done = 1; done <= 6400; done++) {
      at += 0.1;
      bar.step(done, 6400);
    }
    bar.end();
    expect(written.length).to.be.within(7, 9);
    expect(written.at(-2)).to.equal(`\rverifying [${"=".repeat(40)}] 100 %  6,400 of 6,400`);
    expect(written.at(-1)).to.equal("\r\u001b[K");
    expect(barLine("x", 1, 4)).to.equal(`x [${"=".repeat(10)}${" ".repeat(30)}]  25 %  1 of 4`);
    expect(barLine("x", 0, 0)).to.contain("100 %");
  });

  it("is not drawn on anything else", () => {
    const written: string[] = [];
    const bar = progressBar("verifying", { write: (text) => written.push(text) });
    for (let done = 0; done <= 1000; done++) bar.step(done, 1000);
    bar.end();
    expect(written).to.deep.equal([]);
  });
});
