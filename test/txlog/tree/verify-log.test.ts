// A log with anything changed: every byte, every record dropped, swapped or doubled, the tail cut. All of it is found, and
// the first bad place named.
import { expect } from "chai";
import { decodeLeaf } from "../../../txlog/decode-leaf.js";
import { encodeLeaf, leafHash } from "../../../txlog/leaf.js";
import type { Checkpoint } from "../../../txlog/tree/checkpoint.js";
import { LogFault } from "../../../txlog/tree/log-fault.js";
import { EMPTY_ROOT } from "../../../txlog/tree/merkle.js";
import { signNote } from "../../../txlog/tree/note.js";
import { compareSeen, openHead, requireConsistent } from "../../../txlog/tree/verify-head.js";
import { verifyEntries, type Entry, type LogHead } from "../../../txlog/tree/verify-log.js";
import { randomFrom } from "../../support/random.js";
import { long, seed } from "../../support/scale.js";
import { GROUP_ID, leavesOf, newNoteKey, SealedLog } from "../../support/sealed-log.js";

async function* stream(entries: readonly Entry[]): AsyncGenerator<Entry> {
  yield* await Promise.resolve(entries);
}

const faultOf = async (work: () => Promise<unknown>): Promise<LogFault> => {
  try {
    await work();
  } catch (error) {
    if (error instanceof LogFault) return error;
    throw error;
  }
  throw new Error("nothing was found");
};

/** Entries as they stand in a store whose records somebody changed: their places are as they come. */
const placed = (leaves: readonly Buffer[], hashes: readonly (Buffer | undefined)[]): Entry[] =>
  leaves.map((leaf, index) => {
    const hash = hashes[index];
    return hash === undefined ? { index, leaf } : { index, leaf, leafHash: hash };
  });

