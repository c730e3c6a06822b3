// Which codes of the error table real processes have answered with in this run. test/zz-coverage.test.ts
// asks at the end whether any is missing.
import type { ErrorCode } from "../../core/errors.js";

const seen = new Set<ErrorCode>();

/** Notes that a real process answered with this code. Called by the test that checked the answer. */
export const provoked = (code: ErrorCode): void => {
  seen.add(code);
};

/** The codes noted so far. */
export const provokedCodes = (): ReadonlySet<ErrorCode> => seen;
