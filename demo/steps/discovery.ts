// Step 4: what the municipality sees of the group.
import { MUNICIPALITY, REGISTER, SERVICE } from "../organisations.js";
import { schakel } from "../schakel.js";
import { actingFor, type Network } from "../services.js";
import { check, type Step } from "../step.js";

const QUERY = ["directory", "query", "services"];

/** A service as the directory lists it. */
interface Listed {
  readonly peer_id: string;
  readonly peer_name: string;
  readonly service: { readonly name: string };
  readonly inways: readonly { readonly address: string; readonly health: string }[];
}

/** Asks the directory which services there are, as the municipality. */
export const discovery: Step<Network, undefined> = {
  name: "discovery",
  title: "Discovery",
  why:
    "Nobody has to exchange addresses by mail: every peer may ask the directory who offers what. " +
    "Whether it may also use it is the provider's decision.",
  run: async (scene, { directory, inway }) => {
    scene.waiting("the directory's answer");
    const flags = [...actingFor(scene, MUNICIPALITY), "--json"];
    const seen = await schakel(scene.processes, scene.folder, [...QUERY, ...flags]);
    const [listed, ...others] = JSON.parse(seen) as readonly Listed[];
    const address = `${REGISTER.host}:${String(inway.port)}`;
    check(
      others.length === 0 &&
        listed?.peer_id === REGISTER.id &&
        listed.service.name === SERVICE &&
        listed.inways[0]?.address === address,
      `the directory does not list ${SERVICE} of ${REGISTER.id} at ${address} alone: ${seen}`,
      directory.running,
    );
    return {
      told: {
        lines: [
          `$ schakel ${QUERY.join(" ")} …`,
          `peer      ${listed.peer_id}  ${listed.peer_name}`,
          `service   ${listed.service.name}`,
          `inway     ${address}`,
        ],
        result: `${MUNICIPALITY.name} sees the service ${SERVICE} of ${REGISTER.name}`,
        detail: { services: [listed] },
      },
      made: undefined,
    };
  },
};
