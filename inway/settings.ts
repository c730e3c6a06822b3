// The settings of an inway.
import * as setting from "../core/settings.js";
import * as rows from "../core/setting-rows.js";

/** Every setting of an inway; docs/settings.md is made from it. */
export const INWAY_SETTINGS = {
  ...rows.MEMBER_SETTINGS,
  ...rows.componentPlace("inway"),
  listen: setting.address({
    text: "Where the inway listens for outways.",
    default: "0.0.0.0:8443",
  }),
  address: setting.address({
    text: "Where outways reach the inway; the host is a name of our certificate. Announced in the directory.",
  }),
  ...rows.managerTie("inway"),
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
  ...rows.EXCHANGE_LIMIT_SETTINGS,
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
  allowAnyPort: rows.allowAnyPort,
  resolve: rows.resolve,
  ...rows.LOG_SETTINGS,
  ...setting.COMMON_SETTINGS,
} as const;

export type InwaySettings = setting.SettingsOf<typeof INWAY_SETTINGS>;

/** Reads the inway's settings from its flags and the environment. Throws SettingsError naming every mistake. */
export const readInwaySettings = (
  flags: Readonly<Record<string, string | boolean | undefined>>,
): InwaySettings => setting.readSettings("inway", INWAY_SETTINGS, flags, process.env);
