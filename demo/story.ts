// The story, step by step.
import type { Screen } from "./screen.js";
import type { Network } from "./services.js";
import { tell, type Scene } from "./step.js";
import { access } from "./steps/access.js";
import { certificates, type WantedPorts } from "./steps/certificates.js";
import { delegation } from "./steps/delegation.js";
import { discovery } from "./steps/discovery.js";
import { exchange } from "./steps/exchange.js";
import { processes } from "./steps/processes.js";
import { publication } from "./steps/publication.js";
import { records } from "./steps/records.js";
import { refusal } from "./steps/refusal.js";
import { revocation, type Contracts } from "./steps/revocation.js";
import { withoutDirectory } from "./steps/without-directory.js";

/** What is left when the story has been told: the managers of municipality and register are stopped, no access is left. */
export interface Told {
  readonly network: Network;
  /** The contracts that were revoked. */
  readonly contracts: Contracts;
}

/**
 * Tells the whole story. The processes are left as it ends.
 *
 * @throws the error of the first step that did not come out as it should; later steps are not told
 */
export const tellStory = async (
  screen: Screen,
  scene: Scene,
  wanted: WantedPorts,
): Promise<Told> => {
  const prepared = await tell(screen, scene, certificates, wanted);
  const begun = await tell(screen, scene, processes, prepared);
  await tell(screen, scene, publication, begun);
  await tell(screen, scene, discovery, begun);
  const own = await tell(screen, scene, access, begun);
  const transactionId = await tell(screen, scene, exchange, begun);
  await tell(screen, scene, records, { ...begun, transactionId, grantHash: own.grantHash });
  await tell(screen, scene, refusal, { ...begun, thumbprint: prepared.thumbprint });
  const delegated = await tell(screen, scene, delegation, begun);
  const network = await tell(screen, scene, withoutDirectory, begun);
  const contracts = { own, delegated };
  await tell(screen, scene, revocation, { ...network, ...contracts });
  return { network, contracts };
};
