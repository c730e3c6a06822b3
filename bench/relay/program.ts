// A program that is not ours, started for measuring and ended with it.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { until } from "../../test/support/until.js";

const LISTENING_MS = 20_000;
/** Where daemons lie, which the PATH of a user may lack. */
const MORE_FOLDERS = ["/usr/sbin", "/usr/local/sbin"];

const started = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of started) child.kill("SIGTERM");
});

/** The path of an installed program; undefined when it is missing. */
export const installed = (name: string): string | undefined =>
  [...(process.env["PATH"] ?? "").split(delimiter), ...MORE_FOLDERS]
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));

/** What a program prints about itself, both streams; "" when it says nothing. */
export const printed = async (path: string, ...args: readonly string[]): Promise<string> => {
  const run = promisify(execFile);
  // wrk leaves with code 1 after it has told its version.
  const result = await run(path, [...args]).catch((error: unknown) => error);
  const { stdout = "", stderr = "" } = result as { stdout?: string; stderr?: string };
  return stdout + stderr;
};

/** A running program. */
export interface Program {
  /** Its processes: itself and its children. */
  pids(): Promise<readonly number[]>;
  stop(): Promise<void>;
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });

const childrenOf = async (pid: number): Promise<readonly number[]> => {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.trim().split(" ").filter(Boolean).map(Number);
};

/** Starts a program and waits until it listens. Rejects, with what it said, when it does not. */
export const startProgram = async (
  path: string,
  args: readonly string[],
  port: number,
  env: Readonly<Record<string, string>> = {},
): Promise<Program> => {
  const child = spawn(path, [...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  started.add(child);
  const state = { said: "", ended: false };
  child.stderr.on(
    "data",
    (chunk: Buffer) => (state.said = (state.said + String(chunk)).slice(-4000)),
  );
  const exited = new Promise<void>((resolve) => {
    child.once("error", (error) => (state.said += error.message));
    child.once("close", () => {
      started.delete(child);
      state.ended = true;
      resolve();
    });
  });
  await until(
    `${path} to listen`,
    () => {
      if (state.ended) throw new Error(`${path} ${args.join(" ")} ended: ${state.said}`);
      return accepts(port);
    },
    LISTENING_MS,
  );
  const pid = child.pid ?? 0;
  return {
    pids: async () => [pid, ...(await childrenOf(pid))],
    stop: async () => {
      child.kill("SIGTERM");
      await exited;
    },
  };
};
