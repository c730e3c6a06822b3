// Our services: what they are called, where their sources are, and which directories show them.
import type { Kysely } from "kysely";
import { PROTOCOLS, type Protocol } from "../contracts/grant.js";
import { SchakelError } from "../core/errors.js";
import {
  parseComponentName,
  parseServiceName,
  type ComponentName,
  type PeerId,
  type ServiceName,
} from "../core/names.js";
import { ServiceVisibility, type Service } from "../proto/gen/schakel/manager/v1/administration.js";
import type { StoredService, Unsubscribe, Visibility } from "./feed.js";
import { Listeners } from "./listeners.js";
import { invalidRequest, parsed, serviceName } from "./request.js";
import type { ManagerSchema } from "./schema.js";

/** How many services a peer may have. */
export const SERVICES_MAX = 250;

const INWAYS_MAX = 100;
const TEXT_MAX = 2000;

/** A service without what contracts say of it. */
type OwnedService = Omit<StoredService, "publishedIn">;

const isSourceUrl = (text: string): boolean => {
  // URL drops tabs and turns "\" into "/": what a person reads must be what is dialled.
  const url = /^[\x21-\x7e]+$/.test(text) && !text.includes("\\") ? URL.parse(text) : null;
  if (url === null || !["http:", "https:"].includes(url.protocol) || url.hostname === "")
    return false;
  return url.username === "" && url.password === "" && !/[?#@]/.test(text);
};

const isOpenapiPath = (text: string): boolean => /^(\/[\x21-\x7e]{0,499})?$/.test(text);

const isContact = (text: string): boolean => {
  if (text === "") return true;
  if (text.length > 255 || /[\p{C}\p{Z}]/u.test(text)) return false;
  return (
    /^[^@]+@[^@]+$/.test(text) || ["http:", "https:"].includes(URL.parse(text)?.protocol ?? "")
  );
};

const accepting =
  (isAllowed: (text: string) => boolean) =>
  (text: string): string | undefined =>
    text.length <= TEXT_MAX && isAllowed(text) ? text : undefined;

const protocolOf = (text: string): Protocol => {
  if (text === "") return PROTOCOLS[0];
  const parse = (each: string): Protocol | undefined =>
    PROTOCOLS.find((protocol) => protocol === each);
  return parsed("service.protocol", text, parse, PROTOCOLS.join(" or "));
};

const VISIBILITIES: Readonly<Record<Visibility, ServiceVisibility>> = {
  group: ServiceVisibility.SERVICE_VISIBILITY_GROUP,
  private: ServiceVisibility.SERVICE_VISIBILITY_PRIVATE,
};

/** The word for who may see a service; undefined for a number that has none. */
export const visibilityNamed = (visibility: ServiceVisibility): Visibility | undefined => {
  if (visibility === ServiceVisibility.SERVICE_VISIBILITY_UNSPECIFIED) return "group";
  return (["group", "private"] as const).find((word) => VISIBILITIES[word] === visibility);
};

const visibilityOf = (visibility: ServiceVisibility): Visibility => {
  const found = visibilityNamed(visibility);
  if (found !== undefined) return found;
  throw invalidRequest(`service.visibility is ${String(visibility)}, allowed is group or private`);
};

const inwaysOf = (names: readonly string[]): readonly ComponentName[] => {
  if (names.length > INWAYS_MAX) {
    throw invalidRequest(`service.inways has ${names.length} names, allowed are ${INWAYS_MAX}`);
  }
  const parse = (name: string): ComponentName =>
    parsed("service.inways", name, parseComponentName, "names of 1 to 100 of a-z A-Z 0-9 - . _");
  return [...new Set(names.map(parse))].sort();
};

/**
 * Reads a service as a request has it. An empty protocol is HTTP/1.1, and the group may see it unless it is stated.
 *
 * @throws SchakelError ERROR_CODE_REQUEST_INVALID for a name, source URL, path, contact, inway, protocol or
 * visibility that is not allowed
 */
export const readService = (service: Service | undefined): OwnedService => {
  if (service === undefined) throw invalidRequest("service is absent");
  const name = serviceName("service.name", service.name);
  const source = accepting(isSourceUrl);
  // The text is not repeated in the answer: somebody may have written a password into it.
  if (source(service.sourceUrl) === undefined) {
    throw invalidRequest(
      "service.source_url must be http(s)://HOST[:PORT][/PATH] without user, query or fragment",
    );
  }
  return {
    name,
    sourceUrl: service.sourceUrl,
    openapiPath: parsed(
      "service.openapi_path",
      service.openapiPath,
      accepting(isOpenapiPath),
      "a path such as /openapi.json",
    ),
    contact: parsed(
      "service.contact",
      service.contact,
      accepting(isContact),
      "an e-mail address or an http(s) URL",
    ),
    inways: inwaysOf(service.inways),
    protocol: protocolOf(service.protocol),
    visibility: visibilityOf(service.visibility),
  };
};

/** A service as the interface for people shows it. */
export const wireService = (service: StoredService): Service => ({
  ...service,
  inways: [...service.inways],
  publishedIn: [...service.publishedIn],
  visibility: VISIBILITIES[service.visibility],
});

/** A source URL as the audit log may have it: a wrong one may hold a password. */
export const auditedUrl = (text: string): string => (isSourceUrl(text) ? text : "(not allowed)");

/** What the services stand on. */
export interface ServicesParts {
  readonly db: Kysely<ManagerSchema>;
  readonly groupId: string;
  /** The directories that show a service now, ordered. */
  readonly publishedIn: (service: ServiceName) => readonly PeerId[];
  /** The directories that show a service by a contract that is valid, or would by one that waits. */
  readonly openIn: (service: ServiceName) => readonly PeerId[];
}

const isSame = (a: OwnedService, b: OwnedService): boolean =>
  JSON.stringify(a) === JSON.stringify(b);

const byName = (a: OwnedService, b: OwnedService): number => (a.name < b.name ? -1 : 1);

/** The services of our peer. What was put is durable when the call resolves. */
export class Services {
  readonly #with: ServicesParts;
  readonly #owned = new Map<ServiceName, OwnedService>();
  readonly #listeners = new Listeners<[]>();
  #told = "";

  private constructor(parts: ServicesParts) {
    this.#with = parts;
  }

  /** Reads the services that are stored. */
  static async open(parts: ServicesParts): Promise<Services> {
    const services = new Services(parts);
    const rows = await parts.db
      .selectFrom("manager_service")
      .selectAll()
      .where("group_id", "=", parts.groupId)
      .execute();
    for (const row of rows) {
      const service = readService({
        ...{ name: row.name, sourceUrl: row.source_url, openapiPath: row.openapi_path },
        ...{ contact: row.contact, protocol: row.protocol, publishedIn: [] },
        inways: JSON.parse(row.inways) as string[],
        visibility: VISIBILITIES[row.visibility],
      });
      services.#owned.set(service.name, service);
    }
    services.recheck();
    return services;
  }

  /** All services, ordered by name. */
  list(): readonly StoredService[] {
    return [...this.#owned.values()].sort(byName).map((service) => this.#stored(service));
  }

  /** The service with this name. */
  get(name: string): StoredService | undefined {
    const parsedName = parseServiceName(name);
    const found = parsedName === undefined ? undefined : this.#owned.get(parsedName);
    return found === undefined ? undefined : this.#stored(found);
  }

  /**
   * The service with this name.
   *
   * @throws SchakelError ERROR_CODE_SERVICE_NOT_FOUND with the names that there are
   */
  require(name: string): StoredService {
    const found = this.get(name);
    if (found !== undefined) return found;
    throw new SchakelError("ERROR_CODE_SERVICE_NOT_FOUND", {
      choices: this.list().map((service) => service.name),
    });
  }

  /**
   * Makes a service or changes it.
   *
   * @throws SchakelError ERROR_CODE_LIMIT_EXCEEDED for one too many; ERROR_CODE_REQUEST_INVALID for a service
   * that was to be private while a directory shows it or is asked to: nothing may be proposed meanwhile
   */
  async put(
    service: OwnedService,
  ): Promise<{ readonly service: StoredService; readonly changed: boolean }> {
    this.#checkUnseen(service);
    const before = this.#owned.get(service.name);
    if (before !== undefined && isSame(before, service)) {
      return { service: this.#stored(before), changed: false };
    }
    if (before === undefined && this.#owned.size >= SERVICES_MAX) {
      throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", {
        detail: `a peer may have ${SERVICES_MAX} services`,
      });
    }
    await this.#save(service);
    this.#owned.set(service.name, service);
    this.#tell();
    return { service: this.#stored(service), changed: true };
  }

  /**
   * Ends a service. Its contracts stay.
   *
   * @throws SchakelError ERROR_CODE_SERVICE_NOT_FOUND
   */
  async remove(name: string): Promise<void> {
    const service = this.require(name);
    await this.#with.db
      .deleteFrom("manager_service")
      .where("group_id", "=", this.#with.groupId)
      .where("name", "=", service.name)
      .execute();
    this.#owned.delete(service.name);
    this.#tell();
  }

  /** Tells the listeners when which directories show which service has changed since they were told last. */
  recheck(): void {
    const shown = JSON.stringify(this.list().map(({ name, publishedIn }) => [name, publishedIn]));
    if (shown === this.#told) return;
    this.#told = shown;
    this.#listeners.call();
  }

  onChange(listener: () => void): Unsubscribe {
    return this.#listeners.add(listener);
  }

  #tell(): void {
    this.#told = "";
    this.recheck();
  }

  #stored(service: OwnedService): StoredService {
    return { ...service, publishedIn: this.#with.publishedIn(service.name) };
  }

  #checkUnseen({ name, visibility }: OwnedService): void {
    const directories = visibility === "private" ? this.#with.openIn(name) : [];
    if (directories.length === 0) return;
    throw invalidRequest(
      `service.visibility is private, and ${directories.join(", ")} shows the service ${name} or is asked to: ` +
        `end that first with 'schakel service withdraw ${name}'`,
    );
  }

  async #save({ name, ...service }: OwnedService) {
    const { db, groupId } = this.#with;
    const { sourceUrl, openapiPath, contact, inways, protocol, visibility } = service;
    const values = {
      ...{ source_url: sourceUrl, openapi_path: openapiPath, contact, protocol, visibility },
      inways: JSON.stringify(inways),
    };
    await db
      .insertInto("manager_service")
      .values({ group_id: groupId, name, ...values })
      .onConflict((conflict) => conflict.columns(["group_id", "name"]).doUpdateSet(values))
      .execute();
  }
}
