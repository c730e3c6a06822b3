// The outway process: puts its parts together and runs them until it is told to stop.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { startAnnouncing } from "../catalogue/announcer.js";
import { startWatching, type CatalogueWatcher } from "../catalogue/watcher.js";
import { BundleSource } from "../certs/bundle.js";
import { GroupSource } from "../certs/group.js";
import { InternalSource } from "../certs/internal-bundle.js";
import { logStreams } from "../component/log-stream.js";
import { keepRenewed } from "../component/renewal.js";
import { RunningGrants } from "../component/running-grants.js";
import { exposeState } from "../component/state-metrics.js";
import { StateSource } from "../component/state-source.js";
import type { GrantHash } from "../contracts/hash.js";
import { formatAddress, isLoopback, type Address } from "../core/address.js";
import { systemClock, type Clock } from "../core/clock.js";
import type { DialPolicy } from "../core/dial.js";
import { toSchakelError, type SchakelError } from "../core/errors.js";
import { ExchangeMetrics } from "../core/exchange-metrics.js";
import { Health, serveHealth } from "../core/health.js";
import { runUntilSignal, type Lifecycle } from "../core/lifecycle.js";
import { createLog, type Log } from "../core/log.js";
import { VERSION } from "../core/version.js";
import { openManagerClient } from "../fsc/fsc-client.js";
import { Relay, RELAY_LIMITS } from "../relay/relay.js";
import type { TransactionLog } from "../txlog/log.js";
import { openShippedLog } from "../txlog/shipped-log.js";
import type { Connected } from "./clients.js";
import { OutwayExchanges } from "./exchange.js";
import { InwayConnections } from "./inway-target.js";
import { listenForClients } from "./listener.js";
import { LinkPolicy } from "./link-policy.js";
import { runningRefusal } from "./permit.js";
import { InwayPicker } from "./pick.js";
import type { OutwaySettings } from "./settings.js";
import { TokenFile } from "./token-file.js";
import { Tokens } from "./tokens.js";

/** How often open connections to inways are judged again without any change. */
const JUDGE_AGAIN_MS = 60_000;

/** What an outway runs with. */
export interface Running {
  readonly log: Log;
  readonly lifecycle: Lifecycle;
  readonly clock: Clock;
}

/** An outway that runs. */
export interface Started {
  /** Where it listens, with the real port. */
  readonly address: Address;
  readonly healthAddress: Address;
}

interface Sources {
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
  readonly internal: InternalSource;
  readonly policy: () => DialPolicy;
}

const openSources = async (
  settings: OutwaySettings,
  { log, lifecycle, clock }: Running,
): Promise<Sources> => {
  const groups = await GroupSource.open(settings.group, log);
  lifecycle.onStop("group", () => groups.close());
  const bundles = await BundleSource.open({ cert: settings.cert, key: settings.key }, groups, log);
  lifecycle.onStop("certificate", () => bundles.close());
  const internal = await InternalSource.open(settings.identity, log);
  lifecycle.onStop("identity", () => internal.close());
  keepRenewed({ source: internal, clock, log }, lifecycle);
  const policy = (): DialPolicy => ({
    ports: settings.allowAnyPort ? undefined : groups.current.ports,
    privateAddresses: settings.allowPrivateAddresses,
    hosts: settings.resolve,
  });
  return { groups, bundles, internal, policy };
};

interface Data {
  readonly state: StateSource;
  readonly tokens: Tokens;
  readonly watcher: CatalogueWatcher;
  readonly transactionLog: TransactionLog;
  readonly health: Health;
}

const openData = async (
  settings: OutwaySettings,
  { log, lifecycle, clock }: Running,
  sources: Sources,
): Promise<Data> => {
  const { groups, bundles, internal, policy } = sources;
  const health = new Health();
  health.addWarning({ name: "certificate", problem: () => bundles.problem() });
  await mkdir(settings.data, { recursive: true, mode: 0o700 });
  const transactionLog = await openShippedLog({
    folder: join(settings.data, "log"),
    groupId: groups.current.id,
    software: VERSION,
    component: settings.name,
    allowVolatile: settings.allowVolatileLog,
    durability: settings.logDurability,
    limits: { segmentAgeMs: settings.logSegmentAge },
    streams: logStreams(internal),
    ...{ log, clock, health, lifecycle },
  });
  const state = await StateSource.open({
    role: "outway",
    ...{ groups, bundles, internal, log, lifecycle, clock },
    address: undefined,
    file: join(settings.data, "state"),
    offlineLimitMs: settings.offlineLimit,
  });
  exposeState(health, state);
  const tokens = await openTokens(settings, { log, lifecycle, clock }, sources, state);
  const file = join(settings.data, "catalogue");
  const watcher = await startWatching({
    groups,
    bundles,
    policy: policy(),
    file,
    clock,
    log,
    lifecycle,
  });
  health.addCheck({
    name: "catalogue",
    problem: () =>
      watcher.current === undefined ? "no catalogue has been received yet" : undefined,
  });
  return { state, tokens, watcher, transactionLog, health };
};

