// `schakel init`: the data folder of an organisation that joins a group.
import type { Command } from "commander";
import { dirname, join, resolve } from "node:path";
import type { Address } from "../core/address.js";
import { asWritten, keyBits, several } from "./arguments.js";
import { action, CommandError, UsageError } from "./command.js";

const EXAMPLES = `
Examples:
  A folder for a municipality whose manager and inway are reached at api.utrecht.example
    $ schakel init --folder utrecht --group group.json --peer-id 00000001234567890000 \\
        --organisation "Gemeente Utrecht" --name api.utrecht.example
  Where other machines of the organisation reach the manager
    $ schakel init --folder utrecht --group group.json --peer-id 00000001234567890000 \\
        --organisation "Gemeente Utrecht" --name api.utrecht.example --manager manager.internal:8444
  With an outway that programs on other machines of the organisation reach as outway.internal.example
    $ schakel init --folder utrecht --group group.json --peer-id 00000001234567890000 \\
        --organisation "Gemeente Utrecht" --name api.utrecht.example --outway-host outway.internal.example

Whoever reads the folder can act as the organisation: keep it for the user who runs it.
`;

const CA_NAME_MAX = 50;
const CA_SUFFIX = " internal";

/** Whose folder is made, and where. */
export interface InitOptions {
  readonly folder: string;
  readonly group: string;
  readonly peerId: string;
  readonly organisation: string;
  readonly name: readonly string[];
  readonly manager: string;
  readonly outwayHost?: readonly string[];
  readonly keyBits: number;
}

const managerOf = async ({ manager }: InitOptions): Promise<Address> => {
  const { parseAddress } = await import("../core/address.js");
  const address = parseAddress(manager);
  if (address !== undefined && address.port !== 0) return address;
  throw new UsageError(`--manager: found "${manager}", allowed is HOST:PORT`);
};

const checkAbsent = async (folder: string): Promise<void> => {
  const { readdir } = await import("node:fs/promises");
  const { systemCode } = await import("../core/errors.js");
  try {
    if ((await readdir(folder)).length === 0) return;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return;
    throw error;
  }
  throw new CommandError(
    `${folder} exists already and is not empty; nothing in it is overwritten`,
    "choose another folder, or move the old one away first",
  );
};

const checkGroup = async (options: InitOptions): Promise<string> => {
  const { loadGroup } = await import("../certs/group.js");
  const { readText } = await import("../certs/read-file.js");
  const { GROUP_BYTES_MAX } = await import("../certs/group-file.js");
  const { checkSubject } = await import("../certs/request.js");
  const group = await loadGroup(options.group);
  if (group.peerIdRule(options.peerId) === undefined) {
    throw new CommandError(
      `"${options.peerId}" is not a peer id by the rule of the group ${group.id}`,
      "the group's directory says which id your organisation has",
    );
  }
  checkSubject(options, options.name);
  return await readText(options.group, GROUP_BYTES_MAX);
};

const makeOwnKey = async (folder: string, options: InitOptions): Promise<void> => {
  const { createRsaKey, writePrivateKey } = await import("../certs/private-key.js");
  const { createKeyFile } = await import("../certs/private-file.js");
  const { createRequest } = await import("../certs/request.js");
  const { writeFileDurably } = await import("../core/durable-file.js");
  const key = await createRsaKey(options.keyBits);
  await createKeyFile(join(folder, "private.key"), writePrivateKey(key));
  const request = createRequest(options, options.name, key);
  await writeFileDurably(join(folder, "request.csr"), request, 0o644);
};

/** The organisation's name, shortened to what fits into the name of a CA. */
const caName = (organisation: string): string => {
  const kept = Array.from(organisation).reduce(
    (name, each) =>
      name.length + each.length > CA_NAME_MAX - CA_SUFFIX.length ? name : name + each,
    "",
  );
  return kept.trim() + CA_SUFFIX;
};

const makeIdentities = async (
  folder: string,
  options: InitOptions,
  manager: Address,
): Promise<void> => {
  const { createCa, openCa } = await import("../certs/ca.js");
  const { makeIdentity } = await import("../certs/make-identity.js");
  const caDir = join(folder, "manager", "internal-ca");
  await createCa(caDir, { name: caName(options.organisation), keyBits: options.keyBits });
  const ca = await openCa(caDir);
  for (const role of ["cli", "inway", "outway"] as const) {
    const dir = join(folder, "identities", role);
    const hostNames = role === "outway" ? options.outwayHost : undefined;
    const wish = { role, name: role, hostNames, dir, manager };
    await makeIdentity(ca, { ...wish, keyBits: options.keyBits });
  }
};

