// The one table of errors that Schakel answers with, and the one class that carries them. Which
// process answered, and on which stretch of the way, is part of every error: for somebody between two
// organisations "which hop broke" is the first question.
import { CONTROL_ERRORS } from "./control-errors.js";
import type { ErrorRow } from "./error-row.js";
import { EXCHANGE_ERRORS } from "./exchange-errors.js";

export type { Domain, ErrorRow, Location } from "./error-row.js";

/**
 * Every code, once. Codes of FSC Core 2.0.0 and Logging 1.1.0 keep the name, status and spelling that
 * the standard gives them (Logging prints its three without the prefix). A code is never renamed.
 */
export const ERRORS = { ...EXCHANGE_ERRORS, ...CONTROL_ERRORS } as const;

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
