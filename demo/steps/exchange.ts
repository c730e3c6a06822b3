// Step 4: a client of the municipality asks the register something, through outway and inway.
import { HEADER } from "../../core/exchange-headers.js";
import { parseTransactionId, type TransactionId } from "../../core/names.js";
import { call } from "../call.js";
import { MUNICIPALITY, REGISTER, SERVICE } from "../organisations.js";
import type { Network } from "../services.js";
import { check, type Step } from "../step.js";

const PATH = "/municipalities/GM0344";

/** How the register's service is addressed at an outway: peer id, service, and the path at the source. */
export const targetOf = (path: string): string => `/${REGISTER.id}/${SERVICE}${path}`;

/** Makes the call and compares its answer with the source's own. Returns the transaction id. */
export const exchange: Step<Network, TransactionId> = {
  name: "exchange",
  title: "A call and its answer",
  why:
    "An application calls its own outway over plain HTTP. The outway finds the inway, and the two " +
    "prove to each other who they are before a byte of the question leaves.",
  run: async (scene, { source, inway, outway }) => {
    scene.waiting("the answer");
    const target = targetOf(PATH);
    const [answer, own] = await Promise.all([call(outway.port, target), call(source.port, PATH)]);
    check(
      answer.status === 200,
      `${target} answered ${String(answer.status)} instead of 200: ${answer.text}`,
      outway.running,
      inway.running,
    );
    check(answer.text === own.text, "the answer differs from what the source answers itself");
    const transactionId = parseTransactionId(answer.header(HEADER.transactionId));
    check(transactionId !== undefined, "the answer carries no transaction id", outway.running);
    return {
      told: {
        lines: [
          `GET ${target}`,
          `    from ${MUNICIPALITY.name}'s outway, http://127.0.0.1:${String(outway.port)}`,
          "",
          `HTTP ${String(answer.status)}`,
          `${HEADER.transactionId}: ${transactionId}`,
          answer.text.trimEnd(),
        ],
        result: "200, and the body is the source's own, byte for byte",
        detail: { status: answer.status, transaction_id: transactionId, body: answer.text },
      },
      made: transactionId,
    };
  },
};
