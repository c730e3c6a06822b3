// Step 9: the municipality lets the adviser call for it: a contract with three signatures.
import { agree, shortHash, type Agreed } from "../contracts.js";
import { ADVISER, MUNICIPALITY, REGISTER } from "../organisations.js";
import type { Network } from "../services.js";
import { readSides, sidesDetail, sidesTable } from "../sides.js";
import type { Step } from "../step.js";
import { ACCESS } from "./access.js";
import { callThrough, PATH, targetOf } from "./exchange.js";

const LET = ["--let", ADVISER.id, "--domain", ADVISER.host];

/** Makes the contract, and the call that was refused before. */
export const delegation: Step<Network, Agreed> = {
  name: "delegation",
  title: "Acting for another",
  why:
    `${MUNICIPALITY.name} lets ${ADVISER.name} call in its name. All three must sign: who may, ` +
    "who acts, and who provides. Every record names for whom it was.",
  run: async (scene, network) => {
    const { otherOutway, registerManager } = network;
    scene.waiting("three signatures");
    const agreed = await agree(scene, {
      asker: MUNICIPALITY,
      command: [...ACCESS, ...LET],
      others: [
        { organisation: ADVISER, running: otherOutway.running },
        { organisation: REGISTER, running: registerManager.running },
      ],
    });
    const { contract, grantHash } = agreed;
    scene.waiting("the answer");
    const { answer, transactionId } = await callThrough(otherOutway, network);
    scene.waiting("the records");
    const expected = { transactionId, grantHash, consumer: ADVISER, delegator: MUNICIPALITY };
    const sides = await readSides(scene, expected, otherOutway);
    return {
      told: {
        lines: [
          ...agreed.lines,
          "",
          `GET ${targetOf(PATH)}`,
          `    from ${ADVISER.name}'s outway, http://127.0.0.1:${String(otherOutway.port)}`,
          `HTTP ${String(answer.status)}`,
          "",
          ...sidesTable(sides, ADVISER),
        ],
        result: `200 by the contract ${shortHash(contract)}…, and both logs name ${MUNICIPALITY.name} as the one for whom it was`,
        detail: {
          contract,
          grant_hash: grantHash,
          status: answer.status,
          transaction_id: transactionId,
          delegator: MUNICIPALITY.id,
          records: sidesDetail(sides),
        },
      },
      made: agreed,
    };
  },
};
