// The manager process: puts its parts together and runs them until it is told to stop.
import { join } from "node:path";
import { formatAddress, type Address } from "../core/address.js";
import { systemClock } from "../core/clock.js";
import { Health, serveHealth } from "../core/health.js";
import { runUntilSignal } from "../core/lifecycle.js";
import { createLog } from "../core/log.js";
import { holdAlone } from "../core/postgres.js";
import { BookHandlers } from "../fsc/book-handlers.js";
import { FscServer } from "../fsc/fsc-server.js";
import { RevocationLists, sourcesIn } from "../fsc/revocation-lists.js";
import { listenForManagers } from "./fsc-listener.js";
import type { Components } from "./component-service.js";
import { serveInternally, type InternalSide } from "./internal-server.js";
import { placeOf } from "./database-place.js";
import { managerMetrics } from "./metrics.js";
import type { ManagerSettings } from "./settings.js";
import {
  openSources,
  openState,
  policyOf,
  type ManagerState,
  type Sources,
  type Surroundings,
} from "./state.js";

/** Of the time a stop may take, what is left for the database after the answers. */
const STOP_RESERVE_MS = 1_000;

const startRevocations = (
  settings: ManagerSettings,
  sources: Sources,
  { log, lifecycle, clock }: Surroundings,
): Promise<RevocationLists> => {
  const { groups, bundles } = sources;
  return RevocationLists.start({
    ...{ groups, bundles, clock, log, lifecycle, policy: () => policyOf(settings, sources) },
    sources: sourcesIn(settings.revocationLists),
    folder: join(settings.data, "revocation-lists"),
  });
};

interface FscSide {
  readonly address: Address;
  readonly server: FscServer;
}

const serveFsc = async (
  settings: ManagerSettings,
  state: ManagerState,
  sources: Sources,
  more: Surroundings & { readonly components: Components; readonly lists: RevocationLists },
): Promise<FscSide> => {
  const { log, lifecycle, clock, components, lists } = more;
  const { groups, bundles } = sources;
  const { book, peerBook, peers, certificates, logSide } = state;
  const handlers = new BookHandlers({
    ...{ groups, bundles, book, peerBook, clock },
    called: async (peer, submitted) => {
      await peers.seen(peer);
      if (submitted) peers.describe(peer);
    },
    certificates: () => certificates.chains(),
    inwaysOf: (service) => components.inwaysOf(service),
    published: () => [],
    tokenLifetimeMs: settings.tokenLifetime,
  });
  const drainMs = Math.max(0, settings.stopTimeout - STOP_RESERVE_MS);
  const { allowAnyPort, connectionsMax } = settings;
  const server = new FscServer({
    ...{ handlers, groups, log, clock, allowAnyPort, limits: { drainMs, connectionsMax } },
    ...{ logs: logSide.answers, witness: logSide.answers },
    refused: (caller, error) => peers.noteRefusal(caller, error),
  });
  lifecycle.onStop("connections of peers", () => server.close());
  const listener = await listenForManagers({
    ...{ address: settings.listen, groups, bundles, server, connectionsMax, log },
    noted: (chain) => lists.note(chain),
  });
  lifecycle.onStop("listener", () => listener.close());
  return { address: listener.address, server };
};

const expired = (name: string, validTo: Date | undefined, now: number): string | undefined =>
  validTo === undefined || validTo.getTime() < now
    ? `${name} has expired (${validTo?.toISOString() ?? "there is none"})`
    : undefined;

