// The processes of the demo and of the system tests: what they print is read, and none is left behind.
import { expect } from "chai";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ProcessError, Processes } from "../../demo/processes.js";

const PATIENCE_MS = 15_000;

// Scripts for `node --eval`.
const IDLE = "console.log('up'); setInterval(() => {}, 1000);";
const STUBBORN = `process.on("SIGTERM", () => console.log("no")); ${IDLE}`;

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const untilDead = async (pid: number): Promise<void> => {
  const deadline = Date.now() + PATIENCE_MS;
  while (isAlive(pid)) {
    if (Date.now() > deadline) throw new Error(`process ${String(pid)} still runs`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

const failure = async (work: Promise<unknown>): Promise<Error> => {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not fail");
};

describe("demo/processes", () => {
  let processes: Processes;
  beforeEach(() => {
    processes = new Processes();
  });
  afterEach(() => processes.stopAll());

  const start = (name: string, script: string, env: Record<string, string> = {}) =>
    processes.start(name, ["--input-type=module", "--eval", script], { env });
  const isUp = (line: { text: string }): boolean => line.text === "up";

  it("reads what a process prints on both streams, and the fields of a JSON line", async () => {
    const running = await start("talker", `console.error('{"msg":"listening"}'); ${IDLE}`);
    const line = await running.waitForLine((l) => l.fields["msg"] === "listening", PATIENCE_MS);
    expect(line.stream).to.equal("stderr");
    expect((await running.waitForLine(isUp, PATIENCE_MS)).stream).to.equal("stdout");
  });

  it("gives a line that was printed before somebody waited for it", async () => {
    const running = await start("early", "console.log('up')");
    await running.exited;
    expect((await running.waitForLine(isUp, PATIENCE_MS)).number).to.equal(0);
  });

  it("says which process kept silent, with what it did print", async () => {
    const running = await start("silent", IDLE);
    await running.waitForLine(isUp, PATIENCE_MS);
    const error = await failure(running.waitForLine(() => false, 50));
    expect(error).to.be.instanceOf(ProcessError);
    expect(error.message).to.equal("silent did not get ready in 50 ms\nup");
  });

  it("says so when a process ends instead of getting ready, without waiting for the deadline", async () => {
    const running = await start("short", "console.error('no such file'); process.exit(3)");
    const error = await failure(running.waitForLine(isUp, PATIENCE_MS * 10));
    expect(error.message).to.equal("short ended early, with exit code 3\nno such file");
  });

  it("passes no SCHAKEL_ variable on except those that are asked for", async () => {
    process.env["SCHAKEL_INWAY_NAME"] = "stray";
    try {
      const { stdout } = await processes.run("env", ["--print", "JSON.stringify(process.env)"], {
        env: { SCHAKEL_OUTWAY_NAME: "mine" },
      });
      const names = Object.keys(JSON.parse(stdout) as object);
      expect(names.filter((n) => n.startsWith("SCHAKEL_"))).to.deep.equal(["SCHAKEL_OUTWAY_NAME"]);
    } finally {
      delete process.env["SCHAKEL_INWAY_NAME"];
    }
  });

  it("gives the exit code and both outputs of a command that fails", async () => {
    const outcome = await processes.run("fails", [
      "--eval",
      "console.log('out'); console.error('err'); process.exitCode = 2",
    ]);
    expect(outcome).to.deep.equal({ code: 2, signal: null, stdout: "out\n", stderr: "err\n" });
  });

  it("ends a command that takes too long", async () => {
    const error = await failure(processes.run("slow", ["--eval", IDLE], { timeoutMs: 100 }));
    expect(error.message).to.match(/^slow took longer than 100 ms/);
    if (!(error instanceof ProcessError)) throw error;
    expect(error.running.ended).to.equal(true);
  });

  it("stops all processes, the last started first", async () => {
    const ended: string[] = [];
    for (const name of ["first", "second", "third"]) {
      const running = await start(name, IDLE);
      void running.exited.then(() => ended.push(name));
      await running.waitForLine(isUp, PATIENCE_MS);
    }
    await processes.stopAll();
    expect(ended).to.deep.equal(["third", "second", "first"]);
  });

  it("kills a process that does not stop when asked", async () => {
    const running = await start("stubborn", STUBBORN);
    await running.waitForLine(isUp, PATIENCE_MS);
    expect(await running.stop(200)).to.deep.equal({ code: null, signal: "SIGKILL" });
    expect(isAlive(running.pid)).to.equal(false);
  });

  it("reports an end that nobody asked for as an accident, and no other end", async () => {
    const asked = await start("asked", IDLE);
    await asked.stop();
    await processes.run("command", ["--eval", "0"]);
    await start("victim", "process.exit(1)");
    expect((await processes.accident).name).to.equal("victim");
  });

  it("starts nothing once all is being stopped", async () => {
    await processes.stopAll();
    const error = await failure(start("late", IDLE));
    expect(error.message).to.equal("late is not started: all is being stopped");
  });

  it("leaves no process behind when the starter itself is killed", async () => {
    const folder = await mkdtemp(join(tmpdir(), "schakel-test-"));
    try {
      const module = fileURLToPath(new URL("../../demo/processes.ts", import.meta.url));
      const script = join(folder, "starter.mjs");
      await writeFile(
        script,
        `import { Processes } from ${JSON.stringify(module)};
         const child = await new Processes().start("child", ["--eval", ${JSON.stringify(IDLE)}]);
         console.log(child.pid);
         await child.waitForLine((line) => line.text === "up", 10000);
         console.log("up");`,
      );
      const starter = await processes.start("starter", [script]);
      await starter.waitForLine(isUp, PATIENCE_MS);
      const child = Number(starter.lines[0]?.text);
      expect(isAlive(child)).to.equal(true);
      starter.kill("SIGKILL");
      await untilDead(child);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
