// What we sign, store and prove, verified by an implementation that is not ours: written in Python from the specifications
// alone. It accepts all that is right, and refuses all that was changed.
import { expect } from "chai";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { formatProof } from "../../../txlog/tree/tlog-proof.js";
import { tilePath, tilesFor } from "../../../txlog/tree/tiles.js";
import { leavesOf, newNoteKey, SealedLog } from "../../support/sealed-log.js";
import { skip } from "../../support/skip.js";
import { removeTemporaryFolders, temporaryFolder } from "../../support/temporary.js";

const PROGRAM = fileURLToPath(new URL("second-verifier.py", import.meta.url));
const SIZE = 70_000;

type Question = { readonly what: string } & Readonly<Record<string, unknown>>;
type Answer = { readonly ok: boolean; readonly reason?: string } & Readonly<
  Record<string, unknown>
>;

/** Asks the second verifier; undefined where there is no Python. */
const ask = (questions: readonly Question[]): Promise<Answer[] | undefined> =>
  new Promise((resolve, reject) => {
    const child = spawn("python3", [PROGRAM], { stdio: ["pipe", "pipe", "inherit"] });
    let text = "";
    child.stdout.on("data", (data: Buffer) => (text += data.toString()));
    child.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") resolve(undefined);
      else reject(error);
    });
    child.once("close", (code) => {
      if (code === 0) resolve(JSON.parse(text) as Answer[]);
      else if (code !== null) reject(new Error(`python3 ended with ${code}`));
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end(JSON.stringify(questions));
  });

const hex = (hashes: readonly Buffer[]): string[] => hashes.map((hash) => hash.toString("hex"));

describe("A second implementation", function () {
  this.timeout(120_000);
  let log: SealedLog;
  let root: string;

  const answers = async (
    context: Mocha.Context,
    questions: readonly Question[],
  ): Promise<Answer[]> => {
    const given = await ask(questions);
    return given ?? skip(context, "python3 is not installed: the second verifier is written in it");
  };

  before(async () => {
    log = await SealedLog.of(leavesOf(SIZE));
    root = log.checkpoint().root.toString("hex");
  });
  after(() => removeTemporaryFolders());

  it("accepts our checkpoints and co-signatures, and refuses changed ones", async function () {
    const note = log.witnessed();
    const keys = { log: log.key.vkey, witnesses: [log.witness.vkey] };
    const questions: [string, boolean, Question][] = [
      ["right", true, { what: "checkpoint", note, ...keys }],
      [
        "another size",
        false,
        { what: "checkpoint", note: note.replace("70000", "70001"), ...keys },
      ],
      [
        "another key",
        false,
        { what: "checkpoint", note, ...keys, log: newNoteKey(log.key.name).vkey },
      ],
      [
        "without the log's signature",
        false,
        { what: "checkpoint", note: note.replace(/\n— \S+ \S+\n/, "\n"), ...keys },
      ],
      [
        "another time",
        false,
        { what: "checkpoint", note: note.replace(/(\/witness \S{8})A/, "$1B"), ...keys },
      ],
      ["cut", false, { what: "checkpoint", note: note.slice(0, -1), ...keys }],
    ];
    const given = await answers(
      this,
      questions.map(([, , question]) => question),
    );
    for (const [n, [what, ok]] of questions.entries()) expect(given[n]?.ok, what).to.equal(ok);
    expect(given[0]).to.deep.equal({
      ok: true,
      origin: log.key.name,
      size: SIZE,
      root,
      times: { [log.witness.name]: 1_790_000_000 },
    });
  });

  it("comes from our tiles to our root, and finds a tile that was changed", async function () {
    const folder = temporaryFolder();
    for (const { level, index, width } of tilesFor(0, SIZE)) {
      const path = join(folder, tilePath(level, index, width));
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, await log.tiles(level, index, width));
    }
    const question = { what: "tiles", folder, size: SIZE, root };
    const change = (path: string): (() => void) => {
      const bytes = readFileSync(join(folder, path));
      writeFileSync(join(folder, path), bytes.with(77, (bytes[77] ?? 0) ^ 1));
      return () => writeFileSync(join(folder, path), bytes);
    };
    expect(await answers(this, [question])).to.deep.equal([{ ok: true, levels: 3 }]);
    for (const path of ["tile/0/100", "tile/1/000", "tile/1/001.p/17", "tile/0/273.p/112"]) {
      const back = change(path);
      const [given] = await answers(this, [question]);
      expect(given?.ok, path).to.equal(false);
      back();
    }
  });

  it("accepts our inclusion proofs and files, and refuses changed ones", async function () {
    const questions: Question[] = [];
    const expected: boolean[] = [];
    const put = (ok: boolean, question: Question): void => {
      questions.push(question);
      expected.push(ok);
    };
    for (const index of [0, 1, 255, 256, 65_535, 65_536, SIZE - 1]) {
      const { leaf, proof = [] } = await log.entry(index, true);
      const right = { what: "inclusion", leaf: leaf.toString("base64"), index, size: SIZE, root };
      put(true, { ...right, proof: hex(proof) });
      put(false, { ...right, proof: hex(proof.slice(1)) });
      put(false, { ...right, proof: hex([...proof, proof[0]!]) });
      put(false, { ...right, proof: hex(proof.toReversed()) });
      put(false, { ...right, proof: hex(proof), index: index ^ 1 });
      const other = Buffer.from(leaf);
      other[other.length - 1] = (other.at(-1) ?? 0) ^ 1;
      put(false, { ...right, proof: hex(proof), leaf: other.toString("base64") });
      const text = formatProof({ index, proof, checkpoint: log.witnessed() });
      const file = {
        what: "proof",
        text,
        leaf: right.leaf,
        log: log.key.vkey,
        witnesses: [log.witness.vkey],
      };
      put(true, file);
      put(false, { ...file, leaf: other.toString("base64") });
      put(false, { ...file, text: text.replace("index ", "index 1") });
      put(false, { ...file, log: newNoteKey(log.key.name).vkey });
    }
    const given = await answers(this, questions);
    expect(given.map(({ ok }) => ok)).to.deep.equal(expected);
  });

  it("accepts our consistency proofs, and refuses changed ones", async function () {
    const questions: Question[] = [];
    const expected: boolean[] = [];
    for (const oldSize of [1, 2, 255, 256, 257, 1024, 65_535, 65_536, 65_537, SIZE - 1]) {
      const proof = await log.consistency(oldSize);
      const oldRoot = log.checkpoint(oldSize).root.toString("hex");
      const right = { what: "consistency", oldSize, oldRoot, newSize: SIZE, newRoot: root };
      questions.push(
        { ...right, proof: hex(proof) },
        { ...right, proof: hex(proof.slice(1)) },
        { ...right, proof: hex(proof), oldRoot: root },
        { ...right, proof: hex(proof), newRoot: oldRoot },
        { ...right, proof: hex(proof.with(-1, Buffer.alloc(32))) },
      );
      expected.push(true, false, false, false, false);
    }
    const given = await answers(this, questions);
    expect(given.map(({ ok }) => ok)).to.deep.equal(expected);
  });
});
