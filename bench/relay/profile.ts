// Preloaded into an inway or outway of the bench with --cpu-prof: SIGUSR2 starts a profile of its CPU, and the next
// one ends it and writes the file whose name stands in the file BENCH_PROFILE/next-PID. Only syntax that Node can strip stands here.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { join } from "node:path";

const folder = process.env["BENCH_PROFILE"] ?? "";
const session = new Session();
let isRunning = false;

const toggle = async (): Promise<void> => {
  if (!isRunning) {
    isRunning = true;
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval: 200 });
    return session.post("Profiler.start");
  }
  isRunning = false;
  const { profile } = await session.post("Profiler.stop");
  session.disconnect();
  const file = readFileSync(join(folder, `next-${process.pid}`), "utf8");
  writeFileSync(join(folder, "unfinished"), JSON.stringify(profile));
  renameSync(join(folder, "unfinished"), join(folder, file));
};

process.on("SIGUSR2", () => void toggle());
