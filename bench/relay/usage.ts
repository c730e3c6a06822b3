// What processes have used, as the kernel counts it.
import { readdir, readFile } from "node:fs/promises";

/** Of some processes together. */
export interface Usage {
  /** User and system, all threads, in microseconds since their start. */
  readonly cpuUs: number;
  readonly rssMb: number;
}

/** One clock tick of /proc/PID/stat, in microseconds (100 a second on every Linux). */
const TICK_US = 10_000;

/** The time that every thread has run, in nanoseconds where the kernel keeps schedstat. */
const threadsUs = async (pid: number): Promise<number | undefined> => {
  const threads = await readdir(`/proc/${pid}/task`);
  const read = async (thread: string): Promise<number> => {
    const text = await readFile(`/proc/${pid}/task/${thread}/schedstat`, "utf8");
    return Number(text.split(" ")[0]) / 1000;
  };
  try {
    return (await Promise.all(threads.map(read))).reduce((sum, each) => sum + each, 0);
  } catch {
    // No schedstat here, or a thread has ended meanwhile.
    return undefined;
  }
};

const ticksUs = async (pid: number): Promise<number> => {
  const text = await readFile(`/proc/${pid}/stat`, "utf8");
  // After the name, which may hold anything, utime and stime are the 12th and 13th.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
};

const rssMbOf = async (pid: number): Promise<number> => {
  const text = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) / 1024;
};

/** What processes have used until now. Rejects when one is gone. */
export const usageOf = async (pids: readonly number[]): Promise<Usage> => {
  const each = await Promise.all(
    pids.map(async (pid) => ({
      cpuUs: (await threadsUs(pid)) ?? (await ticksUs(pid)),
      rssMb: await rssMbOf(pid),
    })),
  );
  return {
    cpuUs: each.reduce((sum, { cpuUs }) => sum + cpuUs, 0),
    rssMb: each.reduce((sum, { rssMb }) => sum + rssMb, 0),
  };
};
