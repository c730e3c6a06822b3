// `schakel ca`: a small CA for test groups.
import type { X509Certificate } from "node:crypto";
import { Option, type Command } from "commander";
import type { RevocationReason } from "../certs/crl-writer.js";
import { days, keyBits } from "./arguments.js";
import { action, UsageError } from "./command.js";

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
  readonly crlUrl?: string;
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

const REVOKE_EXAMPLES = `
Examples:
  A certificate whose key was lost
    $ schakel ca revoke --ca ca --cert inway.pem --reason keyCompromise
  By its serial, as 'schakel cert show' prints it
    $ schakel ca revoke --ca ca --serial 0a1b2c

It counts from the next list on: make one with 'schakel ca crl' and put it where members fetch it.
`;

const CRL_EXAMPLES = `
Examples:
  The lists of the root and of the issuing CA, in one file
    $ schakel ca crl --ca ca --out ca.crl
  Lists that members must fetch again within a day
    $ schakel ca crl --ca ca --out ca.crl --days 1

Make them anew well before they end: past that and a grace period members refuse every certificate of the CA.
Without root.key in the folder only the issuing CA's list is made.
`;

interface RevokeOptions {
  readonly ca: string;
  readonly cert?: string;
  readonly serial?: string;
  readonly reason: RevocationReason;
}

const certificateIn = async (path: string): Promise<X509Certificate> => {
  const { readCertificates } = await import("../certs/pem.js");
  const { readText } = await import("../certs/read-file.js");
  const [certificate] = readCertificates(await readText(path, 256 * 1024), 20);
  if (certificate === undefined) throw new UsageError(`${path} holds no certificate`);
  return certificate;
};

const revoke = async ({ ca: dir, cert, serial, reason }: RevokeOptions): Promise<void> => {
  const { openCa } = await import("../certs/ca.js");
  const { revokeCertificate } = await import("../certs/ca-revocation.js");
  if ((cert === undefined) === (serial === undefined)) {
    throw new UsageError("give either --cert or --serial");
  }
  const ca = await openCa(dir);
  const which = cert === undefined ? (serial ?? "") : await certificateIn(cert);
  const revoked = await revokeCertificate(ca, which, reason);
  process.stdout.write(
    `Revoked the certificate with the serial ${revoked} (${reason}); it counts from the next list on.\n`,
  );
};

interface CrlOptions {
  readonly ca: string;
  readonly out: string;
  readonly days: number;
}

const crl = async (options: CrlOptions): Promise<void> => {
  const { openCa } = await import("../certs/ca.js");
  const { createLists } = await import("../certs/ca-revocation.js");
  const { writeListsPem } = await import("../certs/pem.js");
  const { writeFileDurably } = await import("../core/durable-file.js");
  const { root, issuing } = await createLists(await openCa(options.ca), options.days);
  const lists = root === undefined ? [issuing] : [root, issuing];
  await writeFileDurably(options.out, writeListsPem(lists), 0o644);
  const whose =
    root === undefined ? "the issuing CA (root.key is elsewhere)" : "root and issuing CA";
  process.stdout.write(
    `Made ${options.out} with the lists of ${whose}, to be followed within ${String(options.days)} days.\n`,
  );
};

const addRevocation = (ca: Command): void => {
  ca.command("revoke")
    .description("revoke a certificate that the CA has issued, or its issuing CA")
    .requiredOption("--ca <DIR>", "the CA's folder")
    .option("--cert <FILE>", "the certificate, PEM; the first one counts")
    .option("--serial <HEX>", "its serial")
    .addOption(
      new Option("--reason <REASON>", "why")
        .choices([
          ...["unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded"],
          ...["cessationOfOperation", "certificateHold", "privilegeWithdrawn", "aACompromise"],
        ])
        .default("unspecified"),
    )
    .addHelpText("after", REVOKE_EXAMPLES)
    .action(action(revoke));
  ca.command("crl")
    .description("make the CA's revocation lists")
    .requiredOption("--ca <DIR>", "the CA's folder")
    .requiredOption("--out <FILE>", "where the lists go, PEM; an older file is replaced")
    .option("--days <N>", "how long they count, 1 to 365 days", days(365), 7)
    .addHelpText("after", CRL_EXAMPLES)
    .action(action(crl));
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
    .option("--crl-url <URL>", "where its revocation lists will be; its certificates say so")
    .addHelpText("after", EXAMPLES)
    .action(action(init));
  addRevocation(ca);
};
