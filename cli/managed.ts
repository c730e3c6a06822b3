// What the commands that talk to the manager have in common on the command line.
import type { Command } from "commander";
import { action, addSettings } from "./command.js";
import { CLI_SETTINGS, readCliSettings, type CliSettings } from "./settings.js";

type Flags = Readonly<Record<string, string | boolean | undefined>>;

/** Adds the settings of such a command. */
export const addManaged = (command: Command): Command => addSettings(command, "cli", CLI_SETTINGS);

/** Wraps such a command's work: its settings are read first, and whatever it throws is reported. */
export const managed = <Args extends readonly unknown[]>(
  work: (settings: CliSettings, ...args: Args) => Promise<void>,
): ((...args: [...Args, Command]) => Promise<void>) =>
  action(async (...given: [...Args, Command]) => {
    const command = given.at(-1) as Command;
    const { identity, user, json } = command.opts<Flags>();
    await work(readCliSettings({ identity, user, json }), ...(given.slice(0, -1) as never));
  });
