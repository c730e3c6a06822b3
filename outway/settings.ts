// The settings of an outway.
import * as setting from "../core/settings.js";
import * as rows from "../core/setting-rows.js";

/** Every setting of an outway; docs/settings.md is made from it. */
export const OUTWAY_SETTINGS = {
  ...rows.MEMBER_SETTINGS,
  ...rows.componentPlace("outway"),
  ...rows.managerTie("outway"),
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
  ...rows.EXCHANGE_LIMIT_SETTINGS,
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
  allowAnyPort: rows.allowAnyPort,
  resolve: rows.resolve,
  ...rows.LOG_SETTINGS,
  ...setting.COMMON_SETTINGS,
} as const;

export type OutwaySettings = setting.SettingsOf<typeof OUTWAY_SETTINGS>;

/** Reads the outway's settings from its flags and the environment. Throws SettingsError naming every mistake. */
export const readOutwaySettings = (
  flags: Readonly<Record<string, string | boolean | undefined>>,
): OutwaySettings => setting.readSettings("outway", OUTWAY_SETTINGS, flags, process.env);