describe("Verifying a log", () => {
  let log: SealedLog;
  const headOf = (more: Partial<LogHead> = {}): LogHead => ({
    groupId: GROUP_ID,
    epoch: 1,
    checkpoint: log.checkpoint(),
    ...more,
  });
  const find = (entries: readonly Entry[], head = headOf()): Promise<LogFault> =>
    faultOf(() => verifyEntries(stream(entries), head));

  before(async () => (log = await SealedLog.of(leavesOf(20))));

  it("accepts it whole, in parts, and by single entries with their proofs", async () => {
    const whole = await verifyEntries(stream(await log.entries()), headOf());
    expect(whole).to.include({ entries: 20, writers: 2 });
    for (let from = 0; from <= 20; from++) {
      const head = headOf({ from, prefix: await log.edge(from) });
      expect((await verifyEntries(stream(await log.entries(from)), head)).entries).to.equal(
        20 - from,
      );
    }
    const some = await Promise.all([3, 7, 19].map((index) => log.entry(index, true)));
    const selected = await verifyEntries(stream(some), headOf({ selected: true }));
    expect(selected.entries).to.equal(3);
  });

  it("finds every flipped byte of 20 records, at the record, by its hash in the tree", async () => {
    for (const [index, leaf] of log.leaves.entries()) {
      for (let at = 0; at < leaf.length; at++) {
        const changed = Buffer.from(leaf);
        changed[at] = (changed[at] ?? 0) ^ 0xff;
        const fault = await find(placed(log.leaves.with(index, changed), log.hashes));
        expect([fault.kind, fault.index]).to.deep.equal(["leaf-changed", index]);
      }
    }
  });

  it("finds every flipped byte of 20 records without any hash beside them", async () => {
    const kinds = new Set<string>();
    for (const [index, leaf] of log.leaves.entries()) {
      for (let at = 0; at < leaf.length; at++) {
        const changed = Buffer.from(leaf);
        changed[at] = (changed[at] ?? 0) ^ 1;
        const fault = await find(placed(log.leaves.with(index, changed), []));
        kinds.add(fault.kind);
        // What the root alone says is that something is wrong from 0 on.
        if (fault.kind === "root-differs") expect(fault.index).to.equal(0);
        else expect(fault.index).to.be.at.least(index);
      }
    }
    expect([...kinds]).to.include.members([
      "leaf-unreadable",
      "leaf-foreign",
      "root-differs",
      "sequence-gap",
    ]);
  });

  it("tells between which checkpoints an entry was changed, where only they say it", async () => {
    const older = [5, 10, 15].map((size) => log.checkpoint(size));
    for (const index of [0, 4, 5, 9, 12, 17]) {
      const leaf = log.leaves[index]!;
      const record = decodeLeaf(leaf);
      const changed = encodeLeaf({ ...record, createdAtUs: record.createdAtUs + 1 });
      const fault = await find(placed(log.leaves.with(index, changed), []), headOf({ older }));
      // An intent's end says at once that it was changed; all else shows at the next checkpoint.
      expect(fault.kind).to.be.oneOf(["root-differs", "intent-differs"]);
      if (fault.kind === "root-differs") expect(fault.index).to.equal(index - (index % 5));
    }
  });

  it(`finds ${long ? "every" : "2,000 seeded"} flipped bytes of 1,000 records (seed ${seed})`, async function () {
    this.timeout(600_000);
    const large = await SealedLog.of(leavesOf(1000));
    const next = randomFrom(seed);
    const entries = await large.entries();
    const head = headOf({ checkpoint: large.checkpoint() });
    const flip = async (index: number, at: number, bits: number): Promise<void> => {
      const changed = Buffer.from(large.leaves[index]!);
      changed[at] = (changed[at] ?? 0) ^ bits;
      const bad = entries.with(index, { ...entries[index]!, leaf: changed });
      // What comes before is the same each time: it is given by its edge, so that all can be tried.
      const from = Math.max(0, index - 2);
      const part = { ...head, from, prefix: await large.edge(from) };
      const fault = await find(bad.slice(from), part);
      expect([fault.kind, fault.index]).to.deep.equal(["leaf-changed", index]);
    };
    if (long) {
      for (const [index, leaf] of large.leaves.entries()) {
        for (let at = 0; at < leaf.length; at++)
          await flip(index, at, 1 + Math.floor(next() * 255));
      }
      return;
    }
    for (let n = 0; n < 2000; n++) {
      const index = Math.floor(next() * 1000);
      const at = Math.floor(next() * large.leaves[index]!.length);
      await flip(index, at, 1 + Math.floor(next() * 255));
    }
  });

  it("finds each record that was dropped, with or without the others moved up", async () => {
    for (let index = 0; index < 20; index++) {
      const entries = await log.entries();
      const dropped = await find(entries.toSpliced(index, 1));
      const last = index === 19;
      expect([dropped.kind, dropped.index]).to.deep.equal([
        last ? "size-differs" : "entry-missing",
        index,
      ]);
      const moved = await find(placed(log.leaves.toSpliced(index, 1), log.hashes));
      expect([moved.kind, moved.index]).to.deep.equal([
        last ? "size-differs" : "leaf-changed",
        index,
      ]);
      const hidden = await find(
        placed(log.leaves.toSpliced(index, 1), log.hashes.toSpliced(index, 1)),
      );
      expect(hidden.kind).to.be.oneOf(["sequence-gap", "intent-missing", "size-differs"]);
      expect(hidden.index).to.be.at.least(index);
    }
  });

  it("finds two records that changed places, and one that is there twice", async () => {
    for (let index = 0; index < 19; index++) {
      const [one, two] = [log.leaves[index]!, log.leaves[index + 1]!];
      const swapped = log.leaves.with(index, two).with(index + 1, one);
      const fault = await find(placed(swapped, log.hashes));
      expect([fault.kind, fault.index]).to.deep.equal(["leaf-changed", index]);
      const hidden = await find(placed(swapped, swapped.map(leafHash)));
      expect(hidden.kind).to.be.oneOf(["sequence-gap", "root-differs", "intent-missing"]);

      const doubled = log.leaves.toSpliced(index, 0, one);
      const twice = await find(placed(doubled, log.hashes));
      expect([twice.kind, twice.index]).to.deep.equal(["leaf-changed", index + 1]);
      const known = await find(placed(doubled, doubled.map(leafHash)));
      expect([known.kind, known.index]).to.deep.equal(["sequence-repeated", index + 1]);
      const entries = await log.entries();
      const again = await find(entries.toSpliced(index, 0, entries[index]!));
      expect([again.kind, again.index]).to.deep.equal(["entry-repeated", index]);
    }
  });

  it("finds a tail that was cut, and entries behind the checkpoint", async () => {
    for (const kept of [0, 1, 7, 19]) {
      const fault = await find((await log.entries()).slice(0, kept));
      expect([fault.kind, fault.index]).to.deep.equal(["size-differs", kept]);
    }
    const more = await find(await log.entries(), headOf({ checkpoint: log.checkpoint(12) }));
    expect([more.kind, more.index]).to.deep.equal(["size-differs", 12]);
  });

  it("finds an end without its intent, and one that names it by another hash", async () => {
    const index = log.leaves.findIndex((leaf) => decodeLeaf(leaf).kind === "outcome");
    const record = decodeLeaf(log.leaves[index]!);
    if (record.kind !== "outcome") throw new Error("no outcome");
    const withIntent = async (intent: Partial<typeof record.intent>): Promise<LogFault> => {
      const leaf = encodeLeaf({ ...record, intent: { ...record.intent, ...intent } });
      return find(placed(log.leaves.with(index, leaf), []));
    };
    const other = await withIntent({ leafHash: EMPTY_ROOT });
    expect([other.kind, other.index]).to.deep.equal(["intent-differs", index]);
    const none = await withIntent({ sequence: 1n });
    expect([none.kind, none.index]).to.deep.equal(["intent-missing", index]);
    // The end comes again, under the next sequence of its writer.
    const after = log.leaves.findIndex((leaf, n) => {
      const next = decodeLeaf(leaf);
      return n > index && next.writerId === record.writerId;
    });
    const again = encodeLeaf({ ...record, sequence: record.sequence + 1n });
    const twice = await find(placed(log.leaves.with(after, again), []));
    expect([twice.kind, twice.index]).to.deep.equal(["intent-missing", after]);
  });

  it("does not ask for what lies before a part, but for all of it in the whole log", async () => {
    const head = headOf({ from: 0 });
    const tail = (await log.entries(9)).map((entry, index) => ({ ...entry, index }));
    const fault = await find(tail, head);
    expect([fault.kind, fault.index]).to.deep.equal(["sequence-gap", 0]);
  });

  it("finds a wrong proof, a missing one, and a beginning that is not the tree's", async () => {
    const [three, seven] = await Promise.all([log.entry(3, true), log.entry(7, true)]);
    const head = headOf({ selected: true });
    const wrong = await find([{ ...three, proof: seven.proof! }], head);
    expect([wrong.kind, wrong.index]).to.deep.equal(["proof-wrong", 3]);
    const missing = await find([three, await log.entry(7)], head);
    expect([missing.kind, missing.index]).to.deep.equal(["proof-wrong", 7]);
    const backwards = await find([seven, three], head);
    expect([backwards.kind, backwards.index]).to.deep.equal(["entry-repeated", 3]);
    const edge = await log.edge(9);
    const bad = await find(
      await log.entries(9),
      headOf({ from: 9, prefix: edge.with(0, EMPTY_ROOT) }),
    );
    expect([bad.kind, bad.index]).to.deep.equal(["root-differs", 9]);
    const short = await find(await log.entries(9), headOf({ from: 9, prefix: edge.slice(1) }));
    expect(short.kind).to.equal("malformed");
  });

  it("finds that an older checkpoint was signed over other entries", async () => {
    const older = [{ ...log.checkpoint(7), root: EMPTY_ROOT }];
    expect((await find(await log.entries(), headOf({ older }))).kind).to.equal("log-forked");
  });

  it("verifies 100,000 entries at a rate that makes a million a matter of seconds", async function () {
    this.timeout(120_000);
    const many = await SealedLog.of(leavesOf(100_000));
    const entries = await many.entries();
    const head = headOf({ checkpoint: many.checkpoint() });
    const start = process.cpuUsage();
    let told = 0;
    await verifyEntries(stream(entries), head, (done) => (told = done));
    const { user, system } = process.cpuUsage(start);
    expect(told).to.equal(100_000);
    // Around 5 µs an entry on a small machine; ten times that would no longer be seconds.
    expect((user + system) / 100_000).to.be.below(50);
  });
});

