// `schakel log`: reads the transaction log of an inway or outway. It only reads, also while the log is written.
import type { Command } from "commander";
import { asWritten, several, wholeNumber } from "./arguments.js";
import { action } from "./command.js";
import type { ShowOptions } from "./log-show.js";
import type { TailOptions } from "./log-tail.js";
import type { VerifyOptions } from "./log-verify.js";

const LINES_MAX = 1_000_000;

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
  An exchange by its transaction id, as both sides recorded it
    $ schakel log show 01a20af0-61c8-70d0-8b8d-d2e41423f6ec --folder outway/log --folder inway/log
  One record by its writer and sequence
    $ schakel log show 501bcd69-53f6-45a3-91dc-96c72f756acf/12 --folder outway/log
  With the personal data, if its key has not been erased
    $ schakel log show 01a20af0-61c8-70d0-8b8d-d2e41423f6ec --folder outway/log --personal
${ABOUT}`;

const VERIFY_EXAMPLES = `
Examples:
  An export of a log, by the group's file and what the export brings along
    $ schakel log verify --bundle export.jsonl --group group.json
  By keys that were agreed upon
    $ schakel log verify --bundle export.jsonl --key 'schakel/demo/00000000000000000001+5a1e9c33+AQ…' \\
        --witness 'schakel/demo/00000000000000000002/witness+0d3c71aa+BA…'
  Every month again: it must continue what was seen the last time
    $ schakel log verify --bundle export.jsonl --group group.json --known-checkpoint seen.txt

It works offline, and ends with 0 only when all is right. What is wrong is named by the first bad entry and
one word, which 'docs/evidence.md' explains.
`;

const registerVerify = (log: Command): void => {
  log
    .command("verify")
    .description("check an export of a log: every entry, the tree, and who signed it")
    .option("--bundle <FILE>", "the export")
    .option("--group <FILE>", "group.json: trust the keys that its peers state in the export")
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
    .option("--json", "print one JSON document instead of text")
    .addHelpText("after", VERIFY_EXAMPLES)
    .action(
      action(async (options: VerifyOptions) => {
        const { verify } = await import("./log-verify.js");
        await verify(options);
      }),
    );
};

/** Adds the commands. */
export const register = (program: Command): void => {
  const log = program.command("log").description("read the transaction log of an inway or outway");
  log
    .command("tail")
    .description("the last records, one a line")
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
  log
    .command("show")
    .description("an exchange with its end, from one or more logs side by side")
    .argument("<id>", "a transaction id, or WRITER/SEQUENCE")
    .requiredOption(
      "--folder <DIR>",
      "a log folder; may be given several times",
      several(asWritten),
    )
    .option("--personal", "show personal data, if its key is there")
    .option("--json", "JSON Lines, a record a line")
    .addHelpText("after", SHOW_EXAMPLES)
    .action(
      action(async (id: string, options: ShowOptions) => {
        const { show } = await import("./log-show.js");
        await show(id, options);
      }),
    );
  registerVerify(log);
};
