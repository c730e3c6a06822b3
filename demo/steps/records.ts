// Step 5: the two sides' records of the one exchange.
import type { TransactionId } from "../../core/names.js";
import { MUNICIPALITY, REGISTER } from "../organisations.js";
import { schakel } from "../schakel.js";
import { filesOf } from "../services.js";
import { check, type Step } from "../step.js";

/** Shows intent and outcome of both sides, under the same transaction id. */
export const records: Step<{ readonly transactionId: TransactionId }, undefined> = {
  name: "records",
  title: "The records on both sides",
  why:
    "Before a byte leaves, outway and inway each write down what is about to happen, and afterwards " +
    "how it ended. So two logs tell of every exchange, and an auditor can compare them.",
  run: async (scene, { transactionId }) => {
    scene.waiting("the records");
    const seen = await schakel(scene.processes, scene.folder, [
      ...["log", "show", transactionId],
      ...["--folder", filesOf(scene, MUNICIPALITY).log("outway")],
      ...["--folder", filesOf(scene, REGISTER).log("inway")],
    ]);
    check(seen.includes(transactionId), `the logs do not show ${transactionId}:\n${seen}`);
    return {
      told: {
        lines: [`$ schakel log show ${transactionId} …`, ...seen.trimEnd().split("\n")],
        result: "both logs hold intent and outcome, under the same transaction id",
        detail: { transaction_id: transactionId, seen },
      },
      made: undefined,
    };
  },
};
