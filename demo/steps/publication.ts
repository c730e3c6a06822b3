// Step 3: the register offers a service, and the directory agrees to show it: the first contract.
import {
  administer,
  contractLines,
  shortHash,
  signatureLines,
  typed,
  type Contract,
} from "../contracts.js";
import { OPERATOR, REGISTER, SERVICE } from "../organisations.js";
import { START_TIMEOUT_MS } from "../schakel.js";
import type { Network } from "../services.js";
import { check, type Step } from "../step.js";

const PUBLISH = ["service", "publish", SERVICE, "--wait"];

/** Adds the service and publishes it. */
export const publication: Step<Network, undefined> = {
  name: "publication",
  title: "A service is published",
  why:
    "The register says what it offers and where its source is. To be shown in the directory it makes " +
    "a contract with it, which both sign. The inway then announces where the service is found.",
  run: async (scene, { source, inway, registerManager, directory }) => {
    scene.waiting("the directory's signature");
    const url = `http://127.0.0.1:${String(source.port)}`;
    const add = ["service", "add", SERVICE, "--url", url, "--openapi", "/openapi.json"];
    await administer(scene, REGISTER, add);
    const published = await administer(scene, REGISTER, PUBLISH);
    const { contract } = published as { readonly contract: Contract };
    check(
      contract.state === "valid" &&
        [REGISTER, OPERATOR].every(({ id }) => contract.signatures.some((s) => s.peer_id === id)),
      `the publication is ${contract.state} instead of signed by ${REGISTER.id} and ${OPERATOR.id}`,
      registerManager.running,
      directory.running,
    );
    scene.waiting("the inway announces the service");
    await inway.running.waitForLine((line) => line.fields["msg"] === "announced", START_TIMEOUT_MS);
    return {
      told: {
        lines: [
          `${REGISTER.name}:`,
          ...typed(add),
          ...typed(PUBLISH),
          ...contractLines(contract),
          "",
          ...signatureLines(contract),
        ],
        result: `the contract ${shortHash(contract)}… is in force, and the inway has announced ${SERVICE}`,
        detail: { peer: REGISTER.id, services: [SERVICE], contract },
      },
      made: undefined,
    };
  },
};
