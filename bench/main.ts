// `npm run bench -- NAME`: measures one thing on this machine, beside what others do in the same run.
import { writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { benchLog } from "./log.js";

/** One line of a result. */
export type Row = Readonly<Record<string, string | number>>;

const BENCHES: Readonly<Record<string, (seconds: number) => Promise<readonly Row[]>>> = {
  log: benchLog,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "string" },
    seconds: { type: "string", default: "3" },
  },
});
const [name = ""] = positionals;
const bench = BENCHES[name];
const seconds = Number(values.seconds);
if (bench === undefined || !(seconds > 0)) {
  process.stderr.write(
    `npm run bench -- ${Object.keys(BENCHES).join("|")} [--seconds N] [--json FILE]\n`,
  );
  process.exit(2);
}
const rows = await bench(seconds);
process.stdout.write(table(rows));
if (values.json !== undefined) {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, memory: totalmem() };
  const result = { bench: name, seconds, node: process.version, machine, rows };
  writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
}

/** The rows under their columns, as Markdown. */
function table(lines: readonly Row[]): string {
  const columns = [...new Set(lines.flatMap((row) => Object.keys(row)))];
  const cells = [columns, columns.map(() => "---")];
  for (const row of lines) cells.push(columns.map((column) => String(row[column] ?? "")));
  return cells.map((line) => `| ${line.join(" | ")} |\n`).join("");
}
