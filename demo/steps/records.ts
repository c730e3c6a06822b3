// Step 7: the two sides' records of the one exchange, side by side.
import type { TransactionId } from "../../core/names.js";
import { MUNICIPALITY } from "../organisations.js";
import type { Network } from "../services.js";
import { readSides, sidesDetail, sidesTable } from "../sides.js";
import type { Step } from "../step.js";

/** What the step shows. */
export interface Recorded extends Network {
  readonly transactionId: TransactionId;
  readonly grantHash: string;
}

/** Shows intent and outcome of both sides, under the same transaction id. */
export const records: Step<Recorded, undefined> = {
  name: "records",
  title: "The records on both sides",
  why:
    "Before a byte leaves, outway and inway each write down what is about to happen and by which " +
    "grant of a contract, and afterwards how it ended. Each keeps the fingerprint of the other's " +
    "record, so that an auditor can hold the two against each other.",
  run: async (scene, { transactionId, grantHash, outway }) => {
    scene.waiting("the records");
    const expected = { transactionId, grantHash, consumer: MUNICIPALITY };
    const sides = await readSides(scene, expected, outway);
    return {
      told: {
        lines: [`$ schakel log show ${transactionId} …`, ...sidesTable(sides, MUNICIPALITY)],
        result: "both logs hold intent and outcome, under the same transaction id and grant",
        detail: {
          transaction_id: transactionId,
          grant_hash: grantHash,
          records: sidesDetail(sides),
        },
      },
      made: undefined,
    };
  },
};
