// The outway process: puts its parts together and runs them until it is told to stop.
import { mkdir } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { startAnnouncing } from "../catalogue/announcer.js";
import { startWatching, type CatalogueWatcher } from "../catalogue/watcher.js";
import { BundleSource } from "../certs/bundle.js";
import { GroupSource } from "../certs/group.js";
import { formatAddress } from "../core/address.js";
import { systemClock } from "../core/clock.js";
import type { DialPolicy } from "../core/dial.js";
import { ExchangeMetrics } from "../core/exchange-metrics.js";
import { Health, serveHealth } from "../core/health.js";
import { runUntilSignal, type Lifecycle } from "../core/lifecycle.js";
import { listen } from "../core/listen.js";
import { createLog, type Log } from "../core/log.js";
import { VERSION } from "../core/version.js";
import { Relay, RELAY_LIMITS } from "../relay/relay.js";
import { openTransactionLog, type TransactionLog } from "../txlog/log.js";
import { exposeLog } from "../txlog/metrics.js";
import { OutwayExchanges, type Client } from "./exchange.js";
import { InwayPicker } from "./pick.js";
import type { OutwaySettings } from "./settings.js";

/** The listener is on loopback alone: whoever can connect runs on this machine. */
const LOOPBACK_CLIENT: Client = { name: "loopback" };

interface Sources {
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
  readonly policy: () => DialPolicy;
}

const openSources = async (
  settings: OutwaySettings,
  log: Log,
  lifecycle: Lifecycle,
): Promise<Sources> => {
  const groups = await GroupSource.open(settings.group, log);
  lifecycle.onStop("group", () => groups.close());
  const bundles = await BundleSource.open({ cert: settings.cert, key: settings.key }, groups, log);
  lifecycle.onStop("certificate", () => bundles.close());
  const policy = (): DialPolicy => ({
    ports: settings.allowAnyPort ? undefined : groups.current.ports,
    privateAddresses: settings.allowPrivateAddresses,
    hosts: settings.resolve,
  });
  return { groups, bundles, policy };
};

interface Data {
  readonly watcher: CatalogueWatcher;
  readonly transactionLog: TransactionLog;
  readonly health: Health;
}

const openData = async (
  settings: OutwaySettings,
  log: Log,
  sources: Sources,
  lifecycle: Lifecycle,
): Promise<Data> => {
  const { groups, bundles, policy } = sources;
  const health = new Health();
  await mkdir(settings.data, { recursive: true, mode: 0o700 });
  const transactionLog = await openTransactionLog({
    folder: join(settings.data, "log"),
    groupId: groups.current.id,
    software: VERSION,
    log,
    clock: systemClock,
    allowVolatile: settings.allowVolatileLog,
  });
  lifecycle.onStop("transaction log", () => transactionLog.close());
  health.addCheck({ name: "transaction log", problem: () => transactionLog.problem() });
  exposeLog(health.registry, transactionLog);
  const file = join(settings.data, "catalogue");
  const watcher = await startWatching({
    groups,
    bundles,
    policy: policy(),
    file,
    clock: systemClock,
    log,
    lifecycle,
  });
  health.addCheck({
    name: "catalogue",
    problem: () =>
      watcher.current === undefined ? "no catalogue has been received yet" : undefined,
  });
  return { watcher, transactionLog, health };
};

const createRelay = (
  settings: OutwaySettings,
  log: Log,
  sources: Sources,
  data: Data,
): Relay<Client> => {
  const { headBytesMax, headersMax, headTimeout, idleTimeout } = settings;
  const running = (): number => relay.exchanges;
  const exchanges = new OutwayExchanges({
    group: () => sources.groups.current,
    bundle: () => sources.bundles.current,
    policy: sources.policy,
    catalogue: () => data.watcher.current,
    picker: new InwayPicker(systemClock),
    transactionLog: data.transactionLog,
    metrics: new ExchangeMetrics(data.health.registry, running),
    log,
    timeouts: settings,
    hostSuffix: settings.hostSuffix,
    keepForwarded: settings.keepForwarded,
    exchangesMax: settings.exchangesMax,
    running,
  });
  const relay = new Relay<Client>(exchanges, {
    ...RELAY_LIMITS,
    headBytesMax,
    headersMax,
    headTimeoutMs: headTimeout,
    bodyIdleTimeoutMs: idleTimeout,
  });
  return relay;
};

const listenForClients = (settings: OutwaySettings, relay: Relay<Client>): Server => {
  const server = createServer({ noDelay: true }, (socket) => relay.accept(socket, LOOPBACK_CLIENT));
  server.maxConnections = settings.connectionsMax;
  return server;
};

const start = async (settings: OutwaySettings, log: Log, lifecycle: Lifecycle): Promise<void> => {
  const sources = await openSources(settings, log, lifecycle);
  const data = await openData(settings, log, sources, lifecycle);
  const relay = createRelay(settings, log, sources, data);
  lifecycle.onStop("relay", () => relay.close(settings.stopTimeout));
  const server = listenForClients(settings, relay);
  const address = await listen(server, settings.listen);
  lifecycle.onStop("listener", () => void server.close());

  startAnnouncing({
    groups: sources.groups,
    bundles: sources.bundles,
    policy: sources.policy(),
    component: settings.name,
    describe: () => ({ kind: "outway" }),
    clock: systemClock,
    log,
    lifecycle,
  });
  const healthAddress = await serveHealth(data.health, settings.healthListen, lifecycle);
  log.info({ address: formatAddress(healthAddress) }, "health listening");
  log.info(
    { address: formatAddress(address), peer: sources.bundles.current.identity.peerId },
    "listening",
  );
};

/** Runs an outway until SIGINT or SIGTERM. Rejects when it cannot start; then nothing of it is left running. */
export const runOutway = async (settings: OutwaySettings): Promise<void> => {
  const log = createLog("outway", settings.logLevel, settings.logFormat);
  // Closing has a little more time than the exchanges, so that their outcomes are still written.
  await runUntilSignal(log, settings.stopTimeout + 5_000, (lifecycle) =>
    start(settings, log, lifecycle),
  );
};
