// Reading what other managers answer. What is not understood in a list is left out with the reason, so that
// one odd item does not hide the others; everything else must have its form.
import type { Group } from "../certs/group.js";
import { parseBody, parseContract, type Contract } from "../contracts/contract.js";
import { refusingFields } from "../contracts/content.js";
import { Fields } from "../contracts/fields.js";
import { PROTOCOLS } from "../contracts/grant.js";
import type { JsonValue } from "../contracts/json.js";
import { ContractRefusal } from "../contracts/refusal.js";
import { shown } from "../contracts/shown-text.js";
import { parseAudience, TOKEN_BYTES_MAX } from "../contracts/token.js";
import { parseServiceName, type PeerId, type PeerIdRule } from "../core/names.js";
import type { ListedPeer, Page, PeerDescription, PublishedService } from "./manager-interface.js";
import { CURSOR_LENGTH_MAX, PAGE_LIMIT_MAX } from "./queries.js";
import { contractGroup } from "./wire.js";

const TEXT_MAX = 255;
const NAME_SHOWN_MAX = 255;
const EXTENSIONS_MAX = 50;
const ADDRESS_MAX = 300;

const objectOf = (bytes: Uint8Array): Fields => new Fields(parseBody(bytes, bytes.length), "");

const peerId = (fields: Fields, name: string, rule: PeerIdRule): PeerId =>
  fields.parsed(name, { max: TEXT_MAX, parse: rule, what: "a peer id by the group's rule" });

const nameOf = (fields: Fields, name: string): string =>
  shown(fields.text(name, { min: 0, max: TEXT_MAX }), NAME_SHOWN_MAX);

const optionalText = (fields: Fields, name: string, max: number): string | undefined => {
  const value = fields.any(name);
  return value === undefined || value === null || value === ""
    ? undefined
    : fields.text(name, { max });
};

const addressIn = (fields: Fields, name: string) =>
  fields.parsed(name, {
    max: ADDRESS_MAX,
    parse: parseAudience,
    what: "https://, a host, and a port",
  });

/** A page with what of it was left out, for the log. */
export interface ReadPage<T> {
  readonly page: Page<T>;
  readonly ignored: readonly string[];
}

/** How a page is read. */
export interface PageReading<T> {
  /** The member that holds the items. */
  readonly name: string;
  readonly item: (value: JsonValue, path: string) => T;
}

/** Reads a page. What is not understood in it is left out with the reason. Throws ContractRefusal when it has another form. */
export const readPage = <T>(bytes: Uint8Array, { name, item }: PageReading<T>): ReadPage<T> =>
  refusingFields(() => {
    const fields = objectOf(bytes);
    const values = fields.list(name);
    const nextCursor = optionalText(fields.fields("pagination"), "next_cursor", CURSOR_LENGTH_MAX);
    const items: T[] = [];
    const ignored: string[] = [];
    if (values.length > PAGE_LIMIT_MAX) {
      throw new ContractRefusal(
        "ERROR_CODE_REQUEST_INVALID",
        `${name} has ${String(values.length)} items, allowed are ${String(PAGE_LIMIT_MAX)}`,
      );
    }
    values.forEach((value, at) => {
      try {
        items.push(refusingFields(() => item(value, `${name}[${String(at)}]`)));
      } catch (error) {
        if (!(error instanceof ContractRefusal)) throw error;
        ignored.push(`${name}[${String(at)}]: ${error.detail}`);
      }
    });
    return { page: { items, nextCursor }, ignored };
  });

/** Reads `{contracts, pagination}`. Throws ContractRefusal when it has another form. */
export const readContracts = (bytes: Uint8Array, group: Group): ReadPage<Contract> =>
  readPage(bytes, {
    name: "contracts",
    item: (value) => parseContract(value, contractGroup(group)),
  });

const listedPeer = (fields: Fields, rule: PeerIdRule): ListedPeer => ({
  id: peerId(fields, "id", rule),
  name: nameOf(fields, "name"),
  managerAddress: addressIn(fields, "manager_address"),
});

/** Reads `{peers, pagination}`. Throws ContractRefusal when it has another form. */
export const readPeers = (bytes: Uint8Array, { peerIdRule }: Group): ReadPage<ListedPeer> =>
  readPage(bytes, {
    name: "peers",
    item: (value, path) => listedPeer(new Fields(value, path), peerIdRule),
  });

