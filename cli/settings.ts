// The settings of the commands that talk to the manager. The only place of the command that reads the environment.
import { optional, path, readSettings, text, type SettingsOf } from "../core/settings.js";

/** The table of these settings. */
export const CLI_SETTINGS = {
  identity: path("DIR", {
    text: "The identity folder that the command shows to the manager, with the role cli.",
    default: "identities/cli",
  }),
  user: optional(
    text("NAME", { text: "Who acts, for the audit log; the identity's name unless given." }),
  ),
} as const;

/** The values of the table. */
export type CliSettings = SettingsOf<typeof CLI_SETTINGS>;

/**
 * Reads the settings from flags and the environment.
 *
 * @throws SettingsError naming every mistake at once
 */
export const readCliSettings = (
  flags: Readonly<Record<string, string | boolean | undefined>>,
): CliSettings => readSettings("cli", CLI_SETTINGS, flags, process.env);
