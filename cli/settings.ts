// The settings of the commands that talk to the manager, and of `schakel peer`. The only place of the command that reads the environment.
import { optional, path, readSettings, text, toggle, type SettingsOf } from "../core/settings.js";
import { PEER_SETTINGS, type PeerSettings } from "./peer-settings.js";

// What a manager takes: it travels as gRPC metadata.
const USER = /^[\x21-\x7e]([\x20-\x7e]{0,98}[\x21-\x7e])?$/;

/** The table of these settings. */
export const CLI_SETTINGS = {
  identity: path("DIR", {
    text: "The identity folder that the command shows to the manager, with the role cli.",
    default: "identities/cli",
  }),
  user: optional({
    ...text("NAME", { text: "Who acts, for the audit log; the identity's name unless given." }),
    allowed: "1 to 100 printable ASCII characters",
    parse: (t) => (USER.test(t) ? t : undefined),
  }),
  json: toggle("Print one JSON document instead of text."),
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

/** How the user who runs this command runs others: as "schakel", or "npx schakel" when it was run so. */
export const commandName = (): string =>
  process.env["npm_command"] === "exec" ? "npx schakel" : "schakel";

/**
 * Reads the settings of `schakel peer`.
 *
 * @throws SettingsError naming every mistake at once
 */
export const readPeerSettings = (
  flags: Readonly<Record<string, string | boolean | undefined>>,
): PeerSettings => readSettings("peer", PEER_SETTINGS, flags, process.env);
