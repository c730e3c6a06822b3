// After the story: what it stopped starts again, and the municipality gets access anew, for whoever wants to try.
import { administer, agree, type Agreed, type Contract } from "./contracts.js";
import { MUNICIPALITY, REGISTER } from "./organisations.js";
import { startManager, type Network } from "./services.js";
import type { Scene } from "./step.js";
import { ACCESS } from "./steps/access.js";
import { callThrough } from "./steps/exchange.js";
import { untilReady } from "./steps/processes.js";
import type { Told } from "./story.js";
import { until } from "./until.js";

/** How long a manager that was away may take to hear of what happened meanwhile. */
const CATCH_UP_MS = 60_000;

/** What there is to try: the processes, and the contract by which the municipality has access. */
export interface Reopened {
  readonly network: Network;
  readonly agreed: Agreed;
}

/** Starts the managers again, waits until the municipality's has heard of the revocation, and makes a new contract. */
export const reopen = async (scene: Scene, { network, contracts }: Told): Promise<Reopened> => {
  scene.waiting("the managers start again");
  const [manager, registerManager] = await Promise.all([
    startManager(scene, MUNICIPALITY, network.manager),
    startManager(scene, REGISTER, network.registerManager),
  ]);
  await Promise.all([manager, registerManager].map(untilReady));
  scene.waiting("the municipality's manager hears what happened meanwhile");
  const { hash } = contracts.own.contract;
  const what = { running: manager.running, state: "told of the revocation" };
  await until(what, CATCH_UP_MS, async () => {
    const shown = await administer(scene, MUNICIPALITY, ["access", "show", hash]);
    return (shown as Contract).state === "revoked";
  });
  scene.waiting("the municipality gets access again");
  const agreed = await agree(scene, {
    asker: MUNICIPALITY,
    command: ACCESS,
    others: [{ organisation: REGISTER, running: registerManager.running }],
  });
  await callThrough(network.outway, network);
  return { network: { ...network, manager, registerManager }, agreed };
};
