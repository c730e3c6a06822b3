// The one table of errors that Schakel answers with, and the one class that carries them. Which
// process answered, and on which stretch of the way, is part of every error: for somebody between two
// organisations "which hop broke" is the first question.

/** A process that can answer with an error (FSC calls it the domain). */
export type Domain = "outway" | "inway" | "directory";

/**
 * The stretch of the way where it went wrong: C1 between client and outway, O1 between outway and
 * inway, A1 between inway and source, D1 between a component and the directory.
 */
export type Location = "C1" | "O1" | "A1" | "D1";

interface ErrorRow {
  /** The HTTP status; gRPC answers carry the status code that corresponds to it. */
  readonly status: number;
  /** Which domains use the code, and at which location each. */
  readonly at: Partial<Readonly<Record<Domain, Location>>>;
  /** Whether the same request may succeed later without anybody changing anything. */
  readonly retry: boolean;
  /** What happened, in one sentence. */
  readonly text: string;
  /** What to do about it, in one sentence. */
  readonly hint: string;
}

/**
 * Every code, once. Codes of FSC Core 2.0.0 and Logging 1.1.0 keep the name, status and spelling that
 * the standard gives them (Logging prints its three without the prefix). A code is never renamed.
 */
export const ERRORS = {
  ERROR_CODE_ADDRESS_INVALID: {
    status: 400,
    at: { outway: "C1" },
    retry: false,
    text: "the address does not name a peer and a service",
    hint: "Use /{peer id}/{service}/{path}, or the host {service}.{peer id}.{suffix}.",
  },
  ERROR_CODE_PEER_NOT_FOUND: {
    status: 404,
    at: { outway: "C1", directory: "D1" },
    retry: false,
    text: "no peer with this id is in the catalogue",
    hint: "Check the peer id; a peer appears once one of its inways or outways has announced itself.",
  },
  ERROR_CODE_SERVICE_NOT_FOUND: {
    status: 404,
    at: { outway: "C1", inway: "O1", directory: "D1" },
    retry: false,
    text: "the peer offers no service with this name",
    hint: "Check the service name against the list of the peer's services.",
  },
  ERROR_CODE_REQUEST_MALFORMED: {
    status: 400,
    at: { outway: "C1", inway: "O1" },
    retry: false,
    text: "the request is not well-formed HTTP, or could be read in more than one way",
    hint: "Send the request as RFC 9112 describes; the message says which rule it broke.",
  },
  ERROR_CODE_REQUEST_HEAD_TOO_LARGE: {
    status: 431,
    at: { outway: "C1", inway: "O1" },
    retry: false,
    text: "the request's head is larger than allowed, or has too many header lines",
    hint: "Send fewer or shorter headers, or raise the limit --head-bytes-max or --headers-max.",
  },
  ERROR_CODE_REQUEST_TIMEOUT: {
    status: 408,
    at: { outway: "C1", inway: "O1" },
    retry: true,
    text: "the request did not arrive in time",
    hint: "Send the head and the body without long pauses.",
  },
  ERROR_CODE_HTTP_VERSION_UNSUPPORTED: {
    status: 505,
    at: { outway: "C1", inway: "O1" },
    retry: false,
    text: "the HTTP version of the request is not supported",
    hint: "Use HTTP/1.1 or HTTP/1.0.",
  },
  ERROR_CODE_METHOD_UNSUPPORTED: {
    status: 405,
    at: { outway: "C1", inway: "O1" },
    retry: false,
    text: "the CONNECT method is not supported",
    hint: "Send the request itself instead of asking for a tunnel.",
  },
  ERROR_CODE_CROSS_SITE_REQUEST: {
    status: 403,
    at: { outway: "C1" },
    retry: false,
    text: "a browser sent this request on behalf of another site",
    hint: "Call the outway from a program of your organisation, not from a web page.",
  },
  ERROR_CODE_DATA_SUBJECT_INVALID: {
    status: 400,
    at: { outway: "C1", inway: "O1" },
    retry: false,
    text: "the header X-NLX-Request-Data-Subject does not have the form key=value,key=value",
    hint: "Keys are 1 to 100 of a-z 0-9 - _; values are 1 to 100 of a-z A-Z 0-9 . - _.",
  },
  ERROR_CODE_CATALOGUE_UNAVAILABLE: {
    status: 503,
    at: { outway: "C1" },
    retry: true,
    text: "the outway has not received a catalogue from the directory yet",
    hint: "Look at the outway's log and at /health/ready: can it reach a directory of the group?",
  },
  ERROR_CODE_OVERLOADED: {
    status: 503,
    at: { outway: "C1", inway: "O1" },
    retry: true,
    text: "there are more exchanges at once than allowed",
    hint: "Try again later, or raise the limit --exchanges-max.",
  },
  ERROR_CODE_NO_HEALTHY_INWAY: {
    status: 503,
    at: { outway: "O1" },
    retry: true,
    text: "no inway of the service is healthy",
    hint: "Try again later; ask the offering organisation when this lasts.",
  },
  ERROR_CODE_INWAY_UNREACHABLE: {
    status: 502,
    at: { outway: "O1" },
    retry: true,
    text: "no connection to an inway of the service could be made, or it broke",
    hint: "Try again later; check the firewall between the two organisations when this lasts.",
  },
  ERROR_CODE_INWAY_IDENTITY_MISMATCH: {
    status: 502,
    at: { outway: "O1" },
    retry: false,
    text: "the certificate at the inway's address belongs to another peer",
    hint: "Nothing was sent. Ask the offering organisation who runs the server at that address.",
  },
  ERROR_CODE_INWAY_TIMEOUT: {
    status: 504,
    at: { outway: "O1" },
    retry: true,
    text: "the inway did not answer in time",
    hint: "Try again later, or raise --answer-timeout when the service is slow by nature.",
  },
  ERROR_CODE_INWAY_ANSWER_INVALID: {
    status: 502,
    at: { outway: "O1" },
    retry: false,
    text: "the inway's answer is not well-formed HTTP",
    hint: "Give the offering organisation the transaction id.",
  },
  ERROR_CODE_ACCESS_DENIED: {
    status: 403,
    at: { inway: "O1" },
    retry: false,
    text: "no grant lets this peer with this key use the service",
    hint: "Ask the offering organisation to grant your peer id and public key thumbprint access to the service.",
  },
  ERROR_CODE_SERVICE_UNREACHABLE: {
    status: 502,
    at: { inway: "A1" },
    retry: true,
    text: "the source of the service could not be reached, or the connection broke",
    hint: "Give the offering organisation the transaction id.",
  },
  ERROR_CODE_SERVICE_TIMEOUT: {
    status: 504,
    at: { inway: "A1" },
    retry: true,
    text: "the source of the service did not answer in time",
    hint: "Try again later; give the offering organisation the transaction id when this lasts.",
  },
  ERROR_CODE_SERVICE_ANSWER_INVALID: {
    status: 502,
    at: { inway: "A1" },
    retry: false,
    text: "the answer of the service's source is not well-formed HTTP",
    hint: "Give the offering organisation the transaction id.",
  },
  MISSING_LOG_RECORD_ID: {
    status: 400,
    at: { inway: "O1" },
    retry: false,
    text: "the header Fsc-Transaction-Id is missing",
    hint: "Call the service through an outway, which sets it.",
  },
  INVALID_LOG_RECORD_ID: {
    status: 400,
    at: { inway: "O1" },
    retry: false,
    text: "the header Fsc-Transaction-Id is not a UUID of version 7, or comes more than once",
    hint: "Call the service through an outway, which sets it.",
  },
  TRANSACTION_LOG_WRITE_ERROR: {
    status: 500,
    at: { outway: "C1", inway: "O1" },
    retry: true,
    text: "the transaction log could not be written, so nothing was forwarded",
    hint: "The operator of this outway or inway finds the cause in its log; often the disk is full.",
  },
  ERROR_CODE_INCORRECT_GROUP_ID: {
    status: 400,
    at: { directory: "D1" },
    retry: false,
    text: "the request is for another group",
    hint: "Check which group.json each side has loaded.",
  },
  ERROR_CODE_ANNOUNCEMENT_INVALID: {
    status: 400,
    at: { directory: "D1" },
    retry: false,
    text: "the announcement cannot be accepted",
    hint: "The message says what is wrong with it.",
  },
  ERROR_CODE_ANNOUNCEMENT_OUTDATED: {
    status: 409,
    at: { directory: "D1" },
    retry: false,
    text: "an announcement with this or a higher sequence number is known already",
    hint: "Announce again with a sequence number above the one in the message.",
  },
  ERROR_CODE_ADDRESS_NOT_ALLOWED: {
    status: 400,
    at: { directory: "D1" },
    retry: false,
    text: "the inway's address is not allowed",
    hint: "The host must be a DNS name of the announcing certificate and the port one of the group's.",
  },
  ERROR_CODE_REQUEST_INVALID: {
    status: 400,
    at: { directory: "D1" },
    retry: false,
    text: "a field of the request is not allowed",
    hint: "The message names the field and what is allowed.",
  },
  ERROR_CODE_LIMIT_EXCEEDED: {
    status: 429,
    at: { directory: "D1" },
    retry: false,
    text: "the request is beyond a limit of the directory",
    hint: "The message names the limit.",
  },
  ERROR_CODE_INTERNAL: {
    status: 500,
    at: { outway: "C1", inway: "O1", directory: "D1" },
    retry: false,
    text: "something went wrong inside this process",
    hint: "The operator finds the cause in the log under the transaction id.",
  },
} as const satisfies Record<string, ErrorRow>;

