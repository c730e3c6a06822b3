// Going on after a failure of the disk.
import type { Log } from "../core/log.js";
import { pause, repeat } from "../core/retry.js";
import { nameOf } from "./not-written.js";

/** After a failure: the first attempt after one second, further ones one to two seconds apart. */
const FIRST_RETRY_MS = 1000;
const RETRY = { firstMs: 2000, maxMs: 2000 };

/** Tries to go on until it succeeds or the signal aborts. Never rejects. */
export const reopen = async (
  resume: () => Promise<unknown>,
  signal: AbortSignal,
  log: Log,
): Promise<void> => {
  const resumed = new AbortController();
  await pause(FIRST_RETRY_MS, signal);
  await repeat(AbortSignal.any([signal, resumed.signal]), {
    turn: async () => {
      await resume();
      resumed.abort();
      return 0;
    },
    failed: (error, failures) =>
      log.warn({ code: nameOf(error), failures }, "the transaction log still cannot be written"),
    backoff: RETRY,
  });
};
