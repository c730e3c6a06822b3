// `schakel contract`: contracts of any kind, as FSC has them.
import { Option, type Command } from "commander";
import type { ListOptions, SignOptions } from "./contract-work.js";
import { addManaged, managed } from "./managed.js";
import { STATE_WORDS } from "./state-words.js";
import { addWait, type WaitOptions } from "./wait-options.js";

const PROPOSE_EXAMPLES = `
Examples:
  A contract of our own making, from a file or from standard input
    $ schakel contract propose contract.json
    $ schakel contract propose contract.json --wait
    $ jq '.validity.not_after = 1900000000' contract.json | schakel contract propose -

The file holds the contract's content (FSC Core 2.0.0): group_id, validity, grants and hash_algorithm.
iv, created_at and fsc_version are filled in where they are absent. The same file twice makes one contract.
`;

const SIGN_EXAMPLES = `
Examples:
  Agree to a contract
    $ schakel contract sign '$1$1$Vhc2kx3qAbCdEf' --accept
  And wait until all others have agreed too
    $ schakel contract sign '$1$1$Vhc2kx3qAbCdEf' --accept --wait
  End one that is valid
    $ schakel contract sign '$1$1$Vhc2kx3qAbCdEf' --revoke
`;

const LIST_EXAMPLES = `
Examples:
  $ schakel contract list
  What waits for our signature
    $ schakel contract list --waiting
  What is published by valid contracts, as JSON
    $ schakel contract list --grant-type GRANT_TYPE_SERVICE_PUBLICATION --state valid --json
`;

const SHOW_EXAMPLES = `
Examples:
  What it says, who has signed, who is missing, and what has not been delivered yet
    $ schakel contract show '$1$1$Vhc2kx3qAbCdEf'
  Its content, as it was signed
    $ schakel contract show '$1$1$Vhc2kx3qAbCdEf' --json | jq .content
`;

const GRANT_TYPES = [
  "GRANT_TYPE_SERVICE_PUBLICATION",
  "GRANT_TYPE_SERVICE_CONNECTION",
  "GRANT_TYPE_DELEGATED_SERVICE_CONNECTION",
  "GRANT_TYPE_DELEGATED_SERVICE_PUBLICATION",
];

const HASH_FORM = "the contract's hash, or its first characters (quote it: a shell replaces $1)";

const registerActs = (contract: Command): void => {
  const propose = contract
    .command("propose")
    .description("sign a contract of our own making and send it to all parties")
    .argument("<file>", "a JSON file with its content; - for standard input");
  addManaged(addWait(propose).addHelpText("after", PROPOSE_EXAMPLES)).action(
    managed(async (settings, file: string, options: WaitOptions) => {
      const { propose: work } = await import("./contract-work.js");
      await work(settings, file, options);
    }),
  );
  const sign = contract
    .command("sign")
    .description("accept, reject or revoke a contract")
    .argument("<hash>", HASH_FORM)
    .addOption(new Option("--accept", "we agree").conflicts(["reject", "revoke"]))
    .addOption(new Option("--reject", "we do not agree").conflicts(["accept", "revoke"]))
    .addOption(new Option("--revoke", "we agree no longer").conflicts(["accept", "reject"]));
  addManaged(addWait(sign, ["reject", "revoke"]).addHelpText("after", SIGN_EXAMPLES)).action(
    managed(async (settings, hash: string, options: SignOptions) => {
      const { signContract } = await import("./contract-work.js");
      await signContract(settings, hash, options);
    }),
  );
};

/** Adds the commands. */
export const register = (program: Command): void => {
  const contract = program
    .command("contract")
    .description("contracts of any kind: propose, sign, list, show");
  registerActs(contract);
  const list = contract
    .command("list")
    .description("the contracts that our organisation is part of, newest first")
    .addOption(new Option("--state <STATE>", "only these").choices(STATE_WORDS))
    .option("--peer <ID>", "only those that name this peer")
    .option("--service <NAME>", "only those that name this service")
    .addOption(
      new Option("--grant-type <TYPE>", "only those with such a grant").choices(GRANT_TYPES),
    )
    .option("--waiting", "only those that wait for our signature")
    .addHelpText("after", LIST_EXAMPLES);
  addManaged(list).action(
    managed(async (settings, options: ListOptions) => {
      const { list: work } = await import("./contract-work.js");
      await work(settings, options);
    }),
  );
  const show = contract
    .command("show")
    .description("what a contract says, and how far its signatures have come")
    .argument("<hash>", HASH_FORM)
    .addHelpText("after", SHOW_EXAMPLES);
  addManaged(show).action(
    managed(async (settings, hash: string) => {
      const { show: work } = await import("./contract-work.js");
      await work(settings, hash);
    }),
  );
};
