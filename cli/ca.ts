// `schakel ca`: a small CA for test groups.
import type { Command } from "commander";
import { action } from "./command.js";
import { days, keyBits } from "./arguments.js";

const EXAMPLES = `
Examples:
  A CA for a test group; root.pem becomes the group's anchor
    $ schakel ca init --dir ca --name "Demo CA"
  One that ends with the year's tests
    $ schakel ca init --dir ca --name "Demo CA" --days 365

Whoever holds the folder can make any peer's certificate: keep it off the machines of the network.
`;

interface InitOptions {
  readonly dir: string;
  readonly name: string;
  readonly days: number;
  readonly keyBits: number;
}

const init = async (options: InitOptions): Promise<void> => {
  const { createCa, openCa } = await import("../certs/ca.js");
  await createCa(options.dir, options);
  const { root } = await openCa(options.dir);
  process.stdout.write(
    `Made the CA "${options.name}" in ${options.dir}, valid until ${root.validToDate.toISOString()}.\n` +
      `Its anchor for a group is ${options.dir}/root.pem.\n`,
  );
};

/** Adds the command. */
export const register = (program: Command): void => {
  const ca = program.command("ca").description("a small certificate authority for test groups");
  ca.command("init")
    .description("make a CA: a root, and the CA below it that issues to peers")
    .requiredOption("--dir <DIR>", "the CA's folder; made when absent")
    .requiredOption("--name <NAME>", "the CA's name, 1 to 50 characters")
    .option("--days <N>", "how long its certificates are valid, 1 to 9125 days", days(9125), 3650)
    .option("--key-bits <N>", "the size of its RSA keys, 2048 to 4096", keyBits, 3072)
    .addHelpText("after", EXAMPLES)
    .action(action(init));
};
