// `schakel access`: asking other organisations for access to their services, and deciding what they ask of us.
import { Option, type Command } from "commander";
import type { ListOptions, RequestOptions } from "./access-work.js";
import { register as registerRules } from "./access-rule.js";
import { addManaged, managed } from "./managed.js";
import { STATE_WORDS } from "./state-words.js";
import { LENGTH_FORM, lengthOfTime, momentInTime } from "./times.js";
import { addWait, type WaitOptions } from "./wait-options.js";

const REQUEST_EXAMPLES = `
Examples:
  Access to a service, for our only outway, for a year
    $ schakel access request 00000000000000000002 municipalities
  For one of several outways, for 30 days, and wait until the provider has decided
    $ schakel access request 00000000000000000002 municipalities --outway outway-2 --valid 30d --wait
  In the name of another organisation, which must sign too
    $ schakel access request 00000000000000000002 municipalities --on-behalf-of 00000000000000000004
  Let a supplier's outway call for us; --public-key or --domain says which of its outways
    $ schakel access request 00000000000000000002 municipalities --let 00000000000000000005 \\
        --domain outway.supplier.example

The same command twice makes one contract.
`;

const LIST_EXAMPLES = `
Examples:
  $ schakel access list
  What waits for us to decide
    $ schakel access list --waiting
  What one organisation may use now
    $ schakel access list --peer 00000000000000000003 --state valid
`;

const HASH_FORM = "the contract's hash, or its first characters (quote it: a shell replaces $1)";

const DECISIONS = [
  {
    name: "approve",
    description: "agree to what another organisation asks",
    after: `Both sides see it within seconds; the next call passes. Where others must sign too, --wait waits for them:
  $ schakel access approve '$1$1$Vhc2kx3qAbCdEf' --wait --timeout 2m`,
  },
  {
    name: "reject",
    description: "refuse what another organisation asks",
    after: "A contract that was rejected stays so: another request makes another contract.",
  },
  {
    name: "withdraw",
    description: "take back what we asked, before all have agreed",
    after: "A contract that is valid already is ended with 'schakel access revoke'.",
  },
  {
    name: "revoke",
    description: "end a contract that is valid, at once",
    after: "Our inways and outways refuse the next call within seconds, also on open connections.",
  },
] as const;

const registerRequest = (access: Command): void => {
  const request = access
    .command("request")
    .description("ask another organisation for access to a service")
    .argument("<peer>", "the peer id of the organisation that provides it")
    .argument("<service>", "the service's name")
    .option("--outway <NAME>", "which outway of ours will call; our only one unless given")
    .option("--public-key <HEX>", "the thumbprint of the outway's public key, instead of its name")
    .option("--domain <NAME>", "a name in the outway's certificate, instead of its key")
    .option("--on-behalf-of <PEER>", "the peer in whose name we ask")
    .option("--let <PEER>", "the peer whose outway will call in our name")
    .option("--offered-for <PEER>", "the peer in whose name the service is offered")
    .option("--from <TIME>", "from when on (RFC 3339); now unless given", momentInTime)
    .addOption(
      new Option("--valid <TIME>", `for how long: ${LENGTH_FORM}; a year unless given`)
        .argParser(lengthOfTime)
        .conflicts("until"),
    )
    .option("--until <TIME>", "until when (RFC 3339), instead of --valid", momentInTime);
  addManaged(addWait(request).addHelpText("after", REQUEST_EXAMPLES)).action(
    managed(async (settings, peer: string, service: string, options: RequestOptions) => {
      const { request: work } = await import("./access-work.js");
      await work(settings, { peer, service }, options);
    }),
  );
};

const registerLook = (access: Command): void => {
  const list = access
    .command("list")
    .description("contracts that give access, ours and others'")
    .addOption(new Option("--state <STATE>", "only these").choices(STATE_WORDS))
    .option("--peer <ID>", "only those that name this peer")
    .option("--service <NAME>", "only those for this service")
    .option("--waiting", "only those that wait for our decision")
    .addHelpText("after", LIST_EXAMPLES);
  addManaged(list).action(
    managed(async (settings, options: ListOptions) => {
      const { list: work } = await import("./access-work.js");
      await work(settings, options);
    }),
  );
  const show = access
    .command("show")
    .description("what a contract says, who has signed it and who has not")
    .argument("<hash>", HASH_FORM)
    .addHelpText("after", "\nExample:\n  $ schakel access show '$1$1$Vhc2kx3qAbCdEf'\n");
  addManaged(show).action(
    managed(async (settings, hash: string) => {
      const { show: work } = await import("./access-work.js");
      await work(settings, hash);
    }),
  );
};

const registerDecisions = (access: Command): void => {
  for (const { name, description, after } of DECISIONS) {
    const decision = access
      .command(name)
      .description(description)
      .argument("<hash>", HASH_FORM)
      .addHelpText(
        "after",
        `\nExample:\n  $ schakel access ${name} '$1$1$Vhc2kx3qAbCdEf'\n\n${after}\n`,
      );
    if (name === "approve") addWait(decision);
    addManaged(decision).action(
      managed(async (settings, hash: string, options: WaitOptions) => {
        const { decide } = await import("./access-work.js");
        await decide(settings, { hash, decision: name }, options);
      }),
    );
  }
};

/** Adds the commands. */
export const register = (program: Command): void => {
  const access = program
    .command("access")
    .description("access to services: ask for it, decide, end it");
  registerRequest(access);
  registerLook(access);
  registerDecisions(access);
  registerRules(access);
};
