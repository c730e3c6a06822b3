// .ci/count.js with real mocha runs that pass, fail, hang, leak, or do not even load.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { ROOT } from "./sources.js";

interface CountCase {
  readonly title: string;
  /** The text of a test file; or, with `command`, nothing. */
  readonly tests?: string;
  readonly command?: readonly string[];
  readonly last: string;
  /** A line that must stand somewhere before the last one. */
  readonly line?: string;
  readonly options?: readonly string[];
}

const PASSES = 'it("passes", () => {});';

const CASES: readonly CountCase[] = [
  { title: "tests that pass", tests: PASSES, last: "1 passed, 0 failed" },
  {
    title: "a failing test",
    tests: `${PASSES} it("fails", () => { throw new Error("no"); });`,
    last: "1 passed, 1 failed",
    line: "failed: fails",
  },
  {
    title: "a failing hook",
    tests: `describe("a", () => { before(() => { throw new Error("no"); }); ${PASSES} });`,
    last: "0 passed, 1 failed",
  },
  {
    title: "a skipped test",
    tests: `${PASSES} it("waits", function () { this.test.skipReason = "no disk"; this.skip(); });`,
    last: "1 passed, 0 failed, 1 skipped",
    line: "skipped: waits: no disk",
  },
  {
    title: "a test skipped without a reason",
    tests: `${PASSES} it("waits");`,
    last: "1 passed, 0 failed, 1 skipped",
    line: "skipped: waits: no reason given",
  },
  { title: "only skipped tests", tests: 'it("waits");', last: "0 passed, 1 failed, 1 skipped" },
  {
    title: "a load error",
    tests: `${PASSES} throw new Error("no");`,
    last: "0 passed, 1 failed",
    line: "failed: the tests did not run to their end (exit code 1, signal null)",
  },
  { title: "a syntax error", tests: "it(", last: "0 passed, 1 failed" },
  {
    title: "a test that hangs and blocks its process",
    tests: `${PASSES} it("hangs", () => { for (;;); });`,
    options: ["--limit", "3"],
    last: "1 passed, 1 failed",
    line: "failed: the command still ran after 3 s and was ended",
  },
  {
    title: "a socket left open",
    tests: `${PASSES} after(() => require("node:net").createServer().listen(0));`,
    options: ["--grace", "1"],
    last: "1 passed, 1 failed",
    line:
      "failed: all tests had ended, but their process had not: " +
      "a socket, timer or process is left open",
  },
  {
    title: "a process left behind",
    tests: `it("forks", () => require("node:child_process")
      .spawn("sleep", ["60"], { stdio: "ignore" }).unref());`,
    last: "1 passed, 1 failed",
    line: "failed: a process was left behind and was ended",
  },
  { title: "a process that ends itself", tests: "process.exit(0);", last: "0 passed, 1 failed" },
  {
    title: "a process that is killed",
    command: ["sh", "-c", "kill -9 $$"],
    last: "0 passed, 1 failed",
  },
  { title: "no test at all", tests: "", last: "0 passed, 1 failed", line: "failed: no test ran" },
  { title: "a failing build", command: ["sh", "-c", "exit 2"], last: "0 passed, 1 failed" },
  { title: "an unknown command", command: ["no-such-command"], last: "0 passed, 1 failed" },
  {
    title: "a command that fails after its tests",
    command: ["sh", "-c", `echo '{"event":"passed"}\n{"event":"ended"}' > $TEST_REPORT; exit 3`],
    last: "1 passed, 1 failed",
    line: "failed: the command ended with exit code 3, signal null",
  },
  {
    title: "output without an end of line",
    command: ["sh", "-c", `echo '{"event":"passed"}\n{"event":"ended"}' > $TEST_REPORT; printf ok`],
    last: "1 passed, 0 failed",
    line: "ok",
  },
];

describe("house/count", function () {
  this.timeout(60_000);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "schakel-count-"));
  });
  after(() => rm(folder, { recursive: true }));

  const count = (...args: readonly string[]): Promise<{ code: unknown; lines: string[] }> =>
    new Promise((resolve) => {
      const script = join(ROOT, ".ci", "count.js");
      execFile(process.execPath, [script, ...args], { cwd: folder }, (error, stdout) => {
        resolve({ code: error === null ? 0 : error.code, lines: stdout.trimEnd().split("\n") });
      });
    });

  const mochaOf = async (tests: string): Promise<readonly string[]> => {
    const file = join(folder, "some.test.cjs");
    await writeFile(file, tests);
    const mocha = join(ROOT, "node_modules", "mocha", "bin", "mocha.js");
    const reporter = join(ROOT, "test", "support", "reporter.cjs");
    return [process.execPath, mocha, "--no-config", "--reporter", reporter, file];
  };

  for (const { title, tests, command, last, line, options = [] } of CASES) {
    it(`counts ${title}: ${last}`, async () => {
      const run = command ?? (await mochaOf(tests ?? ""));
      const { code, lines } = await count(...options, "--", ...run);
      expect(lines.at(-1), lines.join("\n")).to.equal(last);
      if (line !== undefined) expect(lines).to.include(line);
      expect(code).to.equal(last.includes(" 0 failed") ? 0 : 1);
    });
  }

  it("runs the README's test command", async () => {
    const readme = await readFile(join(ROOT, "README.md"), "utf8");
    const script = await readFile(join(ROOT, ".ci", "run"), "utf8");
    expect(readme).to.include("npm ci && npm test");
    expect(script).to.match(/npm ci( --no-\w+)* && npm test'/);
  });
});
