// The settings of an inway.
import * as setting from "../core/settings.js";

/** Every setting of an inway; docs/settings.md is made from it. */
export const INWAY_SETTINGS = {
  group: setting.path("FILE", { text: "The group's signed group.json." }),
  cert: setting.path("FILE", {
    text: "Our certificate and the intermediates below the anchor, PEM, leaf first.",
  }),
  key: setting.path("FILE", {
    text: "The private key of our certificate, PEM, readable by its owner alone.",
  }),
  data: setting.path("DIR", {
    text: "Where the inway keeps its state; the transaction log lies in its folder log/.",
  }),
  name: setting.componentName({
    text: "The inway's name, unique among our inways.",
    default: "inway",
  }),
  listen: setting.address({
    text: "Where the inway listens for outways.",
    default: "0.0.0.0:8443",
  }),
  address: setting.address({
    text: "Where outways reach the inway; the host is a name of our certificate. Announced in the directory.",
  }),
  identity: setting.path("DIR", {
    text: "The inway's identity inside the organisation, as 'schakel enrol' or 'schakel init' makes it.",
  }),
  offlineLimit: setting.duration({
    text: "How long the inway goes on while the organisation's manager is silent.",
    default: "72h",
  }),
  healthListen: setting.loopbackAddress({
    text: "Where health and metrics are served.",
    default: "127.0.0.1:8091",
  }),
  connectTimeout: setting.duration({
    text: "How long connecting to a source may take.",
    default: "10s",
  }),
  answerTimeout: setting.duration({
    text: "How long a source may take to begin its answer.",
    default: "60s",
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
  exchangesPerPeerMax: setting.integer(1, 1_000_000, {
    text: "How many exchanges of one peer may run at once.",
    default: "2500",
  }),
  connectionsPerPeerMax: setting.integer(1, 1_000_000, {
    text: "How many connections of one peer may be open at once.",
    default: "2500",
  }),
  keepHost: setting.toggle(
    "Pass the Host header on to the source as it came, instead of the source's own.",
  ),
  allowPrivateAddresses: setting.toggle("Let the directory have a loopback or private address."),
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

export type InwaySettings = setting.SettingsOf<typeof INWAY_SETTINGS>;

/** Reads the inway's settings from its flags and the environment. Throws SettingsError naming every mistake. */
export const readInwaySettings = (
  flags: Readonly<Record<string, string | boolean | undefined>>,
): InwaySettings => setting.readSettings("inway", INWAY_SETTINGS, flags, process.env);
