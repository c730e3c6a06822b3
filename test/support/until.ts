// Waiting for a condition, with a deadline instead of luck.

/** How long it is waited at most between two looks; the first ones follow each other sooner. */
const PAUSE_MAX_MS = 20;

/** Resolves with the first value of `probe` that is not undefined or false; rejects after `timeoutMs`, naming what was awaited. */
export const until = async <T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> => {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = 1; ; pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS)) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline)
      throw new Error(`waited ${String(timeoutMs)} ms in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
};
