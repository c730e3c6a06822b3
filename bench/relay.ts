// What passing a request on costs: our pair of outway and inway beside pairs of nginx, HAProxy and Go, in turns.
import { mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { CASES } from "./relay/cases.js";
import { wayName, WAYS } from "./relay/ways.js";
import type { BenchOptions, Result } from "./main.js";

/** What may be named with --pairs: all of ours, or one way that ours run in, and the others. */
const PAIRS = ["schakel", ...WAYS.map(wayName), "nginx", "haproxy", "go"];

/** The names in a list with commas. A mistake ends the process: it would leave out what was meant. */
const namesIn = (flag: string, text: string, known: readonly string[]): readonly string[] => {
  const names = text.split(",").filter(Boolean);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return names;
  process.stderr.write(`--${flag}: "${unknown}" is none of ${known.join(", ")}\n`);
  process.exit(2);
};

/** Measures, in a folder below the working folder: a temporary one may lie in memory. */
export const benchRelay = async (options: BenchOptions): Promise<Result> => {
  const { seconds, rounds, cpuProf } = options;
  const caseNames = CASES.map(({ name }) => name);
  const cases = namesIn("cases", options.cases, caseNames);
  const pairs = namesIn("pairs", options.pairs, PAIRS);
  const folder = mkdtempSync(join(process.cwd(), ".bench-"));
  // What the rest makes goes there as well, from the moment that it is loaded.
  process.env["TMPDIR"] = folder;
  try {
    const { runRelayBench } = await import("./relay/run.js");
    const { resultOf } = await import("./relay/result.js");
    const measured = await runRelayBench(folder, {
      ...{ seconds, rounds, cases, pairs },
      profiles: cpuProf === undefined ? undefined : resolve(cpuProf),
    });
    return resultOf(measured);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
