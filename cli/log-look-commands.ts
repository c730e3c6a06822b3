// The commands of `schakel log` that look into the manager's log: search, export, counts, comparisons, head.
import { InvalidArgumentError, Option, type Command } from "commander";
import { wholeNumber } from "./arguments.js";
import type { ReconcileOptions } from "./log-compared.js";
import type { ExportOptions } from "./log-export.js";
import { addFilters } from "./log-filter.js";
import type { CountsOptions, ReconciliationsOptions, SearchOptions } from "./log-search.js";
import { addManaged, managed } from "./managed.js";
import { momentInTime } from "./times.js";

const LINES_MAX = 1_000_000;

const AUDITED = `
Each call is in the audit log before anything is given: 'schakel audit list'. A data subject stands there as a
keyed hash.
`;

const SEARCH_EXAMPLES = `
Examples:
  The last exchanges
    $ schakel log search
  All exchanges about a person, in a month
    $ schakel log search --subject bsn=123456782 --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z --all
  What failed at one organisation
    $ schakel log search --peer 00000000000000000002 --direction outgoing --status 5xx
${AUDITED}`;

const EXPORT_EXAMPLES = `
Examples:
  The whole log, with all that proves it
    $ schakel log export --out log.jsonl
  The exchanges of a service in a month, each with its proof
    $ schakel log export --out january.jsonl --service personen \\
        --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z
  For a spreadsheet
    $ schakel log export --out exchanges.csv --format csv

A bundle is checked anywhere, offline: 'schakel log verify --bundle FILE --group group.json'.
${AUDITED}`;

const COUNTS_EXAMPLES = `
Examples:
  A year, as CSV
    $ schakel log counts --from 2026-01 --to 2026-12 > 2026.csv
${AUDITED}`;

const RECONCILE_EXAMPLES = `
Examples:
  Everything up to five minutes ago
    $ schakel log reconcile --with 00000000000000000002
  A month
    $ schakel log reconcile --with 00000000000000000002 \\
        --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z

It ends with 0 when the two logs agree and with 1 when they differ. Each difference is named; neither side sees
what the other exchanged with third parties. The result is signed by both and kept.
${AUDITED}`;

const LIST_EXAMPLES = `
Examples:
  The last comparisons, made by people or at night
    $ schakel log reconciliations
  With one organisation, with every difference and both signatures
    $ schakel log reconciliations --with 00000000000000000002 --json
`;

const HEAD_EXAMPLES = `
Examples:
  How many entries the log has, and when it was last witnessed
    $ schakel log head
  The checkpoint itself, a signed note with its co-signatures
    $ schakel log head --json | jq -r .checkpoint
`;

/** A month, "2026-01"; another text is a wrong use. */
const monthIn = (text: string): string => {
  if (/^[12][0-9]{3}-(0[1-9]|1[0-2])$/.test(text)) return text;
  throw new InvalidArgumentError("Allowed is a month such as 2026-01.");
};

const registerSearch = (log: Command): void => {
  const search = addFilters(log.command("search").description("find exchanges, newest first"))
    .option("-n, --limit <N>", "how many at most", wholeNumber(1, LINES_MAX), 100)
    .option("--all", "every one")
    .option("--oldest-first", "oldest first")
    .addHelpText("after", SEARCH_EXAMPLES);
  addManaged(search).action(
    managed(async (settings, options: SearchOptions) => {
      const work = await import("./log-search.js");
      await work.search(settings, options);
    }),
  );
};

const registerExport = (log: Command): void => {
  const exporting = addFilters(
    log.command("export").description("write records, proofs and contracts to one signed file"),
  )
    .requiredOption("--out <FILE>", "the file; one that is there is replaced")
    .addOption(
      new Option("--format <FORMAT>", "a bundle, or a table without proofs")
        .choices(["bundle", "csv", "jsonl"])
        .default("bundle"),
    )
    .addHelpText("after", EXPORT_EXAMPLES);
  addManaged(exporting).action(
    managed(async (settings, options: ExportOptions) => {
      const { exportLog } = await import("./log-export.js");
      await exportLog(settings, options);
    }),
  );
};

const registerCompared = (log: Command): void => {
  const reconcile = log
    .command("reconcile")
    .description("compare our log with another organisation's")
    .requiredOption("--with <PEER>", "the other organisation's peer id")
    .option("--from <MOMENT>", "exchanges begun at or after this moment", momentInTime)
    .option(
      "--to <MOMENT>",
      "begun before this moment; five minutes ago unless given",
      momentInTime,
    )
    .addHelpText("after", RECONCILE_EXAMPLES);
  addManaged(reconcile).action(
    managed(async (settings, options: ReconcileOptions) => {
      const work = await import("./log-compared.js");
      await work.reconcile(settings, options);
    }),
  );
  const list = log
    .command("reconciliations")
    .description("the comparisons that were made, newest first")
    .option("--with <PEER>", "only with this organisation")
    .option("-n, --limit <N>", "how many at most", wholeNumber(1, LINES_MAX), 20)
    .addHelpText("after", LIST_EXAMPLES);
  addManaged(list).action(
    managed(async (settings, options: ReconciliationsOptions) => {
      const work = await import("./log-search.js");
      await work.reconciliations(settings, options);
    }),
  );
};

/** Adds the commands. */
export const register = (log: Command): void => {
  registerSearch(log);
  registerExport(log);
  registerCompared(log);
  const counts = log
    .command("counts")
    .description("exchanges per consumer, provider, service and month, as CSV")
    .requiredOption("--from <MONTH>", "the first month, such as 2026-01", monthIn)
    .requiredOption("--to <MONTH>", "the last month", monthIn)
    .addHelpText("after", COUNTS_EXAMPLES);
  addManaged(counts).action(
    managed(async (settings, options: CountsOptions) => {
      const work = await import("./log-search.js");
      await work.counts(settings, options);
    }),
  );
  const head = log
    .command("head")
    .description("where the log stands: its newest checkpoint, and when it was witnessed")
    .option("--epoch <N>", "this epoch; the newest unless given", wholeNumber(1, LINES_MAX))
    .addHelpText("after", HEAD_EXAMPLES);
  addManaged(head).action(
    managed(async (settings, options: { readonly epoch?: number }) => {
      const work = await import("./log-search.js");
      await work.head(settings, options);
    }),
  );
};
