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

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const DEMO = fileURLToPath(new URL("../../dist/demo/main.js", import.meta.url));
const STORY_MS = 60_000;
const STEPS = [
  "certificates",
  "processes",
  "publication",
  "discovery",
  "access",
  "exchange",
  "records",
  "refusal",
  "delegation",
  "without-directory",
  "revocation",
];

const REVOCATION_MS = 5_000;
const MUNICIPALITY = "00000000000000000001";
const REGISTER = "00000000000000000002";
const ADVISER = "00000000000000000003";

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
  const detailOf = (demo: Running, name: string): unknown =>
    steps(demo).find(({ step }) => step === name)?.detail;
  interface Agreed {
    readonly grant_hash: string;
    readonly contract: { readonly signatures: { peer_id: string; kind: string }[] };
    readonly records: { record: { exchange?: { grant_hash: string; source: object } } }[];
  }
  const intentsOf = ({ records }: Agreed) =>
    records.flatMap(({ record: { exchange } }) => (exchange === undefined ? [] : [exchange]));
  const signersOf = ({ contract }: Agreed): string[] =>
    contract.signatures.filter(({ kind }) => kind === "accept").map((each) => each.peer_id);

  // Both logs name the grant of the contract that all have signed; with a delegation, for whom it was.
  const expectContracts = (demo: Running): void => {
    const access = detailOf(demo, "access") as Agreed;
    expect(signersOf(access)).to.have.members([MUNICIPALITY, REGISTER]);
    expect(intentsOf(detailOf(demo, "records") as Agreed)).to.have.length(2);
    for (const { grant_hash, source } of intentsOf(detailOf(demo, "records") as Agreed)) {
      expect(grant_hash).to.equal(access.grant_hash);
      expect(source).to.deep.equal({ peer_id: MUNICIPALITY });
    }
    const delegation = detailOf(demo, "delegation") as Agreed;
    expect(signersOf(delegation)).to.have.members([MUNICIPALITY, REGISTER, ADVISER]);
    expect(intentsOf(delegation)).to.have.length(2);
    for (const { grant_hash, source } of intentsOf(delegation)) {
      expect(grant_hash).to.equal(delegation.grant_hash);
      expect(source).to.deep.equal({ peer_id: ADVISER, delegator_id: MUNICIPALITY });
    }
  };

  const expectRevocations = (demo: Running): void => {
    const revocation = detailOf(demo, "revocation") as Record<
      "by_inway" | "by_outway",
      Record<string, unknown>
    >;
    expect(revocation.by_inway).to.include({
      ...{ revoked_by: REGISTER, manager_away: MUNICIPALITY },
      ...{ refused_by: "inway", status: 403 },
    });
    expect(revocation.by_outway).to.include({
      ...{ revoked_by: ADVISER, manager_away: REGISTER },
      ...{ refused_by: "outway", status: 403 },
    });
    for (const { answered_before, refused_after_ms } of Object.values(revocation)) {
      expect(answered_before).to.be.at.least(1);
      expect(refused_after_ms).to.be.within(1, REVOCATION_MS);
    }
  };

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
    expectContracts(demo);
    expectRevocations(demo);
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

    const tour = said.slice(said.indexOf("Try it from another terminal:"));
    const copied = tour.join("\n").replaceAll("\\\n", "");
    const tried = copied.matchAll(/^curl (?:-i )?(?:-H 'Host: ([^']+)' +)?'?(http:[^'\s]+)'?$/gm);
    const statuses: number[] = [];
    let first = "";
    for (const [, host, url = ""] of tried) {
      first ||= url;
      const headers = host === undefined ? [] : [["Host", host] as const];
      statuses.push((await call(url, { headers })).status);
    }
    expect(statuses).to.deep.equal([200, 200, 404, 403, 200, 200]);

    const commands = [...copied.matchAll(/^npx schakel (.+)$/gm)].map(([, words = ""]) =>
      words.split(/ +/).map((word) => word.replaceAll("'", "")),
    );
    expect(commands.map(([first, second]) => `${first!} ${second!}`)).to.deep.equal([
      ...["access revoke", "access request", "access list", "log tail"],
    ]);
    for (const [at, words] of commands.entries()) {
      const { code, stdout, stderr } = await processes.run("schakel", [CLI, ...words]);
      expect(code, stderr).to.equal(0);
      expect(stdout, words.join(" ")).to.not.equal("");
      if (at === 0)
        await until("the call is refused", async () => (await call(first)).status === 403);
    }

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
    const told = await demo.waitForLine((l) => l.fields["step"] === "processes", STORY_MS);
    process.kill(pidOf(told, "inway"), "SIGKILL");
    expect((await demo.exited).code).to.equal(1);
    expect(output(demo, "stderr").join("\n")).to.match(/schakel: error: the inway ended/);
    expect(steps(demo).at(-1)?.ok).to.equal(false);
    await expectNothingLeft();
  });

  it("leaves no process behind when it is killed itself", async () => {
    const demo = await start("--json");
    await demo.waitForLine((l) => l.fields["step"] === "processes", STORY_MS);
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
