// Finding the one contract that a person or program means.
import { SchakelError } from "../core/errors.js";
import type { ContractBook } from "./contract-book.js";
import type { StoredContract } from "./stored-contract.js";

/** How many characters of a hash must be given at least. */
const PREFIX_MIN = 10;
const HASH_MAX = 100;

const invalid = (detail: string, choices: readonly string[] = []): SchakelError =>
  new SchakelError("ERROR_CODE_REQUEST_INVALID", { detail, choices });

/**
 * The contract with a hash, or the one whose hash begins so.
 *
 * @throws SchakelError ERROR_CODE_CONTRACT_NOT_FOUND; ERROR_CODE_REQUEST_INVALID for a text that is too short or long, or
 * that begins several, which are named
 */
export const findContract = async (
  book: Pick<ContractBook, "findByPrefix">,
  hash: string,
): Promise<StoredContract> => {
  if (hash.length < PREFIX_MIN || hash.length > HASH_MAX) {
    throw invalid(
      `hash has ${String(hash.length)} characters, allowed are ${String(PREFIX_MIN)} to ${String(HASH_MAX)}: a content hash or how it begins`,
    );
  }
  const found = await book.findByPrefix(hash);
  const [only, ...others] = found;
  if (only === undefined) throw new SchakelError("ERROR_CODE_CONTRACT_NOT_FOUND");
  if (others.length === 0) return only;
  throw invalid(
    `hash begins ${String(found.length)} contracts or more, allowed is what begins one`,
    found.map((each) => each.hash),
  );
};
