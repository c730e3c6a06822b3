// What a component of a peer stands on: its group and its certificate, followed as a process does, a
// life cycle, and a log that a test can read.
import { BundleSource, type BundleFiles } from "../../certs/bundle.js";
import { GroupSource } from "../../certs/group.js";
import { Lifecycle } from "../../core/lifecycle.js";
import type { Log } from "../../core/log.js";
import { recordedLog } from "./recorded-log.js";

/** A component's surroundings. Whoever opens them ends the life cycle. */
export interface Surroundings {
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
  readonly lines: readonly string[];
}

/** Opens the surroundings of a component with these files. */
export const surroundings = async (
  groupFile: string,
  files: BundleFiles,
): Promise<Surroundings> => {
  const { log, lines } = recordedLog();
  const lifecycle = new Lifecycle(log);
  const groups = await GroupSource.open(groupFile, log);
  lifecycle.onStop("group", () => groups.close());
  const bundles = await BundleSource.open(files, groups, log);
  lifecycle.onStop("certificate", () => bundles.close());
  return { groups, bundles, lifecycle, log, lines };
};
