// `schakel service`: the services that our organisation offers, and in which directories they are shown.
import { Option, type Command } from "commander";
import { asWritten, several } from "./arguments.js";
import { addManaged, managed } from "./managed.js";
import type { AddOptions, PublishOptions, WithdrawOptions } from "./service-work.js";
import { LENGTH_FORM, lengthOfTime } from "./times.js";
import { addWait } from "./wait-options.js";

const ADD_EXAMPLES = `
Examples:
  A service that every inway of ours offers
    $ schakel service add municipalities --url http://127.0.0.1:9000
  With its description, whom to ask, and the one inway that reaches its source
    $ schakel service add municipalities --url https://source.internal/api --openapi /openapi.json \\
        --contact apis@register.example --inway inway-2
  One that no directory may show, for those who are told of it
    $ schakel service add permits --url http://127.0.0.1:9001 --visibility private

The same command twice changes nothing. The command says the whole service: an option that is left out is emptied.
`;

const LIST_EXAMPLES = `
Examples:
  $ schakel service list
  The names alone
    $ schakel service list --json | jq -r '.[].name'
`;

const REMOVE_EXAMPLES = `
Examples:
  $ schakel service remove municipalities

Inways offer it no longer. Its contracts stay: end those with 'schakel service withdraw' and 'schakel access revoke'.
`;

const PUBLISH_EXAMPLES = `
Examples:
  In the group's directory, for a year
    $ schakel service publish municipalities
  Wait until the directory has signed
    $ schakel service publish municipalities --wait
  In the name of another organisation, which must sign too
    $ schakel service publish municipalities --for 00000000000000000003

The same command twice makes one contract.
`;

const WITHDRAW_EXAMPLES = `
Examples:
  $ schakel service withdraw municipalities
  From one directory only
    $ schakel service withdraw municipalities --directory 00000000000000000001

Who has access keeps it: 'schakel access revoke' ends that.
`;

const registerAdd = (service: Command): void => {
  const add = service
    .command("add")
    .description("make a service or change it")
    .argument("<name>", "its name: 1 to 100 of a-z A-Z 0-9 - . _")
    .requiredOption("--url <URL>", "where its source is: http(s)://HOST[:PORT][/PATH]")
    .option("--openapi <PATH>", "where its OpenAPI description is, below the service")
    .option("--contact <TEXT>", "whom to ask: an e-mail address or a URL")
    .option(
      "--inway <NAME>",
      "an inway that offers it; may be repeated; all of ours unless given",
      several(asWritten),
    )
    .addOption(
      new Option("--protocol <PROTOCOL>", "what its source speaks, and outways to its inways")
        .choices(["HTTP/1.1", "HTTP/2"])
        .default("HTTP/1.1"),
    )
    .addOption(
      new Option("--visibility <WHO>", "who may see it: the group, when it is published; or nobody")
        .choices(["group", "private"])
        .default("group"),
    )
    .addHelpText("after", ADD_EXAMPLES);
  addManaged(add).action(
    managed(async (settings, name: string, options: AddOptions) => {
      const { add: work } = await import("./service-work.js");
      await work(settings, name, options);
    }),
  );
};

const registerLook = (service: Command): void => {
  const list = service
    .command("list")
    .description("our services, with the directories that show them")
    .addHelpText("after", LIST_EXAMPLES);
  addManaged(list).action(
    managed(async (settings) => {
      const { list: work } = await import("./service-work.js");
      await work(settings);
    }),
  );
  const remove = service
    .command("remove")
    .description("offer a service no longer")
    .argument("<name>", "its name")
    .addHelpText("after", REMOVE_EXAMPLES);
  addManaged(remove).action(
    managed(async (settings, name: string) => {
      const { remove: work } = await import("./service-work.js");
      await work(settings, name);
    }),
  );
};

const registerPublish = (service: Command): void => {
  const publish = service
    .command("publish")
    .description("ask a directory to show a service")
    .argument("<name>", "its name")
    .option("--directory <ID>", "the directory's peer id; the group's only one unless given")
    .option("--valid <TIME>", `for how long: ${LENGTH_FORM}; a year unless given`, lengthOfTime)
    .option("--for <PEER>", "the peer in whose name it is published");
  addManaged(addWait(publish).addHelpText("after", PUBLISH_EXAMPLES)).action(
    managed(async (settings, name: string, options: PublishOptions) => {
      const { publish: work } = await import("./service-work.js");
      await work(settings, name, options);
    }),
  );
  const withdraw = service
    .command("withdraw")
    .description("end the contracts by which directories show a service")
    .argument("<name>", "its name")
    .option("--directory <ID>", "only this directory")
    .addHelpText("after", WITHDRAW_EXAMPLES);
  addManaged(withdraw).action(
    managed(async (settings, name: string, options: WithdrawOptions) => {
      const { withdraw: work } = await import("./service-work.js");
      await work(settings, name, options);
    }),
  );
};

/** Adds the commands. */
export const register = (program: Command): void => {
  const service = program
    .command("service")
    .description("our services: add, list, publish, withdraw, remove");
  registerAdd(service);
  registerLook(service);
  registerPublish(service);
};
