// Export bundles: what is accepted offline, and that nothing in one can be changed, moved or left out unseen.
import { expect } from "chai";
import { hash } from "node:crypto";
import { decodeLeaf } from "../../../txlog/decode-leaf.js";
import { encodeLeaf, leafHash } from "../../../txlog/leaf.js";
import { verifyBundle, writeBundle, type BundleTrust } from "../../../txlog/tree/bundle.js";
import { endLine } from "../../../txlog/tree/bundle-lines.js";
import { logOrigin, signCheckpoint, witnessName } from "../../../txlog/tree/checkpoint.js";
import { signKeyStatement, verifyKeyStatement } from "../../../txlog/tree/key-statement.js";
import { LogFault } from "../../../txlog/tree/log-fault.js";
import { EMPTY_ROOT } from "../../../txlog/tree/merkle.js";
import { loadGroup, type Group } from "../../../certs/group.js";
import { bundleOf, bytesOf } from "../../support/bundles.js";
import { signerOf, type Signer } from "../../support/contract-signers.js";
import { TestGroup } from "../../support/pki.js";
import { long } from "../../support/scale.js";
import { GROUP_ID, leavesOf, newNoteKey, PEER_ID, SealedLog } from "../../support/sealed-log.js";

const OTHER_PEER = "00000000000000000002";

const faultOf = async (text: string | Buffer, trust: BundleTrust): Promise<LogFault> => {
  try {
    await verifyBundle(bytesOf(text), trust);
  } catch (error) {
    if (error instanceof LogFault) return error;
    throw error;
  }
  throw new Error("nothing was found");
};

