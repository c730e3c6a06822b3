// The inway process: puts its parts together and runs them until it is told to stop.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { startAnnouncing } from "../catalogue/announcer.js";
import { BundleSource } from "../certs/bundle.js";
import { GroupSource } from "../certs/group.js";
import type { PeerIdentity } from "../certs/identity.js";
import { InternalSource } from "../certs/internal-bundle.js";
import { logStreams } from "../component/log-stream.js";
import { keepRenewed } from "../component/renewal.js";
import { RunningGrants } from "../component/running-grants.js";
import { exposeState } from "../component/state-metrics.js";
import type { OfferedService } from "../component/component-state.js";
import { StateSource } from "../component/state-source.js";
import { formatAddress, type Address } from "../core/address.js";
import { systemClock, type Clock } from "../core/clock.js";
import type { DialPolicy } from "../core/dial.js";
import { ExchangeMetrics } from "../core/exchange-metrics.js";
import { Health, serveHealth } from "../core/health.js";
import { runUntilSignal, type Lifecycle } from "../core/lifecycle.js";
import { createLog, type Log } from "../core/log.js";
import { VERSION } from "../core/version.js";
import { Relay, RELAY_LIMITS } from "../relay/relay.js";
import type { TransactionLog } from "../txlog/log.js";
import { openShippedLog } from "../txlog/shipped-log.js";
import { InwayAccess } from "./access.js";
import { InwayExchanges } from "./exchange.js";
import { listenForPeers } from "./listener.js";
import { PathTemplates } from "./path-templates.js";
import { PeerLimits } from "./peer-limits.js";
import type { InwaySettings } from "./settings.js";

/** What an inway runs with. */
export interface Running {
  readonly log: Log;
  readonly lifecycle: Lifecycle;
  readonly clock: Clock;
}

/** An inway that runs. */
export interface Started {
  /** Where it listens, with the real port. */
  readonly address: Address;
  readonly healthAddress: Address;
}

interface Sources {
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
  readonly internal: InternalSource;
  readonly state: StateSource;
}

const openSources = async (
  settings: InwaySettings,
  { log, lifecycle, clock }: Running,
): Promise<Sources> => {
  const groups = await GroupSource.open(settings.group, log);
  lifecycle.onStop("group", () => groups.close());
  const files = { cert: settings.cert, key: settings.key };
  const bundles = await BundleSource.open(files, groups, log, { name: settings.address.host });
  lifecycle.onStop("certificate", () => bundles.close());
  const internal = await InternalSource.open(settings.identity, log);
  lifecycle.onStop("identity", () => internal.close());
  keepRenewed({ source: internal, clock, log }, lifecycle);
  await mkdir(settings.data, { recursive: true, mode: 0o700 });
  const state = await StateSource.open({
    role: "inway",
    ...{ groups, bundles, internal, log, lifecycle, clock },
    address: settings.address,
    file: join(settings.data, "state"),
    offlineLimitMs: settings.offlineLimit,
  });
  return { groups, bundles, internal, state };
};

const lookAfterTemplates = (
  state: StateSource,
  { log, lifecycle }: Pick<Running, "log" | "lifecycle">,
  { registry }: Health,
): PathTemplates => {
  const templates = new PathTemplates({ registry, log });
  const end = state.onChange((now) => templates.follow(now));
  lifecycle.onStop("path templates", async () => {
    end();
    await templates.stop();
  });
  if (state.current !== undefined) templates.follow(state.current);
  return templates;
};

const createRelay = (
  settings: InwaySettings,
  { log, clock, lifecycle }: Running,
  { groups, bundles, state }: Sources,
  more: { transactionLog: TransactionLog; health: Health; peerLimits: PeerLimits },
): Relay<PeerIdentity> => {
  const { headBytesMax, targetBytesMax, headersMax, headTimeout, idleTimeout } = settings;
  const running = (): number => relay.exchanges;
  const pathTemplates = lookAfterTemplates(state, { log, lifecycle }, more.health);
  const access = new InwayAccess({
    state: () => state.require(),
    group: () => groups.current,
    own: () => bundles.current.identity,
    clock,
  });
  const exchanges = new InwayExchanges({
    bundle: () => bundles.current,
    access,
    runningGrants: new RunningGrants(state, (hash) => access.refusalOf(hash)),
    transactionLog: more.transactionLog,
    metrics: new ExchangeMetrics(more.health.registry, running),
    log,
    timeouts: settings,
    keepHost: settings.keepHost,
    exchangesMax: settings.exchangesMax,
    peerLimits: more.peerLimits,
    pathTemplates,
    running,
  });
  const relay = new Relay<PeerIdentity>(exchanges, {
    ...RELAY_LIMITS,
    headBytesMax,
    targetBytesMax,
    bodyBytesMax: settings.bodyBytesMax ?? RELAY_LIMITS.bodyBytesMax,
    headersMax,
    headTimeoutMs: headTimeout,
    bodyIdleTimeoutMs: idleTimeout,
  });
  return relay;
};

