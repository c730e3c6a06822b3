// The one place that tries again in a loop.

/** How long to wait after the n-th failure in a row (1, 2, …): exponential between two bounds, half of it random. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * The wait after the n-th failure in a row, in milliseconds. Half fixed, half random: peers that lost the
 * same server do not come back at the same moment.
 *
 * @param random gives numbers from 0 up to 1
 */
export const backoffMs = (
  { firstMs, maxMs }: Backoff,
  failures: number,
  random: () => number = Math.random,
): number => {
  const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return ceiling / 2 + random() * (ceiling / 2);
};

/** Waits, or returns early when the signal aborts. Never rejects. */
export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });

/** What `repeat` does and how. */
export interface Repeated {
  /** One turn. Resolves with the milliseconds until the next turn; rejects to be tried again after a back-off. */
  readonly turn: (signal: AbortSignal) => Promise<number>;
  /** Called after each failed turn with the error, the failures in a row so far, and the wait until the next turn. */
  readonly failed: (error: unknown, failures: number, waitMs: number) => void;
  readonly backoff: Backoff;
}

/**
 * Runs `turn` again and again until the signal aborts: after the time it asks for when it succeeds,
 * after a jittered exponential back-off when it fails. Resolves after the abort, when the running turn has ended.
 */
export const repeat = async (
  signal: AbortSignal,
  { turn, failed, backoff }: Repeated,
): Promise<void> => {
  let failures = 0;
  while (!signal.aborted) {
    let waitMs: number;
    try {
      waitMs = await turn(signal);
      failures = 0;
    } catch (error) {
      // The signal may have aborted while the turn ran.
      if ((signal as { aborted: boolean }).aborted) return;
      failures += 1;
      waitMs = backoffMs(backoff, failures);
      failed(error, failures, waitMs);
    }
    await pause(waitMs, signal);
  }
};
