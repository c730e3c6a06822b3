// Signals that outlive any number of exchanges: one listener for all who follow a signal at a time, and none
// when nobody does.

const followed = new WeakMap<AbortSignal, Set<() => void>>();
const listeners = new WeakMap<AbortSignal, () => void>();

/** Calls `cut` when the signal aborts, until `unfollow`. The signal must not have aborted yet. */
export const follow = (signal: AbortSignal, cut: () => void): void => {
  const known = followed.get(signal) ?? new Set();
  if (known.size === 0) {
    const listener = listeners.get(signal) ?? (() => [...known].forEach((one) => one()));
    followed.set(signal, known);
    listeners.set(signal, listener);
    signal.addEventListener("abort", listener);
  }
  known.add(cut);
};

/** Undoes `follow`; nothing when it was not called. */
export const unfollow = (signal: AbortSignal, cut: () => void): void => {
  const known = followed.get(signal);
  const listener = listeners.get(signal);
  if (known === undefined || listener === undefined || !known.delete(cut)) return;
  if (known.size === 0) signal.removeEventListener("abort", listener);
};
