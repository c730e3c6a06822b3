// The settings of a directory. The only place of the directory that reads the environment.
import {
  address,
  bytes,
  choice,
  COMMON_SETTINGS,
  duration,
  integer,
  loopbackAddress,
  optional,
  path,
  readSettings,
  text as textSetting,
  toggle,
  type SettingsOf,
} from "../core/settings.js";
import * as rows from "../core/setting-rows.js";

/** The table of a directory's settings. */
export const DIRECTORY_SETTINGS = {
  listen: address({
    text: "Where peers reach the directory with mutual TLS: gRPC, and FSC for their managers.",
    default: "0.0.0.0:8443",
  }),
  healthListen: loopbackAddress({
    text: "Where /health/live, /health/ready and /metrics answer, on loopback.",
    default: "127.0.0.1:9443",
  }),
  data: path("DIR", { text: "The data folder; made when it is not there." }),
  group: path("FILE", { text: "The group's group.json; read again when it changes." }),
  cert: path("FILE", {
    text: "The directory's certificate and its intermediates, PEM; read again when it changes.",
  }),
  key: path("FILE", { text: "The private key, PEM, readable by this user alone." }),
  lease: duration({
    text: "How long an announcement lives without being repeated.",
    default: "30s",
  }),
  heartbeat: duration({
    text: "How often a stream without changes gives a sign of life.",
    default: "10s",
  }),
  probeInterval: duration({ text: "How often each inway is probed.", default: "10s" }),
  probeTimeout: duration({ text: "How long one probe may take.", default: "5s" }),
  publications: choice(["automatic", "held"], {
    text: "Whether publication contracts of the group's peers are signed at once, or held until 'schakel directory publications' decides.",
    default: "automatic",
  }),
  contractsPerPeerMax: integer(1, 100_000, {
    text: "How many publication contracts one peer may bring, in any state; those that are valid are kept in memory.",
    default: "5000",
  }),
  contractBytesPerPeerMax: bytes({
    text: "How large the contents of the publication contracts of one peer may be together.",
    default: "16MiB",
  }),
  deliveryRound: rows.deliveryRound,
  revocationLists: optional(
    textSetting("FILE|URL,…", {
      text: "Revocation lists beside those that certificates name: files and http(s) URLs, separated by commas.",
    }),
  ),
  connectionsMax: integer(1, 1_000_000, {
    text: "How many connections may be open at once.",
    default: "5000",
  }),
  componentsPerPeerMax: integer(1, 10_000, {
    text: "How many inways and outways one peer may announce.",
    default: "100",
  }),
  componentsMax: integer(1, 20_000, {
    text: "How many inways and outways the group may have.",
    default: "10000",
  }),
  watchersPerPeerMax: integer(1, 10_000, {
    text: "How many catalogue streams one peer may have open.",
    default: "100",
  }),
  resolve: rows.resolve,
  allowPrivateAddresses: toggle(
    "Reach inways and managers on loopback, link-local and private addresses too.",
  ),
  allowAnyPort: toggle("Accept inways and managers on any port instead of the group's alone."),
  ...COMMON_SETTINGS,
} as const;

/** The values of the table. Times are in milliseconds. */
export type DirectorySettings = SettingsOf<typeof DIRECTORY_SETTINGS>;

/**
 * Reads a directory's settings from flags and the environment.
 *
 * @throws SettingsError naming every mistake at once
 */
export const readDirectorySettings = (
  flags: Readonly<Record<string, string | boolean | undefined>>,
): DirectorySettings => readSettings("directory", DIRECTORY_SETTINGS, flags, process.env);
