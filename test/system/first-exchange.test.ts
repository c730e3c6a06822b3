// docs/first-exchange.md as a new user goes through it: its blocks, one after the other, in one shell.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { freePort } from "../support/network.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const TIME_MS = 100_000;
/** The ports of the page; nothing else on it looks like one. */
const PORT = /\b94[0-9]{2}\b/g;

interface Step {
  readonly commands: string;
  /** Pieces of what the page says comes out. */
  readonly says: readonly string[];
}

/** The page with ports that are free, so that it runs beside whatever else does. */
const pageWithFreePorts = async (): Promise<string> => {
  const page = readFileSync(join(ROOT, "docs/first-exchange.md"), "utf8");
  const ports = new Map<string, string>();
  for (const port of new Set(page.match(PORT))) {
    let free = String(await freePort());
    while ([...ports.values()].includes(free)) free = String(await freePort());
    ports.set(port, free);
  }
  return page.replaceAll(PORT, (port) => ports.get(port) ?? port);
};

const stepsOf = (page: string): readonly Step[] =>
  [...page.matchAll(/^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?/gms)].map(
    ([, commands = "", says = ""]) => ({
      commands,
      says: says.split("\n").filter((line) => line !== ""),
    }),
  );

/** Runs the steps and returns what came out of each, with how it ended. Ends every process that is left. */
const run = async (steps: readonly Step[], folder: string) => {
  const mark = (index: number) => `printf '\n@@ %s\n' "$?"; : ${String(index)}`;
  const script = steps.map(({ commands }, index) => `${commands}\n${mark(index)}`).join("\n");
  const own = Object.entries(process.env).filter(([name]) => !/^(SCHAKEL|NODE)_/.test(name));
  const shell = spawn("bash", ["-s"], {
    cwd: ROOT,
    env: { ...Object.fromEntries(own), TMPDIR: folder, NO_PROXY: "127.0.0.1" },
    detached: true,
  });
  const group = -(shell.pid ?? 0);
  const end = (): void => {
    if (group !== 0) process.kill(group, "SIGKILL");
  };
  const timer = setTimeout(end, TIME_MS);
  process.once("exit", end);
  let [stdout, stderr] = ["", ""];
  shell.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  shell.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  shell.stdin.end(script);
  await once(shell, "exit");
  clearTimeout(timer);
  process.removeListener("exit", end);
  let left = true;
  try {
    end();
  } catch {
    left = false;
  }
  const parts = stdout.split(/\n@@ ([0-9]+)\n/);
  const done = steps.map((_, index) => ({ out: parts[2 * index], code: parts[2 * index + 1] }));
  return { done, stdout, stderr, left };
};

describe("docs/first-exchange.md", function () {
  this.timeout(TIME_MS + 20_000);
  after(removeTemporaryFolders);

  it("works by copy and paste, says what comes out, and leaves nothing running", async () => {
    const steps = stepsOf(await pageWithFreePorts());
    expect(steps.length).to.be.above(10);
    const folder = temporaryFolder();
    const { done, stdout, stderr, left } = await run(steps, folder);
    const [made = ""] = readdirSync(folder);
    const logs = ["directory.log", "register.log", "utrecht.log"].map((name) =>
      readFileSync(join(folder, made, name), "utf8"),
    );
    for (const [index, { commands, says }] of steps.entries()) {
      const { out, code } = done[index] ?? {};
      const all = `${commands}\n${stdout}\n${stderr}\n${logs.join("\n")}`;
      expect(code, all).to.equal("0");
      for (const line of says) expect(out, commands).to.contain(line);
    }
    const told = steps.flatMap(({ says }) => says);
    expect(told).to.include.members(["Utrecht, Gelderland, Drenthe", "200", "403", "is REVOKED"]);
    for (const text of [stderr, ...logs]) expect(text).not.to.match(/\(node:[0-9]+\)|Warning:/);
    expect(left).to.equal(false);
  });
});
