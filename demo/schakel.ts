// Running the `schakel` command as a user does: the compiled command, in a process of its own.
import { fileURLToPath } from "node:url";
import { CommandError } from "../cli/command.js";
import { parseAddress } from "../core/address.js";
import type { Processes, Running } from "./processes.js";

const COMMAND = fileURLToPath(new URL("../cli/main.js", import.meta.url));
/** How long a process may take until it listens, in milliseconds. */
export const START_TIMEOUT_MS = 30_000;

/** A process that serves, with its ports on 127.0.0.1. */
export interface Service {
  readonly running: Running;
  readonly port: number;
  readonly healthPort: number;
}

/**
 * Runs a command to its end and returns what it wrote to standard output.
 *
 * @param folder where it runs
 * @throws CommandError when its exit code is not 0, with what it wrote to standard error
 */
export const schakel = async (
  processes: Processes,
  folder: string,
  args: readonly string[],
): Promise<string> => {
  const outcome = await processes.run("schakel", [COMMAND, ...args], { cwd: folder });
  if (outcome.code !== 0)
    throw new CommandError(`schakel ${args.join(" ")} failed:\n${outcome.stderr.trimEnd()}`);
  return outcome.stdout;
};

/**
 * Starts a script, or with `args` naming a command the `schakel` command, and waits until it listens.
 *
 * @throws ProcessError when it ends or keeps silent instead, with its last lines
 */
export const startListening = async (
  processes: Processes,
  name: string,
  args: readonly string[],
): Promise<{ readonly running: Running; readonly port: number }> => {
  const running = await processes.start(name, args);
  return { running, port: await portOf(running, "listening") };
};

/**
 * Starts one of the serving commands and waits until it listens.
 *
 * @param part the part whose ports are wanted, when one process is several
 */
export const startService = async (
  processes: Processes,
  name: string,
  args: readonly string[],
  part?: string,
): Promise<Service> => {
  const running = await processes.start(name, [COMMAND, ...args]);
  const port = await portOf(running, "listening", part);
  return { running, port, healthPort: await portOf(running, "health listening", part) };
};

const portOf = async (running: Running, message: string, part?: string): Promise<number> => {
  const { fields } = await running.waitForLine(
    (line) =>
      line.fields["msg"] === message && (part === undefined || line.fields["name"] === part),
    START_TIMEOUT_MS,
  );
  return parseAddress(String(fields["address"]))?.port ?? 0;
};
