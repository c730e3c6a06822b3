// The options --wait and --timeout of the commands after which others must sign.
import { Option, type Command } from "commander";
import { UsageError } from "./command.js";
import { lengthOfTime } from "./times.js";

/** How long `--wait` waits unless it is said, in seconds. */
export const WAIT_SECONDS = 600;

/** The two options as a command reads them; the time is in seconds. */
export interface WaitOptions {
  readonly wait?: true;
  readonly timeout?: number;
}

/**
 * Adds the two options to a command.
 *
 * @param conflicts options of the command that leave nothing to wait for
 */
export const addWait = (command: Command, conflicts: readonly string[] = []): Command =>
  command
    .addOption(new Option("--wait", "wait until all parties have signed").conflicts([...conflicts]))
    .option("--timeout <TIME>", "with --wait: how long at most; 10m unless given", lengthOfTime);

/** Refuses a time for a wait that was not asked for. To be called before anything is changed. Throws UsageError. */
export const checkWait = ({ wait, timeout }: WaitOptions): void => {
  if (timeout !== undefined && wait !== true) throw new UsageError("--timeout goes with --wait");
};