const publishedService = (data: Fields, rule: PeerIdRule): PublishedService => {
  const type = data.word("type", ["SERVICE_TYPE_SERVICE", "SERVICE_TYPE_DELEGATED_SERVICE"]);
  const peer = data.fields("peer");
  const delegator = type === "SERVICE_TYPE_SERVICE" ? undefined : data.fields("delegator");
  return {
    peerId: peerId(peer, "id", rule),
    peerName: nameOf(peer, "name"),
    managerAddress:
      optionalText(peer, "manager_address", ADDRESS_MAX) === undefined
        ? undefined
        : addressIn(peer, "manager_address"),
    name: data.parsed("name", { max: TEXT_MAX, parse: parseServiceName, what: "a service name" }),
    protocol: data.word("protocol", PROTOCOLS),
    delegator:
      delegator === undefined
        ? undefined
        : { peerId: peerId(delegator, "peer_id", rule), name: nameOf(delegator, "peer_name") },
    properties: data.has("properties") ? data.object("properties") : undefined,
  };
};

/** Reads `{services, pagination}`. Throws ContractRefusal when it has another form. */
export const readServices = (
  bytes: Uint8Array,
  { peerIdRule }: Group,
): ReadPage<PublishedService> =>
  readPage(bytes, {
    name: "services",
    item: (value, path) => publishedService(new Fields(value, path).fields("data"), peerIdRule),
  });

/** Reads what a manager says of itself. Throws ContractRefusal when it has another form. */
export const readDescription = (bytes: Uint8Array, { peerIdRule }: Group): PeerDescription =>
  refusingFields(() => {
    const fields = objectOf(bytes);
    const extensions = fields.has("enabled_extensions")
      ? Object.entries(fields.object("enabled_extensions"))
      : [];
    return {
      peerId: peerId(fields, "peer_id", peerIdRule),
      name: nameOf(fields, "peer_name"),
      fscVersion: shown(fields.text("fsc_version", { max: TEXT_MAX })),
      extensions: new Map(
        extensions
          .slice(0, EXTENSIONS_MAX)
          .flatMap(([name, version]) =>
            typeof version === "string" ? [[shown(name), shown(version)] as const] : [],
          ),
      ),
    };
  });

/** Reads a token answer; the token is not looked at. Throws ContractRefusal when it has another form. */
export const readToken = (bytes: Uint8Array): string =>
  refusingFields(() => {
    const fields = objectOf(bytes);
    fields.parsed("token_type", {
      max: TEXT_MAX,
      parse: (text) => (text.toLowerCase() === "bearer" ? text : undefined),
      what: "bearer",
    });
    return fields.parsed("access_token", {
      max: TOKEN_BYTES_MAX,
      parse: (text) => (/^[A-Za-z0-9_.-]+$/.test(text) ? text : undefined),
      what: "a compact JWT",
    });
  });

/** A code and a sentence of an error's answer, as far as there are any. */
export interface ReadError {
  readonly code: string | undefined;
  readonly detail: string | undefined;
}

const CODE = /^[A-Za-z0-9_.-]{1,100}$/;
const DETAIL_SHOWN_MAX = 500;

const textIn = (value: JsonValue, ...names: readonly string[]): string | undefined => {
  try {
    const fields = new Fields(value, "");
    return names.map((name) => fields.any(name)).find((each) => typeof each === "string");
  } catch {
    return undefined;
  }
};

/** Reads an error's answer, FSC's or OAuth's, whatever it holds. Codes that are not known are kept. */
export const readError = (header: string | undefined, body: Uint8Array | undefined): ReadError => {
  let value: JsonValue = null;
  try {
    if (body !== undefined) value = parseBody(body, body.length);
  } catch {
    // Not JSON: the header alone may say something.
  }
  const code = [textIn(value, "code", "error"), header].find(
    (each) => each !== undefined && CODE.test(each),
  );
  const detail = textIn(value, "message", "error_description");
  return { code, detail: detail === undefined ? undefined : shown(detail, DETAIL_SHOWN_MAX) };
};
