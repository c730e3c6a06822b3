// `schakel log tail` and `schakel log show`, as a user runs them, on logs that a writer has left.
import { expect } from "chai";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { newTransactionId } from "../../core/names.js";
import { segmentKeyPath, segmentPath } from "../../txlog/folder.js";
import type { TransactionLog } from "../../txlog/log.js";
import { schakel } from "../support/schakel.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { COMPLETE, exchange, openLog } from "../support/transaction-log.js";
import { until } from "../support/until.js";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const PERSONAL = { path: "/personen/999993653", user: "j.jansen" };

type Line = Record<string, unknown>;

describe("cli/log", function () {
  this.timeout(30_000);
  let outgoing: string;
  let incoming: string;
  let writer: string;
  const transactionId = newTransactionId();

  beforeEach(async () => {
    outgoing = join(temporaryFolder(), "outway");
    incoming = join(temporaryFolder(), "inway");
    const asked = await openLog(outgoing);
    const intent = await asked.intent(exchange({ transactionId, personal: PERSONAL }));
    const answering = await openLog(incoming);
    const answered = await answering.intent(
      exchange({ transactionId, direction: "incoming", otherReceipt: intent.leafHash }),
    );
    answering.outcome(answered, COMPLETE);
    asked.outcome(intent, { ...COMPLETE, otherReceipt: answered.leafHash });
    writer = asked.writerId;
    await Promise.all([asked.close(), answering.close()]);
  });
  afterEach(() => removeTemporaryFolders());

  const log = (...args: readonly string[]) => schakel(["log", ...args]);
  const printed = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await log(...args);
    expect(code, stderr).to.equal(0);
    return stdout;
  };
  const json = async (...args: readonly string[]): Promise<Line[]> =>
    (await printed(...args, "--json"))
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Line);
  const kinds = (lines: readonly Line[]): unknown[] =>
    lines.map(({ record, status }) => (record as Line | undefined)?.["kind"] ?? status);

  describe("tail", () => {
    it("shows the last records, one a line, oldest first", async () => {
      const lines = (await printed("tail", "--folder", outgoing)).trimEnd().split("\n");
      expect(lines.map((line) => line.split(/ +/)[2])).to.deep.equal([
        ...["writer-start", "intent", "outcome", "writer-stop"],
      ]);
      const two = await json("tail", "--folder", outgoing, "-n", "2");
      expect(kinds(two)).to.deep.equal(["outcome", "writer-stop"]);
    });

    it("shows no personal data, and nothing that a terminal would obey", async () => {
      const again = await openLog(outgoing);
      await again.intent(exchange({ method: "GET\u001b[2J\nX" }));
      await again.close();
      const text = await printed("tail", "--folder", outgoing);
      expect(text).not.to.match(/999993653|j\.jansen/);
      expect(text).not.to.contain("\u001b");
      expect(text).to.contain("GET\\u{1b}[2J\\u{a}X");
    });

    it("tells a torn end and a damaged batch", async () => {
      const path = segmentPath(outgoing, 1);
      const whole = await readFile(path);
      await appendFile(path, whole.subarray(-30));
      expect(kinds(await json("tail", "--folder", outgoing)).at(-1)).to.equal("torn");
      const damaged = Buffer.from(whole);
      damaged.writeUInt8(damaged.readUInt8(200) ^ 1, 200);
      await writeFile(path, damaged);
      expect(await printed("tail", "--folder", outgoing)).to.match(
        /^! segment 1, byte .* damaged/m,
      );
    });

    it("goes on with each new record, also into a new segment, until Ctrl-C", async () => {
      const child = spawn(process.execPath, [CLI, "log", "tail", "--folder", outgoing, "-f"]);
      let text = "";
      child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
      const count = (kind: string): number => text.split(` ${kind}`).length - 1;
      await until("what is there", () => count("writer-stop") === 1);
      const again: TransactionLog = await openLog(outgoing);
      await again.intent(exchange());
      await until("the new intent", () => count("intent") === 2);
      await again.close();
      await until("the new stop", () => count("writer-stop") === 2);
      const exited = once(child, "exit");
      child.kill("SIGINT");
      expect(await exited).to.deep.equal([0, null]);
    });
  });

  describe("show", () => {
    it("shows an exchange as both sides have it, and that their receipts fit", async () => {
      const folders = ["--folder", outgoing, "--folder", incoming];
      const text = await printed("show", transactionId, ...folders);
      expect(text).to.match(new RegExp(`transaction id +${transactionId} +${transactionId}`));
      expect(text).to.match(/direction +outgoing +incoming/);
      expect(text).to.match(/other side's intent +- +[0-9a-f]{64} \(found\)/);
      expect(text).to.match(/answer's intent +[0-9a-f]{64} \(found\)/);
      const lines = await json("show", transactionId, ...folders);
      expect(kinds(lines)).to.deep.equal(["intent", "outcome", "intent", "outcome"]);
    });

    it("says on which side there is no record", async () => {
      const other = join(temporaryFolder(), "other");
      await (await openLog(other)).close();
      const text = await printed("show", transactionId, "--folder", outgoing, "--folder", other);
      expect(text).to.match(/^record +- +none$/m);
    });

    it("finds an exchange in either case of its id, and a record by writer and sequence", async () => {
      const upper = transactionId.toUpperCase();
      expect(kinds(await json("show", upper, "--folder", outgoing))).to.have.length(2);
      const start = await json("show", `${writer}/1`, "--folder", outgoing);
      expect(kinds(start)).to.deep.equal(["writer-start"]);
    });

    it("shows personal data when asked, and says when its key was erased", async () => {
      const args = ["show", transactionId, "--folder", outgoing];
      expect(await printed(...args))
        .to.match(/personal data +encrypted/)
        .and.not.match(/j\.jansen/);
      expect(await printed(...args, "--personal")).to.match(/user +j\.jansen/);
      const [opened] = await json(...args, "--personal");
      expect(opened?.["personal"]).to.deep.equal(PERSONAL);
      await rm(segmentKeyPath(outgoing, 1));
      expect(await printed(...args, "--personal")).to.match(/personal data +erased/);
    });

    it("says that personal data and earlier records were shipped to the manager", async () => {
      const text = '{"version":1,"next_sequence":4}';
      await writeFile(join(outgoing, "shipped.json"), text);
      await rm(segmentKeyPath(outgoing, 1));
      const args = ["show", transactionId, "--folder", outgoing];
      expect(await printed(...args, "--personal")).to.match(
        /personal data +shipped to the manager/,
      );
      const [line] = await json(...args, "--personal");
      expect(line?.["personal_shipped"]).to.equal(true);

      await (await openLog(outgoing)).close();
      await rm(segmentPath(outgoing, 1));
      const { code, stderr } = await log(...args);
      expect(code).to.equal(1);
      expect(stderr).to.include("records before 5 were shipped to the manager");
      expect(await printed("tail", "--folder", outgoing)).to.match(
        /^! records before 5 were shipped to the manager/,
      );
    });

    it("does not show personal data that is not what the record commits to", async () => {
      await writeFile(segmentKeyPath(outgoing, 1), Buffer.alloc(32));
      const { code, stdout, stderr } = await log(
        ...["show", transactionId, "--folder", outgoing, "--personal"],
      );
      expect({ code, stdout }).to.deep.equal({ code: 1, stdout: "" });
      expect(stderr).to.match(
        /schakel: error: the personal part is not the one that the record commits to/,
      );
    });
  });

  const refused: readonly (readonly [string, () => readonly string[], number, RegExp])[] = [
    [
      "an id that is none",
      () => ["show", "x", "--folder", outgoing],
      2,
      /neither a transaction id/,
    ],
    [
      "a UUID of another version",
      () => ["show", "7f0c2a51-6b3e-4d8a-9c14-2e5b8d7a90f3", "--folder", outgoing],
      2,
      /neither/,
    ],
    ["sequence 0", () => ["show", `${writer}/0`, "--folder", outgoing], 2, /neither/],
    [
      "an exchange that is not there",
      () => ["show", newTransactionId(), "--folder", outgoing],
      1,
      /no record of .*\n.*hint/,
    ],
    [
      "a folder that is not there",
      () => ["show", transactionId, "--folder", join(outgoing, "x")],
      1,
      /holds no segments/,
    ],
    [
      "a data folder instead of its log",
      () => ["tail", "--folder", join(outgoing, "segments")],
      1,
      /holds no segments/,
    ],
    ["no folder", () => ["tail"], 2, /--folder/],
    ["a negative number of lines", () => ["tail", "--folder", outgoing, "-n", "-1"], 2, /-n/],
    ["half a line", () => ["tail", "--folder", outgoing, "-n", "1.5"], 2, /1\.5/],
  ];
  for (const [what, args, expected, says] of refused) {
    it(`refuses ${what} with exit code ${String(expected)}`, async () => {
      const { code, stdout, stderr } = await log(...args());
      expect({ code, stdout }, stderr).to.deep.equal({ code: expected, stdout: "" });
      expect(stderr)
        .to.match(/^schakel: error: /)
        .and.match(says);
    });
  }

  it("refuses a segment of a later version, and says to keep it", async () => {
    const path = segmentPath(outgoing, 1);
    const bytes = await readFile(path);
    bytes.writeUInt16BE(2, 8);
    await writeFile(path, bytes);
    const { code, stderr } = await log("tail", "--folder", outgoing);
    expect(code).to.equal(1);
    expect(stderr).to.match(/a segment of the unknown version 2\n.*hint: keep the file/);
  });
});
