// The directory process: puts its parts together and runs them until it is told to stop.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import type { Kysely } from "kysely";
import type { PeerIdentity } from "../certs/identity.js";
import { admit, serverTls } from "../certs/tls.js";
import { formatAddress, type Address } from "../core/address.js";
import { systemClock } from "../core/clock.js";
import { openDatabase } from "../core/database.js";
import { GrpcServer } from "../core/grpc-server.js";
import { Health, serveHealth } from "../core/health.js";
import { runUntilSignal, type Lifecycle } from "../core/lifecycle.js";
import { createLog, type Log } from "../core/log.js";
import type { PeerId, ServiceName } from "../core/names.js";
import { admittedChain } from "../fsc/admitted-chain.js";
import type { RevocationLists } from "../fsc/revocation-lists.js";
import type { FscSchema } from "../fsc/schema.js";
import { DirectoryServiceService } from "../proto/gen/schakel/directory/v1/directory.js";
import { openManagerSide, type ManagerSide } from "./manager-side.js";
import { directoryMetrics, managerSideMetrics } from "./metrics.js";
import { Prober } from "./probe.js";
import { PublicationMethods } from "./publication-methods.js";
import { Registry } from "./registry.js";
import { directoryService } from "./service.js";
import type { DirectorySettings } from "./settings.js";
import {
  openSources,
  policyOf,
  startRevocations,
  type Sources,
  type Surroundings,
} from "./sources.js";
import { openDirectoryStore, type DirectorySchema } from "./store.js";
import { Watchers } from "./watchers.js";

const MESSAGE_BYTES_MAX = 512 * 1024;
const EXPIRY_MS = 1_000;
/** Of the time a stop may take, what is left for the store after the calls. */
const STOP_RESERVE_MS = 1_000;

/** All tables of directory.db. */
type DirectoryDatabase = Kysely<DirectorySchema & FscSchema>;

const openTables = async (
  { data }: DirectorySettings,
  lifecycle: Lifecycle,
): Promise<DirectoryDatabase> => {
  await mkdir(data, { recursive: true, mode: 0o700 });
  const db = openDatabase<DirectorySchema & FscSchema>(join(data, "directory.db"));
  lifecycle.onStop("store", () => db.destroy());
  return db;
};

/** Of the time a stop may take, what running calls have. */
const drainMsOf = ({ stopTimeout }: DirectorySettings): number =>
  Math.max(0, stopTimeout - STOP_RESERVE_MS);

const openContracts = (
  settings: DirectorySettings,
  { groups, bundles }: Sources,
  db: DirectoryDatabase,
  { log, lifecycle, clock }: Surroundings,
): Promise<ManagerSide> =>
  openManagerSide({
    ...{ settings, groups, bundles, log, lifecycle, clock },
    db,
    policy: policyOf(settings, groups),
    drainMs: drainMsOf(settings),
  });

const openRegistry = async (
  settings: DirectorySettings,
  { groups }: Sources,
  { db, managerSide }: { readonly db: DirectoryDatabase; readonly managerSide: ManagerSide },
  { log, lifecycle, clock }: Surroundings,
): Promise<Registry> => {
  // Kysely's types do not see that a database with more tables is one with fewer.
  const tables = db as unknown as Kysely<DirectorySchema>;
  const store = await openDirectoryStore(tables, groups.current.id);
  const registry = await Registry.open({
    groups,
    store,
    clock,
    log,
    leaseMs: settings.lease,
    anyPort: settings.allowAnyPort,
    componentsPerPeerMax: settings.componentsPerPeerMax,
    componentsMax: settings.componentsMax,
    published: (peer) => managerSide.publications.of(peer),
  });
  managerSide.publications.onChange((peer) => registry.recheckPublications(peer));
  const failed = (error: unknown): void =>
    log.error({ err: error }, "the leases could not be brought up to date");
  const timer = setInterval(() => void registry.expire().catch(failed), EXPIRY_MS);
  lifecycle.onStop("leases", () => {
    clearInterval(timer);
    return registry.settled();
  });
  groups.onChange(() => void registry.recheck().catch(failed));
  return registry;
};

/** What managers speak on the directory's port, beside the gRPC of everybody (FSC Core 2.0.0, Manager). */
const FSC_PROTOCOL = "http/1.1";
/** First that of managers: a client of FSC may offer both, a client of gRPC offers its own alone. */
const PROTOCOLS = [FSC_PROTOCOL, "h2"];