const make = async (folder: string, options: InitOptions, groupText: string): Promise<void> => {
  const { mkdir } = await import("node:fs/promises");
  const { writeFileDurably } = await import("../core/durable-file.js");
  const manager = await managerOf(options);
  for (const part of ["manager", "inway", "outway", "identities"]) {
    await mkdir(join(folder, part), { recursive: true, mode: 0o700 });
  }
  await writeFileDurably(join(folder, "group.json"), groupText, 0o644);
  await makeOwnKey(folder, options);
  await makeIdentities(folder, options, manager);
};

const word = (text: string): string =>
  /^[A-Za-z0-9_./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

const nextSteps = (
  { folder, name, organisation, peerId }: InitOptions,
  schakel: string,
): string => {
  const at = (file: string): string => word(join(folder, file));
  const names = name.map((each) => `--name ${each}`).join(" ");
  return `Made ${folder} for ${organisation} (peer ${peerId}): a key, its request, an internal CA, and certificates for an inway, an outway and the command line.

Next:
  1. Have the group's CA sign ${at("request.csr")}. With the CA of a test group:
       $ ${schakel} cert sign --ca ca --request ${at("request.csr")} ${names} --out ${at("certificate.pem")}
  2. The signed certificate, followed by its intermediates, belongs at ${at("certificate.pem")}. Check it:
       $ ${schakel} cert verify --group ${at("group.json")} --cert ${at("certificate.pem")} --key ${at("private.key")}
  3. Start manager, inway and outway together. Other peers reach the inway at port 443, which takes a right to listen on: here
     it listens on 9443, and the firewall is to send 443 there. Where this user may use 443, leave --inway-listen out:
       $ ${schakel} peer --folder ${at(".")} --address ${name[0] ?? "HOST"}:8443 --inway-listen 0.0.0.0:9443
  4. In another terminal, see that the manager answers:
       $ ${schakel} service list --identity ${at("identities/cli")}
  5. Give every further inway, outway or colleague an identity of their own:
       $ ${schakel} enrol --create --role inway --name inway-2 --identity ${at("identities/cli")}
`;
};

/**
 * Makes the data folder of an organisation, whole or not at all. Its certificate.pem comes from the group's CA.
 *
 * @throws CommandError when the folder is there already, or the peer id is none by the group's rule
 */
export const makeOrganisation = async (options: InitOptions): Promise<void> => {
  const { rename, rm } = await import("node:fs/promises");
  const { randomBytes } = await import("node:crypto");
  const { syncFolder } = await import("../core/durable-file.js");
  await managerOf(options);
  await checkAbsent(options.folder);
  const groupText = await checkGroup(options);
  // Made beside its place: a folder that is there is whole.
  const folder = resolve(options.folder);
  const beside = `${folder}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await make(beside, options, groupText);
    await rename(beside, folder);
  } catch (error) {
    await rm(beside, { recursive: true, force: true });
    throw error;
  }
  await syncFolder(dirname(folder));
};

const init = async (options: InitOptions): Promise<void> => {
  const { commandName } = await import("./settings.js");
  await makeOrganisation(options);
  process.stdout.write(nextSteps(options, commandName()));
};

/** Adds the command. */
export const register = (program: Command): void => {
  program
    .command("init")
    .description("make the data folder of an organisation that joins a group")
    .requiredOption("--folder <DIR>", "the folder; made when absent, never overwritten")
    .requiredOption("--group <FILE>", "the group's group.json, which is copied")
    .requiredOption("--peer-id <ID>", "the organisation's id in the group")
    .requiredOption("--organisation <NAME>", "the organisation's name")
    .requiredOption(
      "--name <DNS>",
      "a name under which others reach us; may be repeated",
      several(asWritten),
    )
    .option(
      "--manager <HOST:PORT>",
      "where our own inways and outways will reach the manager",
      "127.0.0.1:8444",
    )
    .option(
      "--outway-host <DNS>",
      "a name under which programs of other machines reach our outway; may be repeated",
      several(asWritten),
    )
    .option("--key-bits <N>", "the size of its RSA keys, 2048 to 4096", keyBits, 3072)
    .addHelpText("after", EXAMPLES)
    .action(action(init));
};
