// What everything in a directory follows: the group, its own certificate, and the revocation lists.
import { join } from "node:path";
import { BundleSource } from "../certs/bundle.js";
import { GroupSource } from "../certs/group.js";
import type { Clock } from "../core/clock.js";
import type { DialPolicy } from "../core/dial.js";
import type { Lifecycle } from "../core/lifecycle.js";
import type { Log } from "../core/log.js";
import { RevocationLists, sourcesIn } from "../fsc/revocation-lists.js";
import type { DirectorySettings } from "./settings.js";

/** The group and our certificate, as they are now. */
export interface Sources {
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
}

/** Opens the sources; the life cycle closes them. */
export const openSources = async (
  { group, cert, key }: DirectorySettings,
  log: Log,
  lifecycle: Lifecycle,
): Promise<Sources> => {
  const groups = await GroupSource.open(group, log);
  lifecycle.onStop("group", () => groups.close());
  const bundles = await BundleSource.open({ cert, key }, groups, log);
  lifecycle.onStop("certificate", () => bundles.close());
  const { peerId } = bundles.current.identity;
  if (!groups.current.directories.some((directory) => directory.peerId === peerId)) {
    log.warn(
      { peer: peerId },
      "group.json does not name this peer as a directory: nobody will come",
    );
  }
  return { groups, bundles };
};

/** What a directory is started in. */
export interface Surroundings {
  readonly log: Log;
  readonly lifecycle: Lifecycle;
  readonly clock: Clock;
}

/** Which addresses of others may be dialled now. */
export const policyOf = (settings: DirectorySettings, groups: GroupSource) => (): DialPolicy => ({
  ports: settings.allowAnyPort ? undefined : groups.current.ports,
  privateAddresses: settings.allowPrivateAddresses,
  hosts: settings.resolve,
});

/** Begins to keep the revocation list of every CA in use. */
export const startRevocations = (
  settings: DirectorySettings,
  sources: Sources,
  { log, lifecycle, clock }: Surroundings,
): Promise<RevocationLists> =>
  RevocationLists.start({
    ...{ ...sources, clock, log, lifecycle, policy: policyOf(settings, sources.groups) },
    sources: sourcesIn(settings.revocationLists),
    folder: join(settings.data, "revocation-lists"),
  });
