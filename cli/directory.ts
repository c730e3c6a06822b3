// `schakel directory`: runs a directory; `schakel directory query` asks one, `publications` decides for ours.
import { Option, type Command } from "commander";
import { DIRECTORY_SETTINGS, readDirectorySettings } from "../directory/settings.js";
import { action, addSettings } from "./command.js";
import type { DirectoryOptions } from "./directory-client.js";
import type { PublicationsOptions, PublicationVerb } from "./directory-publications.js";
import type { QueryOptions } from "./directory-query.js";
import { STATE_WORDS } from "./state-words.js";

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

const PUBLICATIONS_EXAMPLES = `
Examples:
  What waits for our decision, when the directory runs with --publications held
    $ schakel directory publications list --waiting --group group.json --cert directory.pem --key directory.key
  Let the catalogue show it
    $ schakel directory publications approve '$1$1$Vhc2kx3qAbCdEf' --group … --cert … --key …

The certificate is one of the directory's own peer. Whatever was held is signed when the directory is started
with --publications automatic.
`;

/** Which directory is asked, and as whom. */
const addDirectory = (command: Command): Command =>
  command
    .requiredOption("--group <FILE>", "the group's group.json")
    .requiredOption("--cert <FILE>", "our certificate and its intermediates, PEM")
    .requiredOption("--key <FILE>", "its private key, PEM")
    .option("--directory <PEERID>", "which directory of the group; the first unless given")
    .option("--resolve <NAME=IP,…>", "fixed answers instead of DNS", "")
    .option("--allow-private-addresses", "let the directory have a loopback or private address")
    .option("--allow-any-port", "let it have a port other than the group's");

const registerQuery = (directory: Command): void => {
  const query = directory
    .command("query")
    .description("ask a directory what it knows, for finding faults")
    .argument("<what>", "peers, services, service or watch");
  addDirectory(query)
    .option("--peer <PEERID>", "only this peer's services")
    .option("--service <NAME>", "the service to show")
    .option("--name <TEXT>", "only names that contain this")
    .option("--json", "one JSON document, or one a line for watch")
    .addHelpText("after", QUERY_EXAMPLES)
    .action(
      action(async (what: string, options: QueryOptions) => {
        const { query } = await import("./directory-query.js");
        await query(what, options);
      }),
    );
};

const DECISIONS: readonly (readonly [PublicationVerb, string])[] = [
  ["approve", "sign a publication contract for the directory: the catalogue shows its services"],
  ["reject", "reject a publication contract that waits"],
  ["revoke", "end a publication contract: the catalogue shows its services no longer"],
];

const registerPublications = (directory: Command): void => {
  const publications = directory
    .command("publications")
    .description("what peers publish with our directory, and what we decide of it")
    .addHelpText("after", PUBLICATIONS_EXAMPLES);
  addDirectory(publications.command("list").description("list publication contracts"))
    .option("--waiting", "only those that wait for the directory's decision")
    .addOption(new Option("--state <STATE>", "only those in a state").choices(STATE_WORDS))
    .option("--json", "one JSON document")
    .addHelpText("after", PUBLICATIONS_EXAMPLES)
    .action(
      action(async (options: PublicationsOptions) => {
        const { list } = await import("./directory-publications.js");
        await list(options);
      }),
    );
  for (const [verb, text] of DECISIONS) {
    const command = publications
      .command(verb)
      .description(text)
      .argument("<hash>", "the contract's hash, or its first characters");
    addDirectory(command)
      .option("--json", "one JSON document")
      .addHelpText("after", PUBLICATIONS_EXAMPLES)
      .action(
        action(async (hash: string, options: DirectoryOptions) => {
          const { decide } = await import("./directory-publications.js");
          await decide(verb, hash, options);
        }),
      );
  }
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
  registerPublications(directory);
};
