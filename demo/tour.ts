// What to try while the demo stays up.
import { ADVISER, MUNICIPALITY, REGISTER, SERVICE } from "./organisations.js";
import { filesOf, type Network } from "./services.js";
import type { Scene } from "./step.js";
import { targetOf } from "./steps/exchange.js";

/** The lines that invite to try; each command can be copied as it stands. */
export const tour = (scene: Scene, { outway, otherOutway }: Network): string[] => {
  const at = (port: number, path: string): string => `http://127.0.0.1:${String(port)}${path}`;
  const host = `${SERVICE}.${REGISTER.id}.schakel.localhost`;
  const log = filesOf(scene, MUNICIPALITY).log("outway");
  const commands: readonly (readonly [what: string, ...command: string[]])[] = [
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
      `Without permission, as ${ADVISER.name}`,
      `curl -i ${at(otherOutway.port, targetOf("/provinces"))}`,
    ],
    [`The transaction log of ${MUNICIPALITY.name}`, "npx schakel log tail --folder \\", `  ${log}`],
    ["Is the outway well?", `curl ${at(outway.healthPort, "/health/ready")}`],
    ["Its metrics", `curl ${at(outway.healthPort, "/metrics")}`],
  ];
  return [
    "",
    "The group stays up. Try it from another terminal:",
    ...commands.flatMap(([what, ...lines]) => ["", `# ${what}`, ...lines]),
    "",
    "Ctrl-C ends everything.",
  ];
};