describe("An export bundle", () => {
  let log: SealedLog;
  let trust: BundleTrust;
  const kind = async (text: string | Buffer, more: Partial<BundleTrust> = {}): Promise<string> =>
    (await faultOf(text, { ...trust, ...more })).kind;

  before(async () => {
    log = await SealedLog.of(leavesOf(20));
    trust = { keys: [log.key], witnesses: [log.witness] };
  });

  it("of a whole log, a part, or some entries verifies, whatever the pieces it is read in", async () => {
    const whole = await bundleOf(log, {
      older: [log.note(7), log.note(13)],
      after: [
        { type: "contract", text: '{"content":{}}' },
        { type: "reconciliation", text: "{}" },
      ],
    });
    for (const size of [1, 7, 1000, 1_000_000]) {
      const found = await verifyBundle(bytesOf(whole, size), trust);
      expect(found).to.include({
        entries: 20,
        writers: 2,
        signed: true,
        contracts: 1,
        reconciliations: 1,
      });
      expect(found.checkpoint).to.deep.equal(log.checkpoint());
      expect(found.cosignatures).to.deep.equal([{ name: log.witness.name, time: 1_790_000_000 }]);
    }
    const part = await verifyBundle(bytesOf(await bundleOf(log, { from: 9 })), trust);
    expect(part).to.include({ entries: 11 });
    const some = await bundleOf(log, { selected: [3, 7], signed: false });
    expect(await verifyBundle(bytesOf(some), trust)).to.include({ entries: 2, signed: false });
    const none = await bundleOf(log, { selected: [] });
    expect(await verifyBundle(bytesOf(none), trust)).to.include({ entries: 0 });
  });

  it("tells of its progress", async () => {
    const told: [number, number][] = [];
    await verifyBundle(bytesOf(await bundleOf(log, { from: 17 })), trust, (...step) =>
      told.push(step),
    );
    expect(told).to.deep.equal([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
  });

  it("with any byte changed is refused", async function () {
    this.timeout(600_000);
    const text = Buffer.from(await bundleOf(log, { older: [log.note(7)], consistency: [5] }));
    for (let at = 0; at < text.length; at += long ? 1 : 13) {
      const changed = Buffer.from(text);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await faultOf(changed, trust);
    }
  });

  it("with any line left out, doubled or moved is refused", async () => {
    const lines = (await bundleOf(log, { older: [log.note(7)] })).trimEnd().split("\n");
    const textOf = (some: readonly string[]): string => some.map((line) => `${line}\n`).join("");
    expect((await verifyBundle(bytesOf(textOf(lines)), trust)).entries).to.equal(20);
    for (const at of lines.keys()) {
      await faultOf(textOf(lines.toSpliced(at, 1)), trust);
      await faultOf(textOf(lines.toSpliced(at, 0, lines[at]!)), trust);
      if (at > 0)
        await faultOf(textOf(lines.with(at, lines[at - 1]!).with(at - 1, lines[at]!)), trust);
      await faultOf(textOf(lines.slice(0, at)), trust);
    }
    expect(await kind(textOf(lines).slice(0, -1))).to.equal("malformed");
  });

  it("has one form: another, or another order, is refused even when its digest is right", async () => {
    const parts = { older: [log.note(7)], after: [{ type: "contract", text: "{}" } as const] };
    const lines = (await bundleOf(log, parts)).trimEnd().split("\n").slice(0, -1);
    const sealed = (some: readonly string[]): string => {
      const text = some.map((line) => `${line}\n`).join("");
      return `${text}${endLine({ digest: hash("sha256", text, "buffer") })}\n`;
    };
    expect(await verifyBundle(bytesOf(sealed(lines)), trust)).to.include({ signed: false });
    const at = lines.findIndex((line) => line.includes('"index":4,'));
    const line = lines[at]!;
    for (const other of [
      line.replace(",", ", "),
      `${line} `,
      line.replace('"type"', '"\\u0074ype"'),
      line.replace('"index":4', '"index":4.0'),
      line.replace('"index":4,', '"index":3,"index":4,'),
      line.replace("}", ',"more":1}'),
      line.replace('"index":4,', '"index":-4,'),
      line.replace('"index":4,', '"index":"4",'),
      line.replace('"type":"entry"', '"type":"entri"'),
      "null",
      "[]",
      "",
    ]) {
      expect(await kind(sealed(lines.with(at, other))), other.slice(0, 60)).to.equal("malformed");
    }
    const moved = (from: number, to: number): string =>
      sealed(lines.toSpliced(from, 1).toSpliced(to, 0, lines[from]!));
    for (const [from, to, found] of [
      [lines.length - 1, 1, "malformed"],
      // The entries end where it stands.
      [lines.length - 1, 5, "size-differs"],
      [2, 9, "malformed"],
      [1, 2, "malformed"],
    ] as const) {
      expect(await kind(moved(from, to))).to.equal(found);
    }
    const raw = Buffer.from(sealed(lines.with(at, line.replace("entry", "entr\u00ff"))), "latin1");
    expect(await kind(raw)).to.equal("malformed");
  });

  it("whose log was changed before it was exported names the first bad entry", async () => {
    const record = decodeLeaf(log.leaves[11]!);
    const changed = encodeLeaf({ ...record, createdAtUs: record.createdAtUs + 1 });
    const other = await SealedLog.of(log.leaves.with(11, changed), log.key);
    const note = log.witnessed();
    // Its tree was computed again, and only the signed checkpoint could not be.
    const hidden = await bundleOf(other, { note, older: [log.note(10), log.note(12)] });
    const fault = await faultOf(hidden, trust);
    expect([fault.kind, fault.index]).to.deep.equal(["root-differs", 10]);
    const proofs = await faultOf(await bundleOf(other, { note, selected: [3, 11] }), trust);
    expect([proofs.kind, proofs.index]).to.deep.equal(["proof-wrong", 3]);
    const lines = (await bundleOf(log)).split("\n");
    const at = lines.findIndex((line) => line.includes('"index":11,'));
    const entry = JSON.parse(lines[at]!) as { leaf: string };
    const seen = lines.with(at, JSON.stringify({ ...entry, leaf: changed.toString("base64") }));
    const found = await faultOf(seen.join("\n"), trust);
    expect([found.kind, found.index]).to.deep.equal(["leaf-changed", 11]);
    expect(leafHash(changed).equals(log.hashes[11]!)).to.equal(false);
  });

  it("is refused with a signature as a whole by another key, and without a trusted key of the log", async () => {
    const text = await bundleOf(log);
    const stranger = newNoteKey(log.key.name);
    expect(await kind(text, { keys: [stranger] })).to.equal("unknown-key");
    expect(await kind(text, { keys: [] })).to.equal("unsigned");
    expect(await kind(text, { keys: [newNoteKey("schakel/test/9")] })).to.equal("unsigned");
    expect(await kind(text, { witnesses: [] })).to.equal("unknown-key");
    const accepted = await verifyBundle(bytesOf(text), {
      ...trust,
      witnesses: [],
      anyWitness: true,
    });
    expect(accepted.unknown).to.have.length(1);
    // A key that is trusted for another log counts for nothing in this one.
    const foreign = await SealedLog.of(log.leaves, newNoteKey("schakel/test/9"));
    const signed = await bundleOf(foreign, { note: log.note() });
    expect(await kind(signed, { keys: [log.key, foreign.key] })).to.equal("signature-wrong");
    const lines = text.trimEnd().split("\n");
    const end = JSON.parse(lines.at(-1)!) as { signature: string };
    const moved = lines.with(
      -1,
      JSON.stringify({ ...end, signature: Buffer.alloc(64).toString("base64") }),
    );
    expect(await kind(`${moved.join("\n")}\n`)).to.equal("signature-wrong");
  });

  it("continues the checkpoint that was seen before, or says that it does not", async () => {
    const whole = await bundleOf(log);
    for (const size of [0, 1, 9, 20]) {
      await verifyBundle(bytesOf(whole), { ...trust, seen: log.checkpoint(size) });
    }
    const seen = log.checkpoint(9);
    const fork = { ...seen, root: EMPTY_ROOT };
    expect(await kind(whole, { seen: fork })).to.equal("log-forked");
    expect(await kind(whole, { seen: { ...log.checkpoint(20), root: EMPTY_ROOT } })).to.equal(
      "log-forked",
    );
    const older = await SealedLog.of(log.leaves.slice(0, 9), log.key);
    const cut = await bundleOf(older, { note: log.note(9) });
    expect(await kind(cut, { seen: log.checkpoint(20) })).to.equal("checkpoint-older");

    expect(await kind(await bundleOf(log, { from: 12 }), { seen })).to.equal("consistency-missing");
    const shown = await bundleOf(log, { from: 12, consistency: [9] });
    await verifyBundle(bytesOf(shown), { ...trust, seen });
    expect(await kind(shown, { seen: fork })).to.equal("log-forked");
    expect(await kind(await bundleOf(log, { selected: [3] }), { seen })).to.equal(
      "consistency-missing",
    );
    await verifyBundle(bytesOf(await bundleOf(log, { selected: [3], consistency: [9] })), {
      ...trust,
      seen,
    });
    const foreign = { ...seen, origin: "schakel/test/9" };
    expect(await kind(whole, { seen: foreign })).to.equal("consistency-missing");
  });

  it("of a later epoch continues the checkpoint that its first record names, and no later one", async () => {
    const epochLeaf = encodeLeaf({
      ...{ groupId: GROUP_ID, writerId: "501bcd69-53f6-45a3-91dc-96c72f756acf", sequence: 21n },
      ...{
        createdAtUs: 1,
        kind: "epoch",
        epoch: 2,
        checkpoint: log.witnessed(12),
        reason: "restored",
      },
    });
    const next = await SealedLog.of([epochLeaf], log.key);
    const origin = logOrigin(GROUP_ID, PEER_ID, 2);
    const note = signCheckpoint({ ...next.checkpoint(), origin }, log.key);
    const text = await bundleOf(next, { note, header: { epoch: 2 } });
    for (const size of [3, 12]) {
      await verifyBundle(bytesOf(text), { ...trust, seen: log.checkpoint(size) });
    }
    expect(await kind(text, { seen: log.checkpoint(13) })).to.equal("checkpoint-older");
    expect(await kind(await bundleOf(next, { note }), {})).to.equal("malformed");
  });

  it("is not written with its pieces out of order", async () => {
    const header = {
      groupId: GROUP_ID,
      peerId: PEER_ID,
      epoch: 1,
      from: 0,
      selected: false,
      prefix: [],
      madeAt: 0,
    };
    const lines = writeBundle(header, [
      { type: "contract", text: "{}" },
      { type: "checkpoint", note: log.note() },
    ]);
    let thrown: unknown;
    try {
      for await (const _ of lines);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).to.be.instanceOf(RangeError);
  });
});

describe("Statements about the keys of a log", () => {
  let testGroup: TestGroup;
  let group: Group;
  let signer: Signer;
  let other: Signer;
  let log: SealedLog;
  let now = 0;
  const certificates = () => [...signer.chain, ...other.chain];

  before(async () => {
    testGroup = await TestGroup.create({ groupId: GROUP_ID });
    group = await loadGroup(testGroup.groupFile);
    signer = await signerOf(
      await testGroup.peer({ peerId: PEER_ID, name: "One", names: ["one.test"] }),
    );
    other = await signerOf(
      await testGroup.peer({ peerId: OTHER_PEER, name: "Two", names: ["two.test"] }),
    );
    log = await SealedLog.of(leavesOf(20));
    // After the certificates: a statement is made while its signer's is valid.
    now = Math.floor(Date.now() / 1000);
  });
  after(() => testGroup.remove());

  const statements = (): Promise<string[]> =>
    Promise.all([
      signKeyStatement({ origin: log.key.name, vkey: log.key.vkey, from: now }, signer),
      signKeyStatement({ origin: log.witness.name, vkey: log.witness.vkey, from: now }, other),
    ]);

  it("make a bundle that verifies with nothing but the group's file", async () => {
    const text = await bundleOf(log, {
      statements: await statements(),
      certificates: certificates(),
    });
    const found = await verifyBundle(bytesOf(text), { keys: [], witnesses: [], group });
    expect(found.keys.map(({ vkey }) => vkey)).to.deep.equal([log.key.vkey]);
    expect(found.cosignatures).to.have.length(1);
  });

  it("count for nothing without their certificates, in another group, or by another peer", async () => {
    const trust = { keys: [], witnesses: [], group };
    const kind = async (parts: Parameters<typeof bundleOf>[1], more = {}): Promise<string> =>
      (await faultOf(await bundleOf(log, parts), { ...trust, ...more })).kind;
    const both = await statements();
    expect(await kind({ statements: both })).to.equal("key-statement-wrong");
    expect(await kind({ statements: both, certificates: [signer.certificate] })).to.equal(
      "key-statement-wrong",
    );
    const foreign = await TestGroup.create({ groupId: "elsewhere" });
    try {
      const elsewhere = await loadGroup(foreign.groupFile);
      const parts = { statements: both, certificates: certificates() };
      expect(await kind(parts, { group: elsewhere })).to.equal("key-statement-wrong");
      const given = { group: elsewhere, keys: [log.key], witnesses: [log.witness] };
      expect(await kind({}, given)).to.equal("key-statement-wrong");
      expect(await kind(parts, { group: { ...elsewhere, id: GROUP_ID } })).to.equal(
        "key-statement-wrong",
      );
    } finally {
      await foreign.remove();
    }
    const stolen = await signKeyStatement(
      { origin: log.key.name, vkey: log.key.vkey, from: now },
      other,
    );
    expect(await kind({ statements: [stolen], certificates: certificates() })).to.equal(
      "key-statement-wrong",
    );
    expect(await kind({ statements: [], certificates: certificates() })).to.equal("unsigned");
  });

  it("say what they said, and are refused with any part changed", async () => {
    const trust = { group, certificates: certificates() };
    const claim = {
      origin: log.key.name,
      vkey: log.key.vkey,
      from: now,
      previousVkey: newNoteKey(log.key.name).vkey,
    };
    const right = await signKeyStatement(claim, signer);
    const found = await verifyKeyStatement(right, trust);
    expect(found).to.deep.include({ ...claim, peerId: PEER_ID, use: "log", jws: right });
    const refused = async (jws: string): Promise<string> => {
      try {
        await verifyKeyStatement(jws, trust);
      } catch (error) {
        return error instanceof Error ? error.name : "";
      }
      return "accepted";
    };
    const wrong = [
      { ...claim, origin: witnessName(GROUP_ID, PEER_ID) },
      { ...claim, origin: logOrigin(GROUP_ID, PEER_ID, 2) },
      { ...claim, vkey: newNoteKey(log.key.name, 4).vkey },
      { ...claim, vkey: newNoteKey("schakel/test/9").vkey },
      { ...claim, vkey: "nothing" },
      // Before its certificate began, or after it ended.
      { ...claim, from: now - 400 * 86_400 },
      { ...claim, from: now + 400 * 86_400 },
    ];
    for (const each of wrong)
      expect(await refused(await signKeyStatement(each, signer))).to.equal("KeyStatementError");
    expect(await refused(`${right}x`)).to.equal("KeyStatementError");
    expect(await refused("")).to.equal("KeyStatementError");
    expect(
      await refused(
        right.replace(
          /\.[^.]*$/,
          (await signKeyStatement(wrong[0]!, signer)).replace(/^.*\./, "."),
        ),
      ),
    ).to.equal("KeyStatementError");
  });
});
