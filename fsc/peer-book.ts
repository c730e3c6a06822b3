// The peers that a manager knows: their names, and where their managers are.
import { sql, type Insertable } from "kysely";
import type { GroupSource } from "../certs/group.js";
import { formatAddress, parseAddress, type Address } from "../core/address.js";
import { SchakelError } from "../core/errors.js";
import type { Clock } from "../core/clock.js";
import type { PeerId } from "../core/names.js";
import { NAME_CONTAINS_MAX, PEERS_MAX, QUERY_NAMES_MAX } from "./book-limits.js";
import type { ListedPeer, Page, PeerQuery } from "./manager-interface.js";
import { checkLimit, checkNames, keyOfCursor, pageOf } from "./page-cursor.js";
import type { FscDatabase, PeerRow } from "./schema.js";

const REFUSAL_LENGTH_MAX = 1000;

/** A peer, with what of its was refused last. */
export interface KnownPeer extends ListedPeer {
  /** For the screens; a contract of another version of FSC, for example. */
  readonly refusal: { readonly text: string; readonly at: number } | undefined;
}

/** What the book of peers stands on. */
export interface PeerBookOptions {
  /** With the tables of `migrateFsc`; its caller closes it. */
  readonly db: FscDatabase;
  readonly groups: Pick<GroupSource, "current">;
  readonly clock: Clock;
}

type Columns = Pick<PeerRow, "peer_id" | "name" | "manager_address" | "refusal" | "refused_ms">;

const COLUMNS = ["peer_id", "name", "manager_address", "refusal", "refused_ms"] as const;

const peerOf = (row: Columns): KnownPeer => {
  const managerAddress = parseAddress(row.manager_address);
  if (managerAddress === undefined) throw new TypeError("a stored address is none");
  return {
    id: row.peer_id as PeerId,
    name: row.name,
    managerAddress,
    refusal: row.refusal === null ? undefined : { text: row.refusal, at: row.refused_ms ?? 0 },
  };
};

const pattern = (text: string): string => `%${text.toLowerCase().replace(/[\\%_]/g, "\\$&")}%`;

/** Keeps peers durably. Safe to call any number of times at once. */
export class PeerBook {
  readonly #with: PeerBookOptions;
  readonly #listeners = new Set<(id: PeerId) => Promise<void>>();

  constructor(options: PeerBookOptions) {
    this.#with = options;
  }

