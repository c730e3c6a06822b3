// Permission from a file, grants.yaml: our services, and which peer with which key may use them.
import { readFile, stat } from "node:fs/promises";
import { parseDocument } from "yaml";
import { z } from "zod";
import type { Log } from "../core/log.js";
import {
  parseServiceName,
  parseThumbprint,
  type PeerId,
  type PeerIdRule,
  type ServiceName,
  type Thumbprint,
} from "../core/names.js";
import { watchFileChanges } from "../core/watch-file.js";
import type { Caller, OfferedService, Permission, PermissionSource } from "./permission.js";

const FILE_BYTES_MAX = 4 * 1024 * 1024;
const SERVICES_MAX = 250;
const GRANTS_MAX = 10_000;

/** All that is wrong with a grants file, one line each. */
export class GrantsError extends Error {
  readonly hint = "docs/grants.md shows the form of the file";
  constructor(mistakes: readonly string[]) {
    super(mistakes.join("\n"));
    this.name = "GrantsError";
  }
}

const FILE = z.strictObject({
  services: z
    .array(
      z.strictObject({
        name: z.string(),
        url: z.string(),
        openapi: z
          .string()
          .regex(/^\/[\x21-\x7e]{0,499}$/, "must be a path such as /openapi.json")
          .optional(),
      }),
    )
    .max(SERVICES_MAX)
    .default([]),
  grants: z
    .array(z.strictObject({ peer: z.string(), public_key: z.string(), service: z.string() }))
    .max(GRANTS_MAX)
    .default([]),
});

interface Grant {
  readonly peerId: PeerId;
  readonly publicKey: Thumbprint;
  readonly service: ServiceName;
}

/** Takes the source URL of a service: http or https, without user, query or fragment; undefined when it is none. */
const parseSource = (text: string): URL | undefined => {
  const url = URL.parse(text);
  if (url === null || !["http:", "https:"].includes(url.protocol)) return undefined;
  const plain = url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  return plain && url.hostname !== "" ? url : undefined;
};

class GrantsPermission implements Permission {
  readonly #byName: ReadonlyMap<ServiceName, OfferedService>;
  // Nested maps, not one map of joined names: no peer id can be made to look like another's row.
  readonly #rows = new Map<PeerId, Map<Thumbprint, Map<ServiceName, string>>>();

  constructor(
    readonly services: readonly OfferedService[],
    grants: readonly Grant[],
  ) {
    this.#byName = new Map(services.map((service) => [service.name, service]));
    grants.forEach(({ peerId, publicKey, service }, index) => {
      const keys = this.#rows.get(peerId) ?? new Map<Thumbprint, Map<ServiceName, string>>();
      const rows = keys.get(publicKey) ?? new Map<ServiceName, string>();
      this.#rows.set(
        peerId,
        keys.set(publicKey, rows.set(service, `grants.yaml grants[${String(index)}]`)),
      );
    });
  }

  service(name: ServiceName): OfferedService | undefined {
    return this.#byName.get(name);
  }

  permit({ peerId, publicKeyThumbprint }: Caller, service: ServiceName): string | undefined {
    return this.#rows.get(peerId)?.get(publicKeyThumbprint)?.get(service);
  }
}

const readYaml = (text: string): unknown => {
  const document = parseDocument(text, { uniqueKeys: true, strict: true });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    throw new GrantsError([`not valid YAML: ${problem.message.split("\n")[0] ?? ""}`]);
  }
  try {
    return document.toJS({ maxAliasCount: 0 }) ?? {};
  } catch {
    throw new GrantsError(["not allowed: an alias (*name); write the value out"]);
  }
};

/**
 * Takes the text of a grants file.
 *
 * @param rule the group's rule for peer ids
 * @throws GrantsError naming every mistake with its place
 */
export const parseGrants = (text: string, rule: PeerIdRule): Permission => {
  const parsed = FILE.safeParse(readYaml(text));
  if (!parsed.success) {
    throw new GrantsError(
      parsed.error.issues.map(({ path, message }) => `${path.map(String).join(".")}: ${message}`),
    );
  }
  const mistakes: string[] = [];
  const take = <T>(value: T | undefined, place: string, problem: string): T => {
    if (value === undefined) mistakes.push(`${place}: ${problem}`);
    return value as T;
  };
  const services = parsed.data.services.map(({ name, url, openapi }, index): OfferedService => {
    const at = `services.${String(index)}`;
    return {
      name: take(
        parseServiceName(name),
        `${at}.name`,
        `found "${name}", allowed is 1 to 100 of a-z A-Z 0-9 - . _`,
      ),
      source: take(
        parseSource(url),
        `${at}.url`,
        `found "${url}", allowed is http(s)://HOST[:PORT] without user, query or fragment`,
      ),
      openapiPath: openapi,
    };
  });
  const offered = new Set<string>(services.map(({ name }) => name));
  if (offered.size < services.length) mistakes.push("services: a name stands there twice");
  const grants = parsed.data.grants.map(({ peer, public_key: key, service }, index): Grant => {
    const at = `grants.${String(index)}`;
    if (!offered.has(service))
      mistakes.push(
        `${at}.service: found "${service}", allowed is the name of a service of this file`,
      );
    return {
      peerId: take(rule(peer), `${at}.peer`, `found "${peer}", which is no peer id of the group`),
      publicKey: take(
        parseThumbprint(key),
        `${at}.public_key`,
        "must be 64 hexadecimal characters",
      ),
      service: service as ServiceName,
    };
  });
  if (mistakes.length > 0) throw new GrantsError(mistakes);
  return new GrantsPermission(services, grants);
};

/** Permission from a file that is read again when it changes. A wrong new content keeps the old in force. */
export class GrantsFile implements PermissionSource {
  #current: Permission;
  readonly #listeners = new Set<(permission: Permission) => void>();
  readonly #unwatch: () => void;

  private constructor(
    private readonly path: string,
    private readonly rule: () => PeerIdRule,
    private readonly log: Log,
    first: Permission,
  ) {
    this.#current = first;
    this.#unwatch = watchFileChanges(path, () => void this.#reload());
  }

  /**
   * Opens the file.
   *
   * @param rule gives the group's rule for peer ids as it is when the file is read
   * @throws GrantsError when the content is wrong; the system's error when the file cannot be read
   */
  static async open(path: string, rule: () => PeerIdRule, log: Log): Promise<GrantsFile> {
    return new GrantsFile(path, rule, log, await GrantsFile.#read(path, rule()));
  }

  get current(): Permission {
    return this.#current;
  }

  onChange(listener: (permission: Permission) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#unwatch();
    this.#listeners.clear();
  }

  static async #read(path: string, rule: PeerIdRule): Promise<Permission> {
    const { size } = await stat(path);
    if (size > FILE_BYTES_MAX) {
      throw new GrantsError([
        `the file has ${String(size)} bytes, allowed are ${String(FILE_BYTES_MAX)}`,
      ]);
    }
    return parseGrants(await readFile(path, "utf8"), rule);
  }

  async #reload(): Promise<void> {
    try {
      this.#current = await GrantsFile.#read(this.path, this.rule());
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      this.log.error(
        { file: this.path, problem },
        "the changed grants are wrong; the old ones stay in force",
      );
      return;
    }
    this.log.info(
      { file: this.path, services: this.#current.services.length },
      "grants read again",
    );
    for (const listener of this.#listeners) listener(this.#current);
  }
}
