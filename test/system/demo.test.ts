// `npm run demo` as its user runs it: the compiled program, its exit code, and what it leaves behind.
import { expect } from "chai";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Processes, type Line, type Running } from "../../demo/processes.js";
import { call } from "../support/call.js";
import { until } from "../support/until.js";

const DEMO = fileURLToPath(new URL("../../dist/demo/main.js", import.meta.url));
const STORY_MS = 60_000;
const STEPS = [
  "certificates",
  "announcement",
  "discovery",
  "exchange",
  "records",
  "refusal",
  "without-directory",
];

interface StepLine {
  readonly step: string;
  readonly ok: boolean;
  readonly detail: Readonly<Record<string, unknown>>;
}

describe("system/demo", function () {
  this.timeout(STORY_MS * 2);
  let processes: Processes;
  let folder: string;

  beforeEach(async () => {
    processes = new Processes();
    folder = await mkdtemp(join(tmpdir(), "schakel-test-"));
  });
  afterEach(async () => {
    await processes.stopAll();
    await rm(folder, { recursive: true, force: true });
  });

  // The folder is where the demo makes its own; every process it starts carries it in its environment.
  const start = (...args: readonly string[]): Promise<Running> =>
    processes.start("the demo", [DEMO, ...args], { env: { TMPDIR: folder } });

  const processesLeft = async (): Promise<string[]> => {
    const pids = (await readdir("/proc").catch(() => [])).filter((name) => /^[0-9]+$/.test(name));
    const owned = async (pid: string): Promise<boolean> => {
      const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
      return environment.split("\0").includes(`TMPDIR=${folder}`);
    };
    const answers = await Promise.all(pids.map(owned));
    return pids.filter((_, at) => answers[at]);
  };
  // Node and npm may put caches of their own there.
  const foldersLeft = async (): Promise<string[]> =>
    (await readdir(folder)).filter((name) => name.startsWith("schakel-"));
  const expectNothingLeft = async (): Promise<void> => {
    expect(await processesLeft()).to.deep.equal([]);
    expect(await foldersLeft()).to.deep.equal([]);
  };

  const output = (demo: Running, stream: Line["stream"]): string[] =>
    demo.lines.filter((line) => line.stream === stream).map((line) => line.text);
  const steps = (demo: Running): StepLine[] =>
    output(demo, "stdout").map((text) => JSON.parse(text) as StepLine);
  const pidOf = (told: Line, name: string): number => {
    const { processes: list } = told.fields["detail"] as {
      processes: { name: string; pid: number }[];
    };
    return list.find((row) => row.name.startsWith(name))!.pid;
  };

  it("tells every step as one JSON object, each as it should be, and leaves nothing behind", async () => {
    const begun = performance.now();
    const demo = await start("--once", "--json");
    const exit = await demo.exited;
    expect(exit, demo.lastLines(40).join("\n")).to.deep.equal({ code: 0, signal: null });
    expect(performance.now() - begun).to.be.below(STORY_MS);
    expect(steps(demo).map(({ step }) => step)).to.deep.equal(STEPS);
    for (const line of steps(demo)) {
      expect(line).to.have.all.keys("step", "ok", "detail");
      expect(line.ok, line.step).to.equal(true);
    }
    await expectNothingLeft();
  });

  it("tells people the story in 80 columns, stays up for what they try, and ends at Ctrl-C", async () => {
    const demo = await start();
    await demo.waitForLine((line) => line.text === "Ctrl-C ends everything.", STORY_MS);
    const said = output(demo, "stdout");
    expect(said.filter((text) => text.length > 80 && !text.includes(folder))).to.deep.equal([]);
    expect(said.join("\n")).to.not.include("\u001b");
    for (const name of ["Gemeente Voorbeeldstad", "Register van Gemeenten (demo)", "Zonder Recht"])
      expect(said.join("\n")).to.include(name);

    const tour = said.slice(said.indexOf("The group stays up. Try it from another terminal:"));
    const tried = tour
      .join("\n")
      .replaceAll("\\\n", "")
      .matchAll(/^curl (?:-i )?(?:-H 'Host: ([^']+)' +)?'?(http:[^'\s]+)'?$/gm);
    const statuses: number[] = [];
    for (const [, host, url = ""] of tried) {
      const headers = host === undefined ? [] : [["Host", host] as const];
      statuses.push((await call(url, { headers })).status);
    }
    expect(statuses).to.deep.equal([200, 200, 404, 403, 200, 200]);

    demo.kill("SIGINT");
    expect(await demo.exited).to.deep.equal({ code: 0, signal: null });
    await expectNothingLeft();
  });

  it("says that a port is taken and what to do, and leaves nothing behind", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    for (const flag of ["--inway-port", "--outway-port"]) {
      const demo = await start("--once", "--json", flag, String(port));
      expect((await demo.exited).code).to.equal(1);
      const errors = output(demo, "stderr").join("\n");
      expect(errors).to.include(`schakel: error: ${flag} ${String(port)}: cannot listen on`);
      expect(errors).to.include("already taken by another process");
      expect(errors).to.include("schakel: hint: name another port");
      expect(steps(demo).map(({ step, ok }) => [step, ok])).to.deep.equal([[STEPS[0], false]]);
      await expectNothingLeft();
    }
    taken.close();
  });

  it("says which process died, ends the story, and leaves nothing behind", async () => {
    const demo = await start("--json");
    const told = await demo.waitForLine((l) => l.fields["step"] === "announcement", STORY_MS);
    process.kill(pidOf(told, "inway"), "SIGKILL");
    expect((await demo.exited).code).to.equal(1);
    expect(output(demo, "stderr").join("\n")).to.match(/schakel: error: the inway ended/);
    expect(steps(demo).at(-1)?.ok).to.equal(false);
    await expectNothingLeft();
  });

  it("leaves no process behind when it is killed itself", async () => {
    const demo = await start("--json");
    await demo.waitForLine((l) => l.fields["step"] === "announcement", STORY_MS);
    demo.kill("SIGKILL");
    await demo.exited;
    await until("every process has ended", async () => (await processesLeft()).length === 0);
  });

  it("ends in the middle of the story when told to, and keeps its folder if asked", async () => {
    const demo = await start("--json", "--keep");
    await demo.waitForLine((l) => l.fields["step"] === "certificates", STORY_MS);
    demo.kill("SIGTERM");
    expect((await demo.exited).code).to.equal(1);
    expect(output(demo, "stderr").join("\n")).to.include("ended by SIGTERM before its story");
    expect(await processesLeft()).to.deep.equal([]);
    const [kept = "nothing"] = await foldersLeft();
    expect(output(demo, "stderr").join("\n")).to.include(`${kept} is kept`);
    expect(await readdir(join(folder, kept))).to.include("group.json");
  });

  const wrongUses = [
    ["--inway-port", "0"],
    ["--inway-port", "65536"],
    ["--outway-port", "080"],
    ["--outway-port", "http"],
    ["--inway-port"],
    ["--twice"],
    ["now"],
  ];
  for (const args of wrongUses) {
    it(`refuses ${args.join(" ")} with exit code 2 before it starts anything`, async () => {
      const demo = await start(...args);
      expect((await demo.exited).code).to.equal(2);
      expect(output(demo, "stderr")[0]).to.match(/^schakel: error: /);
      expect(output(demo, "stdout")).to.deep.equal([]);
      await expectNothingLeft();
    });
  }

  it("explains itself with examples", async () => {
    const demo = await start("--help");
    expect((await demo.exited).code).to.equal(0);
    expect(output(demo, "stdout").join("\n")).to.match(/Usage: npm run demo -- .*Examples:/s);
  });
});
