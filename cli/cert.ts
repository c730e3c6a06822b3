// `schakel cert`: certificates of peers, from the request to the check.
import type { Command } from "commander";
import { asWritten, days, keyBits, several } from "./arguments.js";
import { action, CommandError, UsageError } from "./command.js";

const REQUEST_EXAMPLES = `
Examples:
  A key and a request for an inway
    $ schakel cert request --peer-id 00000001234567890000 --organisation "Gemeente Ütrecht" \\
        --name inway.utrecht.example --key inway.key --out inway.csr

The key stays here, readable by its owner alone; only the request goes to the CA.
`;

const SIGN_EXAMPLES = `
Examples:
  Sign a request, for the names that you have checked to be the requester's
    $ schakel cert sign --ca ca --request inway.csr --name inway.utrecht.example --out inway.pem
  Sign it for the names that it asks for, and only for the peer that you expect
    $ schakel cert sign --ca ca --request inway.csr --names-from-request \\
        --peer-id 00000001234567890000 --out inway.pem

Of the request only key, peer id and organisation count: check that they are the requester's.
`;

const SHOW_EXAMPLES = `
Examples:
  $ schakel cert show inway.pem
  The thumbprint by which a contract names an outway
    $ schakel cert show outway.pem --json | jq -r '.[0].publicKeyThumbprint'
`;

const VERIFY_EXAMPLES = `
Examples:
  All that an inway checks when it starts
    $ schakel cert verify --group group.json --cert inway.pem --key inway.key --name inway.utrecht.example
  A certificate that somebody sent
    $ schakel cert verify --group group.json --cert theirs.pem
  Any certificate, from all that is needed to judge it
    $ schakel cert verify --json < question.json

With --json the question is one JSON object on standard input:
  anchors        the trusted CAs' certificates, each one PEM text
  intermediates  certificates that may stand between, in any order
  leaf           the certificate to be judged
  crls           revocation lists, PEM; a certificate whose issuer has one is checked against it
  time           the moment to judge for, RFC 3339: "2026-11-24T12:00:00Z"
  name           a host name that the certificate must have (may be left out)
  purpose        "clientAuth" or "serverAuth" (may be left out: either will do)
The answer is {"valid": true or false, "reason": "..."} on standard output.
Exit code: 0 when it is valid, 1 when it is not, 2 when the question cannot be understood.
`;

interface RequestOptions {
  readonly peerId: string;
  readonly organisation: string;
  readonly name: readonly string[];
  readonly key: string;
  readonly out: string;
  readonly keyBits: number;
}

const request = async (options: RequestOptions): Promise<void> => {
  const { createRsaKey, writePrivateKey } = await import("../certs/private-key.js");
  const { createKeyFile } = await import("../certs/private-file.js");
  const { checkSubject, createRequest } = await import("../certs/request.js");
  const { writeFileDurably } = await import("../core/durable-file.js");
  checkSubject(options, options.name);
  const key = await createRsaKey(options.keyBits);
  const pem = createRequest(options, options.name, key);
  await createKeyFile(options.key, writePrivateKey(key));
  await writeFileDurably(options.out, pem, 0o644);
  process.stdout.write(
    `Made the key ${options.key} and the request ${options.out} for peer ${options.peerId}.\n`,
  );
};

interface SignOptions {
  readonly ca: string;
  readonly request: string;
  readonly name?: readonly string[];
  readonly namesFromRequest?: true;
  readonly peerId?: string;
  readonly out: string;
  readonly days: number;
  readonly crlUrl?: string;
}

const namesFor = (options: SignOptions, requested: readonly string[]): readonly string[] => {
  if (options.name !== undefined && options.namesFromRequest === true) {
    throw new UsageError("give either --name or --names-from-request");
  }
  if (options.name !== undefined) return options.name;
  if (options.namesFromRequest === true) return requested;
  const asked = requested.length === 0 ? "no names" : `the names ${requested.join(", ")}`;
  throw new UsageError(
    `the names of the certificate are missing; the request asks for ${asked}`,
    "give each name that you have checked with --name, or all that it asks for with --names-from-request",
  );
};

const sign = async (options: SignOptions): Promise<void> => {
  const { openCa, validFromNow } = await import("../certs/ca.js");
  const { issueCertificate } = await import("../certs/issue.js");
  const { parseRequest, REQUEST_BYTES_MAX } = await import("../certs/request.js");
  const { writeCertificates } = await import("../certs/pem.js");
  const { readText } = await import("../certs/read-file.js");
  const { writeFileDurably } = await import("../core/durable-file.js");
  const asked = parseRequest(await readText(options.request, REQUEST_BYTES_MAX));
  const names = namesFor(options, asked.requestedNames);
  if (options.peerId !== undefined && options.peerId !== asked.peerId) {
    throw new CommandError(`the request is for peer ${asked.peerId}, not ${options.peerId}`);
  }
  const ca = await openCa(options.ca);
  const notAfter = new Date(Date.now() + options.days * 86_400_000);
  const { crlUrl } = options;
  const issuance = { names, notBefore: validFromNow(), notAfter, crlUrl };
  const certificate = await issueCertificate(ca, asked, issuance);
  await writeFileDurably(options.out, writeCertificates([certificate, ca.issuing]), 0o644);
  process.stdout.write(
    `Signed ${options.out} for peer ${asked.peerId} (${asked.organisation}), ` +
      `names ${names.join(", ")}, valid until ${certificate.validToDate.toISOString()}.\n`,
  );
};

