// The work of `schakel contract`.
import { createReadStream } from "node:fs";
import { CONTENT_BYTES_MAX } from "../contracts/content.js";
import { systemCode } from "../core/errors.js";
import { administer, present } from "./administration.js";
import { CommandError, UsageError } from "./command.js";
import { contractOf, contractsThat, sign, type ContractFilter } from "./contract-calls.js";
import { contractDocument } from "./contract-document.js";
import { contractTable, contractText, outcomeText } from "./contract-text.js";
import { print } from "./print.js";
import type { CliSettings } from "./settings.js";
import { DECISION_WORDS, type DecisionWord } from "./state-words.js";
import { checkWait, type WaitOptions } from "./wait-options.js";
import { waitWhenAsked } from "./waiting.js";

/** What `contract list` is given. */
export type ListOptions = ContractFilter;

/** What `contract sign` is given: one decision. */
export type SignOptions = Readonly<Partial<Record<DecisionWord, true>>> & WaitOptions;

const readContent = async (file: string): Promise<Buffer> => {
  const stream = file === "-" ? process.stdin : createReadStream(file);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > CONTENT_BYTES_MAX) break;
      chunks.push(chunk);
    }
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(
      `${file} cannot be read: ${reason}`,
      "give the path of a JSON file with the contract's content, or - for standard input",
      { cause: error },
    );
  }
  if (bytes <= CONTENT_BYTES_MAX) return Buffer.concat(chunks);
  throw new CommandError(
    `${file === "-" ? "standard input" : file} holds more than ${String(CONTENT_BYTES_MAX)} bytes`,
    "the content of a contract may be 1 MiB",
  );
};

/** Proposes a contract that the user has written, and waits for the others' signatures when asked to. */
export const propose = async (
  settings: CliSettings,
  file: string,
  options: WaitOptions,
): Promise<void> => {
  checkWait(options);
  const content = await readContent(file);
  const { created, ...answer } = await administer(settings, (ask) =>
    ask("proposeContract", { content }),
  );
  const contract = await waitWhenAsked(settings, present(answer.contract), options);
  print(settings, { created, contract: contractDocument(contract) }, () =>
    outcomeText(created ? "Proposed the contract" : "There is a contract already", contract),
  );
};

const DONE: Readonly<Record<DecisionWord, string>> = {
  accept: "Accepted the contract",
  reject: "Rejected the contract",
  revoke: "Revoked the contract",
};

/** Signs a contract, and waits for the others' signatures when asked to. The same decision again changes nothing. */
export const signContract = async (
  settings: CliSettings,
  hash: string,
  options: SignOptions,
): Promise<void> => {
  const decision = DECISION_WORDS.find((word) => options[word] === true);
  if (decision === undefined)
    throw new UsageError("one of --accept, --reject and --revoke is needed");
  checkWait(options);
  const { changed, ...signed } = await administer(settings, (ask) => sign(ask, hash, decision));
  const contract = await waitWhenAsked(settings, signed.contract, options);
  print(settings, { changed, contract: contractDocument(contract) }, () =>
    outcomeText(changed ? DONE[decision] : "Nothing has changed with the contract", contract),
  );
};

/** Lists contracts. */
export const list = (settings: CliSettings, options: ListOptions): Promise<void> =>
  administer(settings, async (ask) => {
    const contracts = await contractsThat(ask, options);
    print(settings, contracts.map(contractDocument), () => contractTable(contracts));
  });

/** Shows one contract. */
export const show = (settings: CliSettings, hash: string): Promise<void> =>
  administer(settings, async (ask) => {
    const contract = await contractOf(ask, hash);
    print(settings, contractDocument(contract), () => contractText(contract));
  });
