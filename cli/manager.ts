// `schakel manager`: runs the manager of an organisation.
import type { Command } from "commander";
import { MANAGER_SETTINGS, readManagerSettings } from "../manager/settings.js";
import { action, addSettings } from "./command.js";

const EXAMPLES = `
Examples:
  The manager of an organisation whose folder 'schakel init' has made
    $ schakel manager --group group.json --cert certificate.pem --key private.key --data manager \\
        --address manager.example.org:8443
`;

/** Adds the command. */
export const register = (program: Command): void => {
  const manager = program
    .command("manager")
    .description("run a manager: contracts, tokens, services and the audit log of an organisation")
    .addHelpText("after", EXAMPLES);
  addSettings(manager, "manager", MANAGER_SETTINGS).action(
    action(async (flags: Record<string, string | boolean>) => {
      const settings = readManagerSettings(flags);
      const { runManager } = await import("../manager/main.js");
      await runManager(settings);
    }),
  );
};
