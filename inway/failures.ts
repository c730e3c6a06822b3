// What went wrong between inway and source, as the error the consumer gets. The cause, which may name
// an internal address, stays in the log.
import { SchakelError, toSchakelError, type ErrorCode } from "../core/errors.js";
import { ForwardError } from "../relay/exchange.js";

const CODES: Readonly<Record<Exclude<ForwardError["kind"], "client-aborted">, ErrorCode>> = {
  connect: "ERROR_CODE_SERVICE_UNREACHABLE",
  "connect-timeout": "ERROR_CODE_SERVICE_TIMEOUT",
  "answer-timeout": "ERROR_CODE_SERVICE_TIMEOUT",
  broken: "ERROR_CODE_SERVICE_UNREACHABLE",
  malformed: "ERROR_CODE_SERVICE_ANSWER_INVALID",
};

/** The error to answer with; undefined when the consumer has gone and nobody is there to answer to. */
export const toInwayError = (thrown: unknown): SchakelError | undefined => {
  if (!(thrown instanceof ForwardError)) return toSchakelError(thrown);
  return thrown.kind === "client-aborted"
    ? undefined
    : new SchakelError(CODES[thrown.kind], { cause: thrown });
};
