// Everything that a manager keeps: its database, what lies in it, and what follows when it changes.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Kysely } from "kysely";
import { BundleSource } from "../certs/bundle.js";
import { GroupSource } from "../certs/group.js";
import { partiesOf } from "../contracts/state.js";
import type { Clock } from "../core/clock.js";
import { openDatabase } from "../core/database.js";
import type { DialPolicy } from "../core/dial.js";
import type { Lifecycle } from "../core/lifecycle.js";
import type { Log } from "../core/log.js";
import type { PeerId } from "../core/names.js";
import { ContractBook } from "../fsc/contract-book.js";
import { openManagerClient } from "../fsc/fsc-client.js";
import type { ManagerClient } from "../fsc/manager-interface.js";
import { PeerBook } from "../fsc/peer-book.js";
import { migrateFsc, type FscSchema } from "../fsc/schema.js";
import type { LogStore } from "../txlog/store/log-store.js";
import { AuditLog } from "./audit.js";
import { AutomaticAccess } from "./automatic.js";
import { Clients } from "./clients.js";
import { openPlace } from "./database-place.js";
import { ManagerFeed } from "./component-feed.js";
import { ContractCounts } from "./contract-counts.js";
import { contractsOf } from "../fsc/all-contracts.js";
import type { ComponentSchema } from "./component-store.js";
import type { EnrolmentSchema } from "./enrolment-store.js";
import { openLogSide, type LogSide } from "./log-side.js";
import { OwnCertificates } from "./own-certificates.js";
import { Peers } from "./peers.js";
import { Proposals } from "./proposals.js";
import { Publications, refusedPublication } from "./publications.js";
import { AccessRules } from "./rules.js";
import type { RefusedCertificateSchema } from "./refused-certificates.js";
import { migrateManager, type ManagerSchema } from "./schema.js";
import { Services } from "./services.js";
import type { ManagerSettings } from "./settings.js";

/** How often it is looked whether time alone has changed what components are told. */
const TICK_MS = 1_000;

/** What a manager is started in. */
export interface Surroundings {
  readonly log: Log;
  readonly lifecycle: Lifecycle;
  readonly clock: Clock;
}

/** Group and certificate, followed while the process runs. */
export interface Sources {
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
  /** Our own peer. */
  readonly own: PeerId;
}

/** Opens group and certificate; the certificate must have the name at which others reach us. */
export const openSources = async (
  { group, cert, key, address }: ManagerSettings,
  { log, lifecycle }: Surroundings,
): Promise<Sources> => {
  const groups = await GroupSource.open(group, log);
  lifecycle.onStop("group", () => groups.close());
  const bundles = await BundleSource.open({ cert, key }, groups, log, { name: address.host });
  lifecycle.onStop("certificate", () => bundles.close());
  return { groups, bundles, own: bundles.current.identity.peerId };
};

type ManagerTables = ManagerSchema &
  FscSchema &
  EnrolmentSchema &
  RefusedCertificateSchema &
  ComponentSchema;

/** All tables of manager.db. */
export type ManagerDatabase = Kysely<ManagerTables>;

/** What a manager keeps. */
export interface ManagerState {
  readonly db: ManagerDatabase;
  readonly audit: AuditLog;
  readonly services: Services;
  readonly rules: AccessRules;
  readonly clients: Clients;
  readonly certificates: OwnCertificates;
  readonly book: ContractBook;
  readonly peerBook: PeerBook;
  readonly peers: Peers;
  readonly proposals: Proposals;
  readonly automatic: AutomaticAccess;
  readonly counts: ContractCounts;
  readonly feed: ManagerFeed;
  /** The organisation's transaction log. */
  readonly logStore: LogStore;
  /** What other peers are told of it, and comparisons with theirs. */
  readonly logSide: LogSide;
}

const openTables = async (
  settings: ManagerSettings,
  surroundings: Surroundings,
): Promise<ManagerDatabase> => {
  const { data } = settings;
  await mkdir(data, { recursive: true, mode: 0o700 });
  const db: ManagerDatabase = await openPlace(settings, surroundings.log, () =>
    openDatabase(join(data, "manager.db")),
  );
  surroundings.lifecycle.onStop("database", () => db.destroy());
  // Kysely's types do not see that a database with more tables is one with fewer.
  await migrateManager(db);
  await migrateFsc(db);
  return db;
};

/** Which addresses of other organisations may be dialled now. */
export const policyOf = (settings: ManagerSettings, { groups }: Sources): DialPolicy => ({
  ports: settings.allowAnyPort ? undefined : groups.current.ports,
  privateAddresses: settings.allowPrivateAddresses,
  hosts: settings.resolve,
});

