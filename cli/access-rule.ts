// `schakel access rule`: what is accepted without a person.
import type { Command } from "commander";
import type { RuleOptions } from "./access-rule-work.js";
import { addManaged, managed } from "./managed.js";
import { LENGTH_FORM, lengthOfTime } from "./times.js";

const ADD_EXAMPLES = `
Examples:
  Whoever asks for one service, for at most 90 days
    $ schakel access rule add --service municipalities --longest 90d
  One organisation, for every service of ours
    $ schakel access rule add --peer 00000000000000000003 --longest 52w

A rule accepts what already waits, too. A request with properties, or that brings in a third organisation that the
rule does not name, still waits for a person. The same command twice makes one rule.
`;

/** Adds the commands below `access`. */
export const register = (access: Command): void => {
  const rule = access.command("rule").description("requests that are accepted without a person");
  const add = rule
    .command("add")
    .description("accept matching requests without a person")
    .option("--peer <ID>", "only this peer; every peer of the group unless given")
    .option("--service <NAME>", "only this service; every service of ours unless given")
    .requiredOption(
      "--longest <TIME>",
      `only contracts so long at most: ${LENGTH_FORM}`,
      lengthOfTime,
    )
    .addHelpText("after", ADD_EXAMPLES);
  addManaged(add).action(
    managed(async (settings, options: RuleOptions) => {
      const { add: work } = await import("./access-rule-work.js");
      await work(settings, options);
    }),
  );
  const list = rule
    .command("list")
    .description("the rules")
    .addHelpText("after", "\nExample:\n  $ schakel access rule list\n");
  addManaged(list).action(
    managed(async (settings) => {
      const { list: work } = await import("./access-rule-work.js");
      await work(settings);
    }),
  );
  const remove = rule
    .command("remove")
    .description("end a rule; what it accepted stays accepted")
    .argument("<id>", "the rule's id, which 'schakel access rule list' shows")
    .addHelpText("after", "\nExample:\n  $ schakel access rule remove 3\n");
  addManaged(remove).action(
    managed(async (settings, id: string) => {
      const { remove: work } = await import("./access-rule-work.js");
      await work(settings, id);
    }),
  );
};
