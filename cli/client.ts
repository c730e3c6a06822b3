// `schakel client`: programs that may use our outways from other machines.
import type { Command } from "commander";
import { asWritten, several } from "./arguments.js";
import type { AddOptions } from "./client-work.js";
import { addManaged, managed } from "./managed.js";

const ADD_EXAMPLES = `
Examples:
  A program with a token, which is printed once
    $ schakel client add case-system > token
    $ curl --cacert identities/cli/ca.pem --header "Proxy-Authorization: Bearer $(cat token)" \\
        https://outway.internal.example:8080/…
  One that may use a single grant only
    $ schakel client add case-system --grant '$1$3$…'
  One that shows a certificate of the internal CA, made with 'schakel enrol --role client'
    $ schakel client add case-system --certificate

On the outway's own machine no client is needed: on loopback everybody is let in.
`;

/** Adds the commands. */
export const register = (program: Command): void => {
  const client = program
    .command("client")
    .description("programs that may use our outways beyond loopback");
  const add = client
    .command("add")
    .description("let a program use our outways")
    .argument("<name>", "its name: 1 to 100 of a-z A-Z 0-9 - . _")
    .option(
      "--grant <HASH>",
      "a grant it may use; may be repeated; every grant unless given",
      several(asWritten),
    )
    .option("--certificate", "it shows an internal certificate with this name, and gets no token")
    .addHelpText("after", ADD_EXAMPLES);
  addManaged(add).action(
    managed(async (settings, name: string, options: AddOptions) => {
      const { add: work } = await import("./client-work.js");
      await work(settings, name, options);
    }),
  );
  const list = client
    .command("list")
    .description("the programs, without their tokens")
    .addHelpText("after", "\nExample:\n  $ schakel client list\n");
  addManaged(list).action(
    managed(async (settings) => {
      const { list: work } = await import("./client-work.js");
      await work(settings);
    }),
  );
  const remove = client
    .command("remove")
    .description("end a program's access within a second")
    .argument("<name>", "its name")
    .addHelpText("after", "\nExample:\n  $ schakel client remove case-system\n");
  addManaged(remove).action(
    managed(async (settings, name: string) => {
      const { remove: work } = await import("./client-work.js");
      await work(settings, name);
    }),
  );
};
