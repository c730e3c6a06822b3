// Starting and stopping in order, in this process and, with real signals, in others.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect } from "chai";
import { pino } from "pino";
import { Lifecycle } from "../../core/lifecycle.js";

const SILENT = pino({ level: "silent" });
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

describe("core/lifecycle", () => {
  it("stops what was started last first", async () => {
    const lifecycle = new Lifecycle(SILENT);
    const stopped: string[] = [];
    for (const name of ["a", "b", "c"]) lifecycle.onStop(name, () => void stopped.push(name));
    await lifecycle.stop();
    expect(stopped).to.deep.equal(["c", "b", "a"]);
  });

  it("waits for each part before it stops the next", async () => {
    const lifecycle = new Lifecycle(SILENT);
    const stopped: string[] = [];
    lifecycle.onStop("below", () => void stopped.push("below"));
    lifecycle.onStop("above", async () => {
      await new Promise((resolve) => setImmediate(resolve));
      stopped.push("above");
    });
    await lifecycle.stop();
    expect(stopped).to.deep.equal(["above", "below"]);
  });

  for (const [how, fail] of [
    [
      "throws",
      () => {
        throw new Error("no");
      },
    ],
    ["rejects", () => Promise.reject(new Error("no"))],
  ] as const) {
    it(`stops the others when one ${how}, and logs it`, async () => {
      const lines: string[] = [];
      const lifecycle = new Lifecycle(pino({}, { write: (line: string) => void lines.push(line) }));
      let stopped = false;
      lifecycle.onStop("below", () => void (stopped = true));
      lifecycle.onStop("broken", fail);
      await lifecycle.stop();
      expect(stopped).to.equal(true);
      expect(lines).to.have.lengthOf(1);
      expect(lines[0]).to.include('"part":"broken"');
    });
  }

  it("stops once, however often it is asked, and aborts its signal first", async () => {
    const lifecycle = new Lifecycle(SILENT);
    const aborted: boolean[] = [];
    lifecycle.onStop("part", () => void aborted.push(lifecycle.signal.aborted));
    expect(lifecycle.signal.aborted).to.equal(false);
    await Promise.all([lifecycle.stop(), lifecycle.stop()]);
    await lifecycle.stop();
    expect(aborted).to.deep.equal([true]);
  });
});

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Runs `start` until it has printed "up", then sends the signals. */
const runWith = async (start: string, signals: readonly NodeJS.Signals[]): Promise<Ended> => {
  const program = `
    import { writeSync } from "node:fs";
    import { runUntilSignal } from "${pathToFileURL(ROOT).href}core/lifecycle.ts";
    const say = (text) => writeSync(1, text + " ");
    const write = { info: (o, t) => say(t), error: (o, t) => say(t) };
    const idle = setInterval(() => undefined, 1_000);
    await runUntilSignal(write, 500, ${start});
    clearInterval(idle);
  `;
  const args = ["--import", "tsx", "--input-type=module", "--eval", program];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "ignore"] });
  let output = "";
  const left = [...signals];
  child.stdout.on("data", (bytes: Buffer) => {
    output += bytes.toString();
    // Each signal follows a sign of life, so that none comes too early.
    if (/up|stopping/.test(bytes.toString())) {
      const signal = left.shift();
      if (signal !== undefined) child.kill(signal);
    }
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output: output.trim() };
};

describe("core/lifecycle, a process", () => {
  const cases: readonly (readonly [string, string, readonly NodeJS.Signals[], Ended])[] = [
    [
      "stops and ends by itself after SIGTERM",
      `(l) => { l.onStop("a", () => say("a")); say("up"); }`,
      ["SIGTERM"],
      { code: 0, output: "up stopping a stopped" },
    ],
    [
      "stops and ends by itself after SIGINT",
      `(l) => { l.onStop("a", () => say("a")); say("up"); }`,
      ["SIGINT"],
      { code: 0, output: "up stopping a stopped" },
    ],
    [
      "ends with 1 at the second signal",
      `(l) => { l.onStop("a", () => new Promise(() => undefined)); say("up"); }`,
      ["SIGTERM", "SIGINT"],
      { code: 1, output: "up stopping ended before everything had stopped" },
    ],
    [
      "ends with 1 at the deadline",
      `(l) => { l.onStop("a", () => new Promise(() => undefined)); say("up"); }`,
      ["SIGTERM"],
      { code: 1, output: "up stopping ended before everything had stopped" },
    ],
    [
      "ends with 1 when a start hangs after the signal",
      `() => { say("up"); return new Promise(() => undefined); }`,
      ["SIGTERM"],
      { code: 1, output: "up stopping ended before everything had stopped" },
    ],
    [
      "stops what it had started when the start fails",
      `(l) => { l.onStop("a", () => say("a")); setTimeout(() => process.exit(7), 300); throw new Error("no"); }`,
      [],
      { code: 1, output: "a" },
    ],
  ];
  for (const [title, start, signals, ended] of cases) {
    it(title, async () => {
      expect(await runWith(start, signals)).to.deep.equal(ended);
    });
  }
});
