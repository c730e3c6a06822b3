// The options --wait and --timeout of the commands that ask others to sign.

/** How long `--wait` waits unless it is said, in seconds. */
export const WAIT_SECONDS = 600;

/** What --timeout is, for help texts. */
export const WAIT_FORM = "with --wait: how long at most; 10m unless given";

/** The two options as a command reads them; the time is in seconds. */
export interface WaitOptions {
  readonly wait?: true;
  readonly timeout?: number;
}
