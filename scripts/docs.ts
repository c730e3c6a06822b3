// Makes docs/errors.md and docs/settings.md from the tables in the code. `--check` writes nothing and
// fails when a page is not what its tables make.
import { readFileSync, writeFileSync } from "node:fs";
import { PEER_SETTINGS } from "../cli/peer-settings.js";
import { CLI_SETTINGS } from "../cli/settings.js";
import { ERRORS, errorRow, type ErrorCode } from "../core/errors.js";
import { flagOf, variableOf, type ProcessName, type Setting } from "../core/settings.js";
import { DIRECTORY_SETTINGS } from "../directory/settings.js";
import { INWAY_SETTINGS } from "../inway/settings.js";
import { MANAGER_SETTINGS } from "../manager/settings.js";
import { OUTWAY_SETTINGS } from "../outway/settings.js";

const row = (...cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;

const errorsPage = (): string => {
  const codes = Object.keys(ERRORS) as ErrorCode[];
  const rows = codes.map((code) => {
    const { status, at, retry, text, hint } = errorRow(code);
    const where = Object.entries(at).map(([domain, location]) => `${domain} ${location}`);
    return row(`\`${code}\``, String(status), where.join(", "), retry ? "yes" : "no", text, hint);
  });
  return [
    "# Errors",
    "",
    "An answer that Schakel itself makes carries the header `Fsc-Error-Code` and a JSON body; an answer without that",
    "header is the service's own and passes untouched. Match on the code: codes are never renamed.",
    "",
    "```json",
    '{ "message": "…", "domain": "ERROR_DOMAIN_OUTWAY", "code": "…", "location": "C1", "transaction_id": "…", "hint": "…" }',
    "```",
    "",
    "`location` is the stretch of the way where it went wrong: C1 between client and outway, O1 between outway and inway,",
    "A1 between inway and source, M1 between a manager and whoever calls it, D1 between a component and the directory.",
    "`choices` holds up to ten valid values where a name was wrong. Directory and manager answer gRPC calls with the code in the metadata `fsc-error-code` and the body in",
    "`schakel-error-bin`. No answer names an internal address.",
    "",
    "This page is made from the table of `core/errors.ts` by `npm run docs`.",
    "",
    row("code", "status", "domain and location", "retry may help", "what happened", "what to do"),
    row("---", "---", "---", "---", "---", "---"),
    ...rows,
    "",
  ].join("\n");
};

const settingsOf = (
  process: ProcessName,
  table: Readonly<Record<string, Setting<unknown>>>,
  title = `\`schakel ${process}\``,
): string[] => [
  `## ${title}`,
  "",
  row("flag", "variable", "form", "default", "what it does"),
  row("---", "---", "---", "---", "---"),
  ...Object.entries(table).map(([key, setting]) =>
    row(
      `\`${flagOf(key)}\``,
      `\`${variableOf(process, key)}\``,
      setting.form === "" ? "switch" : setting.form,
      setting.required ? "required" : `\`${setting.defaultText ?? ""}\``.replace("``", "none"),
      setting.text,
    ),
  ),
  "",
];

const settingsPage = (): string =>
  [
    "# Settings",
    "",
    "Every setting is a flag and an environment variable; a flag wins. All mistakes are reported at once and nothing is",
    "started. A variable that begins with `SCHAKEL_` and is no setting is a mistake too. Times are written as `500ms`,",
    "`30s`, `5m` or `72h`, sizes as `65536`, `64KiB` or `1MiB`.",
    "",
    "This page is made from the tables in the `settings.ts` of each process and `cli/peer-settings.ts` by `npm run docs`.",
    "",
    ...settingsOf("directory", DIRECTORY_SETTINGS),
    ...settingsOf("manager", MANAGER_SETTINGS),
    ...settingsOf("inway", INWAY_SETTINGS),
    ...settingsOf("outway", OUTWAY_SETTINGS),
    ...settingsOf("peer", PEER_SETTINGS),
    ...settingsOf("cli", CLI_SETTINGS, "Commands that talk to the manager"),
  ].join("\n");

const PAGES = { "docs/errors.md": errorsPage(), "docs/settings.md": settingsPage() };

const check = process.argv.includes("--check");
for (const [path, page] of Object.entries(PAGES)) {
  if (!check) writeFileSync(path, page);
  else if (readFileSync(path, "utf8") !== page) {
    process.stderr.write(`${path} is not what the tables make: run 'npm run docs'\n`);
    process.exitCode = 1;
  }
}