/** One of the codes of the table. */
export type ErrorCode = keyof typeof ERRORS;

/** The row of a code. */
export const errorRow = (code: ErrorCode): ErrorRow => ERRORS[code];

interface SchakelErrorOptions {
  /** What was found, for the person who reads the answer; holds only what the caller already knows. */
  readonly detail?: string;
  /** Valid values the caller could have used instead; the answer shows at most ten. */
  readonly choices?: readonly string[];
  /** Where it went wrong when the domain's usual location does not say it. */
  readonly cause?: unknown;
}

/**
 * An operating mistake with a code of the table. Its `detail` goes to the caller, its `cause` to the
 * log alone. Programmers' mistakes are plain errors and become ERROR_CODE_INTERNAL.
 */
export class SchakelError extends Error {
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  readonly choices: readonly string[];

  constructor(code: ErrorCode, options: SchakelErrorOptions = {}) {
    const { text } = errorRow(code);
    super(options.detail === undefined ? text : `${text}: ${options.detail}`, {
      cause: options.cause,
    });
    this.name = "SchakelError";
    this.code = code;
    this.detail = options.detail;
    this.choices = options.choices ?? [];
  }
}

/** Makes a SchakelError of whatever was thrown; what is not one already becomes ERROR_CODE_INTERNAL with it as cause. */
export const toSchakelError = (thrown: unknown): SchakelError =>
  thrown instanceof SchakelError
    ? thrown
    : new SchakelError("ERROR_CODE_INTERNAL", { cause: thrown });

/**
 * The system or library code (`ECONNREFUSED`, `ERR_TLS_CERT_ALTNAME_INVALID`, …) found first along the
 * chain of causes; undefined when there is none. Errors are told apart by this, never by their text.
 */
export const systemCode = (thrown: unknown): string | undefined => {
  let error = thrown;
  for (let depth = 0; depth < 10 && error instanceof Error; depth++) {
    if ("code" in error && typeof error.code === "string") return error.code;
    error = error.cause;
  }
  return undefined;
};