  get #groupId(): string {
    return this.#with.groups.current.id;
  }

  /** Calls back with each peer whose manager has a new address; `note` waits for it. Returns the function that ends this. */
  onAddress(listener: (id: PeerId) => Promise<void>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Stores a peer, or what has changed about it. What is the same already costs one query. Whether the
   * name and address may be believed is its caller's to know: nothing is dialled without a check of the certificate.
   *
   * @param source whether the peer showed its certificate itself, or another one lists it
   * @throws SchakelError ERROR_CODE_LIMIT_EXCEEDED when a peer that is listed is new and PEERS_MAX are known
   */
  async note(
    { id, name, managerAddress }: ListedPeer,
    source: "itself" | "listed" = "listed",
  ): Promise<void> {
    const address = formatAddress(managerAddress);
    const known = await this.#row(id);
    if (known?.name === name && known.manager_address === address) return;
    if (known === undefined && source === "listed") await this.#checkCount();
    await this.#write({ id, name, address });
    if (known?.manager_address === address) return;
    await Promise.all([...this.#listeners].map((listener) => listener(id)));
  }

  /**
   * Stores what of a known peer's was refused, for the screens; of one that is not known nothing. Changes nothing
   * else of the peer, which may announce itself meanwhile.
   */
  async noteRefusal(id: PeerId, text: string): Promise<void> {
    await this.#with.db
      .updateTable("fsc_peer")
      .set({ refusal: text.slice(0, REFUSAL_LENGTH_MAX), refused_ms: this.#with.clock.now() })
      .where("group_id", "=", this.#groupId)
      .where("peer_id", "=", id)
      .execute();
  }

  /** A peer; undefined when it is not known. */
  async get(id: PeerId): Promise<KnownPeer | undefined> {
    const row = await this.#row(id);
    return row === undefined ? undefined : peerOf(row);
  }

  /** Those of some peers that are known, by id. */
  async find(ids: ReadonlySet<PeerId>): Promise<ReadonlyMap<PeerId, KnownPeer>> {
    const left = [...ids];
    const found = new Map<PeerId, KnownPeer>();
    while (left.length > 0) {
      const { items } = await this.list({
        ...{ cursor: undefined, limit: QUERY_NAMES_MAX, sortOrder: "ascending" },
        ...{ nameContains: undefined, peerIds: left.splice(0, QUERY_NAMES_MAX) },
      });
      for (const peer of items) found.set(peer.id, peer);
    }
    return found;
  }

  /** Where a peer's manager is: for a directory of the group what group.json says, for others what was noted last. */
  async addressOf(id: PeerId): Promise<Address | undefined> {
    const directory = this.#with.groups.current.directories.find(({ peerId }) => peerId === id);
    return directory?.address ?? (await this.get(id))?.managerAddress;
  }

  /**
   * One page of peers, ordered by id. Peer ids go before the part of a name.
   *
   * @throws SchakelError ERROR_CODE_REQUEST_INVALID for a limit, cursor or filter that is not allowed
   */
  async list(query: PeerQuery): Promise<Page<KnownPeer>> {
    const { peerIds, nameContains, sortOrder } = query;
    const limit = checkLimit(query);
    const after = keyOfCursor(query);
    checkNames("peer_id", peerIds);
    if (nameContains !== undefined && nameContains.length > NAME_CONTAINS_MAX) {
      const detail = `peer_name has ${String(nameContains.length)} characters, allowed are ${String(NAME_CONTAINS_MAX)}`;
      throw new SchakelError("ERROR_CODE_REQUEST_INVALID", { detail });
    }
    let rows = this.#with.db
      .selectFrom("fsc_peer")
      .select(COLUMNS)
      .where("group_id", "=", this.#groupId);
    if (peerIds.length > 0) rows = rows.where("peer_id", "in", peerIds);
    else if (nameContains !== undefined) {
      rows = rows.where(sql<boolean>`name_folded like ${pattern(nameContains)} escape '\\'`);
    }
    if (after !== undefined) {
      rows = rows.where("peer_id", sortOrder === "ascending" ? ">" : "<", after);
    }
    const found = await rows
      .orderBy("peer_id", sortOrder === "ascending" ? "asc" : "desc")
      .limit(limit + 1)
      .execute();
    return pageOf(found.map(peerOf), limit, ({ id }) => id);
  }

  async #row(id: PeerId): Promise<Columns | undefined> {
    return this.#with.db
      .selectFrom("fsc_peer")
      .select(COLUMNS)
      .where("group_id", "=", this.#groupId)
      .where("peer_id", "=", id)
      .executeTakeFirst();
  }

  async #checkCount(): Promise<void> {
    const { count } = await this.#with.db
      .selectFrom("fsc_peer")
      .select(({ fn }) => fn.countAll<number>().as("count"))
      .where("group_id", "=", this.#groupId)
      .executeTakeFirstOrThrow();
    if (count < PEERS_MAX) return;
    throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", {
      detail: `${String(PEERS_MAX)} peers are known, no more are taken`,
    });
  }

  async #write(peer: {
    readonly id: PeerId;
    readonly name: string;
    readonly address: string;
  }): Promise<void> {
    const values = {
      ...{ name: peer.name, name_folded: peer.name.toLowerCase() },
      manager_address: peer.address,
    };
    const row: Insertable<PeerRow> = {
      ...{ group_id: this.#groupId, peer_id: peer.id },
      ...{ ...values, refusal: null, refused_ms: null },
    };
    await this.#with.db
      .insertInto("fsc_peer")
      .values(row)
      .onConflict((conflict) => conflict.columns(["group_id", "peer_id"]).doUpdateSet(values))
      .execute();
  }
}
