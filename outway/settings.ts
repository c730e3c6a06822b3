// The settings of an outway.
import * as setting from "../core/settings.js";

/** Every setting of an outway; docs/settings.md is made from it. */
export const OUTWAY_SETTINGS = {
  group: setting.path("FILE", { text: "The group's signed group.json." }),
  cert: setting.path("FILE", {
    text: "Our certificate and the intermediates below the anchor, PEM, leaf first.",
  }),
  key: setting.path("FILE", {
    text: "The private key of our certificate, PEM, readable by its owner alone.",
  }),
  data: setting.path("DIR", {
    text: "Where the outway keeps its state; the transaction log lies in its folder log/.",
  }),
  name: setting.componentName({
    text: "The outway's name, unique among our outways.",
    default: "outway",
  }),
  identity: setting.path("DIR", {
    text: "The outway's identity inside the organisation, as 'schakel enrol' or 'schakel init' makes it.",
  }),
  offlineLimit: setting.duration({
    text: "How long the outway goes on while the organisation's manager is silent.",
    default: "72h",
  }),
  listen: setting.address({
    text: "Where the outway listens for clients of our own organisation; beyond loopback over TLS, and clients must show who they are.",
    default: "127.0.0.1:8080",
  }),
  hostSuffix: setting.hostName({
    text: "What follows {service}.{peer id}. in a host name that addresses a service.",
    default: "schakel.localhost",
  }),
  healthListen: setting.loopbackAddress({
    text: "Where health and metrics are served.",
    default: "127.0.0.1:8081",
  }),
  connectTimeout: setting.duration({
    text: "How long connecting to an inway may take.",
    default: "6s",
  }),
  answerTimeout: setting.duration({
    text: "How long an inway may take to begin its answer.",
    default: "65s",
  }),
  idleTimeout: setting.duration({ text: "How long a body may pause, either way.", default: "30s" }),
  headTimeout: setting.duration({
    text: "How long a request's head may take to arrive.",
    default: "10s",
  }),
  headBytesMax: setting.bytes({ text: "How large a request's head may be.", default: "64KiB" }),
  targetBytesMax: setting.bytes({
    text: "How long a request's target may be.",
    default: "16KiB",
  }),
  bodyBytesMax: setting.optional(
    setting.bytes({ text: "How large a request's body may be; without it, without limit." }),
  ),
  headersMax: setting.integer(1, 1000, {
    text: "How many header lines a request may have.",
    default: "100",
  }),
  exchangesMax: setting.integer(1, 1_000_000, {
    text: "How many exchanges may run at once.",
    default: "10000",
  }),
  connectionsMax: setting.integer(1, 1_000_000, {
    text: "How many connections may be open at once.",
    default: "10000",
  }),
  link: setting.choice(["prefer", "require", "off"], {
    text: "Whether exchanges go to inways over Schakel's own link: where the inway speaks it, only over it, or never.",
    default: "prefer",
  }),
  linkRequire: setting.list("PEER_ID", {
    text: "Peers whose inways are only reached over the link, whatever --link says.",
    default: "",
  }),
  keepForwarded: setting.toggle("Pass Forwarded, Via and X-Forwarded-* headers of clients on."),
  allowPrivateAddresses: setting.toggle(
    "Let inways and the directory have loopback or private addresses.",
  ),
  allowAnyPort: setting.toggle("Let addresses have ports other than the group's; for tests."),
  resolve: setting.hostTable({ text: "Fixed answers instead of DNS.", default: "" }),
  logDurability: setting.choice(["local", "store"], {
    text: "What an exchange waits for: its record on this disk, or also in the manager's store.",
    default: "local",
  }),
  logSegmentAge: setting.duration({
    text: "How long a segment of the transaction log with personal data is filled at most; its key is removed when the manager has it whole.",
    default: "10m",
  }),
  allowVolatileLog: setting.toggle(
    "Let the transaction log lie on a disk that dies with its container (tmpfs, overlay).",
  ),
  ...setting.COMMON_SETTINGS,
} as const;

export type OutwaySettings = setting.SettingsOf<typeof OUTWAY_SETTINGS>;

/** Reads the outway's settings from its flags and the environment. Throws SettingsError naming every mistake. */
export const readOutwaySettings = (
  flags: Readonly<Record<string, string | boolean | undefined>>,
): OutwaySettings => setting.readSettings("outway", OUTWAY_SETTINGS, flags, process.env);
