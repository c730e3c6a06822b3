// The manager's own certificate inside the organisation. The manager holds the internal CA, so it makes and
// renews its certificate itself.
import { rm } from "node:fs/promises";
import { openCa, type Ca } from "../certs/ca.js";
import { prepareIdentity, replaceCertificate } from "../certs/identity-folder.js";
import { removeLeftovers } from "../certs/identity-leftovers.js";
import {
  InternalSource,
  loadInternalBundle,
  type InternalBundle,
} from "../certs/internal-bundle.js";
import { issueInternal } from "../certs/internal-ca.js";
import { createRsaKey } from "../certs/private-key.js";
import type { Clock } from "../core/clock.js";
import type { Lifecycle } from "../core/lifecycle.js";
import type { Log } from "../core/log.js";
import { parseComponentName, type ComponentName } from "../core/names.js";

const CHECK_MS = 10 * 60_000;

const managerName = (): ComponentName => {
  const name = parseComponentName("manager");
  if (name === undefined) throw new TypeError("manager is a component name");
  return name;
};

/** Where the manager's certificate comes from and goes. */
export interface OwnIdentityPlace {
  /** The internal CA's folder, made by `schakel init`. */
  readonly caDir: string;
  /** The identity folder; made when it is not there, and made again when it is not right. */
  readonly dir: string;
}

interface Surroundings {
  readonly clock: Clock;
  readonly log: Log;
  readonly lifecycle: Lifecycle;
}

/** The internal CA, and the manager's certificate of it. */
export interface OwnIdentity {
  readonly ca: Ca;
  readonly source: InternalSource;
}

const usable = async (ca: Ca, dir: string, clock: Clock): Promise<InternalBundle | undefined> => {
  try {
    const bundle = await loadInternalBundle(dir, clock.now());
    const ours = bundle.anchor.raw.equals(ca.root.raw) && bundle.identity.role === "manager";
    return ours ? bundle : undefined;
  } catch {
    return undefined;
  }
};

const make = async (ca: Ca, dir: string, clock: Clock): Promise<void> => {
  await rm(dir, { recursive: true, force: true });
  const key = await createRsaKey();
  const issuance = { role: "manager", name: managerName(), publicKey: key } as const;
  const certificate = await issueInternal(ca, { ...issuance, now: clock.now() });
  const prepared = await prepareIdentity(dir, key);
  await prepared.complete({ chain: [certificate, ca.issuing], anchor: ca.root });
};

/** Renews the certificate when its time has come. Returns whether it did. */
const renewWhenDue = async (
  ca: Ca,
  dir: string,
  bundle: InternalBundle,
  clock: Clock,
): Promise<boolean> => {
  const { role, name, renewableFrom } = bundle.identity;
  if (clock.now() < renewableFrom) return false;
  const issuance = { role, name, publicKey: bundle.key, now: clock.now() };
  await replaceCertificate(dir, [await issueInternal(ca, issuance), ca.issuing]);
  return true;
};

/**
 * Opens the internal CA and the manager's own identity, made when it is absent, unreadable, expired or of
 * another CA, and renewed at two thirds of its life for as long as the process runs.
 *
 * @throws FileError or CertificateError when the CA cannot be opened
 */
export const openOwnIdentity = async (
  { caDir, dir }: OwnIdentityPlace,
  { clock, log, lifecycle }: Surroundings,
): Promise<OwnIdentity> => {
  const ca = await openCa(caDir);
  // The manager's data folder is its own: nobody else makes this identity.
  await removeLeftovers(dir, 0);
  const found = await usable(ca, dir, clock);
  if (found === undefined) await make(ca, dir, clock);
  else await renewWhenDue(ca, dir, found, clock);
  const source = await InternalSource.open(dir, log);
  lifecycle.onStop("internal identity", () => source.close());
  const check = async (): Promise<void> => {
    try {
      if (await renewWhenDue(ca, dir, source.current, clock)) source.reload();
    } catch (error) {
      log.error({ err: error }, "the manager's internal certificate could not be renewed");
    }
  };
  const timer = setInterval(() => void check(), CHECK_MS).unref();
  lifecycle.onStop("internal certificate", () => clearInterval(timer));
  return { ca, source };
};
