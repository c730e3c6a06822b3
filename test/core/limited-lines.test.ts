// Lines that strangers can cause: how many are written, and that the number of the others is.
import { expect } from "chai";
import { LimitedLines } from "../../core/limited-lines.js";
import { recordedLog } from "../support/recorded-log.js";
import { until } from "../support/until.js";

describe("core/limited-lines", () => {
  const told = (lines: readonly string[], text: string): number =>
    lines.filter((line) => (JSON.parse(line) as { readonly msg: string }).msg === text).length;

  it("writes sixty lines of a kind a minute, and then how many were left out", () => {
    const { log, lines } = recordedLog();
    const limited = new LimitedLines(log);
    for (let count = 0; count < 100; count++) limited.warn({ count }, "handshake failed");
    limited.warn({}, "connection refused");
    expect(told(lines, "handshake failed")).to.equal(60);
    expect(told(lines, "connection refused")).to.equal(1);
    limited.flush();
    expect(JSON.parse(lines.at(-1) ?? "")).to.include({
      ...{ msg: "handshake failed (lines left out)", leftOut: 40 },
    });
    expect(lines).to.have.length(62);
  });

  it("begins anew by itself when the time is over", async () => {
    const { log, lines } = recordedLog();
    const limited = new LimitedLines(log, 50);
    for (let count = 0; count < 61; count++) limited.warn({}, "handshake failed");
    await until("the number", () => told(lines, "handshake failed (lines left out)") === 1);
    limited.warn({}, "handshake failed");
    expect(told(lines, "handshake failed")).to.equal(61);
    limited.flush();
  });

  it("says nothing when nothing was left out", () => {
    const { log, lines } = recordedLog();
    const limited = new LimitedLines(log);
    limited.warn({}, "handshake failed");
    limited.flush();
    expect(lines).to.have.length(1);
  });
});
