// The story, step by step.
import { tell, type Scene } from "./step.js";
import type { Screen } from "./screen.js";
import type { Network } from "./services.js";
import { announcement } from "./steps/announcement.js";
import { certificates, type WantedPorts } from "./steps/certificates.js";
import { discovery } from "./steps/discovery.js";
import { exchange } from "./steps/exchange.js";
import { records } from "./steps/records.js";
import { refusal } from "./steps/refusal.js";
import { withoutDirectory } from "./steps/without-directory.js";

/**
 * Tells the whole story and returns the network, which is left running.
 *
 * @throws the error of the first step that did not come out as it should; later steps are not told
 */
export const tellStory = async (
  screen: Screen,
  scene: Scene,
  wanted: WantedPorts,
): Promise<Network> => {
  const prepared = await tell(screen, scene, certificates, wanted);
  const network = await tell(screen, scene, announcement, prepared);
  await tell(screen, scene, discovery, network);
  const transactionId = await tell(screen, scene, exchange, network);
  await tell(screen, scene, records, { ...network, transactionId });
  await tell(screen, scene, refusal, { ...network, thumbprint: prepared.thumbprint });
  return tell(screen, scene, withoutDirectory, network);
};
