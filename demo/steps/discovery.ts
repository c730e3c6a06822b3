// Step 3: what the municipality sees of the group.
import { MUNICIPALITY, REGISTER, SERVICE } from "../organisations.js";
import { schakel } from "../schakel.js";
import { actingFor, type Network } from "../services.js";
import { check, type Step } from "../step.js";

/** Asks the directory which services there are, as the municipality. */
export const discovery: Step<Network, undefined> = {
  name: "discovery",
  title: "Discovery",
  why:
    "Nobody has to exchange addresses by mail: every peer may ask the directory who offers what. " +
    "Whether it may also use it is the provider's decision.",
  run: async (scene, { directory }) => {
    scene.waiting("the directory's answer");
    const query = ["directory", "query", "services"];
    const seen = await schakel(scene.processes, scene.folder, [
      ...query,
      ...actingFor(scene, MUNICIPALITY),
    ]);
    check(
      [REGISTER.id, SERVICE].every((word) => seen.includes(word)),
      `the directory did not list ${SERVICE} of ${REGISTER.id}:\n${seen}`,
      directory.running,
    );
    return {
      told: {
        lines: [`$ schakel ${query.join(" ")} …`, ...seen.trimEnd().split("\n")],
        result: `${MUNICIPALITY.name} sees the service ${SERVICE} of ${REGISTER.name}`,
        detail: { peer: REGISTER.id, service: SERVICE, seen },
      },
      made: undefined,
    };
  },
};