const openTokens = async (
  { data }: OutwaySettings,
  { log, lifecycle, clock }: Running,
  { groups, bundles, policy }: Sources,
  state: StateSource,
): Promise<Tokens> => {
  const file = new TokenFile(join(data, "tokens"), log);
  lifecycle.onStop("access tokens", () => file.close());
  const asking = { groups, bundles, policy, ownAddress: undefined, clock, log };
  const tokens = await Tokens.open({
    client: openManagerClient(asking),
    file,
    group: () => groups.current,
    bundle: () => bundles.current,
    state: () => state.require(),
    clock,
    log,
  });
  bundles.onChange(() => tokens.certificateChanged());
  return tokens;
};

const refusalOf =
  (state: StateSource, clock: Clock) =>
  (hash: GrantHash): SchakelError | undefined => {
    try {
      return runningRefusal(hash, state.require(), clock.now());
    } catch (error) {
      return toSchakelError(error);
    }
  };

const createRelay = (
  settings: OutwaySettings,
  running: Running,
  sources: Sources,
  data: Data,
): Relay<Connected> => {
  const { log, lifecycle, clock } = running;
  const { headBytesMax, targetBytesMax, headersMax, headTimeout, idleTimeout } = settings;
  const connections = new InwayConnections();
  const exchangesRunning = (): number => relay.exchanges;
  const exchanges = new OutwayExchanges({
    group: () => sources.groups.current,
    bundle: () => sources.bundles.current,
    policy: sources.policy,
    catalogue: () => data.watcher.current,
    state: data.state,
    tokens: data.tokens,
    runningGrants: new RunningGrants(data.state, refusalOf(data.state, clock)),
    clock,
    picker: new InwayPicker(clock),
    connections,
    linkPolicy: new LinkPolicy(settings, log),
    transactionLog: data.transactionLog,
    metrics: new ExchangeMetrics(data.health.registry, exchangesRunning),
    log,
    timeouts: settings,
    hostSuffix: settings.hostSuffix,
    anyHost: !isLoopback(settings.listen.host),
    keepForwarded: settings.keepForwarded,
    exchangesMax: settings.exchangesMax,
    running: exchangesRunning,
  });
  const relay = new Relay<Connected>(exchanges, {
    ...RELAY_LIMITS,
    headBytesMax,
    targetBytesMax,
    bodyBytesMax: settings.bodyBytesMax ?? RELAY_LIMITS.bodyBytesMax,
    headersMax,
    headTimeoutMs: headTimeout,
    bodyIdleTimeoutMs: idleTimeout,
  });
  sources.groups.onChange((group) => {
    connections.endRefused(group, log);
    // The others were checked by another group or other revocation lists: they are not used again.
    relay.dropTargets(() => true);
  });
  // Certificates and revocation lists end with the time too.
  const judge = (): void => connections.endRefused(sources.groups.current, log);
  const timer = setInterval(judge, JUDGE_AGAIN_MS).unref();
  lifecycle.onStop("connections to inways", () => clearInterval(timer));
  return relay;
};

/**
 * Starts an outway, which runs until the life cycle stops it. Rejects when it cannot start; what it had started is
 * then the life cycle's to stop.
 */
export const startOutway = async (settings: OutwaySettings, running: Running): Promise<Started> => {
  const { log, lifecycle, clock } = running;
  const sources = await openSources(settings, running);
  const data = await openData(settings, running, sources);
  const relay = createRelay(settings, running, sources, data);
  lifecycle.onStop("relay", () => relay.close(settings.stopTimeout));
  const { internal } = sources;
  const { listen, connectionsMax } = settings;
  const listener = await listenForClients({
    ...{ internal, relay, connectionsMax, log },
    address: listen,
  });
  lifecycle.onStop("listener", () => listener.close());
  internal.onChange(() => listener.reload());

  startAnnouncing({
    groups: sources.groups,
    bundles: sources.bundles,
    policy: sources.policy(),
    component: settings.name,
    describe: () => ({ kind: "outway" }),
    clock,
    log,
    lifecycle,
  });
  const healthAddress = await serveHealth(data.health, settings.healthListen, lifecycle);
  log.info({ address: formatAddress(healthAddress) }, "health listening");
  log.info(
    { address: formatAddress(listener.address), peer: sources.bundles.current.identity.peerId },
    "listening",
  );
  return { address: listener.address, healthAddress };
};

/** Runs an outway until SIGINT or SIGTERM. Rejects when it cannot start; then nothing of it is left running. */
export const runOutway = async (settings: OutwaySettings): Promise<void> => {
  const log = createLog("outway", settings.logLevel, settings.logFormat);
  // Closing has a little more time than the exchanges, so that their outcomes are still written.
  await runUntilSignal(log, settings.stopTimeout + 5_000, async (lifecycle) => {
    await startOutway(settings, { log, lifecycle, clock: systemClock });
  });
};
