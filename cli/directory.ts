// `schakel directory`: runs a directory; `schakel directory query` asks one.
import type { Command } from "commander";
import { DIRECTORY_SETTINGS, readDirectorySettings } from "../directory/settings.js";
import { action, addSettings } from "./command.js";
import type { QueryOptions } from "./directory-query.js";

const EXAMPLES = `
Examples:
  The directory of a group
    $ schakel directory --group group.json --cert directory.pem --key directory.key --data /var/lib/schakel
  What a directory knows
    $ schakel directory query services --group group.json --cert outway.pem --key outway.key
`;

const QUERY_EXAMPLES = `
Examples:
  Who takes part in the group
    $ schakel directory query peers --group group.json --cert outway.pem --key outway.key
  The services of one peer, as JSON
    $ schakel directory query services --peer 00000000000000000002 --json --group … --cert … --key …
  One service with its inways
    $ schakel directory query service --peer 00000000000000000002 --service municipalities --group … --cert … --key …
  The catalogue, and then each change of it, until Ctrl-C
    $ schakel directory query watch --group … --cert … --key …
`;

const registerQuery = (directory: Command): void => {
  directory
    .command("query")
    .description("ask a directory what it knows, for finding faults")
    .argument("<what>", "peers, services, service or watch")
    .requiredOption("--group <FILE>", "the group's group.json")
    .requiredOption("--cert <FILE>", "our certificate and its intermediates, PEM")
    .requiredOption("--key <FILE>", "its private key, PEM")
    .option("--directory <PEERID>", "which directory of the group; the first unless given")
    .option("--peer <PEERID>", "only this peer's services")
    .option("--service <NAME>", "the service to show")
    .option("--name <TEXT>", "only names that contain this")
    .option("--resolve <NAME=IP,…>", "fixed answers instead of DNS", "")
    .option("--allow-private-addresses", "let the directory have a loopback or private address")
    .option("--allow-any-port", "let it have a port other than the group's")
    .option("--json", "one JSON document, or one a line for watch")
    .addHelpText("after", QUERY_EXAMPLES)
    .action(
      action(async (what: string, options: QueryOptions) => {
        const { query } = await import("./directory-query.js");
        await query(what, options);
      }),
    );
};

/** Adds the commands. */
export const register = (program: Command): void => {
  const directory = program
    .command("directory")
    .enablePositionalOptions()
    .description("run a directory: peers announce themselves, consumers watch")
    .addHelpText("after", EXAMPLES);
  addSettings(directory, "directory", DIRECTORY_SETTINGS).action(
    action(async (flags: Record<string, string | boolean>) => {
      const settings = readDirectorySettings(flags);
      const { runDirectory } = await import("../directory/main.js");
      await runDirectory(settings);
    }),
  );
  registerQuery(directory);
};
