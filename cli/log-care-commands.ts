// The commands of `schakel log` that change the manager's log: erase, retention, prune, begin-epoch.
import type { Command } from "commander";
import { wholeNumber } from "./arguments.js";
import type { EraseOptions, PruneOptions, RetentionOptions } from "./log-care.js";
import { transactionId } from "./log-filter.js";
import { addManaged, managed } from "./managed.js";
import { momentInTime } from "./times.js";

const DAYS_MAX = 36_500;

const ERASE_EXAMPLES = `
Examples:
  Whose request it is, and how many records it concerns
    $ schakel log erase --subject bsn=123456782 --reason "request 2026-17" --dry-run
  For good, after a question
    $ schakel log erase --subject bsn=123456782 --reason "request 2026-17"
  Of one exchange, from a script
    $ schakel log erase --transaction 01a20af0-61c8-70d0-8b8d-d2e41423f6ec --reason "sent in error" --yes

Every proof stays valid: 'schakel log verify' passes as before, 'schakel log show' says "erased". Backups of the
database are the operator's to erase (docs/audit.md).
`;

const RETENTION_EXAMPLES = `
Examples:
  Personal data of a service is kept for 90 days
    $ schakel log retention --service personen --days 90
  Of all services without one of their own, a year; 0 is for ever
    $ schakel log retention --days 365
  Take the service's own away again
    $ schakel log retention --service personen --remove
`;

const PRUNE_EXAMPLES = `
Examples:
  How much would go
    $ schakel log prune --before 2019-01-01T00:00:00Z --dry-run

The records' hashes stay, so that the rest can still be verified. Whole bundles of 256 records go at a time.
`;

const EPOCH_EXAMPLES = `
Examples:
  After the database was restored from a backup, which the manager's health tells
    $ schakel log begin-epoch --reason "disk failed, restored from the backup of 1 March"
`;

const registerErase = (log: Command): void => {
  const erase = log
    .command("erase")
    .description("erase personal data for good")
    .option("--subject <KEY=VALUE>", "of all records about this data subject")
    .option("--transaction <ID>", "of this exchange", transactionId)
    .requiredOption("--reason <TEXT>", "why, for the audit log; nothing personal")
    .option("--dry-run", "only count")
    .option("--yes", "do not ask")
    .addHelpText("after", ERASE_EXAMPLES);
  addManaged(erase).action(
    managed(async (settings, options: EraseOptions) => {
      const work = await import("./log-care.js");
      await work.erase(settings, options);
    }),
  );
};

/** Adds the commands. */
export const register = (log: Command): void => {
  registerErase(log);
  const retention = log
    .command("retention")
    .description("for how long personal data is kept")
    .option("--service <NAME>", "of this service; of all that have none of their own unless given")
    .option("--days <N>", "days; 0 for ever", wholeNumber(0, DAYS_MAX))
    .option("--remove", "take it away")
    .addHelpText("after", RETENTION_EXAMPLES);
  addManaged(retention).action(
    managed(async (settings, options: RetentionOptions) => {
      const work = await import("./log-care.js");
      await work.retention(settings, options);
    }),
  );
  const prune = log
    .command("prune")
    .description("remove the bytes of old records")
    .requiredOption("--before <MOMENT>", "recorded before this moment (RFC 3339)", momentInTime)
    .option("--dry-run", "only count")
    .option("--yes", "do not ask")
    .addHelpText("after", PRUNE_EXAMPLES);
  addManaged(prune).action(
    managed(async (settings, options: PruneOptions) => {
      const work = await import("./log-care.js");
      await work.prune(settings, options);
    }),
  );
  const epoch = log
    .command("begin-epoch")
    .description("let a log that was restored from a backup go on")
    .requiredOption("--reason <TEXT>", "why, for the log itself")
    .addHelpText("after", EPOCH_EXAMPLES);
  addManaged(epoch).action(
    managed(async (settings, options: { readonly reason: string }) => {
      const work = await import("./log-care.js");
      await work.beginEpoch(settings, options);
    }),
  );
};
