// A disk that fails, or a process that dies, at any single call: what was acknowledged is there, and the log goes on.
import { expect } from "chai";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expectNothingLost } from "../support/logs.js";
import { randomFrom } from "../support/random.js";
import { long, seed } from "../support/scale.js";
import { happened, requireStrace, straceFor, type Fault } from "../support/strace.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { openLog } from "../support/transaction-log.js";

const CHILD = fileURLToPath(new URL("../support/faulty-child.ts", import.meta.url));
/** The first calls of each kind; a segment has few syncs of its folder and header. */
const FIRST = { fdatasync: 200, pwrite64: 200, fsync: 36 } as const;
const CALLS = ["fdatasync", "pwrite64", "fsync"] as const;
const KINDS = ["EIO", "KILL"] as const;
/** Each call in both ways twice. */
const SAMPLE = 20;

const every = (): Fault[] =>
  CALLS.flatMap((call) =>
    KINDS.flatMap((kind) =>
      Array.from({ length: FIRST[call] }, (_, index) => ({ call, kind, at: index + 1 })),
    ),
  );

const sample = (): Fault[] => {
  const next = randomFrom(seed);
  return Array.from({ length: SAMPLE }, (_, index) => {
    const call = CALLS[index % CALLS.length] ?? "fdatasync";
    const kind = KINDS[Math.floor(index / CALLS.length) % KINDS.length] ?? "EIO";
    return { call, kind, at: 1 + Math.floor(next() * FIRST[call]) };
  });
};

const FAULTS = long ? every() : sample();

/** Runs the child with a fault; gives what it said. */
const faultyRun = async (folder: string, fault: Fault, file: string): Promise<string[]> => {
  const child = spawn(
    "strace",
    [...straceFor(fault, file), process.execPath, "--import", "tsx", CHILD, folder],
    // With one thread for the disk, its calls are counted together.
    { stdio: ["ignore", "pipe", "ignore"], env: { ...process.env, UV_THREADPOOL_SIZE: "1" } },
  );
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await once(child, "close");
  // What follows the last line's end may have been cut by the kill.
  return said.split("\n").slice(0, -1);
};

describe(`txlog/faults of the disk at ${String(FAULTS.length)} calls (seed ${String(seed)})`, function () {
  this.timeout(FAULTS.length * 20_000);
  before(function () {
    requireStrace(this);
  });
  afterEach(removeTemporaryFolders);

  for (const fault of FAULTS) {
    const { call, kind, at } = fault;
    const what = kind === "EIO" ? "fails" : "kills the process";
    it(`loses nothing that was acknowledged when ${call} ${String(at)} ${what}`, async () => {
      const base = temporaryFolder();
      const folder = join(base, "log");
      const lines = await faultyRun(folder, fault, join(base, "strace"));
      expect(happened(join(base, "strace")), "the fault happened").to.equal(true);
      const acknowledged = lines.filter((line) => /^[0-9]+ /.test(line));
      if (kind === "EIO" && lines[0] === "open") {
        expect(lines.at(-1), "it went on by itself").to.equal("closed");
        expect(acknowledged.length).to.be.above(500);
      }
      await openLog(folder).then((log) => log.close());
      await expectNothingLost(folder, acknowledged);
    });
  }
});
