// Starting and stopping in order. What was started last is stopped first; a start that fails half-way
// stops what it had started.
import type { Log } from "./log.js";

/** Ends one part of a process. Runs at most once. */
export type Stop = () => Promise<void> | void;

/** Collects what must be stopped. */
export class Lifecycle {
  readonly #stops: { readonly name: string; readonly stop: Stop }[] = [];
  readonly #aborter = new AbortController();
  readonly #asked = new AbortController();
  #stopping: Promise<void> | undefined;

  constructor(private readonly log: Log) {}

  /** Aborts when the stop begins. For loops and long waits. */
  get signal(): AbortSignal {
    return this.#aborter.signal;
  }

  /** Aborts when a stop is asked for, also during the start. For a start that waits for something. */
  get asked(): AbortSignal {
    return this.#asked.signal;
  }

  /** Asks for the stop, which begins when the start has ended. */
  ask(): void {
    this.#asked.abort();
  }

  /** Adds something to be stopped, before all that was added earlier. */
  onStop(name: string, stop: Stop): void {
    this.#stops.push({ name, stop });
  }

  /** Stops everything, last started first. A part that fails is logged and does not keep the others from stopping. Always the same promise. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    this.#aborter.abort();
    for (const { name, stop } of this.#stops.reverse()) {
      try {
        await stop();
      } catch (error) {
        this.log.error({ err: error, part: name }, "a part did not stop cleanly");
      }
    }
  }
}

/**
 * Runs a process until SIGINT or SIGTERM, then stops it and resolves. A signal during the start is
 * obeyed when the start has ended; a start that ends with an error because of it is no failure. A second signal, or the deadline, ends the process at once with exit
 * code 1. When `start` fails, what it had started is stopped and the error is thrown on.
 *
 * @param deadlineMs how long the start's rest and the stop may take together after the signal
 */
export const runUntilSignal = async (
  log: Log,
  deadlineMs: number,
  start: (lifecycle: Lifecycle) => Promise<void>,
): Promise<void> => {
  const lifecycle = new Lifecycle(log);
  const giveUp = (): never => {
    log.error({}, "ended before everything had stopped");
    process.exit(1);
  };
  const signalled = new Promise<void>((resolve) => {
    const first = (signal: string): void => {
      for (const name of ["SIGINT", "SIGTERM"]) {
        process.removeListener(name, first);
        process.once(name, giveUp);
      }
      setTimeout(giveUp, deadlineMs).unref();
      log.info({ signal }, "stopping");
      lifecycle.ask();
      resolve();
    };
    process.on("SIGINT", first);
    process.on("SIGTERM", first);
  });
  try {
    await start(lifecycle);
  } catch (error) {
    await lifecycle.stop();
    if (lifecycle.asked.aborted && error === lifecycle.asked.reason) return;
    throw error;
  }
  await signalled;
  await lifecycle.stop();
  log.info({}, "stopped");
};
