// How the writer says that a record could not be made durable.
import { SchakelError, systemCode } from "../core/errors.js";
import type { OutcomeEntry } from "./entry.js";

/** The refusal of an intent: nothing of its exchange may be forwarded. The reason is for the process's own log. */
export const notWritten = (reason: string, cause?: unknown): SchakelError =>
  new SchakelError("TRANSACTION_LOG_WRITE_ERROR", { cause: new Error(reason, { cause }) });

/** The end of an exchange whose intent is on this disk but was refused, since the store did not have it in time. */
export const REFUSED: OutcomeEntry = {
  result: "failed",
  status: 500,
  code: "TRANSACTION_LOG_WRITE_ERROR",
  requestBytes: 0,
  responseBytes: 0,
  durationUs: { total: 0 },
  link: "none",
};

/** The system's word for a failure, such as ENOSPC. */
export const nameOf = (error: unknown): string =>
  systemCode(error) ?? (error instanceof Error ? error.name : "unknown");
