// `schakel log`: the transaction log, in the folders of inways and outways, and as the manager keeps it.
import { Option, type Command } from "commander";
import { asWritten, several, wholeNumber } from "./arguments.js";
import { action, UsageError } from "./command.js";
import { register as registerCare } from "./log-care-commands.js";
import type { ExchangeOptions } from "./log-exchange.js";
import type { LiveOptions } from "./log-live.js";
import { register as registerLooking } from "./log-look-commands.js";
import type { ShowOptions } from "./log-show.js";
import type { TailOptions } from "./log-tail.js";
import type { VerifyOptions } from "./log-verify.js";
import { addManaged, managed } from "./managed.js";
import type { CliSettings } from "./settings.js";

const LINES_MAX = 1_000_000;
const ENTRIES_MAX = Number.MAX_SAFE_INTEGER;
const EPOCHS_MAX = 1_000_000;

const ABOUT = `
A log folder is the folder "log" in the data folder of an inway or outway.
`;

const TAIL_EXAMPLES = `
Examples:
  The last records of an outway
    $ schakel log tail --folder /var/lib/schakel/outway/log
  The last 100, and then each new one until Ctrl-C
    $ schakel log tail --folder /var/lib/schakel/inway/log -n 100 --follow
  As JSON Lines, for a program
    $ schakel log tail --folder /var/lib/schakel/inway/log --json
${ABOUT}`;

const SHOW_EXAMPLES = `
Examples:
  An exchange by its transaction id, as our manager has it, and the other side's records beside it
    $ schakel log show 01a20af0-61c8-70d0-8b8d-d2e41423f6ec
  Straight from log folders, without a manager; with --json a record a line
    $ schakel log show 01a20af0-61c8-70d0-8b8d-d2e41423f6ec --folder outway/log --folder inway/log
  One record by its writer and sequence
    $ schakel log show 501bcd69-53f6-45a3-91dc-96c72f756acf/12 --folder outway/log
  With the personal data, if its key has not been erased
    $ schakel log show 01a20af0-61c8-70d0-8b8d-d2e41423f6ec --personal
${ABOUT}`;

const VERIFY_EXAMPLES = `
Examples:
  Our whole log, as our manager has it now
    $ schakel log verify --group group.json
  Its entries from a place on, or some of them each by its own proof
    $ schakel log verify --from 100000
    $ schakel log verify --from 100000 --to 200000
  An export of a log, by the group's file and what the export brings along
    $ schakel log verify --bundle export.jsonl --group group.json
  By keys that were agreed upon
    $ schakel log verify --bundle export.jsonl --key 'schakel/demo/00000000000000000001+5a1e9c33+AQ…' \\
        --witness 'schakel/demo/00000000000000000002/witness+0d3c71aa+BA…'
  Every month again: it must continue what was seen the last time
    $ schakel log verify --bundle export.jsonl --group group.json --known-checkpoint seen.txt

It ends with 0 only when all is right. What is wrong is named by the first bad entry and one word, which
'docs/evidence.md' explains. With --bundle it works offline. Without, the checkpoint that was verified is kept in
the identity folder, and the next one must continue it; without --group or --key the manager's word is taken for
the key of its log.
`;

const verifyWork = async (
  settings: CliSettings,
  options: VerifyOptions & LiveOptions,
): Promise<void> => {
  if (options.bundle === undefined) {
    const { verifyLive } = await import("./log-live.js");
    return verifyLive(settings, options);
  }
  const { from, to, epoch } = options;
  if (from !== undefined || to !== undefined || epoch !== undefined) {
    throw new UsageError("--from, --to and --epoch are for the manager's log, not for a bundle");
  }
  const { verify } = await import("./log-verify.js");
  return verify({ ...options, json: settings.json });
};

const registerVerify = (log: Command): void => {
  const verify = log
    .command("verify")
    .description("check our log, or an export of one: every entry, the tree, and who signed it")
    .option("--bundle <FILE>", "an export, offline")
    .option("--from <N>", "only entries from this place on", wholeNumber(0, ENTRIES_MAX))
    .option(
      "--to <N>",
      "only entries before this place, each by its proof",
      wholeNumber(1, ENTRIES_MAX),
    )
    .option("--epoch <N>", "this epoch; the newest unless given", wholeNumber(1, EPOCHS_MAX))
    .option("--group <FILE>", "group.json: trust the keys that its peers state")
    .option(
      "--key <KEY>",
      "a trusted key of the log; may be given several times",
      several(asWritten),
    )
    .option(
      "--witness <KEY>",
      "a trusted key of a witness; may be given several times",
      several(asWritten),
    )
    .option("--any-witness", "pass over co-signatures by keys that are not trusted")
    .option(
      "--known-checkpoint <FILE>",
      "the checkpoint seen last: this one must continue it, and takes its place",
    )
    .addHelpText("after", VERIFY_EXAMPLES);
  addManaged(verify).action(managed(verifyWork));
};

const registerShow = (log: Command): void => {
  const show = log
    .command("show")
    .description("an exchange with its end, as both sides recorded it")
    .argument("<id>", "a transaction id, or WRITER/SEQUENCE")
    .option(
      "--folder <DIR>",
      "read a log folder instead of asking the manager; may be given several times",
      several(asWritten),
    )
    .option("--personal", "show personal data, if its key is there")
    .addOption(new Option("--here", "only our records").conflicts("folder"))
    .addHelpText("after", SHOW_EXAMPLES);
  addManaged(show).action(
    managed(async (settings, id: string, options: Partial<ShowOptions> & ExchangeOptions) => {
      const { folder } = options;
      if (folder === undefined) {
        const { showExchange } = await import("./log-exchange.js");
        await showExchange(settings, id, options);
        return;
      }
      const work = await import("./log-show.js");
      await work.show(id, { ...options, folder, json: settings.json });
    }),
  );
};

/** Adds the commands. */
export const register = (program: Command): void => {
  const log = program
    .command("log")
    .description("the transaction log: look, prove, compare, erase");
  log
    .command("tail")
    .description("the last records of an inway or outway, one a line")
    .requiredOption("--folder <DIR>", "the log folder")
    .option("-n, --lines <N>", "how many records", wholeNumber(0, LINES_MAX), 20)
    .option("-f, --follow", "go on with each new record until Ctrl-C")
    .option("--json", "JSON Lines")
    .addHelpText("after", TAIL_EXAMPLES)
    .action(
      action(async (options: TailOptions) => {
        const { tail } = await import("./log-tail.js");
        await tail(options);
      }),
    );
  registerShow(log);
  registerVerify(log);
  registerLooking(log);
  registerCare(log);
};
