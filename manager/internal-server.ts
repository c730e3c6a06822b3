// The manager's side of the organisation's own connections: gRPC over mutual TLS with the internal CA.
import { join } from "node:path";
import { admitInternal, internalServerTls } from "../certs/internal-tls.js";
import { formatAddress, type Address } from "../core/address.js";
import { GrpcServer } from "../core/grpc-server.js";
import type { PeerId } from "../core/names.js";
import type { FscDatabase } from "../fsc/schema.js";
import { AdministrationServiceService } from "../proto/gen/schakel/manager/v1/administration.js";
import { LogIntakeServiceService, LogServiceService } from "../proto/gen/schakel/manager/v1/log.js";
import { ComponentServiceService } from "../proto/gen/schakel/manager/v1/component.js";
import { EnrolmentServiceService } from "../proto/gen/schakel/manager/v1/enrolment.js";
import type { DataSubject } from "../txlog/entry.js";
import { Access } from "./access.js";
import { administrationService, type AdministrationParts } from "./administration.js";
import type { InternalCaller } from "./caller.js";
import { ComponentRevocation } from "./component-revocation.js";
import { Components, componentService } from "./component-service.js";
import { ComponentStore } from "./component-store.js";
import { Enrolment, enrolmentService } from "./enrolment.js";
import { EnrolmentStore } from "./enrolment-store.js";
import { LogIntake, logIntakeService } from "./log-intake.js";
import { logService } from "./log-service.js";
import { openOwnIdentity, type OwnIdentity } from "./own-identity.js";
import { RefusedCertificates } from "./refused-certificates.js";
import type { ManagerSettings } from "./settings.js";
import { Strangers } from "./strangers.js";
import type { ManagerState, Sources, Surroundings } from "./state.js";

/** A content of 1 MiB, and what stands around it. */
const MESSAGE_BYTES_MAX = 1024 * 1024 + 64 * 1024;
/** Of the time a stop may take, what is left for the database after the calls. */
const STOP_RESERVE_MS = 1_000;

/** The running side inside the organisation. */
export interface InternalSide {
  readonly address: Address;
  readonly components: Components;
  readonly identity: OwnIdentity;
  /** How many connections have shown no certificate. */
  readonly strangers: () => number;
}

interface Doors {
  readonly identity: OwnIdentity;
  readonly refused: RefusedCertificates;
  readonly strangers: Strangers;
}

const createServer = (
  settings: ManagerSettings,
  { identity: { source }, refused, strangers }: Doors,
  { log, clock, lifecycle }: Surroundings,
): GrpcServer<InternalCaller> => {
  const server = new GrpcServer<InternalCaller>({
    address: settings.internalListen,
    tls: () => internalServerTls(source.current, ["h2"]),
    admit: (socket) => {
      const caller = refused.admit(admitInternal(socket, source.current, clock.now()));
      if (caller === undefined) strangers.admit(socket);
      return caller;
    },
    connectionsMax: settings.connectionsMax,
    messageBytesMax: MESSAGE_BYTES_MAX,
    stopMs: Math.max(0, settings.stopTimeout - STOP_RESERVE_MS),
    domain: "manager",
    log,
  });
  const unwatch = source.onChange(() => server.reload());
  lifecycle.onStop("internal connections", unwatch);
  return server;
};

const startComponents = async (
  settings: ManagerSettings,
  { db, feed }: ManagerState,
  { groups, bundles }: Sources,
  { log, lifecycle, clock, server }: Surroundings & { readonly server: GrpcServer<InternalCaller> },
): Promise<Components> => {
  const store = await ComponentStore.open(db, groups.current.id);
  const { heartbeat: heartbeatMs, allowAnyPort: anyPort } = settings;
  const components = Components.start(
    { server, feed, groups, bundles, store, heartbeatMs, anyPort, clock, log },
    lifecycle,
  );
  server.grpc.addService(ComponentServiceService, componentService(server, components));
  return components;
};