const show = async (file: string, { json }: { readonly json?: true }): Promise<void> => {
  const { describeCertificates, renderCertificates } = await import("../certs/show.js");
  const { readText } = await import("../certs/read-file.js");
  const shown = describeCertificates(await readText(file, 256 * 1024));
  process.stdout.write(
    json === true ? `${JSON.stringify(shown, null, 2)}\n` : renderCertificates(shown),
  );
};

interface VerifyOptions {
  readonly group?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly name?: string;
  readonly json?: true;
}

const judgeQuestion = async (): Promise<void> => {
  const { judge, parseQuestion, QuestionError, QUESTION_BYTES_MAX } =
    await import("../certs/judge.js");
  const { JsonError, parseJson } = await import("../contracts/json.js");
  const { readInput } = await import("./standard-input.js");
  try {
    const bytes = await readInput(QUESTION_BYTES_MAX);
    const judgement = judge(parseQuestion(parseJson(bytes, { bytesMax: QUESTION_BYTES_MAX })));
    process.stdout.write(`${JSON.stringify(judgement)}\n`);
    process.exitCode = judgement.valid ? 0 : 1;
  } catch (error) {
    if (!(error instanceof QuestionError || error instanceof JsonError)) throw error;
    throw new UsageError(error.message, "'schakel cert verify --help' says what a question is");
  }
};

const verify = async (options: VerifyOptions): Promise<void> => {
  if (options.json === true) {
    if (Object.keys(options).length > 1) throw new UsageError("--json takes no other option");
    await judgeQuestion();
    return;
  }
  const { group: groupFile, cert, key, name } = options;
  if (groupFile === undefined || cert === undefined) {
    throw new UsageError("without --json both --group <FILE> and --cert <FILE> are needed");
  }
  const { loadBundle, loadCertificates } = await import("../certs/bundle.js");
  const { loadGroup } = await import("../certs/group.js");
  const group = await loadGroup(groupFile);
  const { identity } =
    key === undefined
      ? await loadCertificates(cert, group, { name })
      : await loadBundle({ cert, key }, group, { name });
  process.stdout.write(
    `${cert} is right: peer ${identity.peerId} (${identity.name}) of group ${group.id}, names ${identity.dnsNames.join(", ")}.\n`,
  );
};

const addRequest = (cert: Command): void => {
  cert
    .command("request")
    .description("make an RSA key and a request for its certificate")
    .requiredOption("--peer-id <ID>", "the organisation's id in the group (subject serialNumber)")
    .requiredOption("--organisation <NAME>", "the organisation's name (subject O)")
    .requiredOption("--name <DNS>", "a DNS name to ask for; may be repeated", several(asWritten))
    .requiredOption("--key <FILE>", "where the new key goes; an existing file is never overwritten")
    .requiredOption("--out <FILE>", "where the request goes")
    .option("--key-bits <N>", "the size of the key, 2048 to 4096", keyBits, 3072)
    .addHelpText("after", REQUEST_EXAMPLES)
    .action(action(request));
};

const addSign = (cert: Command): void => {
  cert
    .command("sign")
    .description("issue a certificate for a request, with the CA of a test group")
    .requiredOption("--ca <DIR>", "the CA's folder, made by 'schakel ca init'")
    .requiredOption("--request <FILE>", "the request; its key must be RSA")
    .option("--name <DNS>", "a DNS name to grant; may be repeated", several(asWritten))
    .option("--names-from-request", "grant the names that the request asks for")
    .option("--peer-id <ID>", "refuse a request for another peer")
    .requiredOption("--out <FILE>", "where the certificate goes, with its issuer below it")
    .option("--days <N>", "how long it is valid, 1 to 1095 days", days(1095), 90)
    .option(
      "--crl-url <URL>",
      "where the CA's revocation list is; unless given, as 'ca init' was told",
    )
    .addHelpText("after", SIGN_EXAMPLES)
    .action(action(sign));
};

/** Adds the commands. */
export const register = (program: Command): void => {
  const cert = program.command("cert").description("request, sign, show and check certificates");
  addRequest(cert);
  addSign(cert);
  cert
    .command("show")
    .description("print what the certificates of a file say; checks nothing")
    .argument("<FILE>", "a PEM file")
    .option("--json", "print JSON")
    .addHelpText("after", SHOW_EXAMPLES)
    .action(action(show));
  cert
    .command("verify")
    .description("check a certificate, its chain and its key against a group, or as JSON asks")
    .option("--group <FILE>", "the group's group.json (required without --json)")
    .option("--cert <FILE>", "the certificate and its issuers, PEM (required without --json)")
    .option("--key <FILE>", "its private key")
    .option("--name <DNS>", "a name that it must have")
    .option("--json", "judge what standard input asks, without a group")
    .addHelpText("after", VERIFY_EXAMPLES)
    .action(action(verify));
};
