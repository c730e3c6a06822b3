// The settings of `schakel peer`, and what they make of those of its three parts.
import { join } from "node:path";
import { formatAddress, type Address } from "../core/address.js";
import * as setting from "../core/settings.js";
import { INWAY_SETTINGS, type InwaySettings } from "../inway/settings.js";
import { MANAGER_SETTINGS, type ManagerSettings } from "../manager/settings.js";
import { OUTWAY_SETTINGS, type OutwaySettings } from "../outway/settings.js";

/** Every setting of `schakel peer`; docs/settings.md is made from it. */
export const PEER_SETTINGS = {
  folder: setting.path("DIR", {
    text: "The organisation's folder, made by 'schakel init', with its signed certificate.pem.",
  }),
  address: setting.address({
    text: "Where other peers reach the manager; the host is a name of our certificate.",
  }),
  listen: setting.address({
    text: "Where the manager listens for other peers.",
    default: "0.0.0.0:8443",
  }),
  internalListen: setting.optional(
    setting.address({
      text: "Where the manager listens for our own components and people; what the identity folders say unless given.",
    }),
  ),
  healthListen: setting.loopbackAddress({
    text: "Where the manager's health and metrics are served.",
    default: "127.0.0.1:8445",
  }),
  inwayAddress: setting.optional(
    setting.address({
      text: "Where other peers reach the inway; port 443 of the manager's host unless given.",
    }),
  ),
  inwayListen: setting.optional(
    setting.address({
      text: "Where the inway listens; the port of its address, on every interface, unless given.",
    }),
  ),
  inwayHealthListen: setting.loopbackAddress({
    text: "Where the inway's health and metrics are served.",
    default: "127.0.0.1:8091",
  }),
  outwayListen: setting.address({
    text: "Where the outway listens for clients of our own organisation; beyond loopback clients must show who they are.",
    default: "127.0.0.1:8080",
  }),
  outwayHealthListen: setting.loopbackAddress({
    text: "Where the outway's health and metrics are served.",
    default: "127.0.0.1:8081",
  }),
  resolve: setting.hostTable({ text: "Fixed answers instead of DNS.", default: "" }),
  allowPrivateAddresses: setting.toggle(
    "Let other peers and the directory have loopback or private addresses.",
  ),
  allowAnyPort: setting.toggle("Let addresses have ports other than the group's; for tests."),
  logDurability: setting.choice(["local", "store"], {
    text: "What an exchange waits for: its record on this disk, or also in the manager's store.",
    default: "local",
  }),
  allowVolatileLog: setting.toggle(
    "Let the transaction log lie on a disk that dies with its container (tmpfs, overlay).",
  ),
  ...setting.COMMON_SETTINGS,
} as const;

/** The values of the table. Times are in milliseconds. */
export type PeerSettings = setting.SettingsOf<typeof PEER_SETTINGS>;

/** The settings of the three parts. */
export interface PartSettings {
  readonly manager: ManagerSettings;
  readonly inway: InwaySettings;
  readonly outway: OutwaySettings;
}

const INWAY_PORT = 443;
const EVERY_INTERFACE = "0.0.0.0";

/** The files that `schakel init` makes in a folder, and the certificate that it waits for. */
export const peerFiles = (folder: string) => ({
  group: join(folder, "group.json"),
  cert: join(folder, "certificate.pem"),
  key: join(folder, "private.key"),
  request: join(folder, "request.csr"),
});

/** What all three parts are given, as their flags are written. */
const commonFlags = (settings: PeerSettings): Record<string, string | boolean> => {
  const { group, cert, key } = peerFiles(settings.folder);
  const { allowPrivateAddresses, allowAnyPort, logLevel, logFormat } = settings;
  return {
    ...{ group, cert, key, allowPrivateAddresses, allowAnyPort, logLevel, logFormat },
    stopTimeout: `${settings.stopTimeout}ms`,
    resolve: [...settings.resolve].map(([name, ip]) => `${name}=${ip}`).join(","),
  };
};

/**
 * The settings of the parts. Everything that `schakel peer` has no setting for is as each part has it by itself.
 *
 * @param internal where the identity folders say that the manager is
 */
export const partSettings = (settings: PeerSettings, internal: Address): PartSettings => {
  const { folder, allowVolatileLog, logDurability } = settings;
  const inwayAddress = settings.inwayAddress ?? { host: settings.address.host, port: INWAY_PORT };
  const inwayListen = settings.inwayListen ?? { host: EVERY_INTERFACE, port: inwayAddress.port };
  const part = (name: "inway" | "outway") => ({
    ...commonFlags(settings),
    ...{ data: join(folder, name), identity: join(folder, "identities", name) },
    ...{ allowVolatileLog, logDurability },
  });
  const manager = {
    ...commonFlags(settings),
    data: join(folder, "manager"),
    address: formatAddress(settings.address),
    listen: formatAddress(settings.listen),
    internalListen: formatAddress(settings.internalListen ?? internal),
    healthListen: formatAddress(settings.healthListen),
  };
  const inway = {
    ...part("inway"),
    address: formatAddress(inwayAddress),
    listen: formatAddress(inwayListen),
    healthListen: formatAddress(settings.inwayHealthListen),
  };
  const outway = {
    ...part("outway"),
    listen: formatAddress(settings.outwayListen),
    healthListen: formatAddress(settings.outwayHealthListen),
  };
  return {
    manager: setting.readSettings("manager", MANAGER_SETTINGS, manager, {}),
    inway: setting.readSettings("inway", INWAY_SETTINGS, inway, {}),
    outway: setting.readSettings("outway", OUTWAY_SETTINGS, outway, {}),
  };
};
