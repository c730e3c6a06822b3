// Step 11: contracts are ended, and the next call is refused: by the inway when the provider ends one, by the
// consumer's own outway when the consumer does; with the other's manager away, on connections that stay open.
import { HEADER } from "../../core/exchange-headers.js";
import { jsonOf, openConnection, type Answer, type OpenConnection } from "../call.js";
import { administer, shortHash, typed, type Agreed } from "../contracts.js";
import { ADVISER, MUNICIPALITY, REGISTER, type Organisation } from "../organisations.js";
import type { Service } from "../schakel.js";
import type { Network } from "../services.js";
import { check, type Scene, type Step } from "../step.js";
import { until } from "../until.js";
import { PATH, targetOf } from "./exchange.js";

/** Within this time after a revocation the next call must be refused, in milliseconds. */
export const REVOCATION_MS = 5_000;

/** The two contracts that are ended. */
export interface Contracts {
  readonly own: Agreed;
  readonly delegated: Agreed;
}

/** One revocation: who ends which contract, whose manager is away, and who must refuse. */
interface Case {
  readonly revoker: Organisation;
  readonly agreed: Agreed;
  /** The outway that goes on calling. */
  readonly outway: Service;
  readonly away: Organisation;
  readonly awayManager: Service;
  readonly refuser: string;
  readonly part: "inway" | "outway";
  readonly code: string;
}

/** What came of it. */
interface Refused {
  readonly told: Case;
  /** From the moment the command was given to the first refusal. */
  readonly afterMs: number;
  /** How many calls were answered 200 on the connection until then. */
  readonly answered: number;
}

const revoking = (agreed: Agreed): string[] => ["access", "revoke", shortHash(agreed.contract)];

const ok = async ({ outway }: Case, connection: OpenConnection): Promise<Answer> => {
  const answer = await connection.call(targetOf(PATH));
  check(
    answer.status === 200,
    `before the revocation the call answered ${String(answer.status)}: ${answer.text}`,
    outway.running,
  );
  return answer;
};

/** Calls again and again over the connection while the contract is ended, until a call is refused. */
const revoke = async (scene: Scene, told: Case, connection: OpenConnection): Promise<Refused> => {
  const { revoker, agreed, outway, refuser, part, code } = told;
  const { clientPort } = await ok(told, connection);
  const begun = performance.now();
  let answered = 1;
  let afterMs = 0;
  const refusals: Answer[] = [];
  const what = { running: outway.running, state: `refused by ${refuser}` };
  await Promise.all([
    administer(scene, revoker, revoking(agreed)),
    until(what, REVOCATION_MS, async () => {
      const answer = await connection.call(targetOf(PATH));
      if (answer.status === 200) answered += 1;
      else refusals.push(answer);
      afterMs = Math.round(performance.now() - begun);
      return refusals.length > 0;
    }),
  ]);
  const [refusal] = refusals;
  check(refusal !== undefined, "no call was refused", outway.running);
  const by = String(jsonOf(refusal)["domain"]).toLowerCase();
  check(
    refusal.status === 403 && refusal.header(HEADER.errorCode) === code && by.endsWith(`_${part}`),
    `the call answered ${String(refusal.status)} instead of 403 ${code} of the ${part}: ${refusal.text}`,
    outway.running,
  );
  check(refusal.clientPort === clientPort, "the connection had not been open all the time");
  check(afterMs <= REVOCATION_MS, `the refusal came after ${String(afterMs)} ms`, outway.running);
  return { told, afterMs, answered };
};

/** Stops the other's manager, and ends the contract. The manager stays away. */
const play = async (scene: Scene, told: Case): Promise<Refused> => {
  const connection = openConnection(told.outway.port);
  try {
    await ok(told, connection);
    await told.awayManager.running.stop();
    return await revoke(scene, told, connection);
  } finally {
    connection.close();
  }
};

const linesOf = ({ told, afterMs, answered }: Refused): string[] => [
  `manager of ${told.away.name}: stopped`,
  `${told.revoker.name}:`,
  ...typed(revoking(told.agreed)),
  `  on one connection: ${String(answered)} times 200, then 403 after ${String(afterMs)} ms`,
  `  ${HEADER.errorCode}: ${told.code}, by ${told.refuser}`,
];

const detailOf = ({ told, afterMs, answered }: Refused): object => ({
  contract: told.agreed.contract.hash,
  revoked_by: told.revoker.id,
  manager_away: told.away.id,
  refused_by: told.part,
  status: 403,
  code: told.code,
  refused_after_ms: afterMs,
  answered_before: answered,
});

/** Ends both contracts. The managers of municipality and register are stopped afterwards. */
export const revocation: Step<Network & Contracts, undefined> = {
  name: "revocation",
  title: "The end of a contract",
  why:
    "Each party can end a contract at once, whether the other is there or not. The provider's inway " +
    "refuses what its organisation has ended, the consumer's outway too; a token that is still valid " +
    "and a connection that is open help nobody.",
  run: async (scene, { own, delegated, ...network }) => {
    scene.waiting("the register revokes");
    const byInway = await play(scene, {
      ...{ revoker: REGISTER, agreed: own, outway: network.outway },
      ...{ away: MUNICIPALITY, awayManager: network.manager, refuser: "the register's inway" },
      ...{ part: "inway", code: "ERROR_CODE_ACCESS_DENIED" },
    });
    scene.waiting("the adviser revokes");
    const byOutway = await play(scene, {
      ...{ revoker: ADVISER, agreed: delegated, outway: network.otherOutway },
      ...{ away: REGISTER, awayManager: network.registerManager, refuser: "its own outway" },
      ...{ part: "outway", code: "ERROR_CODE_NO_CONTRACT" },
    });
    return {
      told: {
        lines: [...linesOf(byInway), "", ...linesOf(byOutway)],
        result: `refused after ${String(byInway.afterMs)} ms by the inway and after ${String(byOutway.afterMs)} ms by the outway, the other's manager away`,
        detail: { by_inway: detailOf(byInway), by_outway: detailOf(byOutway) },
      },
      made: undefined,
    };
  },
};
