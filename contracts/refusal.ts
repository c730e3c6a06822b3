// Why something about a contract is refused: FSC's codes, and two of ours where FSC has none.

interface RefusalRow {
  /** The HTTP status that FSC Core 2.0.0 gives the code. */
  readonly status: 400 | 413 | 422;
  /** What happened, in one sentence. */
  readonly text: string;
  /** What to do about it, in one sentence. */
  readonly hint: string;
}

/**
 * Every code with which a contract or its signature is refused (FSC Core 2.0.0, error codes of the
 * Manager). ERROR_CODE_REQUEST_INVALID, ERROR_CODE_BODY_TOO_LARGE and ERROR_CODE_CONTRACT_INVALID are
 * ours: FSC names none for them.
 */
export const REFUSALS = {
  ERROR_CODE_INCORRECT_GROUP_ID: {
    status: 422,
    text: "the contract is for another group",
    hint: "Check which group.json each side has loaded.",
  },
  ERROR_CODE_SUBMITTING_PEER_NOT_PART_OF_CONTRACT: {
    status: 422,
    text: "the peer that submits the contract has no part in it",
    hint: "A contract is submitted by one of the peers that its grants name.",
  },
  ERROR_CODE_RECEIVING_PEER_NOT_PART_OF_CONTRACT: {
    status: 422,
    text: "the peer that receives the contract has no part in it",
    hint: "Send a contract to the peers that its grants name, and to nobody else.",
  },
  ERROR_CODE_SIGNATURE_CONTRACT_CONTENT_HASH_MISMATCH: {
    status: 422,
    text: "the signature is for another contract",
    hint: "Sign the hash of the content that is sent with the signature.",
  },
  ERROR_CODE_PEER_CERTIFICATE_VERIFICATION_FAILED: {
    status: 400,
    text: "the certificate of the peer is not accepted",
    hint: "Use a certificate of the group that names the peer by the group's rule.",
  },
  ERROR_CODE_PEER_ID_SIGNATURE_MISMATCH: {
    status: 422,
    text: "the signature was made by another peer",
    hint: "A peer sends its own signatures only, made with a certificate that has its peer id.",
  },
  ERROR_CODE_SIGNATURE_VERIFICATION_FAILED: {
    status: 422,
    text: "the signature cannot be verified",
    hint: "The message says which step failed.",
  },
  ERROR_CODE_GRANT_COMBINATION_NOT_ALLOWED: {
    status: 422,
    text: "the grants of the contract may not stand together",
    hint: "Put publication grants and connection grants in contracts of their own.",
  },
  ERROR_CODE_URL_PATH_CONTENT_HASH_MISMATCH: {
    status: 422,
    text: "the hash in the URL is not that of the content",
    hint: "Use the hash of the content that is sent, percent-encoded.",
  },
  ERROR_CODE_UNKNOWN_HASH_ALGORITHM_HASH: {
    status: 422,
    text: "the hash algorithm is unknown",
    hint: "Use HASH_ALGORITHM_SHA3_512, written $1$ in hashes.",
  },
  ERROR_CODE_UNKNOWN_ALGORITHM_SIGNATURE: {
    status: 422,
    text: "the signature's algorithm is not allowed",
    hint: "Use RS256, RS384, RS512, ES256, ES384 or ES512.",
  },
  ERROR_CODE_UNKNOWN_FSC_VERSION: {
    status: 422,
    text: "the contract is of another version of FSC",
    hint: "Both sides must use software for the same version; make the contract again with it.",
  },
  ERROR_CODE_REQUEST_INVALID: {
    status: 400,
    text: "a field of the request is not allowed",
    hint: "The message names the field and what is allowed.",
  },
  ERROR_CODE_BODY_TOO_LARGE: {
    status: 413,
    text: "the body is larger than allowed",
    hint: "The message names the limit.",
  },
  ERROR_CODE_CONTRACT_INVALID: {
    status: 422,
    text: "the contract breaks a rule",
    hint: "The message names the rule.",
  },
} as const satisfies Record<string, RefusalRow>;

/** One of the codes with which a contract or a signature is refused. */
export type RefusalCode = keyof typeof REFUSALS;

/**
 * A contract or signature that is refused. `detail` goes to whoever sent it: it holds only what the sender
 * sent or may know. `cause` is for the log.
 */
export class ContractRefusal extends Error {
  /** The process that answers with the code. */
  readonly domain = "manager";

  constructor(
    readonly code: RefusalCode,
    readonly detail: string,
    options?: ErrorOptions,
  ) {
    super(`${REFUSALS[code].text}: ${detail}`, options);
    this.name = "ContractRefusal";
  }

  /** The HTTP status of the code. */
  get status(): number {
    return REFUSALS[this.code].status;
  }
}
