// A log whose disk fails at one call, or whose process dies or stands still there, in real processes under load.
import { expect } from "chai";
import { join } from "node:path";
import { call } from "../support/call.js";
import { expectBothLogs, Load } from "../support/load.js";
import { Network, type Member } from "../support/network.js";
import { randomFrom } from "../support/random.js";
import { long, seed } from "../support/scale.js";
import { skip } from "../support/skip.js";
import { attach, happened, requireStrace, type Fault } from "../support/strace.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";

const ROUNDS = long ? 80 : 8;
const CLIENTS = 4;
const FIRST = 10;

describe(`system/faults of a log's disk, ${String(ROUNDS)} times (seed ${String(seed)})`, function () {
  this.timeout(ROUNDS * 30_000);
  let network: Network;
  let folder = "";
  before(async function () {
    requireStrace(this);
    folder = temporaryFolder();
    network = await Network.start();
  });
  after(async () => {
    await (network as Network | undefined)?.stop();
    removeTemporaryFolders();
  });

  const answered: string[] = [];
  const restart = async (side: "inway" | "outway", { port }: Member): Promise<void> => {
    if (side === "inway") await network.startInway();
    else await network.startOutway("outway", port);
  };

  it("lets no request reach the source without a record on both sides, and loses none", async function () {
    const next = randomFrom(seed);
    const load = new Load(network, CLIENTS);
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const side = round % 2 === 0 ? "inway" : "outway";
        const member = network.member(side);
        const fault: Fault = {
          call: round % 4 < 2 ? "fdatasync" : "pwrite64",
          kind: round % 8 < 4 ? "EIO" : "KILL",
          at: 1 + Math.floor(next() * FIRST),
        };
        const file = join(folder, `strace-${String(round)}`);
        const tracer = await attach(member.running.pid, fault, file);
        if (tracer === undefined)
          skip(this, "strace may not attach here (kernel.yama.ptrace_scope)");
        try {
          await until(`${JSON.stringify(fault)} on the ${side}`, () => happened(file), 30_000);
        } finally {
          // Whatever it holds goes on, or goes; it may itself wait for a thread that never comes.
          tracer?.kill("SIGKILL");
        }
        if (fault.kind === "KILL") {
          await member.running.exited;
          await restart(side, member);
        }
        await load.more(5);
      }
    } finally {
      await load.stop();
      answered.push(...load.answered);
    }
  });

  it("stands a process that is stopped for a while, the manager too, and goes on afterwards", async () => {
    const stopped = [network.inway, network.outway, network.member("manager-provider")];
    for (const member of stopped) {
      member.running.kill("SIGSTOP");
      const waiting = call(network.url("/stopped"), { method: "POST", body: "x" });
      if (member === stopped.at(-1)) expect((await waiting).status).to.equal(200);
      await new Promise((resolve) => setTimeout(resolve, long ? 5_000 : 500));
      member.running.kill("SIGCONT");
      const answer = await waiting;
      expect(answer.status).to.equal(200);
      answered.push(String(answer.headers["fsc-transaction-id"]));
    }
  });

  it("has every record on both sides and with both managers", async () => {
    expect(answered.length).to.be.above(2);
    await expectBothLogs(network, answered);
  });
});
