// One measurement of a pair in a case, and what comes of several.
import { randomBytes } from "node:crypto";
import {
  closeSync,
  fdatasyncSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { until } from "../../test/support/until.js";
import type { Case } from "./cases.js";
import { load, type Loaded } from "./load.js";
import { describePair, usageOfPair, type Pair } from "./pair.js";
import { usageOf } from "./usage.js";

/** One measurement. CPU in microseconds a request. */
export interface Sample {
  readonly cpuOutway: number;
  readonly cpuInway: number;
  readonly cpuManagers: number;
  readonly rps: number;
  readonly p50: number;
  readonly p99: number;
  readonly rssOutway: number;
  readonly rssInway: number;
  readonly failures: number;
}

/** The middle value; of an even number of them the mean of the two. */
export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = NaN, high = NaN] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return (low + high) / 2;
};

/** The median of each figure. */
export const medianOf = (samples: readonly Sample[]): Sample => {
  const of = (name: keyof Sample): number => median(samples.map((sample) => sample[name]));
  return {
    cpuOutway: of("cpuOutway"),
    cpuInway: of("cpuInway"),
    cpuManagers: of("cpuManagers"),
    rps: of("rps"),
    p50: of("p50"),
    p99: of("p99"),
    rssOutway: of("rssOutway"),
    rssInway: of("rssInway"),
    failures: of("failures"),
  };
};

const QUIET_MS = 250;
/** Which part of a core managers at rest may use. */
const QUIET_SHARE = 0.06;
const QUIET_WAITS_MAX = 20;

/** Waits until managers have indexed and sealed what was logged: it is theirs, and no neighbour's. */
const untilQuiet = async (managers: readonly number[]): Promise<void> => {
  if (managers.length === 0) return;
  let { cpuUs: before } = await usageOf(managers);
  for (let i = 0; i < QUIET_WAITS_MAX; i++) {
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    const { cpuUs } = await usageOf(managers);
    if (cpuUs - before < QUIET_MS * 1000 * QUIET_SHARE) return;
    before = cpuUs;
  }
};

const callsOf = async (pair: Pair, kind: Case, seconds: number): Promise<Loaded> => {
  if (kind.isConnect !== true) return load(kind, seconds, pair.url + kind.path);
  if (pair.direct === undefined) throw new Error(`${describePair(pair)} has no inway by itself`);
  const { url, ...more } = await pair.direct();
  return load(kind, seconds, url + kind.path, more);
};

/** Whether a pair is measured in a case. */
export const isFor = (pair: Pair, kind: Case): boolean =>
  kind.isConnect !== true || pair.direct !== undefined;

/** After so many requests compilers have done their work; a pair is warm after fewer when they take too long. */
const WARM = { requests: 40_000, seconds: 45 } as const;

/** Lets a pair do a case until it is as fast as it gets. Only a bench of real length waits for that. */
export const warmUp = async (pair: Pair, kind: Case, seconds: number): Promise<void> => {
  if (seconds < 1) return;
  const end = performance.now() + WARM.seconds * 1000;
  let requests = 0;
  while (requests < WARM.requests && performance.now() < end) {
    const loaded = await callsOf(pair, kind, 2);
    requests += loaded.requests;
  }
  await untilQuiet(pair.managers);
};

/** Warms a pair up and measures it. Rejects when calls fail by more than chance. */
export const measure = async (pair: Pair, kind: Case, seconds: number): Promise<Sample> => {
  await callsOf(pair, kind, seconds < 1 ? seconds : Math.max(1, Math.round(seconds / 3)));
  await untilQuiet(pair.managers);
  const before = await usageOfPair(pair);
  const loaded = await callsOf(pair, kind, seconds);
  const after = await usageOfPair(pair);
  await untilQuiet(pair.managers);
  const managers = await usageOf(pair.managers);
  const { requests, failures } = loaded;
  if (requests === 0 || failures > requests / 1000)
    throw new Error(
      `${describePair(pair)}, ${kind.name}: ${failures} of ${requests} failed: ${loaded.firstFailure ?? "none answered"}`,
    );
  const since = (part: "outway" | "inway"): number =>
    (after[part].cpuUs - before[part].cpuUs) / requests;
  return {
    // Nothing passes the outway there.
    cpuOutway: kind.isConnect === true ? 0 : since("outway"),
    cpuInway: since("inway"),
    cpuManagers: (managers.cpuUs - before.managers.cpuUs) / requests,
    rps: requests / loaded.seconds,
    p50: loaded.p50Ms,
    p99: loaded.p99Ms,
    rssOutway: after.outway.rssMb,
    rssInway: after.inway.rssMb,
    failures,
  };
};

const SYNCS = 200;

/** How long each of some writes of 4 KiB took to be durable, in milliseconds. */
export const syncTimes = (folder: string): readonly number[] => {
  const fd = openSync(join(folder, "sync"), "w");
  const block = randomBytes(4096);
  try {
    return Array.from({ length: SYNCS }, () => {
      const at = performance.now();
      writeSync(fd, block);
      fdatasyncSync(fd);
      return performance.now() - at;
    });
  } finally {
    closeSync(fd);
  }
};

/** Runs a pair of ours under load once more and writes a profile of both sides. Resolves with the files' names. */
export const profile = async (
  folder: string,
  pair: Pair,
  kind: Case,
  seconds: number,
): Promise<readonly string[]> => {
  const sides = [
    ["outway", pair.outway],
    ["inway", pair.inway],
  ] as const;
  const files: string[] = [];
  for (const [side, [pid = 0]] of sides) {
    const file = `${kind.name}-${pair.link}-log-${pair.log}-${side}.cpuprofile`;
    writeFileSync(join(folder, `next-${pid}`), file);
    process.kill(pid, "SIGUSR2");
    await callsOf(pair, kind, seconds);
    process.kill(pid, "SIGUSR2");
    await until(file, () => existsSync(join(folder, file)), 60_000);
    files.push(file);
  }
  return files;
};

/** The load average of the last minute. */
export const loadAverage = (): number =>
  Number(readFileSync("/proc/loadavg", "utf8").split(" ")[0]);
