// What a witness answers, and proofs in files: each refusal with its own answer, and that a co-signature is given only for
// what continues the tree that was co-signed before.
import { expect } from "chai";
import { generateKeyPairSync } from "node:crypto";
import { leafHash } from "../../../txlog/leaf.js";
import { openCheckpoint, signCheckpoint } from "../../../txlog/tree/checkpoint.js";
import { CompactTree } from "../../../txlog/tree/merkle.js";
import { noteKey, NoteError, signNote } from "../../../txlog/tree/note.js";
import { formatProof, parseProof, verifyProof } from "../../../txlog/tree/tlog-proof.js";
import {
  consistencyProof,
  GrowingTree,
  inclusionProof,
  ProofError,
} from "../../../txlog/tree/tiles.js";
import type { TileReader } from "../../../txlog/tree/tiles.js";
import {
  addCheckpoint,
  formatAddCheckpoint,
  type Witness,
  type WitnessAnswer,
  type WitnessedCheckpoint,
  type WitnessStore,
} from "../../../txlog/tree/witness.js";

const newKey = (name: string, type: 1 | 4 = 1) =>
  noteKey(name, generateKeyPairSync("ed25519").privateKey, type);

const log = newKey("schakel/g/1");
const other = newKey("schakel/g/1");
const witnessKey = newKey("schakel/g/2/witness", 4);
const leaves = Array.from({ length: 20 }, (_, n) => leafHash(Buffer.from([n])));

const rootOf = (size: number): Buffer => {
  const tree = CompactTree.from();
  for (const leaf of leaves.slice(0, size)) tree.append(leaf);
  return tree.root();
};

const tiles = new Map<string, Buffer>();
const reader: TileReader = (level, index, width) =>
  Promise.resolve(tiles.get(`${level}/${index}`)!.subarray(0, width * 32));

const noteOf = (size: number, key = log, origin = key.name): string =>
  signCheckpoint({ origin, size, root: rootOf(size) }, key);

const request = async (oldSize: number, size: number, note = noteOf(size)): Promise<string> => {
  const proof = oldSize > size ? [] : await consistencyProof(reader, oldSize, size);
  return formatAddCheckpoint({ oldSize, proof, note });
};

class Kept implements WitnessStore {
  last: WitnessedCheckpoint | undefined;
  /** Called between reading and writing, for a request that comes in between. */
  between: () => Promise<void> = () => Promise.resolve();

  async get(): Promise<WitnessedCheckpoint | undefined> {
    const { last } = this;
    await this.between();
    return last;
  }

  put(_origin: string, oldSize: number, checkpoint: WitnessedCheckpoint): Promise<boolean> {
    if ((this.last?.size ?? 0) !== oldSize) return Promise.resolve(false);
    this.last = checkpoint;
    return Promise.resolve(true);
  }
}

const witnessOn = (store: Kept): Witness => ({
  store,
  keysOf: (origin) => Promise.resolve(origin === log.name ? [log] : undefined),
  key: witnessKey,
  nowSeconds: 1_700_000_000,
});