const openContracts = async (
  settings: ManagerSettings,
  sources: Sources,
  { log, lifecycle, clock }: Surroundings,
  { db, services }: { readonly db: ManagerDatabase; readonly services: Services },
): Promise<
  Pick<ManagerState, "book" | "peerBook" | "peers"> & { readonly client: ManagerClient }
> => {
  const { groups, bundles, own } = sources;
  const policy = (): DialPolicy => policyOf(settings, sources);
  const client = openManagerClient({
    ...{ groups, bundles, policy, ownAddress: settings.address, clock, log },
  });
  const tables = db as unknown as Kysely<FscSchema>;
  const peerBook = new PeerBook({ db: tables, groups, clock });
  const book = await ContractBook.open({
    ...{ db: tables, groups, bundles, client, peers: peerBook, clock, log, lifecycle },
    limits: { partyRoundMs: settings.deliveryRound },
    offers: (name) => services.get(name) !== undefined,
    refusal: (content) =>
      refusedPublication(content, own, (name) => services.get(name)?.visibility),
  });
  const peers = new Peers({
    ...{ groups, own, book: peerBook, client, clock, log, intervalMs: settings.announceInterval },
    db: db,
  });
  return { book, peerBook, peers, client };
};

/** Opens what the manager keeps. Nothing is sent to anybody before this has resolved but what waits for delivery. */
export const openState = async (
  settings: ManagerSettings,
  sources: Sources,
  surroundings: Surroundings,
): Promise<ManagerState> => {
  const { groups, bundles, own } = sources;
  const { log, clock } = surroundings;
  const whole = await openTables(settings, surroundings);
  const db = whole as unknown as Kysely<ManagerSchema>;
  const groupId = groups.current.id;
  const tokenLifetimeMs = settings.tokenLifetime;
  const certificates = await OwnCertificates.open(
    { db, groupId, clock, tokenLifetimeMs },
    bundles.current,
  );
  const publications = new Publications(own, clock);
  const services = await Services.open({
    ...{ db, groupId },
    publishedIn: (service) => publications.directoriesOf(service),
    openIn: (service) => publications.openDirectoriesOf(service),
  });
  const opened = await openContracts(settings, sources, surroundings, { db: whole, services });
  const { book, peerBook } = opened;
  const audit = new AuditLog({ db, groupId, clock, log });
  const rules = new AccessRules(db, groupId);
  const clients = await Clients.open(db, groupId);
  const offers = (name: string): boolean => services.get(name) !== undefined;
  const automatic = new AutomaticAccess({ rules, book, audit, own, offers, clock, log });
  const feed = new ManagerFeed({
    ...{ own, groups, book, peers: peerBook, services, clients, certificates, clock },
  });
  const counts = new ContractCounts();
  const { client, ...contracts } = opened;
  const tables = whole as unknown as Kysely<FscSchema>;
  const logSide = await openLogSide(settings, sources, surroundings, {
    ...{ tables, client, peers: opened.peers, peerBook },
  });
  const state: ManagerState = {
    ...{
      ...contracts,
      db: whole,
      audit,
      services,
      rules,
      clients,
      certificates,
      automatic,
      counts,
    },
    ...{
      feed,
      logSide,
      logStore: logSide.store,
      proposals: new Proposals({ book, group: () => groups.current, clock }),
    },
  };
  await follow(state, publications, sources, surroundings);
  return state;
};

/** Keeps in step what follows from contracts, certificates and time. */
const follow = async (
  { book, peers, services, automatic, counts, certificates, feed }: ManagerState,
  publications: Publications,
  { bundles }: Sources,
  { log, lifecycle }: Surroundings,
): Promise<void> => {
  const unfollow = book.onChange((contract) => {
    counts.note(contract);
    if (publications.note(contract)) services.recheck();
    automatic.consider(contract);
    void peers.meet(partiesOf(contract.content));
  });
  lifecycle.onStop("access rules", async () => {
    unfollow();
    await automatic.settled();
  });
  for await (const contract of contractsOf(book)) {
    counts.note(contract);
    publications.note(contract);
  }
  services.recheck();
  await automatic.considerAll();
  const signers = (): string =>
    certificates
      .tokenSigners()
      .map(({ fingerprint256 }) => fingerprint256)
      .join();
  let told = signers();
  const tell = (): void => {
    if (signers() === told) return;
    told = signers();
    feed.signersChanged();
  };
  const timer = setInterval(() => {
    services.recheck();
    tell();
  }, TICK_MS);
  lifecycle.onStop("time", () => clearInterval(timer));
  const unwatch = bundles.onChange((bundle) => {
    certificates.use(bundle).then(tell, (error: unknown) => {
      log.error({ err: error }, "our new certificate could not be noted for tokens");
    });
  });
  lifecycle.onStop("token signers", unwatch);
};
