// The relay's bench from its start to its end: every pair is started, measured in turns, and ended.
import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CASES, type Case } from "./cases.js";
import { printed, installed } from "./program.js";
import { isFor, loadAverage, measure, profile, syncTimes, warmUp, type Sample } from "./measure.js";
import { clientTls, describePair, type Pair, type Surroundings } from "./pair.js";
import { startPeers } from "./peers.js";
import { Schakel } from "./schakel.js";
import { wayName, WAYS } from "./ways.js";
import { startSource } from "./source-program.js";

/** What is measured, and how long. */
export interface RelayOptions {
  readonly seconds: number;
  readonly rounds: number;
  /** Names of cases and of pairs; empty for all. */
  readonly cases: readonly string[];
  readonly pairs: readonly string[];
  /** Where profiles of our pairs are written. */
  readonly profiles: string | undefined;
}

/** The measurements of a pair in a case, one a round. */
export interface Series {
  readonly kind: Case;
  readonly pair: Pair;
  readonly samples: Sample[];
}

/** All that was measured. */
export interface Measured {
  readonly series: readonly Series[];
  readonly syncsMs: readonly number[];
  readonly loadAverages: readonly number[];
  readonly missing: readonly string[];
  readonly source: string;
  readonly generator: string;
}

const say = (text: string): void => void process.stderr.write(`${text}\n`);

const anchorFile = async (folder: string, anchors: readonly string[]): Promise<string> => {
  const path = join(folder, "anchor.pem");
  await writeFile(path, anchors.join("\n"));
  return path;
};

/** Measures each pair once a round, beginning with another one each time: what disturbs one round disturbs all pairs. */
const measureAll = async (
  pairs: readonly Pair[],
  { seconds, rounds, cases }: RelayOptions,
  folder: string,
): Promise<Pick<Measured, "series" | "syncsMs" | "loadAverages">> => {
  const kinds = CASES.filter(({ name }) => cases.length === 0 || cases.includes(name));
  const series = kinds.flatMap((kind) =>
    pairs
      .filter((pair) => isFor(pair, kind))
      .map((pair) => ({ kind, pair, samples: [] as Sample[] })),
  );
  const syncsMs: number[] = [];
  const loadAverages: number[] = [];
  for (const kind of kinds) {
    const turns = series.filter((each) => each.kind === kind);
    // Only what is compiled while it runs has to be warm. The other cases find it so.
    if (kind === kinds[0])
      for (const { pair } of turns.filter((each) => each.pair.pair === "schakel"))
        await warmUp(pair, kind, seconds);
    for (let round = 0; round < rounds; round++) {
      loadAverages.push(loadAverage());
      syncsMs.push(...syncTimes(folder));
      const first = round % Math.max(1, turns.length);
      for (const { pair, samples } of [...turns.slice(first), ...turns.slice(0, first)]) {
        const sample = await measure(pair, kind, seconds);
        samples.push(sample);
        const figures = Object.entries({ ...sample } as Record<string, number>).map(
          ([what, value]) => `${what} ${value.toFixed(2)}`,
        );
        say(`${kind.name} ${round + 1}/${rounds} ${describePair(pair)}: ${figures.join(", ")}`);
      }
    }
  }
  return { series, syncsMs, loadAverages };
};

const profileAll = async (
  pairs: readonly Pair[],
  { seconds, cases }: RelayOptions,
  folder: string,
): Promise<void> => {
  for (const kind of CASES.filter(({ name }) => cases.length === 0 || cases.includes(name)))
    for (const pair of pairs.filter((each) => isFor(each, kind) && kind.isConnect !== true))
      for (const file of await profile(folder, pair, kind, seconds)) say(join(folder, file));
};

/** Runs the bench with its files in a folder. */
export const runRelayBench = async (folder: string, options: RelayOptions): Promise<Measured> => {
  const isWanted = (name: string): boolean =>
    options.pairs.length === 0 || options.pairs.includes(name);
  const stops: (() => Promise<void>)[] = [];
  try {
    const source = await startSource(folder);
    stops.push(() => source.program.stop());
    const ways = WAYS.filter((way) => isWanted("schakel") || isWanted(wayName(way)));
    if (options.profiles !== undefined) await mkdir(options.profiles, { recursive: true });
    const schakel = await Schakel.prepare(source.port, ways, options.profiles);
    stops.push(() => schakel.stop());
    const around: Surroundings = {
      ...{ folder, sourcePort: source.port, inwayName: schakel.inwayName },
      anchor: await anchorFile(folder, schakel.network.group.content.trust_anchors),
      outwayFiles: schakel.files.outway,
      inwayFiles: schakel.files.inway,
    };
    const { started, missing } = await startPeers(around, isWanted);
    stops.push(...started.map(({ stop }) => stop));
    const own = ways.length === 0 ? [] : await schakel.start(clientTls(around));
    const pairs = [...own, ...started.map(({ pair }) => pair)];
    const measured = await measureAll(pairs, options, folder);
    if (options.profiles !== undefined) await profileAll(own, options, options.profiles);
    const wrk = installed("wrk");
    const generator =
      wrk === undefined ? "own" : `wrk ${/\d\S*/.exec(await printed(wrk, "-v"))?.[0] ?? ""}`;
    const all = wrk === undefined ? [...missing, "wrk"] : missing;
    return { ...measured, missing: all, source: source.what, generator };
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
};

/** The kernel's version. */
export const kernel = (): string => execFileSync("uname", ["-sr"], { encoding: "utf8" }).trim();
