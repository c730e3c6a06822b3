// The results of the relay's bench: rows for a file, and a table of ratios beside nginx to read.
import type { Result, Row } from "../main.js";
import { asked } from "./asked.js";
import { medianOf, median } from "./measure.js";
import { ratioOf } from "./ratio.js";
import { kernel, type Measured, type Series } from "./run.js";

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));

/** The 99th percentile. */
const p99Of = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * 0.99)] ?? NaN;

const nginxFor = ({ kind }: Series, all: readonly Series[]): Series | undefined =>
  all.find((each) => each.kind === kind && each.pair.pair === "nginx");

const rowOf = (series: Series): Row => {
  const { kind, pair, samples } = series;
  const middle = medianOf(samples);
  return {
    ...{ case: kind.name, link: pair.link, log: pair.log, pair: pair.pair },
    cpu_us_outway: rounded(middle.cpuOutway, 2),
    cpu_us_inway: rounded(middle.cpuInway, 2),
    cpu_us_managers: rounded(middle.cpuManagers, 2),
    rps: Math.round(middle.rps),
    p50_ms: rounded(middle.p50, 3),
    p99_ms: rounded(middle.p99, 3),
    rss_mb_outway: rounded(middle.rssOutway, 1),
    rss_mb_inway: rounded(middle.rssInway, 1),
    version: pair.version,
  };
};

const times = (ratio: number | undefined): string => ratio?.toFixed(2) ?? "";

const lineOf = (series: Series, all: readonly Series[]): Row => {
  const { kind, pair, samples } = series;
  const middle = medianOf(samples);
  const ratios = rangeOf(series, nginxFor(series, all));
  return {
    case: kind.name,
    pair: pair.pair === "schakel" ? `**${pair.version}**, log ${pair.log}` : pair.version,
    between: pair.link,
    "CPU a hop × nginx": times(ratioOf(series, nginxFor(series, all))),
    "(rounds)": ratios,
    "µs outway": middle.cpuOutway.toFixed(1),
    "µs inway": middle.cpuInway.toFixed(1),
    "µs managers": pair.managers.length === 0 ? "" : middle.cpuManagers.toFixed(1),
    "req/s": Math.round(middle.rps),
    "p50 ms": middle.p50.toFixed(2),
    "p99 ms": middle.p99.toFixed(2),
    "MB outway": middle.rssOutway.toFixed(0),
    "MB inway": middle.rssInway.toFixed(0),
  };
};

/** The least and the most that a round gave. */
const rangeOf = (own: Series, other: Series | undefined): string => {
  if (other === undefined || own === other) return "";
  const each = own.samples.map((sample, round) =>
    ratioOf({ ...own, samples: [sample] }, { ...other, samples: other.samples.slice(round) }),
  );
  const known = each.filter((ratio) => ratio !== undefined);
  return `${Math.min(...known).toFixed(2)}–${Math.max(...known).toFixed(2)}`;
};

/** Rows and text of what was measured. */
export const resultOf = (measured: Measured): Result => {
  const { series, syncsMs, loadAverages, missing, source, generator } = measured;
  const sync = { p50: median(syncsMs), p99: p99Of(syncsMs) };
  const loads = `${Math.min(...loadAverages)} to ${Math.max(...loadAverages)}`;
  return {
    rows: series.map(rowOf),
    shown: series.map((each) => lineOf(each, series)),
    notes: [
      `rounds: ${series[0]?.samples.length ?? 0}; load by ${generator}; source: ${source}; ${kernel()}`,
      `load average when the rounds began: ${loads}`,
      `write and fdatasync of 4 KiB: p50 ${sync.p50.toFixed(2)} ms, p99 ${sync.p99.toFixed(2)} ms`,
      missing.length === 0
        ? "every peer is installed"
        : `not installed, so not measured: ${missing.join(", ")}`,
    ],
    more: {
      fdatasync_p50_ms: rounded(sync.p50, 3),
      fdatasync_p99_ms: rounded(sync.p99, 3),
      load_average: loads,
      missing: missing.join(", "),
    },
    asked: asked(series, sync.p99),
  };
};