const exposeHealth = async (
  settings: ManagerSettings,
  state: ManagerState,
  { bundles }: Sources,
  parts: Surroundings & {
    readonly fsc: FscSide;
    readonly internal: InternalSide;
    readonly lists: RevocationLists;
  },
): Promise<void> => {
  const { log, lifecycle, clock, fsc, internal } = parts;
  const health = new Health();
  health.addCheck({
    name: "certificate",
    problem: () => expired("our certificate", bundles.current.chain[0]?.validToDate, clock.now()),
  });
  const { source } = internal.identity;
  health.addCheck({
    name: "internal certificate",
    problem: () =>
      expired("the internal certificate", source.current.chain[0]?.validToDate, clock.now()),
  });
  health.addCheck({ name: "transaction log", problem: () => state.logStore.sealer.problem });
  health.addWarning({ name: "witnesses", problem: () => state.logStore.warning() });
  health.addWarning({ name: "certificate", problem: () => bundles.problem() });
  health.addWarning({
    name: "revocation lists",
    problem: () =>
      parts.lists.problems().length === 0 ? undefined : parts.lists.problems().join("; "),
  });
  const { reconciliation, nightly } = state.logSide;
  health.addWarning({
    name: "logs of others",
    problem: () => [...reconciliation.alarms(), ...nightly.differing()].join("; ") || undefined,
  });
  managerMetrics(health.registry, {
    contracts: () => state.counts.at(clock.now()),
    deliveriesWaiting: () => state.book.deliveriesWaiting(),
    components: () => internal.components.list(),
    strangers: () => internal.strangers(),
    peerConnections: () => fsc.server.connections,
    revocationProblems: () => parts.lists.problems().length,
    log: () => state.logStore.reader.status(),
    now: () => clock.now(),
  });
  const address = await serveHealth(health, settings.healthListen, lifecycle);
  log.info({ address: formatAddress(address) }, "health listening");
};

/** A manager that runs. */
export interface RunningManager {
  /** Where other peers reach it, with the real port. */
  readonly address: Address;
  /** Where our own components and people reach it, with the real port. */
  readonly internalAddress: Address;
  readonly state: ManagerState;
}

/** Waits until no other manager works on the database, and ends this one at once should another get it. */
const waitForDatabase = async (
  settings: ManagerSettings,
  { log, lifecycle }: Surroundings,
): Promise<void> => {
  const place = placeOf(settings);
  if (place === undefined) return;
  const alone = await holdAlone(place, {
    kind: "manager",
    waiting: () => log.info({}, "another manager works on this database: waiting to take over"),
    signal: lifecycle.asked,
  });
  lifecycle.onStop("database for others", () => alone.release());
  void alone.lost.then((reason) => {
    // Two managers on one database would overwrite each other: stopping in order takes too long.
    log.fatal({ reason }, "ended at once: another manager may have taken over the database");
    process.exit(1);
  });
};

/** Starts a manager. Whatever is started is stopped by the life cycle, also when this rejects half-way. */
export const startManager = async (
  settings: ManagerSettings,
  surroundings: Surroundings,
): Promise<RunningManager> => {
  const { log, lifecycle } = surroundings;
  const sources = await openSources(settings, surroundings);
  await waitForDatabase(settings, surroundings);
  const lists = await startRevocations(settings, sources, surroundings);
  const state = await openState(settings, sources, surroundings);
  const internal = await serveInternally(settings, state, sources, surroundings);
  const { components } = internal;
  const fsc = await serveFsc(settings, state, sources, { ...surroundings, components, lists });
  state.peers.start(lifecycle);
  state.logStore.start(lifecycle);
  state.logSide.nightly.start(lifecycle);
  await exposeHealth(settings, state, sources, { ...surroundings, fsc, internal, lists });
  log.info({ address: formatAddress(fsc.address), peer: sources.own }, "listening");
  return { address: fsc.address, internalAddress: internal.address, state };
};

/** Runs a manager until SIGINT or SIGTERM. Rejects when it cannot start; then nothing of it is left running. */
export const runManager = async (settings: ManagerSettings): Promise<void> => {
  const log = createLog("manager", settings.logLevel, settings.logFormat);
  await runUntilSignal(log, settings.stopTimeout, async (lifecycle) => {
    await startManager(settings, { log, lifecycle, clock: systemClock });
  });
};
