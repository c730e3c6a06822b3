// How much memory a process of tests holds while it works, with nothing that is only waiting to be collected.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** How long a look at the memory waits for the next one at least. */
const PAUSE_MIN_MS = 50;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Octets that this process holds, garbage aside; a second collection gives back the buffers that the first one found. */
const held = (): number => {
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

/**
 * Runs work, and gives how far the memory that is held rose above where it began. (What is resident counts the garbage
 * between two collections as well.) Where looking takes long, since much else is held, half of the time is left to the work.
 */
export const growthDuring = async (work: () => Promise<void>): Promise<number> => {
  const before = held();
  let most: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    const begun = performance.now();
    most = Math.max(most ?? 0, held());
    timer = setTimeout(look, Math.max(PAUSE_MIN_MS, performance.now() - begun));
  };
  timer = setTimeout(look, PAUSE_MIN_MS);
  try {
    await work();
  } finally {
    clearTimeout(timer);
  }
  if (most === undefined) throw new Error("the work was over before its memory was looked at");
  return most - before;
};
