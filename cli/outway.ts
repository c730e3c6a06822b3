// `schakel outway`: runs an outway.
import type { Command } from "commander";
import { OUTWAY_SETTINGS, readOutwaySettings } from "../outway/settings.js";
import { action, addSettings } from "./command.js";

const EXAMPLES = `
Examples:
  An outway for the programs on this machine
    $ schakel outway --group group.json --cert outway.pem --key outway.key --data /var/lib/schakel \\
        --identity identities/outway
    $ curl http://127.0.0.1:8080/00000000000000000002/municipalities/provinces
  The same service by host name
    $ curl -H 'Host: municipalities.00000000000000000002.schakel.localhost' http://127.0.0.1:8080/provinces
`;

/** Adds the command. */
export const register = (program: Command): void => {
  const command = program
    .command("outway")
    .description("run an outway: lets our programs call services of other organisations")
    .addHelpText("after", EXAMPLES);
  addSettings(command, "outway", OUTWAY_SETTINGS).action(
    action(async (flags: Record<string, string | boolean>) => {
      const settings = readOutwaySettings(flags);
      const { runOutway } = await import("../outway/main.js");
      await runOutway(settings);
    }),
  );
};
