// The relay's bench itself: that it measures our pair from end to end and writes what others read. Its figures are no
// test of anything here: they need a machine at rest.
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { jsonOf, POST_BODY } from "../../bench/relay/cases.js";
import { readWrk } from "../../bench/relay/load.js";
import { median } from "../../bench/relay/measure.js";

const BENCH = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));

const TSX = createRequire(import.meta.url).resolve("tsx");

const runBench = async (
  cwd: string,
  ...args: readonly string[]
): Promise<{ code: number; said: string }> => {
  const child = spawn(process.execPath, ["--import", TSX, BENCH, ...args], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (said += String(chunk)));
  const [code] = (await once(child, "close")) as [number];
  return { code, said };
};

const WRK = `Running 3s test @ http://127.0.0.1:1/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.50ms    2.00ms  50.11ms   95.00%
    Req/Sec    40.00k     2.00k   44.00k    70.00%
  Latency Distribution
     50%  950.00us
     75%    1.50ms
     90%    2.00ms
     99%    1.25s
  120000 requests in 3.01s, 150.00MB read
`;

describe("the relay's bench", () => {
  it("measures our pair with and without log, and writes a row for each case and way", async function () {
    this.timeout(180_000);
    const folder = await mkdtemp(join(tmpdir(), "schakel-bench-test-"));
    const file = join(folder, "bench.json");
    try {
      const { code, said } = await runBench(
        folder,
        ...["relay", "--pairs", "schakel-log-on,http1-log-off", "--cases", "get1k-c1,connect"],
        ...["--rounds", "1", "--seconds", "0.3", "--json", file],
      );
      expect(code, said).to.equal(0);
      const { rows, ...rest } = JSON.parse(await readFile(file, "utf8")) as {
        rows: Record<string, unknown>[];
        fdatasync_p99_ms: number;
      };
      expect(rows.map(({ case: name, link, log }) => [name, link, log])).to.deep.equal([
        ["get1k-c1", "schakel", "on"],
        ["get1k-c1", "http1", "off"],
        ["connect", "http1", "off"],
      ]);
      for (const row of rows) {
        expect(row).to.have.all.keys(
          ...["case", "link", "log", "pair", "cpu_us_outway", "cpu_us_inway", "cpu_us_managers"],
          ...["rps", "p50_ms", "p99_ms", "rss_mb_outway", "rss_mb_inway", "version"],
        );
        expect(row["pair"]).to.equal("schakel");
        expect(row["cpu_us_inway"]).to.be.above(0);
        expect(row["p99_ms"]).to.be.at.least(row["p50_ms"] as number);
      }
      expect(rest.fdatasync_p99_ms).to.be.above(0);
      expect(await readdir(folder)).to.deep.equal(["bench.json"]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("refuses what it does not know, so that nothing is left out by a slip", async function () {
    this.timeout(60_000);
    const mistakes = [
      ["relay", "--cases", "get1k"],
      ["relay", "--pairs", "nginx,haproxi"],
      ["relay", "--rounds", "0"],
      ["relay", "--seconds", "soon"],
      ["relais"],
    ];
    for (const args of mistakes) {
      const { code, said } = await runBench(tmpdir(), ...args);
      expect(code, args.join(" ")).to.equal(2);
      expect(said).to.not.equal("");
    }
  });

  it("reads what wrk prints, also its failures", () => {
    expect(readWrk(WRK)).to.include({ requests: 120_000, seconds: 3.01, p99Ms: 1250 });
    expect(readWrk(WRK).p50Ms).to.be.closeTo(0.95, 1e-9);
    expect(readWrk(WRK).failures).to.equal(0);
    const broken = `${WRK}  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 5\n`;
    expect(readWrk(broken).failures).to.equal(15);
    expect(() => readWrk("unable to connect")).to.throw("no figures");
  });

  it("takes the middle of the rounds, and bodies of the size that they are called by", () => {
    expect(median([3, 1, 2])).to.equal(2);
    expect(median([4, 1, 2, 3])).to.equal(2.5);
    expect([POST_BODY.length, jsonOf(1024).length]).to.deep.equal([100, 1024]);
  });
});
