// The work of `schakel component`, `schakel peers` and `schakel audit`.
import { shown } from "../contracts/shown-text.js";
import type {
  AuditRecord,
  Component,
  KnownPeer,
} from "../proto/gen/schakel/manager/v1/administration.js";
import { administer, type Ask } from "./administration.js";
import { printRefused } from "./component-work.js";
import { print } from "./print.js";
import type { CliSettings } from "./settings.js";
import { table } from "./table.js";
import { shownMoment } from "./times.js";

const PAGE_SIZE = 500;
const CELL_MAX = 200;
const THUMBPRINT_SHOWN = 16;

/** What `component list` is given. */
export interface ComponentsOptions {
  readonly refused?: true;
}

/** What `peers list` is given. */
export interface PeersOptions {
  readonly name?: string;
}

/** What `audit list` is given. */
export interface AuditOptions {
  readonly lines: number;
  readonly all?: true;
}

const fitted = (rows: readonly (readonly string[])[]): string[][] =>
  rows.map((row) => row.map((cell) => shown(cell, CELL_MAX)));

const COMPONENT_HEAD = ["ROLE", "NAME", "CONNECTED", "SEEN", "ADDRESS", "PUBLIC KEY", "VERSION"];

const componentRow = (each: Component): string[] => [
  each.role,
  each.name,
  each.connected ? "yes" : "no",
  shownMoment(each.seenAtMs),
  each.address === "" ? "-" : each.address,
  `${each.publicKeyThumbprint.slice(0, THUMBPRINT_SHOWN)}…`,
  each.version,
];

/** Lists our inways and outways, or the certificates that were revoked. */
export const components = (settings: CliSettings, options: ComponentsOptions): Promise<void> =>
  administer(settings, async (ask) => {
    const { components: found, refused } = await ask("listComponents", {});
    if (options.refused === true) {
      printRefused(settings, refused);
      return;
    }
    const documents = found.map((each) => ({
      role: each.role,
      name: each.name,
      address: each.address,
      public_key_thumbprint: each.publicKeyThumbprint,
      version: each.version,
      connected: each.connected,
      seen_at: shownMoment(each.seenAtMs),
    }));
    print(settings, documents, () => table(COMPONENT_HEAD, fitted(found.map(componentRow))));
  });

const PEER_HEAD = ["PEER", "NAME", "MANAGER", "SEEN", "FSC", "REFUSED LAST"];

const peerRow = (each: KnownPeer): string[] => [
  each.id,
  each.name,
  each.managerAddress,
  each.seenAtMs === 0n ? "never" : shownMoment(each.seenAtMs),
  each.fscVersion === "" ? "-" : each.fscVersion,
  each.lastRefusal === "" ? "-" : `${shownMoment(each.lastRefusalAtMs)} ${each.lastRefusal}`,
];

const everyPeer = async (ask: Ask, nameContains: string): Promise<KnownPeer[]> => {
  const found: KnownPeer[] = [];
  let pageToken = "";
  do {
    const page = await ask("listPeers", { nameContains, pageSize: PAGE_SIZE, pageToken });
    found.push(...page.peers);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return found;
};

/** Lists the peers that the manager knows. */
export const peers = (settings: CliSettings, { name = "" }: PeersOptions): Promise<void> =>
  administer(settings, async (ask) => {
    const found = await everyPeer(ask, name);
    const documents = found.map((each) => ({
      id: each.id,
      name: each.name,
      manager_address: each.managerAddress,
      seen_at: shownMoment(each.seenAtMs),
      fsc_version: each.fscVersion,
      last_refusal: each.lastRefusal,
      last_refusal_at: shownMoment(each.lastRefusalAtMs),
    }));
    print(settings, documents, () => table(PEER_HEAD, fitted(found.map(peerRow))));
  });

/** The columns: what each is called in JSON, and its head. */
const AUDIT_COLUMNS: readonly (readonly [string, string])[] = [
  ["number", "NO"],
  ["at", "WHEN"],
  ["user", "WHO"],
  ["component", "WITH"],
  ["action", "WHAT"],
  ["outcome", "OUTCOME"],
  ["subject", "ON"],
];

const auditDocument = ({ number, atMs, ...act }: AuditRecord): Record<string, unknown> => ({
  ...{ number: Number(number), at: shownMoment(atMs) },
  ...act,
});

const auditRow = (document: Record<string, unknown>): string[] =>
  AUDIT_COLUMNS.map(([key]) => {
    const text = String(document[key]);
    return text === "" ? "-" : text;
  });

const acts = async (ask: Ask, most: number): Promise<AuditRecord[]> => {
  const found: AuditRecord[] = [];
  let pageToken = "";
  do {
    const pageSize = Math.min(PAGE_SIZE, most - found.length);
    const page = await ask("listAuditRecords", { pageSize, pageToken });
    found.push(...page.records);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && found.length < most);
  return found;
};

/** Lists what was done, newest first. */
export const audit = (settings: CliSettings, { lines, all }: AuditOptions): Promise<void> =>
  administer(settings, async (ask) => {
    const found = await acts(ask, all === true ? Number.MAX_SAFE_INTEGER : lines);
    const documents = found.map(auditDocument);
    const head = AUDIT_COLUMNS.map(([, title]) => title);
    print(settings, documents, () => table(head, fitted(documents.map(auditRow))));
  });
