// Background work that begins anew when what it stands on has changed.

/** Work that runs until it is stopped. */
export interface Restartable {
  /** Ends the running work and begins it anew at once, also when it was waiting. Never two run at once. */
  restart(): void;
  /** Ends the work; resolves when it has ended. It does not begin again. */
  stop(): Promise<void>;
}

/**
 * Starts the work at once.
 *
 * @param run the work; resolves soon after its signal aborts and never rejects
 */
export const startRestartable = (run: (signal: AbortSignal) => Promise<void>): Restartable => {
  let aborter = new AbortController();
  let running = run(aborter.signal);
  let stopped = false;
  return {
    restart: () => {
      if (stopped) return;
      aborter.abort();
      aborter = new AbortController();
      const { signal } = aborter;
      running = running.then(() => (signal.aborted ? undefined : run(signal)));
    },
    stop: () => {
      stopped = true;
      aborter.abort();
      return running;
    },
  };
};
