// SQLite answers at once and keeps the process busy until it has, so long work is done in pieces.

/** Lets what waits in the event loop have its turn. */
export const breath = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
