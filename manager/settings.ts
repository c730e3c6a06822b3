// The settings of a manager. The only place of the manager that reads the environment.
import * as setting from "../core/settings.js";
import * as rows from "../core/setting-rows.js";

/** Every setting of a manager; docs/settings.md is made from it. */
export const MANAGER_SETTINGS = {
  ...rows.MEMBER_SETTINGS,
  cert: setting.path("FILE", {
    text: "Our certificate and the intermediates below the anchor, PEM, leaf first; contracts and tokens are signed with it.",
  }),
  data: setting.path("DIR", {
    text: "Where the manager keeps its state: manager.db, the transaction log with its keys, and the folder internal-ca/ with the organisation's internal CA.",
  }),
  database: setting.optional(
    setting.postgres({
      text: "A database on a PostgreSQL server instead of the file manager.db. Several managers may name it: one works, the others wait to take over.",
    }),
  ),
  databasePasswordFile: setting.optional(
    setting.path("FILE", {
      text: "A file with the password for that database; without it, what PostgreSQL's PGPASSFILE names.",
    }),
  ),
  listen: setting.address({
    text: "Where managers and outways of other peers reach the manager (FSC).",
    default: "0.0.0.0:8443",
  }),
  address: setting.address({
    text: "Where other peers reach the manager; the host is a name of our certificate. Announced to the directories.",
  }),
  internalListen: setting.address({
    text: "Where our own inways, outways and people reach the manager, with certificates of the internal CA.",
    default: "127.0.0.1:8444",
  }),
  healthListen: setting.loopbackAddress({
    text: "Where health and metrics are served.",
    default: "127.0.0.1:8445",
  }),
  tokenLifetime: setting.duration({
    text: "How long an access token lives, at most 24h; never beyond its contract.",
    default: "10m",
  }),
  announceInterval: setting.duration({
    text: "How often the directories are told our address and asked for the peers they know.",
    default: "1m",
  }),
  deliveryRound: rows.deliveryRound,
  heartbeat: setting.duration({
    text: "How often an inway or outway is given a sign of life.",
    default: "1s",
  }),
  revocationLists: setting.optional(
    setting.text("FILE|URL,…", {
      text: "Revocation lists beside those that certificates name: files, read again when they change, and http(s) URLs, separated by commas.",
    }),
  ),
  witnesses: setting.optional(
    setting.text("PEER_ID,…", {
      text: "Peers whose managers co-sign the checkpoints of our transaction log, separated by commas; unless set, the directories of the group.",
    }),
  ),
  connectionsMax: setting.integer(1, 1_000_000, {
    text: "How many connections of other peers may be open at once; as many again of our own components.",
    default: "1000",
  }),
  logReadingsMax: setting.integer(1, 1000, {
    text: "How many calls may read the transaction log at once, as 'schakel log verify' and 'export' do.",
    default: "8",
  }),
  enrolmentConnectionsMax: setting.integer(1, 10_000, {
    text: "How many of our own components' connections may have shown no certificate, as those that enrol.",
    default: "50",
  }),
  enrolmentConnectionTime: setting.duration({
    text: "How long a connection without a certificate may be open.",
    default: "60s",
  }),
  resolve: rows.resolve,
  allowPrivateAddresses: setting.toggle(
    "Let managers and directories of other peers have loopback or private addresses.",
  ),
  allowAnyPort: rows.allowAnyPort,
  ...setting.COMMON_SETTINGS,
} as const;

/** The values of the table. Times are in milliseconds. */
export type ManagerSettings = setting.SettingsOf<typeof MANAGER_SETTINGS>;

/** Reads the manager's settings from its flags and the environment. Throws SettingsError naming every mistake. */
export const readManagerSettings = (
  flags: Readonly<Record<string, string | boolean | undefined>>,
): ManagerSettings => setting.readSettings("manager", MANAGER_SETTINGS, flags, process.env);