const createServer = (
  settings: DirectorySettings,
  { groups, bundles }: Sources,
  { managerSide, lists }: { readonly managerSide: ManagerSide; readonly lists: RevocationLists },
  log: Log,
): GrpcServer<PeerIdentity> => {
  const toManagerSide = (socket: TLSSocket, caller: PeerIdentity): void =>
    managerSide.server.accept(socket, caller);
  const server = new GrpcServer<PeerIdentity>({
    address: settings.listen,
    tls: () => serverTls(bundles.current, groups.current, PROTOCOLS),
    admit: (socket) => admit(socket, groups.current),
    admitted: (socket) => {
      const chain = admittedChain(socket, groups.current);
      if (chain !== undefined) lists.note(chain);
    },
    connectionsMax: settings.connectionsMax,
    messageBytesMax: MESSAGE_BYTES_MAX,
    stopMs: drainMsOf(settings),
    domain: "directory",
    others: new Map([
      [FSC_PROTOCOL, toManagerSide],
      ["", toManagerSide],
    ]),
    log,
  });
  groups.onChange(() => server.reload());
  bundles.onChange(() => server.reload());
  return server;
};

const startProber = (
  settings: DirectorySettings,
  sources: Sources,
  registry: Registry,
  { log, clock }: Pick<Surroundings, "log" | "clock">,
): Prober =>
  new Prober({
    ...sources,
    registry,
    policy: policyOf(settings, sources.groups),
    clock,
    log,
    intervalMs: settings.probeInterval,
    timeoutMs: settings.probeTimeout,
  });

const exposeHealth = async (
  { healthListen }: DirectorySettings,
  { bundles }: Sources,
  parts: {
    readonly health: Health;
    readonly managerSide: ManagerSide;
    readonly lists: RevocationLists;
  },
  { log, lifecycle, clock }: Surroundings,
): Promise<void> => {
  const { health, managerSide, lists } = parts;
  const { book, publications, server } = managerSide;
  health.addCheck({
    name: "certificate",
    problem: () => {
      const ends = bundles.current.chain[0]?.validToDate;
      return ends !== undefined && ends.getTime() >= clock.now()
        ? undefined
        : `our certificate has expired (${ends?.toISOString() ?? "there is none"})`;
    },
  });
  health.addWarning({ name: "certificate", problem: () => bundles.problem() });
  health.addWarning({
    name: "revocation lists",
    problem: () => (lists.problems().length === 0 ? undefined : lists.problems().join("; ")),
  });
  managerSideMetrics(health.registry, {
    deliveriesWaiting: () => book.deliveriesWaiting(),
    servicesPublished: () => publications.all().length,
    managerConnections: () => server.connections,
    revocationProblems: () => lists.problems().length,
  });
  const address = await serveHealth(health, healthListen, lifecycle);
  log.info({ address: formatAddress(address) }, "health listening");
};

/** A directory that runs. */
export interface RunningDirectory {
  /** Where it listens, with the real port. */
  readonly address: Address;
  readonly registry: Registry;
}

/** Starts a directory. Whatever is started is stopped by the life cycle, also when this rejects half-way. */
export const startDirectory = async (
  settings: DirectorySettings,
  { log, lifecycle, clock }: Surroundings,
): Promise<RunningDirectory> => {
  const sources = await openSources(settings, log, lifecycle);
  const surroundings = { log, lifecycle, clock };
  const lists = await startRevocations(settings, sources, surroundings);
  const db = await openTables(settings, lifecycle);
  const managerSide = await openContracts(settings, sources, db, surroundings);
  const registry = await openRegistry(settings, sources, { db, managerSide }, surroundings);
  const server = createServer(settings, sources, { managerSide, lists }, log);
  const watchers = new Watchers({
    server,
    registry,
    heartbeatMs: settings.heartbeat,
    stallMs: settings.heartbeat * 3,
    watchersPerPeerMax: settings.watchersPerPeerMax,
    log,
  });
  const health = new Health();
  const parts = {
    ...{ groups: sources.groups, registry, watchers, leaseMs: settings.lease },
    publications: new PublicationMethods({ side: managerSide, clock, log }),
    delegatorOf: (peer: PeerId, service: ServiceName) =>
      managerSide.publications.delegatorOf(peer, service),
    announced: directoryMetrics(health.registry, registry, watchers),
  };
  server.grpc.addService(DirectoryServiceService, directoryService(server, parts));

  lifecycle.onStop("calls", async () => {
    // The server first: it stops listening at once.
    await Promise.all([server.stop(), managerSide.server.close()]);
  });
  const address = await server.listen();
  lifecycle.onStop("streams", () => watchers.close());
  const prober = startProber(settings, sources, registry, { log, clock });
  lifecycle.onStop("probes", () => prober.close());
  await exposeHealth(settings, sources, { health, managerSide, lists }, surroundings);
  const peer = sources.bundles.current.identity.peerId;
  log.info({ address: formatAddress(address), peer }, "listening");
  return { address, registry };
};

/** Runs a directory until SIGINT or SIGTERM. Rejects when it cannot start; then nothing of it is left running. */
export const runDirectory = async (settings: DirectorySettings): Promise<void> => {
  const log = createLog("directory", settings.logLevel, settings.logFormat);
  await runUntilSignal(log, settings.stopTimeout, async (lifecycle) => {
    await startDirectory(settings, { log, lifecycle, clock: systemClock });
  });
};
