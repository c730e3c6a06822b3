// The work of `schakel peer`: three parts in one process, with one life cycle.
import { access } from "node:fs/promises";
import { join } from "node:path";
import { loadInternalBundle } from "../certs/internal-bundle.js";
import { systemClock } from "../core/clock.js";
import { runUntilSignal } from "../core/lifecycle.js";
import { createLog, type Log } from "../core/log.js";
import { startInway } from "../inway/main.js";
import { startManager } from "../manager/main.js";
import { startOutway } from "../outway/main.js";
import type { Address } from "../core/address.js";
import { CommandError } from "./command.js";
import { partSettings, peerFiles, type PeerSettings } from "./peer-settings.js";

/** The parts have a little more time than their exchanges, so that outcomes are still written. */
const STOP_RESERVE_MS = 5_000;

const isThere = async (path: string): Promise<boolean> => {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
};

const checkFolder = async ({ folder, address }: PeerSettings): Promise<void> => {
  const { group, key, cert, request } = peerFiles(folder);
  for (const path of [group, key]) {
    if (await isThere(path)) continue;
    throw new CommandError(
      `${path} is not there: ${folder} is no organisation's folder`,
      "make one with 'schakel init'; --folder says which",
    );
  }
  if (await isThere(cert)) return;
  throw new CommandError(
    `${cert} is not there: the group's CA has not signed our certificate yet`,
    [
      `have the CA sign ${request}, and put the certificate, followed by its intermediates, there`,
      `with the CA of a test group: schakel cert sign --ca ca --request ${request} --name ${address.host} --out ${cert}`,
    ].join("\n"),
  );
};

/** Where the inway and outway of the folder will look for the manager. */
const internalAddress = async (folder: string): Promise<Address> => {
  const dir = join(folder, "identities", "inway");
  const { manager } = await loadInternalBundle(dir);
  if (manager !== undefined) return manager;
  throw new CommandError(
    `${dir} does not say where the manager is (file 'manager')`,
    "write HOST:PORT into it, as 'schakel init --manager' does",
  );
};

/** Runs the three parts until SIGINT or SIGTERM. Rejects when one cannot start; then nothing is left running. */
export const runPeer = async (settings: PeerSettings): Promise<void> => {
  await checkFolder(settings);
  const parts = partSettings(settings, await internalAddress(settings.folder));
  const logOf = (name: string): Log => createLog(name, settings.logLevel, settings.logFormat);
  const deadlineMs = settings.stopTimeout + STOP_RESERVE_MS;
  await runUntilSignal(logOf("peer"), deadlineMs, async (lifecycle) => {
    const running = (name: string) => ({ log: logOf(name), lifecycle, clock: systemClock });
    // The manager first: it stops last, when inway and outway have told it their last.
    await startManager(parts.manager, running("manager"));
    await startInway(parts.inway, running("inway"));
    await startOutway(parts.outway, running("outway"));
  });
};
