// Leaving a test out, always with a reason, which the report of a run names.
import type { Context } from "mocha";

interface Skippable {
  readonly type?: string;
  readonly parent?: Skippable | undefined;
  skipReason?: string;
}

/**
 * Ends the running test as skipped; from a `before` hook, all tests of its suite. Never returns.
 *
 * @param reason one sentence: what is missing here, so that a reader knows how to have the test run
 */
export const skip = (context: Context, reason: string): never => {
  const running = context.test as Skippable | undefined;
  const skipped: Skippable | undefined =
    running?.type === "hook" ? (context.currentTest ?? running.parent) : running;
  if (skipped !== undefined) skipped.skipReason = reason;
  return context.skip();
};
