// What went wrong between outway and inway, as the error the client gets. The cause stays in the log.
import { SchakelError, systemCode, toSchakelError, type ErrorCode } from "../core/errors.js";
import { ForwardError } from "../relay/exchange.js";

const CODES: Readonly<Record<Exclude<ForwardError["kind"], "client-aborted">, ErrorCode>> = {
  connect: "ERROR_CODE_INWAY_UNREACHABLE",
  "connect-timeout": "ERROR_CODE_INWAY_TIMEOUT",
  "answer-timeout": "ERROR_CODE_INWAY_TIMEOUT",
  broken: "ERROR_CODE_INWAY_UNREACHABLE",
  malformed: "ERROR_CODE_INWAY_ANSWER_INVALID",
};

/** The error to answer with; undefined when the client has gone and nobody is there to answer to. */
export const toOutwayError = (thrown: unknown): SchakelError | undefined => {
  if (!(thrown instanceof ForwardError)) return toSchakelError(thrown);
  if (thrown.kind === "client-aborted") return undefined;
  const mismatch = systemCode(thrown.cause) === "SCHAKEL_PEER_MISMATCH";
  const timedOut = thrown.kind === "connect" && systemCode(thrown.cause) === "ETIMEDOUT";
  const code = mismatch
    ? "ERROR_CODE_INWAY_IDENTITY_MISMATCH"
    : timedOut
      ? "ERROR_CODE_INWAY_TIMEOUT"
      : CODES[thrown.kind];
  return new SchakelError(code, { cause: thrown });
};

/** Whether no connection to an inway could be made, for no reason of its certificate. */
export const isUnreachable = (thrown: unknown): boolean =>
  thrown instanceof ForwardError &&
  ["connect", "connect-timeout"].includes(thrown.kind) &&
  systemCode(thrown.cause) !== "SCHAKEL_PEER_MISMATCH";
