// Step 6: a client of the municipality asks the register something, through outway and inway.
import { HEADER } from "../../core/exchange-headers.js";
import { parseTransactionId, type TransactionId } from "../../core/names.js";
import { call, type Answer } from "../call.js";
import { MUNICIPALITY, REGISTER, SERVICE } from "../organisations.js";
import type { Service } from "../schakel.js";
import type { Network } from "../services.js";
import { check, type Step } from "../step.js";
import { until } from "../until.js";

/** What is asked for in the demo's calls. */
export const PATH = "/municipalities/GM0344";
/** How long a new contract may take to reach inway and outway. */
const ARRIVE_TIMEOUT_MS = 15_000;

/** How the register's service is addressed at an outway: peer id, service, and the path at the source. */
export const targetOf = (path: string): string => `/${REGISTER.id}/${SERVICE}${path}`;

/** An answer that came through outway and inway. */
export interface Exchanged {
  readonly answer: Answer;
  readonly transactionId: TransactionId;
}

/**
 * Makes the call, again until the contract for it has reached inway and outway.
 *
 * @throws StepError when it does not come to 200 with the source's own answer
 */
export const callThrough = async (
  { running, port }: Service,
  { source }: Pick<Network, "source">,
): Promise<Exchanged> => {
  const own = await call(source.port, PATH);
  const answers: Answer[] = [];
  await until({ running, state: "able to get the answer 200" }, ARRIVE_TIMEOUT_MS, async () => {
    const answer = await call(port, targetOf(PATH));
    if (answer.status === 200) answers.push(answer);
    else throw new Error(`HTTP ${String(answer.status)} ${answer.text}`);
    return true;
  });
  const [answer] = answers;
  check(answer?.text === own.text, "the answer differs from what the source answers itself");
  const transactionId = parseTransactionId(answer.header(HEADER.transactionId));
  check(transactionId !== undefined, "the answer carries no transaction id", running);
  return { answer, transactionId };
};

/** Makes the call and compares its answer with the source's own. Returns the transaction id. */
export const exchange: Step<Network, TransactionId> = {
  name: "exchange",
  title: "A call and its answer",
  why:
    "An application calls its own outway over plain HTTP. The outway finds the contract and the inway, " +
    "gets a token from the register's manager, and the two prove to each other who they are before a " +
    "byte of the question leaves.",
  run: async (scene, network) => {
    scene.waiting("the answer");
    const { outway } = network;
    const { answer, transactionId } = await callThrough(outway, network);
    return {
      told: {
        lines: [
          `GET ${targetOf(PATH)}`,
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
