// `schakel group`: the signed file that makes a group.
import { existsSync } from "node:fs";
import { Option, type Command } from "commander";
import { asWritten, several, wholeNumber } from "./arguments.js";
import { action, CommandError } from "./command.js";

const INIT_EXAMPLES = `
Examples:
  A group with the CA of 'schakel ca init' and one directory
    $ schakel group init --group-id demo.example --anchor ca/root.pem \\
        --directory 00000000000000000001=directory.example:8443 --key group.key --out group.json
  The next version, with a second directory; processes load it within seconds
    $ schakel group init --group-id demo.example --anchor ca/root.pem \\
        --directory 00000000000000000001=directory.example:8443 \\
        --directory 00000000000000000009=directory-2.example:8443 \\
        --key group.key --out group.json --version 2

The key signs every version of the group: processes refuse a change that another key signed.
`;

const SHOW_EXAMPLES = `
Examples:
  $ schakel group show group.json
  Only who signed it
    $ schakel group show group.json --json | jq -r .signedBy
`;

const PEM_BYTES_MAX = 64 * 1024;

interface InitOptions {
  readonly groupId: string;
  readonly anchor: readonly string[];
  readonly directory: readonly { readonly peer_id: string; readonly address: string }[];
  readonly key: string;
  readonly out: string;
  readonly tlsMinimum: "1.2" | "1.3";
  readonly port?: readonly number[];
  readonly peerIdPattern?: string;
  readonly version: number;
}

const directory = (text: string): { peer_id: string; address: string } => {
  const at = text.lastIndexOf("=");
  return { peer_id: text.slice(0, Math.max(at, 0)), address: text.slice(at + 1) };
};

const signingKeyAt = async (path: string) => {
  const { createKeyFile, exposureOf } = await import("../certs/private-file.js");
  const { createGroupKey, parsePrivateKey, writePrivateKey } =
    await import("../certs/private-key.js");
  const { readText } = await import("../certs/read-file.js");
  if (!existsSync(path)) {
    const key = await createGroupKey();
    await createKeyFile(path, writePrivateKey(key));
    return key;
  }
  const exposure = await exposureOf(path);
  if (exposure !== undefined) throw new CommandError(exposure);
  return parsePrivateKey(await readText(path, PEM_BYTES_MAX));
};

const mayReplace = async (out: string, text: string): Promise<void> => {
  if (!existsSync(out)) return;
  const { checkSuccession, readSignedGroup } = await import("../certs/group.js");
  const { readGroupFile } = await import("../certs/group-file.js");
  try {
    checkSuccession(await readSignedGroup(out), readGroupFile(text));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(
      `${out} exists and is not replaced: ${reason}`,
      "processes would refuse it too; give a higher --version, or another --out for another group",
    );
  }
};

const init = async (options: InitOptions): Promise<void> => {
  const { createGroup } = await import("../certs/group.js");
  const { readText } = await import("../certs/read-file.js");
  const { writeFileDurably } = await import("../core/durable-file.js");
  const anchors = await Promise.all(options.anchor.map((path) => readText(path, PEM_BYTES_MAX)));
  const content = {
    group_id: options.groupId,
    version: options.version,
    trust_anchors: anchors,
    directories: options.directory,
    tls_minimum: options.tlsMinimum,
    ports: options.port ?? [443, 8443],
    ...(options.peerIdPattern === undefined ? {} : { peer_id_pattern: options.peerIdPattern }),
    created_at: new Date().toISOString(),
  };
  const text = createGroup(content, await signingKeyAt(options.key));
  await mayReplace(options.out, text);
  await writeFileDurably(options.out, text, 0o644);
  process.stdout.write(
    `Made version ${String(options.version)} of the group ${options.groupId} in ${options.out}.\n`,
  );
};

const show = async (file: string, { json }: { readonly json?: true }): Promise<void> => {
  const { readSignedGroup } = await import("../certs/group.js");
  const { describeGroup, renderGroup } = await import("../certs/show-group.js");
  const shown = describeGroup(await readSignedGroup(file));
  process.stdout.write(json === true ? `${JSON.stringify(shown, null, 2)}\n` : renderGroup(shown));
};

/** Adds the commands. */
export const register = (program: Command): void => {
  const group = program.command("group").description("make and show the signed file of a group");
  group
    .command("init")
    .description("sign a group.json")
    .requiredOption("--group-id <ID>", "1 to 100 letters, digits and . / _ -")
    .requiredOption(
      "--anchor <FILE>",
      "a root certificate, PEM; may be repeated",
      several(asWritten),
    )
    .requiredOption(
      "--directory <PEERID=HOST:PORT>",
      "a directory of the group; may be repeated",
      several(directory),
    )
    .requiredOption("--key <FILE>", "the Ed25519 key that signs the group; made when absent")
    .requiredOption("--out <FILE>", "where group.json goes")
    .addOption(
      new Option("--tls-minimum <VERSION>", "the lowest TLS version")
        .choices(["1.2", "1.3"])
        .default("1.3"),
    )
    .option(
      "--port <N>",
      "a port at which peers may be reached; may be repeated (default: 443 and 8443)",
      several(wholeNumber(1, 65535)),
    )
    .option("--peer-id-pattern <RE>", "a regular expression over a peer id (default: 20 digits)")
    .option("--version <N>", "rises with each change", wholeNumber(1, 2 ** 31 - 1), 1)
    .addHelpText("after", INIT_EXAMPLES)
    .action(action(init));
  group
    .command("show")
    .description("check a group.json and print what it says")
    .argument("<FILE>", "the group.json")
    .option("--json", "print JSON")
    .addHelpText("after", SHOW_EXAMPLES)
    .action(action(show));
};