describe("The head of a log", () => {
  let log: SealedLog;
  const seenAt = (size: number): Checkpoint => log.checkpoint(size);
  const kind = async (work: () => unknown): Promise<string> =>
    (await faultOf(() => Promise.resolve().then(work))).kind;

  before(async () => (log = await SealedLog.of(leavesOf(20))));

  it("is opened by trusted keys alone, each refusal with its own word", async () => {
    const keys = { log: [log.key], witnesses: [log.witness] };
    const note = log.witnessed();
    expect(openHead(note, keys).cosignatures).to.have.length(1);
    expect(await kind(() => openHead(note, { ...keys, witnesses: [] }))).to.equal("unknown-key");
    expect(openHead(note, { ...keys, witnesses: [], anyWitness: true }).unknown).to.have.length(1);
    const stranger = newNoteKey(log.key.name);
    expect(await kind(() => openHead(note, { ...keys, log: [stranger] }))).to.equal("unknown-key");
    expect(await kind(() => openHead(note, { ...keys, log: [] }))).to.equal("unsigned");
    const changed = note.replace("\n20\n", "\n21\n");
    expect(await kind(() => openHead(changed, keys))).to.equal("signature-wrong");
    expect(await kind(() => openHead("nothing", keys))).to.equal("malformed");
    expect(await kind(() => openHead(signNote("no checkpoint\n", [log.key]), keys))).to.equal(
      "malformed",
    );
  });

  it("continues what was seen before, or is older, or another log's", async () => {
    const head = seenAt(20);
    expect(compareSeen(head, head)).to.equal(false);
    expect(compareSeen(head, seenAt(9))).to.equal(true);
    expect(compareSeen(head, seenAt(0))).to.equal(false);
    requireConsistent(head, seenAt(9), await log.consistency(9));
    expect(await kind(() => compareSeen(seenAt(9), head))).to.equal("checkpoint-older");
    const forked = { ...seenAt(20), root: EMPTY_ROOT };
    expect(await kind(() => compareSeen(head, forked))).to.equal("log-forked");
    const proof = await log.consistency(9);
    const other = { ...seenAt(9), root: EMPTY_ROOT };
    expect(await kind(() => requireConsistent(head, other, proof))).to.equal("log-forked");
    expect(await kind(() => requireConsistent(head, seenAt(9), proof.slice(1)))).to.equal(
      "proof-wrong",
    );
    const moved = proof.with(-1, EMPTY_ROOT);
    expect(await kind(() => requireConsistent(head, seenAt(9), moved))).to.be.oneOf([
      "proof-wrong",
      "log-forked",
    ]);
  });
});
