// `schakel inway`: runs an inway.
import type { Command } from "commander";
import { INWAY_SETTINGS, readInwaySettings } from "../inway/settings.js";
import { action, addSettings } from "./command.js";

const EXAMPLES = `
Examples:
  An inway that other organisations reach at inway.example.nl:443
    $ schakel inway --group group.json --cert inway.pem --key inway.key --data /var/lib/schakel \\
        --address inway.example.nl:443 --listen 0.0.0.0:443 --identity identities/inway
  The same from the environment
    $ SCHAKEL_INWAY_GROUP=group.json SCHAKEL_INWAY_CERT=inway.pem … schakel inway
`;

/** Adds the command. */
export const register = (program: Command): void => {
  const command = program
    .command("inway")
    .description("run an inway: lets peers with a contract reach our services")
    .addHelpText("after", EXAMPLES);
  addSettings(command, "inway", INWAY_SETTINGS).action(
    action(async (flags: Record<string, string | boolean>) => {
      const settings = readInwaySettings(flags);
      const { runInway } = await import("../inway/main.js");
      await runInway(settings);
    }),
  );
};
