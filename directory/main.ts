// The directory process: puts its parts together and runs them until it is told to stop.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import type { Kysely } from "kysely";
import { BundleSource } from "../certs/bundle.js";
import { GroupSource } from "../certs/group.js";
import type { PeerIdentity } from "../certs/identity.js";
import { admit, serverTls } from "../certs/tls.js";
import { formatAddress, type Address } from "../core/address.js";
import { systemClock, type Clock } from "../core/clock.js";
import { openDatabase } from "../core/database.js";
import type { DialPolicy } from "../core/dial.js";
import { GrpcServer } from "../core/grpc-server.js";
import { Health, serveHealth } from "../core/health.js";
import { runUntilSignal, type Lifecycle } from "../core/lifecycle.js";
import { createLog, type Log } from "../core/log.js";
import type { FscSchema } from "../fsc/schema.js";
import { DirectoryServiceService } from "../proto/gen/schakel/directory/v1/directory.js";
import { openManagerSide, type ManagerSide } from "./manager-side.js";
import { directoryMetrics } from "./metrics.js";
import { Prober } from "./probe.js";
import { Registry } from "./registry.js";
import { directoryService } from "./service.js";
import type { DirectorySettings } from "./settings.js";
import { openDirectoryStore, type DirectorySchema } from "./store.js";
import { Watchers } from "./watchers.js";

const MESSAGE_BYTES_MAX = 512 * 1024;
const EXPIRY_MS = 1_000;
/** Of the time a stop may take, what is left for the store after the calls. */
const STOP_RESERVE_MS = 1_000;

interface Sources {
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
}

const openSources = async (
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
interface Surroundings {
  readonly log: Log;
  readonly lifecycle: Lifecycle;
  readonly clock: Clock;
}

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

const policyOf = (settings: DirectorySettings, groups: GroupSource) => (): DialPolicy => ({
  ports: settings.allowAnyPort ? undefined : groups.current.ports,
  privateAddresses: settings.allowPrivateAddresses,
  hosts: settings.resolve,
});

const openContracts = (
  settings: DirectorySettings,
  { groups, bundles }: Sources,
  db: DirectoryDatabase,
  { log, lifecycle, clock }: Surroundings,
): Promise<ManagerSide> =>
  openManagerSide({
    ...{ settings, groups, bundles, log, lifecycle, clock },
    // Kysely's types do not see that a database with more tables is one with fewer.
    db: db,
    policy: policyOf(settings, groups),
  });

const openRegistry = async (
  settings: DirectorySettings,
  { groups }: Sources,
  { db, managerSide }: { readonly db: DirectoryDatabase; readonly managerSide: ManagerSide },
  { log, lifecycle, clock }: Surroundings,
): Promise<Registry> => {
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
  managerSide.onChange(() => registry.recheckPublications());
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

const createServer = (
  settings: DirectorySettings,
  log: Log,
  { groups, bundles }: Sources,
  managerSide: ManagerSide,
): GrpcServer<PeerIdentity> => {
  const accept = (socket: TLSSocket, caller: PeerIdentity): void =>
    managerSide.server.accept(socket, caller);
  const server = new GrpcServer<PeerIdentity>({
    address: settings.listen,
    // Who offers both is a manager with a common HTTP client: gRPC clients offer nothing but h2.
    tls: () => serverTls(bundles.current, groups.current, [FSC_PROTOCOL, "h2"]),
    admit: (socket) => admit(socket, groups.current),
    connectionsMax: settings.connectionsMax,
    messageBytesMax: MESSAGE_BYTES_MAX,
    stopMs: Math.max(0, settings.stopTimeout - STOP_RESERVE_MS),
    domain: "directory",
    others: new Map([
      [FSC_PROTOCOL, accept],
      ["", accept],
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
  const db = await openTables(settings, lifecycle);
  const managerSide = await openContracts(settings, sources, db, surroundings);
  const registry = await openRegistry(settings, sources, { db, managerSide }, surroundings);
  const server = createServer(settings, log, sources, managerSide);
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
    groups: sources.groups,
    registry,
    watchers,
    leaseMs: settings.lease,
    announced: directoryMetrics(health.registry, registry, watchers),
  };
  server.grpc.addService(DirectoryServiceService, directoryService(server, parts));

  lifecycle.onStop("calls", () => server.stop());
  const address = await server.listen();
  lifecycle.onStop("streams", () => watchers.close());
  const prober = startProber(settings, sources, registry, { log, clock });
  lifecycle.onStop("probes", () => prober.close());
  const healthAddress = await serveHealth(health, settings.healthListen, lifecycle);
  log.info({ address: formatAddress(healthAddress) }, "health listening");
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
