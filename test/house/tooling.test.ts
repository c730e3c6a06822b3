// The checks of compiler, linter, formatter and buf, and of what is made from tables, as tests: who runs
// the tests has run everything.
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { expect } from "chai";
import { ROOT } from "./sources.js";

interface Outcome {
  readonly code: number;
  readonly output: string;
}

const BIN = join(ROOT, "node_modules", ".bin");
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

/** Runs one of the project's tools in the project's folder. */
const run = (tool: string, ...args: readonly string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    const env = { ...process.env, PATH: `${BIN}${delimiter}${process.env["PATH"] ?? ""}` };
    const options = { cwd: ROOT, env, maxBuffer: OUTPUT_BYTES_MAX };
    execFile(tool, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code, output: `${stdout}${stderr}` });
    });
  });

const filesBelow = async (folder: string): Promise<ReadonlyMap<string, string>> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((e) => join(e.parentPath, e.name));
  const pairs = paths
    .sort()
    .map(async (path): Promise<[string, string]> => [
      path.slice(folder.length),
      await readFile(path, "utf8"),
    ]);
  return new Map(await Promise.all(pairs));
};

const CHECKS: readonly (readonly [title: string, tool: string, ...args: string[]])[] = [
  ["compiles without a complaint", "tsc", "--noEmit"],
  ["is formatted", "prettier", "--check", "."],
  ["has .proto files that buf lint accepts", "buf", "lint"],
  ["breaks no published gRPC interface", "buf", "breaking", "--against", "proto/baseline.binpb"],
  ["has the docs that its tables make", "node", "--import", "tsx", "scripts/docs.ts", "--check"],
];

describe("house/tooling", function () {
  this.timeout(120_000);

  // It takes longest, and one core: the others run beside it.
  let linter: Promise<Outcome>;
  before(() => {
    linter = run("eslint", ".", "--max-warnings", "0");
  });
  after(() => linter);

  for (const [title, tool, ...args] of CHECKS) {
    it(`${title} (${[tool, ...args].join(" ")})`, async () => {
      const { code, output } = await run(tool, ...args);
      expect(code, output).to.equal(0);
    });
  }

  it("has the generated code that buf generates", async () => {
    const folder = await mkdtemp(join(tmpdir(), "schakel-generate-"));
    try {
      const { code, output } = await run("buf", "generate", "-o", folder);
      expect(code, output).to.equal(0);
      const made = await filesBelow(join(folder, "proto", "gen"));
      expect(made).to.deep.equal(await filesBelow(join(ROOT, "proto", "gen")));
      expect(made.size).to.be.greaterThan(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("passes the linter without a warning (eslint . --max-warnings 0)", async () => {
    const { code, output } = await linter;
    expect(code, output).to.equal(0);
  });
});
