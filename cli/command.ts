// What the commands share: how a mistake is told, and how a table of settings becomes flags.
import { Option, type Command } from "commander";
import type { Setting } from "../core/settings.js";
import { flagOf, SettingsError, variableOf, type ProcessName } from "../core/settings.js";

/** A wrong use of the command: exit code 2. */
export class UsageError extends Error {
  constructor(
    message: string,
    readonly hint?: string,
  ) {
    super(message);
    this.name = "UsageError";
  }
}

/** Something that failed and that the user can do something about: exit code 1. */
export class CommandError extends Error {
  constructor(
    message: string,
    readonly hint?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "CommandError";
  }
}

const lines = (kind: "error" | "hint", text: string): string =>
  text
    .split("\n")
    .map((line) => `schakel: ${kind}: ${line}\n`)
    .join("");

const HELP_HINT = "'--help' shows what is allowed";

/** Has commander tell a wrong use the way `report` does. */
export const reportsAsWeDo = (program: Command): Command =>
  program.showHelpAfterError(`schakel: hint: ${HELP_HINT}`).configureOutput({
    outputError: (text, write) => {
      write(
        text
          .replace(/^error: /, "schakel: error: ")
          .replace(/^\((Did you mean .*)\)$/m, "schakel: hint: $1"),
      );
    },
  });

/** Writes an error the way every command does. Returns the exit code: 2 for a wrong use, else 1. */
export const report = (error: unknown): 1 | 2 => {
  const problem = error instanceof Error ? error : new Error(String(error));
  process.stderr.write(lines("error", problem.message));
  if (problem instanceof SettingsError) {
    process.stderr.write(lines("hint", "'--help' lists every setting with what it allows"));
    return 2;
  }
  const usage = problem instanceof UsageError;
  const said = "hint" in problem && typeof problem.hint === "string" ? problem.hint : undefined;
  const hint = said ?? (usage ? HELP_HINT : undefined);
  if (hint !== undefined) process.stderr.write(lines("hint", hint));
  return usage ? 2 : 1;
};

/** Wraps a command's work: whatever it throws is reported and sets the exit code. */
export const action =
  <Args extends unknown[]>(work: (...args: Args) => Promise<void>) =>
  async (...args: Args): Promise<void> => {
    try {
      await work(...args);
    } catch (error) {
      process.exitCode = report(error);
    }
  };

/** Adds a flag for every setting of a process to its command. */
export const addSettings = (
  command: Command,
  process: ProcessName,
  table: Readonly<Record<string, Setting<unknown>>>,
): Command => {
  for (const [key, setting] of Object.entries(table)) {
    const shape = setting.form === "" ? flagOf(key) : `${flagOf(key)} <${setting.form}>`;
    const fallback =
      setting.form === "" || setting.defaultText === undefined || setting.defaultText === ""
        ? setting.required
          ? " (required)"
          : ""
        : ` (default ${setting.defaultText})`;
    command.addOption(
      new Option(shape, `${setting.text}${fallback} [${variableOf(process, key)}]`),
    );
  }
  return command;
};
