// Making a system call of a process fail, or kill it there, by strace's fault injection.
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Context } from "mocha";
import { skip } from "./skip.js";

/** What happens at a call. */
export interface Fault {
  readonly call: "fdatasync" | "fsync" | "pwrite64";
  readonly kind: "EIO" | "KILL";
  /** Which call of its kind, from 1; calls are counted for each thread apart. */
  readonly at: number;
}

/** The arguments of strace for a fault; what it saw goes to the file. */
export const straceFor = ({ call, kind, at }: Fault, file: string): string[] => {
  const action = kind === "EIO" ? "error=EIO" : "signal=SIGKILL";
  const inject = `inject=${call}:${action}:when=${String(at)}`;
  return ["-f", "-qq", "-o", file, "-e", `trace=${call}`, "-e", inject];
};

/** Leaves a test or suite out where strace cannot do its work. */
export const requireStrace = (context: Context): void => {
  const run = spawnSync("strace", [
    "-f",
    "-qq",
    "-o",
    "/dev/null",
    "-e",
    "trace=fdatasync",
    "true",
  ]);
  if (run.status !== 0)
    skip(context, "strace is not here or may not trace (Debian package strace)");
};

/** Whether the fault happened to a process that may have been killed. */
export const happened = (file: string): boolean =>
  /\(INJECTED\)|killed by SIGKILL/.test(readFileSync(file, "utf8"));

/** Attaches to a running process; undefined where that is not allowed. Ends with the process, or when killed. */
export const attach = async (
  pid: number,
  fault: Fault,
  file: string,
): Promise<ChildProcess | undefined> => {
  const args = straceFor(fault, file).filter((argument) => argument !== "-qq");
  const tracer = spawn("strace", [...args, "-p", String(pid)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  const attached = new Promise<boolean>((resolve) => {
    tracer.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes("attached")) resolve(true);
    });
    void once(tracer, "close").then(() => resolve(false));
  });
  return (await attached) ? tracer : undefined;
};
