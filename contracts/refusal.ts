// Why something about a contract is refused: the codes of the table of errors that stand for it.
import { SchakelError } from "../core/errors.js";

/**
 * The codes with which a contract or its signature is refused (FSC Core 2.0.0, error codes of the
 * Manager). The last three are ours: FSC names none for them.
 */
export const REFUSAL_CODES = [
  "ERROR_CODE_INCORRECT_GROUP_ID",
  "ERROR_CODE_SUBMITTING_PEER_NOT_PART_OF_CONTRACT",
  "ERROR_CODE_RECEIVING_PEER_NOT_PART_OF_CONTRACT",
  "ERROR_CODE_SIGNATURE_CONTRACT_CONTENT_HASH_MISMATCH",
  "ERROR_CODE_PEER_CERTIFICATE_VERIFICATION_FAILED",
  "ERROR_CODE_PEER_ID_SIGNATURE_MISMATCH",
  "ERROR_CODE_SIGNATURE_VERIFICATION_FAILED",
  "ERROR_CODE_GRANT_COMBINATION_NOT_ALLOWED",
  "ERROR_CODE_URL_PATH_CONTENT_HASH_MISMATCH",
  "ERROR_CODE_UNKNOWN_HASH_ALGORITHM_HASH",
  "ERROR_CODE_UNKNOWN_ALGORITHM_SIGNATURE",
  "ERROR_CODE_UNKNOWN_FSC_VERSION",
  "ERROR_CODE_REQUEST_INVALID",
  "ERROR_CODE_BODY_TOO_LARGE",
  "ERROR_CODE_CONTRACT_INVALID",
] as const;

/** One of the codes with which a contract or a signature is refused. */
export type RefusalCode = (typeof REFUSAL_CODES)[number];

/**
 * A contract or signature that is refused. `detail` goes to whoever sent it: it holds only what the sender
 * sent or may know. `cause` is for the log.
 */
export class ContractRefusal extends SchakelError {
  declare readonly code: RefusalCode;
  declare readonly detail: string;

  constructor(code: RefusalCode, detail: string, options?: ErrorOptions) {
    super(code, { detail, cause: options?.cause });
    this.name = "ContractRefusal";
  }
}
