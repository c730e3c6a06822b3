// What to try while the demo stays up.
import { shortHash } from "./contracts.js";
import { filesOf } from "./files.js";
import { ADVISER, MUNICIPALITY, REGISTER, SERVICE, type Organisation } from "./organisations.js";
import type { Reopened } from "./reopen.js";
import type { Scene } from "./step.js";
import { ACCESS } from "./steps/access.js";
import { targetOf } from "./steps/exchange.js";

type Command = readonly [what: string, ...lines: string[]];

/** The lines that invite to try; each command can be copied as it stands. */
export const tour = (scene: Scene, { network, agreed }: Reopened): string[] => {
  const { outway, otherOutway } = network;
  const at = (port: number, path: string): string => `http://127.0.0.1:${String(port)}${path}`;
  const host = `${SERVICE}.${REGISTER.id}.schakel.localhost`;
  const log = filesOf(scene, MUNICIPALITY).log("outway");
  const as = (organisation: Organisation, ...args: readonly string[]): string[] => [
    `npx schakel ${args.join(" ")} \\`,
    `  --identity ${filesOf(scene, organisation).identity("cli")}`,
  ];
  const commands: readonly Command[] = [
    ["Ask the register, by path", `curl -i ${at(outway.port, targetOf("/provinces"))}`],
    [
      "The same service, by host name",
      `curl -H 'Host: ${host}' \\`,
      `  '${at(outway.port, "/municipalities?province=Zeeland")}'`,
    ],
    [
      "A service that does not exist: the answer lists those that do",
      `curl -i ${at(outway.port, `/${REGISTER.id}/permits/`)}`,
    ],
    [
      `Without a contract, as ${ADVISER.name}`,
      `curl -i ${at(otherOutway.port, targetOf("/provinces"))}`,
    ],
    [
      `End the contract, as ${REGISTER.name}; then ask again`,
      ...as(REGISTER, "access", "revoke", `'${shortHash(agreed.contract)}'`),
    ],
    [`Ask for access, as ${MUNICIPALITY.name}`, ...as(MUNICIPALITY, ...ACCESS)],
    [
      `What waits for ${REGISTER.name}: 'access approve' takes the hash`,
      ...as(REGISTER, "access", "list", "--waiting"),
    ],
    [`The transaction log of ${MUNICIPALITY.name}`, "npx schakel log tail --folder \\", `  ${log}`],
    ["Is the outway well?", `curl ${at(outway.healthPort, "/health/ready")}`],
    ["Its metrics", `curl ${at(outway.healthPort, "/metrics")}`],
  ];
  return [
    "",
    `The group stays up, and ${MUNICIPALITY.name} has access again.`,
    "Try it from another terminal:",
    ...commands.flatMap(([what, ...lines]) => ["", `# ${what}`, ...lines]),
    "",
    "Ctrl-C ends everything.",
  ];
};
