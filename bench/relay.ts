// What passing a request on costs: our pair of outway and inway beside pairs of nginx, HAProxy and Go, in turns.
import { mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import type { BenchOptions, Result } from "./main.js";

const LIST = /[,\s]+/;
const listOf = (text: string): readonly string[] => text.split(LIST).filter(Boolean);

/** Measures, in a folder below the working folder: a temporary one may lie in memory. */
export const benchRelay = async (options: BenchOptions): Promise<Result> => {
  const folder = mkdtempSync(join(process.cwd(), ".bench-"));
  // What the rest makes goes there as well, from the moment that it is loaded.
  process.env["TMPDIR"] = folder;
  try {
    const { runRelayBench } = await import("./relay/run.js");
    const { resultOf } = await import("./relay/result.js");
    const { seconds, rounds, cases, pairs, cpuProf } = options;
    const measured = await runRelayBench(folder, {
      ...{ seconds, rounds, cases: listOf(cases), pairs: listOf(pairs) },
      profiles: cpuProf === undefined ? undefined : resolve(cpuProf),
    });
    return resultOf(measured);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
