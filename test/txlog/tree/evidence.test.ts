// The commands of docs/evidence.md, run as they stand there: they accept what is right and stop at what was changed.
import { expect } from "chai";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeLeaf } from "../../../txlog/decode-leaf.js";
import { encodeLeaf, leafHash } from "../../../txlog/leaf.js";
import { FAULT_KINDS } from "../../../txlog/tree/log-fault.js";
import { PIECES } from "../../../txlog/tree/bundle-lines.js";
import { signKeyStatement } from "../../../txlog/tree/key-statement.js";
import { bundleOf } from "../../support/bundles.js";
import { signerOf } from "../../support/contract-signers.js";
import { TestGroup } from "../../support/pki.js";
import { GROUP_ID, leavesOf, PEER_ID, SealedLog } from "../../support/sealed-log.js";
import { removeTemporaryFolders, temporaryFolder } from "../../support/temporary.js";

const PAGE = readFileSync("docs/evidence.md", "utf8");
const COMMANDS = [...PAGE.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, block = ""]) => block);

interface Ran {
  readonly code: number | null;
  readonly output: string;
}

describe("The page on evidence", function () {
  this.timeout(120_000);
  let log: SealedLog;
  let group: TestGroup;
  let bundle: string;
  let root: string;

  /** Runs all commands in a folder of their own, as somebody would who pastes them one after the other. */
  const run = async (
    text: string,
    index: number,
    files: Readonly<Record<string, Buffer>> = {},
  ): Promise<Ran> => {
    const cwd = temporaryFolder();
    await writeFile(join(cwd, "bundle.jsonl"), text);
    await writeFile(join(cwd, "root.pem"), root);
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(cwd, name), bytes);
    const given = `index=${index}\nname=${log.key.name}\nwitness=${log.witness.name}\n`;
    const child = spawn("sh", ["-eu"], { cwd });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (data: Buffer) => (output += data.toString()));
    }
    child.stdin.on("error", () => undefined);
    child.stdin.end(given + COMMANDS.join("\n"));
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    return { code, output };
  };

  before(async () => {
    log = await SealedLog.of(leavesOf(20));
    group = await TestGroup.create({ groupId: GROUP_ID });
    root = await readFile(join(group.caDir, "root.pem"), "utf8");
    const one = await signerOf(
      await group.peer({ peerId: PEER_ID, name: "One", names: ["one.test"] }),
    );
    const two = await signerOf(
      await group.peer({ peerId: "00000000000000000002", name: "Two", names: ["two.test"] }),
    );
    const from = Math.floor(Date.now() / 1000);
    bundle = await bundleOf(log, {
      selected: Array.from({ length: 20 }, (_, n) => n),
      statements: await Promise.all([
        signKeyStatement({ origin: log.key.name, vkey: log.key.vkey, from }, one),
        signKeyStatement({ origin: log.witness.name, vkey: log.witness.vkey, from }, two),
      ]),
      certificates: [...one.chain, ...two.chain],
    });
  });
  after(async () => {
    removeTemporaryFolders();
    await group.remove();
  });

  it("has commands that check a record, wherever it stands in the tree", async () => {
    expect(COMMANDS.length).to.be.at.least(6);
    for (const index of [0, 11, 19]) {
      const { code, output } = await run(bundle, index);
      expect(code, output).to.equal(0);
      expect(output).to.contain(`the record is number ${index} of the 20 in the log`);
      expect(output.match(/Signature Verified Successfully/g)).to.have.length(2);
      expect(output).to.contain(`serialNumber=${PEER_ID}`);
      expect(output).to.contain(`seen by ${log.witness.name} at 1790000000`);
    }
  });

  it("has commands that find the receipt in the other side's record", async () => {
    const record = decodeLeaf(log.leaves.find((leaf) => decodeLeaf(leaf).kind === "intent")!);
    if (record.kind !== "intent") throw new Error("no intent");
    const other = (otherReceipt: Buffer) => ({
      "other-leaf.bin": encodeLeaf({ ...record, exchange: { ...record.exchange, otherReceipt } }),
    });
    const right = await run(bundle, 7, other(leafHash(log.leaves[7]!)));
    expect(right.code, right.output).to.equal(0);
    expect(right.output).to.contain("the other side had our receipt");
    const wrong = await run(bundle, 7, other(leafHash(log.leaves[8]!)));
    expect(wrong.output).to.not.contain("the other side had our receipt");
    expect(wrong.code).to.not.equal(0);
  });

  it("has commands that stop at a changed record, proof, checkpoint, co-signature, statement or anchor", async () => {
    const change = (pattern: RegExp): string => {
      const changed = bundle.replace(
        pattern,
        (_, before: string, letter: string) => before + (letter === "A" ? "B" : "A"),
      );
      expect(changed).to.not.equal(bundle);
      return changed;
    };
    const cases: [string, string][] = [
      ["record", change(/("index":11,"leaf":".{60})(.)/)],
      ["proof", change(/("index":11,.*?"proof":\[".{10})(.)/)],
      ["root", change(/(\\n20\\n.{10})(.)/)],
      ["signature", change(/(— schakel\/test\/00000000000000000001 .{30})(.)/)],
      ["co-signature", change(/(\/witness .{40})(.)/)],
      ["statement", change(/("jws":"[^.]*\.[^.]*\..{20})(.)/)],
    ];
    for (const [what, changed] of cases) {
      const { code, output } = await run(changed, 11);
      expect(code, `${what}: ${output}`).to.not.equal(0);
    }
    const elsewhere = await TestGroup.create({ groupId: "elsewhere" });
    const own = root;
    try {
      root = await readFile(join(elsewhere.caDir, "root.pem"), "utf8");
      expect((await run(bundle, 11)).code).to.not.equal(0);
    } finally {
      root = own;
      await elsewhere.remove();
    }
  });

  it("names every fault and every line of an export", () => {
    for (const word of [...FAULT_KINDS, ...PIECES]) expect(PAGE).to.contain(`\`${word}\``);
  });
});