const startIntake = (
  { logStore }: ManagerState,
  { groups }: Sources,
  { log, lifecycle, server }: Surroundings & { readonly server: GrpcServer<InternalCaller> },
): void => {
  const groupId = (): string => groups.current.id;
  const intake = new LogIntake({ server, ingest: logStore.ingest, groupId, log });
  server.grpc.addService(LogIntakeServiceService, logIntakeService(server, intake));
  lifecycle.onStop("streams of records", () => intake.close());
};

const serveLog = (
  { logReadingsMax: readingsMax }: ManagerSettings,
  { audit, logStore, logSide, book, db, certificates }: ManagerState,
  { groups, own }: Sources,
  { clock, server }: Surroundings & { readonly server: GrpcServer<InternalCaller> },
): void => {
  const { reader, keeper, keys } = logStore;
  const { others, logs, reconciliation } = logSide;
  const parts = {
    ...{
      audit,
      reader,
      keeper,
      keys,
      others,
      logs,
      reconciliation,
      book,
      certificates,
      own,
      clock,
    },
    db: db as unknown as FscDatabase,
    readingsMax,
    groupId: () => groups.current.id,
    peerIdRule: () => groups.current.peerIdRule,
    subjectMark: (subject: DataSubject) => reader.subjectMark(subject),
  };
  server.grpc.addService(LogServiceService, logService(server, parts));
};

const administrationParts = (
  state: ManagerState,
  { groups, bundles, own }: Sources,
  { clock }: Surroundings,
  more: Pick<AdministrationParts, "components" | "createCode" | "revocation">,
): AdministrationParts => {
  const { book, peerBook, peers, proposals, services } = state;
  const access = new Access({
    ...{ proposals, group: () => groups.current, own, clock, components: more.components },
    findPeer: (id: PeerId) => peers.find(id),
    service: (name) => services.require(name),
  });
  return {
    ...{ ...state, ...more, book, peers: peerBook, presence: peers, access, own, clock },
    group: () => groups.current,
    ownName: () => bundles.current.identity.name,
  };
};

/** Opens the internal CA and serves our own components and people. */
export const serveInternally = async (
  settings: ManagerSettings,
  state: ManagerState,
  sources: Sources,
  surroundings: Surroundings,
): Promise<InternalSide> => {
  const { log, lifecycle, clock } = surroundings;
  const place = {
    caDir: join(settings.data, "internal-ca"),
    dir: join(settings.data, "identity"),
  };
  const identity = await openOwnIdentity(place, surroundings);
  const refused = await RefusedCertificates.open(state.db);
  const strangers = new Strangers(
    { connectionsMax: settings.enrolmentConnectionsMax, timeMs: settings.enrolmentConnectionTime },
    log,
  );
  const server = createServer(settings, { identity, refused, strangers }, surroundings);
  const store = await EnrolmentStore.open(state.db);
  const { ca } = identity;
  const enrolment = new Enrolment({ store, refused, ca, clock, log });
  server.grpc.addService(EnrolmentServiceService, enrolmentService(server, enrolment));
  lifecycle.onStop("internal calls", () => server.stop());
  const components = await startComponents(settings, state, sources, { ...surroundings, server });
  startIntake(state, sources, { ...surroundings, server });
  const parts = administrationParts(state, sources, surroundings, {
    components: () => components.list(),
    createCode: (request) => enrolment.createCode(request),
    revocation: new ComponentRevocation({
      ...{ refused, codes: store, ca, clock, log, cut: () => server.reload() },
    }),
  });
  serveLog(settings, state, sources, { ...surroundings, server });
  server.grpc.addService(AdministrationServiceService, administrationService(server, parts));
  const address = await server.listen();
  log.info({ address: formatAddress(address) }, "listening for our own components");
  return { address, components, identity, strangers: () => strangers.open };
};
