// Programs that may use our outways beyond loopback. A token is shown once and only its hash is kept.
import { createHash, randomBytes } from "node:crypto";
import type { Kysely } from "kysely";
import { parseGrantHash, type GrantHash } from "../contracts/hash.js";
import { SchakelError } from "../core/errors.js";
import { parseComponentName } from "../core/names.js";
import type { AddClientRequest } from "../proto/gen/schakel/manager/v1/administration.js";
import type { StoredClient, Unsubscribe } from "./feed.js";
import { Listeners } from "./listeners.js";
import { invalidRequest, parsed } from "./request.js";
import type { ManagerSchema } from "./schema.js";

/** How many clients a peer may have. */
export const CLIENTS_MAX = 1000;

const GRANTS_MAX = 100;
const TOKEN_BYTES = 32;

/** What is kept of a token: SHA-256 of its text. */
export const hashOfToken = (token: string): Buffer => createHash("sha256").update(token).digest();

const grantHashesOf = (texts: readonly string[]): readonly GrantHash[] => {
  if (texts.length > GRANTS_MAX) {
    throw invalidRequest(`grant_hashes has ${texts.length} hashes, allowed are ${GRANTS_MAX}`);
  }
  const parse = (text: string): GrantHash =>
    parsed("grant_hashes", text, (each) => parseGrantHash(each)?.hash, "a grant hash ($1$…$…)");
  return [...new Set(texts.map(parse))];
};

/** The clients of our outways. What was added or removed is durable when the call resolves. */
export class Clients {
  readonly #clients = new Map<string, StoredClient>();
  readonly #listeners = new Listeners<[]>();

  private constructor(
    private readonly db: Kysely<ManagerSchema>,
    private readonly groupId: string,
  ) {}

  /** Reads the clients that are stored. */
  static async open(db: Kysely<ManagerSchema>, groupId: string): Promise<Clients> {
    const clients = new Clients(db, groupId);
    const rows = await db
      .selectFrom("manager_client")
      .selectAll()
      .where("group_id", "=", groupId)
      .execute();
    for (const row of rows) {
      const name = parsed("name", row.name, parseComponentName, "a component's name");
      clients.#clients.set(name, {
        name,
        tokenHash: row.token_hash === null ? undefined : Buffer.from(row.token_hash),
        grantHashes: grantHashesOf(JSON.parse(row.grant_hashes) as string[]),
      });
    }
    return clients;
  }

  /** All clients, ordered by name. */
  list(): readonly StoredClient[] {
    return [...this.#clients.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * Adds a client.
   *
   * @returns its token, which is nowhere else; empty for a client that shows a certificate
   * @throws SchakelError ERROR_CODE_REQUEST_INVALID for a name that is taken or not allowed or a grant hash
   * of the wrong form; ERROR_CODE_LIMIT_EXCEEDED
   */
  async add(request: AddClientRequest): Promise<string> {
    const name = parsed("name", request.name, parseComponentName, "1 to 100 of a-z A-Z 0-9 - . _");
    const grantHashes = grantHashesOf(request.grantHashes);
    if (this.#clients.has(name)) throw invalidRequest(`name is ${name}, which is taken`);
    if (this.#clients.size >= CLIENTS_MAX) {
      throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", {
        detail: `a peer may have ${CLIENTS_MAX} clients`,
      });
    }
    const token = request.byCertificate ? "" : randomBytes(TOKEN_BYTES).toString("base64url");
    const tokenHash = request.byCertificate ? undefined : hashOfToken(token);
    // In the map at once, so that a second call of the same name is refused; out again when it fails.
    this.#clients.set(name, { name, tokenHash, grantHashes });
    try {
      await this.db
        .insertInto("manager_client")
        .values({
          ...{ group_id: this.groupId, name, token_hash: tokenHash ?? null },
          grant_hashes: JSON.stringify(grantHashes),
        })
        .execute();
    } catch (error) {
      this.#clients.delete(name);
      throw error;
    }
    this.#listeners.call();
    return token;
  }

  /** Ends a client. One that is not there is no error. */
  async remove(name: string): Promise<void> {
    await this.db
      .deleteFrom("manager_client")
      .where("group_id", "=", this.groupId)
      .where("name", "=", name)
      .execute();
    if (this.#clients.delete(name)) this.#listeners.call();
  }

  onChange(listener: () => void): Unsubscribe {
    return this.#listeners.add(listener);
  }
}