describe("A witness", () => {
  let store: Kept;
  const ask = (body: string): Promise<WitnessAnswer> => addCheckpoint(body, witnessOn(store));

  before(async () => {
    const tree = await GrowingTree.read(reader, 0);
    for (const { level, index, bytes } of tree.append(leaves))
      tiles.set(`${level}/${index}`, bytes);
  });
  beforeEach(() => (store = new Kept()));

  it("co-signs the first checkpoint, a later one that continues it, and the same one again", async () => {
    for (const [oldSize, size] of [
      [0, 5],
      [5, 13],
      [13, 13],
      [13, 20],
    ] as const) {
      const note = noteOf(size);
      const answer = await ask(await request(oldSize, size, note));
      expect(answer.status, answer.body).to.equal(200);
      const opened = openCheckpoint(note + answer.body, { log, witnesses: [witnessKey] });
      expect(opened.cosignatures).to.deep.equal([{ name: witnessKey.name, time: 1_700_000_000 }]);
      expect(store.last?.size).to.equal(size);
    }
  });

  it("answers 409 with the size that it knows to another old size", async () => {
    await ask(await request(0, 13));
    const answer = await ask(await request(5, 20));
    expect(answer).to.deep.equal({ status: 409, contentType: "text/x.tlog.size", body: "13\n" });
    expect((await ask(await request(0, 5))).body).to.equal("13\n");
    expect(store.last?.size).to.equal(13);
  });

  it("does not co-sign a fork: neither at the same size, nor a later one that does not continue", async () => {
    await ask(await request(0, 5));
    const forked = signCheckpoint({ origin: log.name, size: 5, root: rootOf(6) }, log);
    expect((await ask(await request(5, 5, forked))).status).to.equal(409);
    const later = signCheckpoint({ origin: log.name, size: 13, root: rootOf(12) }, log);
    expect((await ask(await request(5, 13, later))).status).to.equal(422);
    expect((await ask((await request(5, 13)).replace(/^old 5\n.*\n/, "old 5\n"))).status).to.equal(
      422,
    );
    expect(store.last?.size).to.equal(5);
  });

  it("lets only one of two requests through that come at once", async () => {
    await ask(await request(0, 5));
    store.between = async () => {
      store.between = () => Promise.resolve();
      expect((await ask(await request(5, 20))).status).to.equal(200);
    };
    const answer = await ask(await request(5, 13));
    expect(answer).to.include({ status: 409, body: "20\n" });
    expect(store.last?.size).to.equal(20);
  });

  it("answers 404 for a log that it does not know, and 403 for a checkpoint that the log did not sign", async () => {
    const unknown = noteOf(5, log, "schakel/g/9");
    expect((await ask(await request(0, 5, unknown))).status).to.equal(404);
    expect((await ask(await request(0, 5, noteOf(5, other)))).status).to.equal(403);
    const wrong = noteOf(5).replace("\n5\n", "\n6\n");
    expect((await ask(await request(0, 5, wrong))).status).to.equal(403);
    expect(store.last).to.equal(undefined);
  });

  for (const [what, change] of [
    ["no old size", (body: string) => body.replace("old 0", "0")],
    ["an old size with a zero before", (body: string) => body.replace("old 0", "old 00")],
    ["an old size over the checkpoint's", (body: string) => body.replace("old 0", "old 6")],
    ["a line that is no hash", (body: string) => body.replace("old 0\n", "old 0\nAAAA\n")],
    [
      "64 hashes",
      (body: string) =>
        body.replace("old 0\n", `old 0\n${`${rootOf(1).toString("base64")}\n`.repeat(64)}`),
    ],
    ["no checkpoint", () => "old 0\n\n"],
    ["no empty line", (body: string) => body.replace("\n\n", "\n")],
    [
      "a note that is no checkpoint",
      () => `old 0

${signNote(`${log.name}\n`, [log])}`,
    ],
    ["over its size", (body: string) => body + "x".repeat(64 * 1024)],
    ["nothing", () => ""],
  ] as const) {
    it(`answers 400 to a request with ${what}`, async () => {
      const answer = await ask(change(await request(0, 5)));
      expect(answer.status, answer.body).to.equal(400);
      expect(store.last).to.equal(undefined);
    });
  }

  it("passes on what its store throws, and has then signed nothing", async () => {
    store.put = () => Promise.reject(new Error("disk"));
    let thrown: unknown;
    await ask(await request(0, 5)).catch((error: unknown) => (thrown = error));
    expect(thrown).to.have.property("message", "disk");
  });
});

describe("A proof in a file", () => {
  const keys = { log, witnesses: [] };
  const proofOf = async (index: number, size: number, extra?: Buffer): Promise<string> =>
    formatProof({
      index,
      proof: await inclusionProof(reader, index, size),
      checkpoint: noteOf(size),
      ...(extra === undefined ? {} : { extra }),
    });

  it("verifies with nothing but the log's key, also for the only leaf of a tree", async () => {
    for (const [index, size] of [
      [0, 1],
      [0, 20],
      [19, 20],
      [7, 13],
    ] as const) {
      const text = await proofOf(index, size);
      expect(text.startsWith(`c2sp.org/tlog-proof@v1\nindex ${index}\n`)).to.equal(true);
      const found = verifyProof(text, leaves[index]!, keys);
      expect([found.index, found.checkpoint.size]).to.deep.equal([index, size]);
    }
    const extra = Buffer.from("where from");
    expect(parseProof(await proofOf(3, 20, extra)).extra).to.deep.equal(extra);
    expect(verifyProof(await proofOf(3, 20, extra), leaves[3]!, keys).index).to.equal(3);
  });

  it("is refused for another leaf, another index, another key, and with any line changed", async () => {
    const text = await proofOf(7, 13);
    const check = (proof: string, leaf = leaves[7]!, by = keys): unknown => {
      try {
        verifyProof(proof, leaf, by);
      } catch (error) {
        return error;
      }
      return undefined;
    };
    expect(check(text)).to.equal(undefined);
    expect(check(text, leaves[8])).to.be.instanceOf(ProofError);
    expect(check(text.replace("index 7", "index 8"))).to.be.instanceOf(ProofError);
    expect(check(text.replace("index 7", "index 13"))).to.be.instanceOf(ProofError);
    expect(check(text, leaves[7], { log: other, witnesses: [] })).to.be.instanceOf(NoteError);
    const lines = text.split("\n");
    for (const at of lines.keys()) {
      const without = lines.toSpliced(at, 1).join("\n");
      expect(check(without), `without line ${at}`).to.be.instanceOf(Error);
    }
    for (const wrong of [
      text.replace("@v1", "@v2"),
      text.replace("index 7", "index 07"),
      text.replace("index 7", "extra ***\nindex 7"),
      text.replace("index 7", "index 7\nAAAA"),
      text.replace("\n\n", "\n"),
      "",
    ]) {
      expect(check(wrong)).to.be.instanceOf(NoteError).with.property("kind", "malformed");
    }
  });
});
