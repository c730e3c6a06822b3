// `schakel component`, `schakel peers` and `schakel audit`: what the manager knows and what was done.
import type { Command } from "commander";
import { wholeNumber } from "./arguments.js";
import type { RevokeOptions } from "./component-work.js";
import type { AuditOptions, ComponentsOptions, PeersOptions } from "./look-work.js";
import { addManaged, managed } from "./managed.js";

const COMPONENT_EXAMPLES = `
Examples:
  Which inways and outways are connected, and since when not
    $ schakel component list
  The public key of an outway, for a contract
    $ schakel component list --json | jq -r '.[] | select(.role == "outway") | .public_key_thumbprint'
  The certificates that were revoked
    $ schakel component list --refused
`;

const REVOKE_EXAMPLES = `
Examples:
  The key of an inway was stolen: every certificate that it has been issued ends, and its connections at once
    $ schakel component revoke --role inway --name inway-2
  Then it gets a new key and certificate by a new code
    $ schakel enrol --create --role inway --name inway-2 > code
  A single certificate, by the serial number that the manager logged when it issued it
    $ schakel component revoke --serial 0A1B2C

What a stolen identity of the command line did until then stands in 'schakel audit list': look for codes that it
made, too. The certificate that you call with is not revoked: use another identity for that.
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

const registerComponents = (program: Command): void => {
  const component = program.command("component").description("our inways and outways");
  const list = component
    .command("list")
    .description("the inways and outways that have been connected")
    .option("--refused", "the certificates that were revoked instead")
    .addHelpText("after", COMPONENT_EXAMPLES);
  addManaged(list).action(
    managed(async (settings, options: ComponentsOptions) => {
      const work = await import("./look-work.js");
      await work.components(settings, options);
    }),
  );
  const revoke = component
    .command("revoke")
    .description("take back every certificate that a component has been issued")
    .option("--role <ROLE>", "the component's role: inway, outway, cli or web")
    .option("--name <NAME>", "the component's name")
    .option("--serial <HEX>", "a single certificate, by its serial number")
    .addHelpText("after", REVOKE_EXAMPLES);
  addManaged(revoke).action(
    managed(async (settings, options: RevokeOptions) => {
      const work = await import("./component-work.js");
      await work.revoke(settings, options);
    }),
  );
};

/** Adds the commands. */
export const register = (program: Command): void => {
  registerComponents(program);
  registerPeers(program);
  registerAudit(program);
};
