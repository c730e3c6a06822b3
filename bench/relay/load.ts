// Load on a pair, made by a process of its own: wrk where it is installed, else a small generator.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { POST_BODY, type Case } from "./cases.js";
import { installed } from "./program.js";

/** A client's side of mutual TLS, as files. */
export interface ClientTls {
  readonly name: string;
  readonly cert: string;
  readonly key: string;
  readonly anchor: string;
}

/** What the generator is told. */
export interface Order {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly body?: string;
  readonly tls?: ClientTls;
  readonly authorization?: string;
}

/** What came of some load. */
export interface Loaded {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Broken connections and answers that are no success. */
  readonly failures: number;
  readonly firstFailure?: string | undefined;
}

const run = promisify(execFile);
const GENERATOR = fileURLToPath(new URL("generator.ts", import.meta.url));
const POST_SCRIPT = fileURLToPath(new URL("post100.lua", import.meta.url));

const MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 };

const shareOf = (printed: string, share: string): number => {
  const [, value = "0", unit = "ms"] =
    new RegExp(`^\\s+${share}%\\s+([\\d.]+)(us|ms|s|m)$`, "m").exec(printed) ?? [];
  return Number(value) * (MS[unit] ?? 1);
};

/** What wrk has printed, as figures. */
export const readWrk = (printed: string): Loaded => {
  const summary = /^\s+(\d+) requests in ([\d.]+)(s|m)/m.exec(printed);
  if (summary === null) throw new Error(`wrk printed no figures: ${printed}`);
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(
    printed,
  );
  const refused = /Non-2xx or 3xx responses: (\d+)/.exec(printed);
  const broken = (errors ?? []).slice(1).reduce((sum, each) => sum + Number(each), 0);
  return {
    requests: Number(summary[1]),
    seconds: Number(summary[2]) * (summary[3] === "m" ? 60 : 1),
    p50Ms: shareOf(printed, "50"),
    p99Ms: shareOf(printed, "99"),
    failures: broken + Number(refused?.[1] ?? 0),
    firstFailure: refused?.[0] ?? errors?.[0],
  };
};

/** The path of wrk when a case is its; undefined where the generator makes the load. */
export const wrkFor = ({ isConnect = false }: Case): string | undefined =>
  isConnect ? undefined : installed("wrk");

/** Calls a URL in the way of a case for so many seconds. */
export const load = async (
  kind: Case,
  seconds: number,
  url: string,
  more: Pick<Order, "tls" | "authorization"> = {},
): Promise<Loaded> => {
  const { connections, isPost = false } = kind;
  const wrk = wrkFor(kind);
  // wrk takes whole seconds only.
  if (wrk !== undefined && seconds >= 1) {
    const script = isPost ? ["-s", POST_SCRIPT] : [];
    const flags = ["-t1", `-c${connections}`, `-d${Math.round(seconds)}s`, "--latency", ...script];
    return readWrk((await run(wrk, [...flags, url])).stdout);
  }
  const body = isPost ? { body: POST_BODY } : {};
  const order: Order = { url, connections, seconds, ...body, ...more };
  const { stdout } = await run(process.execPath, [GENERATOR, JSON.stringify(order)]);
  return JSON.parse(stdout) as Loaded;
};
