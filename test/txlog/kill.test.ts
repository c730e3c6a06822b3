// kill -9 at any moment: what was acknowledged is there, in order, and everything has an end.
import { expect } from "chai";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expectNothingLost } from "../support/logs.js";
import { randomFrom } from "../support/random.js";
import { long, seed } from "../support/scale.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { openLog } from "../support/transaction-log.js";

const ROUNDS = long ? 300 : 20;
const CHILD = fileURLToPath(new URL("../support/log-child.ts", import.meta.url));

/** Runs the child and kills it this long after it has opened the log. Gives what it said was acknowledged. */
const killedRun = async (folder: string, afterMs: number): Promise<string[]> => {
  const child = spawn(process.execPath, ["--import", "tsx", CHILD, folder], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let said = "";
  let timer: NodeJS.Timeout | undefined;
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk.toString();
    timer ??= setTimeout(() => child.kill("SIGKILL"), afterMs);
  });
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  clearTimeout(timer);
  expect([code, signal], "how the child ended").to.deep.equal([null, "SIGKILL"]);
  const lines = said.split("\n");
  // The last line may have been cut by the kill.
  return lines.slice(1, -1);
};

describe(`txlog/kill -9, ${String(ROUNDS)} times (seed ${String(seed)})`, function () {
  this.timeout(ROUNDS * 10_000);
  after(removeTemporaryFolders);

  it("loses no acknowledged record, leaves no gap, and ends every intent at the next start", async () => {
    const folder = join(temporaryFolder(), "log");
    const next = randomFrom(seed);
    const acknowledged: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      acknowledged.push(...(await killedRun(folder, Math.floor(next() * 120))));
    }
    await openLog(folder).then((log) => log.close());

    const records = await expectNothingLost(folder, acknowledged);
    expect(acknowledged.length, "acknowledged intents").to.be.above(ROUNDS * 10);
    const starts = records.filter((record) => record.kind === "writer-start");
    expect(starts.map(({ previousStop }) => previousStop)).to.deep.equal([
      "none",
      ...Array.from({ length: ROUNDS }, () => "unclean"),
    ]);
  });
});
