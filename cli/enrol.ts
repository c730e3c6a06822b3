// `schakel enrol`: gives a component its certificate inside the organisation, for a code or from the CA itself.
import { createInterface } from "node:readline";
import type { Command } from "commander";
import { asWritten, several } from "./arguments.js";
import { action, CommandError, UsageError } from "./command.js";

const EXAMPLES = `
Examples:
  On the administrator's machine: a code for one inway, good for an hour, once
    $ schakel enrol --create --role inway --name inway-2 --identity identities/cli > code
  A code for an outway that programs of other machines reach under a name, which its certificate will carry
    $ schakel enrol --create --role outway --name outway-2 --host outway.internal.example > code
  On the inway's machine: the code from standard input becomes an identity folder
    $ schakel enrol --manager manager.internal:8444 --identity identities/inway-2 < code
  The same with a file; the code is never an argument, which others on the machine could read
    $ schakel enrol --code-file code --manager manager.internal:8444 --identity identities/inway-2
  On the manager's machine, when no identity is left that may ask for a code
    $ schakel enrol --ca manager/internal-ca --role cli --name admin --manager 127.0.0.1:8444 \\
        --identity identities/admin

The code carries the hash of the internal CA's key: its secret is told to the manager of that CA alone.
`;

const CODE_BYTES_MAX = 4096;

interface Options {
  readonly create?: true;
  readonly role?: string;
  readonly name?: string;
  readonly host?: readonly string[];
  readonly user?: string;
  readonly codeFile?: string;
  readonly ca?: string;
  readonly manager?: string;
  readonly identity?: string;
  readonly json?: true;
}

const required = (options: Options, key: "role" | "name" | "manager" | "identity"): string => {
  const value = options[key];
  if (value === undefined) throw new UsageError(`--${key} is missing`);
  return value;
};

const refuseTogether = (options: Options, mode: string, keys: readonly (keyof Options)[]): void => {
  const wrong = keys.filter((key) => options[key] !== undefined);
  if (wrong.length === 0) return;
  const flags = wrong.map((key) => (key === "codeFile" ? "--code-file" : `--${key}`));
  throw new UsageError(`${flags.join(", ")} cannot be given ${mode}`);
};

const askedOf = (options: Options) => ({
  role: required(options, "role"),
  name: required(options, "name"),
  hostNames: [...(options.host ?? [])],
});

const create = async (options: Options): Promise<void> => {
  refuseTogether(options, "with --create", ["codeFile", "ca", "manager"]);
  const asked = askedOf(options);
  const { readCliSettings } = await import("./settings.js");
  const { withManager } = await import("./manager-session.js");
  const { callManager } = await import("../component/manager-call.js");
  const { AdministrationServiceClient } =
    await import("../proto/gen/schakel/manager/v1/administration.js");
  const settings = readCliSettings({ identity: options.identity, user: options.user });
  const { code, expiresAt } = await withManager(
    AdministrationServiceClient,
    settings,
    ({ client, metadata }) =>
      callManager<{ readonly code: string; readonly expiresAt: bigint }>(
        (...rest) => client.createEnrolmentCode(asked, ...rest),
        { metadata },
      ),
  );
  const until = new Date(Number(expiresAt) * 1000).toISOString();
  if (options.json === true) {
    const { role, name, hostNames } = asked;
    const shown = { code, expires_at: until, role, name, host_names: hostNames };
    process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
    return;
  }
  process.stdout.write(`${code}\n`);
  process.stderr.write(
    `The code gives one certificate with the role ${asked.role} and the name ${asked.name}, until ${until}.\n` +
      "It is shown this once: bring it to the component's machine by a way that nobody else reads.\n",
  );
};

const firstLine = (): Promise<string> =>
  new Promise((resolve) => {
    if (process.stdin.isTTY) process.stderr.write("Paste the code and press Enter: ");
    const lines = createInterface({ input: process.stdin });
    let found = "";
    lines.once("line", (line) => {
      found = line;
      lines.close();
    });
    lines.once("close", () => resolve(found));
  });

const readCode = async ({ codeFile }: Options) => {
  const { parseEnrolmentCode } = await import("../certs/enrolment-code.js");
  const { readText } = await import("../certs/read-file.js");
  const text =
    codeFile === undefined ? await firstLine() : await readText(codeFile, CODE_BYTES_MAX);
  const code = parseEnrolmentCode(text);
  if (code !== undefined) return code;
  throw new CommandError(
    `${codeFile ?? "standard input"} holds no enrolment code`,
    "make one with 'schakel enrol --create'; it begins with schakel-enrol-1-",
  );
};

const managerOf = async (options: Options) => {
  const { parseAddress } = await import("../core/address.js");
  const text = required(options, "manager");
  const address = parseAddress(text);
  if (address === undefined)
    throw new UsageError(`--manager: found "${text}", allowed is HOST:PORT`);
  return address;
};

const done = (
  options: Options,
  { role, name }: { readonly role: string; readonly name: string },
) => {
  const dir = options.identity ?? "";
  process.stdout.write(
    options.json === true
      ? `${JSON.stringify({ role, name, identity: dir }, null, 2)}\n`
      : `Made ${dir} for the ${role} ${name}.\n`,
  );
};

const fromCa = async (options: Options, caDir: string): Promise<void> => {
  refuseTogether(options, "with --ca", ["codeFile", "user"]);
  const { makeIdentity } = await import("../certs/make-identity.js");
  const { openCa } = await import("../certs/ca.js");
  const manager = await managerOf(options);
  const dir = required(options, "identity");
  const asked = askedOf(options);
  done(options, await makeIdentity(await openCa(caDir), { ...asked, dir, manager }));
};

const fromCode = async (options: Options): Promise<void> => {
  refuseTogether(options, "without --create or --ca", ["role", "name", "host", "user"]);
  const manager = await managerOf(options);
  const dir = required(options, "identity");
  const { enrol } = await import("../component/enrolment.js");
  done(options, await enrol({ code: await readCode(options), manager, dir }));
};

const run = async (options: Options): Promise<void> => {
  if (options.create === true) await create(options);
  else if (options.ca !== undefined) await fromCa(options, options.ca);
  else await fromCode(options);
};

/** Adds the command. */
export const register = (program: Command): void => {
  program
    .command("enrol")
    .description("give a component its certificate inside the organisation")
    .option("--create", "ask the manager for a code, which is printed once")
    .option("--role <ROLE>", "the component's role: inway, outway, cli, web or client")
    .option("--name <NAME>", "the component's name: 1 to 100 of a-z A-Z 0-9 . - _")
    .option(
      "--host <DNS>",
      "for an outway or pages: a name under which others reach it, for its certificate; may be repeated",
      several(asWritten),
    )
    .option("--code-file <FILE>", "a file with the code; standard input unless given")
    .option("--manager <HOST:PORT>", "where the manager is, inside the organisation")
    .option(
      "--identity <DIR>",
      "where the new identity folder goes; with --create the folder that is shown to the manager (default identities/cli) [SCHAKEL_CLI_IDENTITY]",
    )
    .option("--ca <DIR>", "issue at once from the internal CA's folder, on the manager's machine")
    .option("--user <NAME>", "with --create: who acts [SCHAKEL_CLI_USER]")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(action(run));
};
