// Waiting for something that only asking again can show.
import { repeat } from "../core/retry.js";
import { check } from "./step.js";
import type { Running } from "./processes.js";

const PAUSE_MS = 50;

/**
 * Asks again and again until the answer is yes. A question that fails counts as no, and the error
 * tells how the last one failed.
 *
 * @param what the process concerned, and what it has to come to, for the error
 * @throws StepError when the answer was not yes within `timeoutMs`
 */
export const until = async (
  what: { readonly running: Running; readonly state: string },
  timeoutMs: number,
  ask: () => Promise<boolean>,
): Promise<void> => {
  const yes = new AbortController();
  const over = AbortSignal.timeout(timeoutMs);
  let failure = "";
  await repeat(AbortSignal.any([yes.signal, over]), {
    turn: async () => {
      if (await ask()) yes.abort();
      failure = "";
      return PAUSE_MS;
    },
    failed: (error) => {
      failure = `: ${error instanceof Error ? error.message : String(error)}`;
    },
    backoff: { firstMs: PAUSE_MS, maxMs: PAUSE_MS },
  });
  const { running, state } = what;
  const problem = `${running.name} was not ${state} in ${String(timeoutMs)} ms${failure}`;
  check(yes.signal.aborted, problem, running);
};
