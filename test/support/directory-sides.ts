// The manager side of a directory on a real database, with peers that it can ask and tell.
import { dirname, join } from "node:path";
import { openDatabase } from "../../core/database.js";
import type { FscSchema } from "../../fsc/schema.js";
import {
  openManagerSide,
  type ManagerSide,
  type ManagerSideParts,
} from "../../directory/manager-side.js";
import { surroundings, type Surroundings } from "./component.js";
import { LOCAL, type Members } from "./members.js";
import { MovedClock } from "./moved-clock.js";
import { temporaryFolder } from "./temporary.js";

/** One directory's manager side with what it stands on. */
export interface OpenedSide {
  readonly side: ManagerSide;
  readonly db: ManagerSideParts["db"];
  readonly clock: MovedClock;
  readonly around: Surroundings;
  /** Ends it and opens another one on the same file, as after a restart. */
  readonly again: (settings?: Partial<ManagerSideParts["settings"]>) => Promise<OpenedSide>;
  readonly close: () => Promise<void>;
}

/** Opens a manager side. Whoever opens it closes it. */
export const openSide = async (
  members: Members,
  settings: Partial<ManagerSideParts["settings"]> = {},
  clock = new MovedClock(),
  file = join(temporaryFolder(), "directory.db"),
): Promise<OpenedSide> => {
  const around = await surroundings(members.test.groupFile, members.peers.directory.files);
  const { groups, bundles, log, lifecycle } = around;
  const db = openDatabase<FscSchema>(file);
  const side = await openManagerSide({
    ...{ groups, bundles, db, clock, log, lifecycle, policy: () => LOCAL, drainMs: 1_000 },
    settings: {
      ...{ publications: "automatic", contractsPerPeerMax: 5_000, allowAnyPort: true },
      contractBytesPerPeerMax: 16 * 1024 * 1024,
      deliveryRound: 60_000,
      connectionsMax: 5_000,
      data: dirname(file),
      ...settings,
    },
  });
  const close = async (): Promise<void> => {
    await lifecycle.stop();
    await side.server.close();
    await db.destroy();
  };
  const again = async (more: Partial<ManagerSideParts["settings"]> = {}): Promise<OpenedSide> => {
    await close();
    return openSide(members, { ...settings, ...more }, clock, file);
  };
  return { side, db, clock, around, again, close };
};
