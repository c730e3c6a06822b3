// `schakel peer`: manager, inway and outway of one organisation in one process.
import type { Command } from "commander";
import { action, addSettings } from "./command.js";
import { PEER_SETTINGS } from "./peer-settings.js";
import { readPeerSettings } from "./settings.js";

const EXAMPLES = `
Examples:
  An organisation whose folder 'schakel init' has made and whose certificate the group's CA has signed
    $ schakel peer --folder utrecht --address api.utrecht.example:8443
  The same for a user who may not listen on port 443: the firewall sends it to 9443
    $ schakel peer --folder utrecht --address api.utrecht.example:8443 --inway-listen 0.0.0.0:9443
  With the inway on a port of its own, and the outway's clients on 127.0.0.1:8090
    $ schakel peer --folder utrecht --address api.utrecht.example:8443 \\
        --inway-address inway.utrecht.example:8443 --inway-listen 10.0.0.2:8443 --outway-listen 127.0.0.1:8090

For more machines run 'schakel manager', 'schakel inway' and 'schakel outway' with the same folders.
`;

/** Adds the command. */
export const register = (program: Command): void => {
  const peer = program
    .command("peer")
    .description("run manager, inway and outway of one organisation from one folder")
    .addHelpText("after", EXAMPLES);
  addSettings(peer, "peer", PEER_SETTINGS).action(
    action(async (flags: Record<string, string | boolean>) => {
      const settings = readPeerSettings(flags);
      const { runPeer } = await import("./peer-work.js");
      await runPeer(settings);
    }),
  );
};
