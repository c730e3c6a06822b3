// What is told of a comparison that could not be made.
import { SchakelError, systemCode } from "../core/errors.js";
import type { PeerId } from "../core/names.js";
import { isNotServed } from "../fsc/log-client.js";
import { RemoteError } from "../fsc/manager-interface.js";
import { CompareError } from "../txlog/reconcile/compare-error.js";
import { ResultError } from "../txlog/reconcile/result.js";
import { LogFault } from "../txlog/tree/log-fault.js";
import { noSchakel } from "./other-logs.js";

const failed = (detail: string, cause: unknown): SchakelError =>
  new SchakelError("ERROR_CODE_RECONCILIATION_FAILED", { detail, cause });

/** What is told of an error to whoever asked for a comparison. What is no matter of the other side's passes as it is. */
export const comparisonProblem = (error: unknown, peer: PeerId): unknown => {
  if (isNotServed(error)) return noSchakel(peer);
  if (error instanceof LogFault) return failed(`${error.kind}: ${error.message}`, error);
  const ofOthers = [CompareError, ResultError, RemoteError];
  const isTheirs = ofOthers.some((type) => error instanceof type);
  if (error instanceof Error && isTheirs) return failed(error.message, error);
  if (error instanceof SchakelError || systemCode(error) === undefined) return error;
  return failed(
    `the manager of peer ${peer} cannot be reached (${systemCode(error) ?? ""})`,
    error,
  );
};