const announce = (
  settings: InwaySettings,
  { log, lifecycle, clock }: Running,
  sources: Sources,
): void => {
  const policy: DialPolicy = {
    ports: settings.allowAnyPort ? undefined : sources.groups.current.ports,
    privateAddresses: settings.allowPrivateAddresses,
    hosts: settings.resolve,
  };
  const { state } = sources;
  const published = (): readonly OfferedService[] =>
    [...(state.current?.services.values() ?? [])].filter((service) => service.published);
  const announcer = startAnnouncing({
    groups: sources.groups,
    bundles: sources.bundles,
    policy,
    component: settings.name,
    describe: () => ({
      kind: "inway",
      address: settings.address,
      services: published().map(({ name, openapiPath, protocol }) => ({
        name,
        openapiPath,
        protocol: protocol === "PROTOCOL_TCP_HTTP_2" ? "HTTP/2" : "HTTP/1.1",
      })),
    }),
    clock,
    log,
    lifecycle,
  });
  const shown = (): string =>
    JSON.stringify(
      published().map(({ name, openapiPath, protocol }) => [name, openapiPath, protocol]),
    );
  let before = shown();
  state.onChange(() => {
    const now = shown();
    if (now !== before) announcer.changed();
    before = now;
  });
};

/**
 * Starts an inway, which runs until the life cycle stops it. Rejects when it cannot start; what it had started is
 * then the life cycle's to stop.
 */
export const startInway = async (settings: InwaySettings, running: Running): Promise<Started> => {
  const { log, lifecycle, clock } = running;
  const health = new Health();
  const sources = await openSources(settings, running);
  const { groups, bundles } = sources;
  exposeState(health, sources.state);
  health.addWarning({ name: "certificate", problem: () => bundles.problem() });
  const transactionLog = await openShippedLog({
    folder: join(settings.data, "log"),
    groupId: groups.current.id,
    software: VERSION,
    component: settings.name,
    allowVolatile: settings.allowVolatileLog,
    durability: settings.logDurability,
    limits: { segmentAgeMs: settings.logSegmentAge },
    streams: logStreams(sources.internal),
    ...{ log, clock, health, lifecycle },
  });

  const peerLimits = new PeerLimits(settings, health.registry);
  const relay = createRelay(settings, running, sources, { transactionLog, health, peerLimits });
  lifecycle.onStop("relay", () => relay.close(settings.stopTimeout));
  const ready = (): boolean => Object.keys(health.problems()).length === 0;
  const { connectionsMax } = settings;
  const listener = await listenForPeers({
    address: settings.listen,
    groups,
    bundles,
    relay,
    connectionsMax,
    peerLimits,
    ready,
    log,
  });
  lifecycle.onStop("listener", () => listener.close());
  groups.onChange(() => listener.reload());
  bundles.onChange(() => listener.reload());

  announce(settings, running, sources);
  const healthAddress = await serveHealth(health, settings.healthListen, lifecycle);
  log.info({ address: formatAddress(healthAddress) }, "health listening");
  log.info(
    { address: formatAddress(listener.address), peer: bundles.current.identity.peerId },
    "listening",
  );
  return { address: listener.address, healthAddress };
};

/** Runs an inway until SIGINT or SIGTERM. Rejects when it cannot start; then nothing of it is left running. */
export const runInway = async (settings: InwaySettings): Promise<void> => {
  const log = createLog("inway", settings.logLevel, settings.logFormat);
  // Closing has a little more time than the exchanges, so that their outcomes are still written.
  await runUntilSignal(log, settings.stopTimeout + 5_000, async (lifecycle) => {
    await startInway(settings, { log, lifecycle, clock: systemClock });
  });
};
