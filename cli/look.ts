// `schakel component`, `schakel peers` and `schakel audit`: what the manager knows and what was done.
import type { Command } from "commander";
import { wholeNumber } from "./arguments.js";
import type { AuditOptions, PeersOptions } from "./look-work.js";
import { addManaged, managed } from "./managed.js";

const COMPONENT_EXAMPLES = `
Examples:
  Which inways and outways are connected, and since when not
    $ schakel component list
  The public key of an outway, for a contract
    $ schakel component list --json | jq -r '.[] | select(.role == "outway") | .public_key_thumbprint'
`;

const PEERS_EXAMPLES = `
Examples:
  Who takes part, with the id that requests for access need, and what we refused last of what they sent
    $ schakel peers list
  Names that contain a text
    $ schakel peers list --name utrecht
`;

const AUDIT_EXAMPLES = `
Examples:
  The last acts, newest first
    $ schakel audit list
  Every one, as JSON
    $ schakel audit list --all --json
`;

/** As many acts as fit into one answer. */
const LINES_MAX = 1_000_000;

const registerPeers = (program: Command): void => {
  const list = program
    .command("peers")
    .description("the other organisations that our manager knows")
    .command("list")
    .description("the other organisations that our manager knows")
    .option("--name <TEXT>", "only names that contain this")
    .addHelpText("after", PEERS_EXAMPLES);
  addManaged(list).action(
    managed(async (settings, options: PeersOptions) => {
      const { peers } = await import("./look-work.js");
      await peers(settings, options);
    }),
  );
};

const registerAudit = (program: Command): void => {
  const list = program
    .command("audit")
    .description("who did what, and when")
    .command("list")
    .description("who did what, and when, newest first")
    .option("-n, --lines <N>", "how many acts at most", wholeNumber(1, LINES_MAX), 100)
    .option("--all", "every act")
    .addHelpText("after", AUDIT_EXAMPLES);
  addManaged(list).action(
    managed(async (settings, options: AuditOptions) => {
      const { audit } = await import("./look-work.js");
      await audit(settings, options);
    }),
  );
};

/** Adds the commands. */
export const register = (program: Command): void => {
  const components = program
    .command("component")
    .description("our inways and outways")
    .command("list")
    .description("the inways and outways that have been connected")
    .addHelpText("after", COMPONENT_EXAMPLES);
  addManaged(components).action(
    managed(async (settings) => {
      const work = await import("./look-work.js");
      await work.components(settings);
    }),
  );
  registerPeers(program);
  registerAudit(program);
};
