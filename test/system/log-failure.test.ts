// A transaction log that cannot be written: nothing is forwarded, and it goes on by itself afterwards.
import { expect } from "chai";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { call } from "../support/call.js";
import { expectEnded, recordsOf } from "../support/logs.js";
import { Network, type Member } from "../support/network.js";
import { provoked } from "../support/provoked.js";
import { until } from "../support/until.js";

const CODE = "TRANSACTION_LOG_WRITE_ERROR";

/** Lets the kernel refuse each write that would make a file of the process larger than its log is now, as a full disk does. */
const fillDisk = ({ running, log }: Member): void => {
  const segments = join(log, "segments");
  const largest = Math.max(
    ...readdirSync(segments).map((name) => statSync(join(segments, name)).size),
  );
  execFileSync("prlimit", ["--pid", String(running.pid), `--fsize=${String(largest)}:`]);
};

const freeDisk = ({ running }: Member): void => {
  execFileSync("prlimit", ["--pid", String(running.pid), "--fsize=unlimited:"]);
};

describe("system/a log that cannot be written", function () {
  this.timeout(60_000);
  let network: Network;
  let folder = "";
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "schakel-xfsz-"));
    // Without a handler the kernel's signal would end the process; with one, the write fails.
    const preload = join(folder, "keep-running.mjs");
    writeFileSync(preload, 'process.on("SIGXFSZ", () => undefined).unref?.();\n');
    network = await Network.start({ env: { NODE_OPTIONS: `--import=${preload}` } });
  });
  after(async () => {
    await network.stop();
    rmSync(folder, { recursive: true });
  });

  for (const side of ["outway", "inway"] as const) {
    it(`has the ${side} answer 500 and forward nothing, say so in its health, and recover by itself`, async () => {
      const member = network.member(side);
      const ready = (): ReturnType<typeof call> =>
        call(`http://127.0.0.1:${String(member.healthPort)}/health/ready`);
      expect((await call(network.url("/before"))).status).to.equal(200);
      fillDisk(member);
      const seen = network.source.requests.length;
      const answer = await call(network.url("/refused"));
      expect(answer.status).to.equal(500);
      expect(answer.headers["fsc-error-code"]).to.equal(CODE);
      expect(answer.json()).to.include({ domain: `ERROR_DOMAIN_${side.toUpperCase()}` });
      provoked(CODE);
      expect(network.source.requests).to.have.length(seen);
      expect((await ready()).json()["problems"]).to.have.property("transaction log");

      freeDisk(member);
      await until(
        "the log to be written again",
        async () => (await ready()).status === 200,
        10_000,
      );
      // The directory may have seen the inway unready meanwhile.
      await until(
        "a call to be answered",
        async () => (await call(network.url("/after"))).status === 200,
      );
    });
  }

  it("leaves logs without a gap in which every intent has an end", async () => {
    await network.outway.running.stop();
    await network.inway.running.stop();
    expectEnded(await recordsOf(network.outway.log));
    expectEnded(await recordsOf(network.inway.log));
  });
});
