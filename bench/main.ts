// `npm run bench -- NAME`: measures one thing on this machine, beside what others do in the same run.
import { writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { benchLog } from "./log.js";
import { benchRelay } from "./relay.js";

/** One line of a result. */
export type Row = Readonly<Record<string, string | number>>;

/** What may be said on the command line. */
export interface BenchOptions {
  /** How long each measurement takes. */
  readonly seconds: number;
  readonly rounds: number;
  /** Names with commas between them; empty for all. */
  readonly cases: string;
  readonly pairs: string;
  /** A folder for CPU profiles. */
  readonly cpuProf: string | undefined;
}

/** What a bench has found. */
export interface Result {
  /** For a file. */
  readonly rows: readonly Row[];
  /** The same to be read, when that is something else. */
  readonly shown?: readonly Row[];
  readonly notes?: readonly string[];
  /** What is asked, beside what was found. */
  readonly asked?: readonly Row[];
  /** What else the file says. */
  readonly more?: Row;
}

const BENCHES: Readonly<Record<string, (options: BenchOptions) => Promise<Result>>> = {
  log: async ({ seconds }) => ({ rows: await benchLog(seconds) }),
  relay: benchRelay,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "string" },
    seconds: { type: "string", default: "3" },
    rounds: { type: "string", default: "5" },
    cases: { type: "string", default: "" },
    pairs: { type: "string", default: "" },
    "cpu-prof": { type: "string" },
  },
});
const [name = ""] = positionals;
const bench = BENCHES[name];
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
if (bench === undefined || !(seconds > 0) || !(rounds >= 1)) {
  process.stderr.write(
    `npm run bench -- ${Object.keys(BENCHES).join("|")} [--seconds N] [--json FILE]\n` +
      `  relay also: [--rounds N] [--cases NAME,…] [--pairs schakel,schakel-log-on,…,nginx,haproxy,go] [--cpu-prof DIR]\n`,
  );
  process.exit(2);
}
const { cases, pairs } = values;
const result = await bench({ seconds, rounds, cases, pairs, cpuProf: values["cpu-prof"] });
process.stdout.write(table(result.shown ?? result.rows));
for (const note of result.notes ?? []) process.stdout.write(`\n${note}\n`);
if (result.asked !== undefined) process.stdout.write(`\n${table(result.asked)}`);
if (values.json !== undefined) {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, memory: totalmem() };
  const said = { bench: name, seconds, rounds, node: process.version, machine, ...result.more };
  writeFileSync(values.json, `${JSON.stringify({ ...said, rows: result.rows }, null, 2)}\n`);
}

/** The rows under their columns, as Markdown. */
function table(lines: readonly Row[]): string {
  const columns = [...new Set(lines.flatMap((row) => Object.keys(row)))];
  const cells = [columns, columns.map(() => "---")];
  for (const row of lines) cells.push(columns.map((column) => String(row[column] ?? "")));
  return cells.map((line) => `| ${line.join(" | ")} |\n`).join("");
}
