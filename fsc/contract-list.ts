// Finding contracts: pages with filters, by a grant, by the beginning of a hash.
import { sql, type SelectQueryBuilder } from "kysely";
import type { ContentHash, GrantHash, HashedGrant } from "../contracts/hash.js";
import type { ContractState } from "../contracts/state.js";
import type { Clock } from "../core/clock.js";
import { SchakelError } from "../core/errors.js";
import type { PeerId } from "../core/names.js";
import { PAGE_CONTENT_MAX } from "./book-limits.js";
import { contractsOf } from "./contract-rows.js";
import type { ContractQuery, Page } from "./manager-interface.js";
import { checkLimit, checkNames, keyOfCursor, pageOf } from "./page-cursor.js";
import type { ContractRow, FscDatabase, FscSchema } from "./schema.js";
import type { StoredContract } from "./stored-contract.js";

/** Which contracts are wanted; what is undefined or absent filters nothing. */
export interface BookQuery extends ContractQuery {
  readonly state?: ContractState | undefined;
  /** One of its parties. */
  readonly peerId?: PeerId | undefined;
  /** In one of its grants. */
  readonly serviceName?: string | undefined;
  /** One of its parties too: the caller, whom only its own contracts are shown. */
  readonly party?: PeerId | undefined;
  /** PROPOSED, and this party has not accepted. */
  readonly waitingFor?: PeerId | undefined;
}

/** A grant with the contract that it stands in. */
export interface FoundGrant {
  readonly contract: StoredContract;
  readonly grant: HashedGrant;
}

/** How many contracts the beginning of a hash may find. */
export const PREFIX_MATCHES_MAX = 10;

const PREFIX = "$1$1$";

type Rows = SelectQueryBuilder<FscSchema, "fsc_contract", ContractRow>;

const withParty = (rows: Rows, peerId: PeerId): Rows =>
  rows.where((eb) =>
    eb.exists(
      eb
        .selectFrom("fsc_contract_party as party")
        .select("party.hash")
        .whereRef("party.group_id", "=", "fsc_contract.group_id")
        .whereRef("party.hash", "=", "fsc_contract.hash")
        .where("party.peer_id", "=", peerId),
    ),
  );

const withGrant = (
  rows: Rows,
  column: "grant_hash" | "type" | "service_name",
  values: readonly string[],
): Rows =>
  rows.where((eb) =>
    eb.exists(
      eb
        .selectFrom("fsc_grant as held")
        .select("held.hash")
        .whereRef("held.group_id", "=", "fsc_contract.group_id")
        .whereRef("held.hash", "=", "fsc_contract.hash")
        .where(`held.${column}`, "in", values),
    ),
  );

const withoutAccept = (rows: Rows, signer: PeerId): Rows =>
  rows.where((eb) =>
    eb.not(
      eb.exists(
        eb
          .selectFrom("fsc_signature as made")
          .select("made.hash")
          .whereRef("made.group_id", "=", "fsc_contract.group_id")
          .whereRef("made.hash", "=", "fsc_contract.hash")
          .where("made.signer", "=", signer)
          .where("made.type", "=", "accept"),
      ),
    ),
  );

// As `stateAt` has it: the second `not_after` is the last.
const inState = (rows: Rows, state: ContractState, now: number): Rows => {
  const today = Math.floor(now / 1000);
  switch (state) {
    case "PROPOSED":
      return rows.where("decision", "=", "PROPOSED").where("not_after", ">=", today);
    case "VALID":
      return rows.where("decision", "=", "ACCEPTED").where("not_after", ">=", today);
    case "EXPIRED":
      return rows.where("decision", "=", "ACCEPTED").where("not_after", "<", today);
    case "REVOKED":
      return rows.where("decision", "=", "REVOKED");
    case "REJECTED":
      return rows.where((eb) =>
        eb.or([
          eb("decision", "=", "REJECTED"),
          eb.and([eb("decision", "=", "PROPOSED"), eb("not_after", "<", today)]),
        ]),
      );
  }
};

const positionIn = (query: BookQuery): number | undefined => {
  const key = keyOfCursor(query);
  if (key === undefined) return undefined;
  const position = Number(key);
  if (Number.isSafeInteger(position) && String(position) === key) return position;
  throw new SchakelError("ERROR_CODE_REQUEST_INVALID", {
    detail: "cursor is not the next_cursor of an answer",
  });
};

interface Sized {
  readonly position: number;
  readonly size: number;
}

/** How many of the first contracts fit into a page: what others brought may be large, and is not read all at once. */
const fitting = (found: readonly Sized[], limit: number): number => {
  let content = 0;
  const end = found.findIndex(({ size }) => (content += size) > PAGE_CONTENT_MAX);
  return end === -1 ? limit : Math.min(limit, Math.max(1, end));
};

/** Reads contracts of one group. */
export class ContractList {
  constructor(
    private readonly db: FscDatabase,
    private readonly groupId: string,
    private readonly clock: Clock,
  ) {}

  #rows(): Rows {
    return this.db
      .selectFrom("fsc_contract")
      .selectAll("fsc_contract")
      .where("fsc_contract.group_id", "=", this.groupId);
  }

  /**
   * One page, in the order in which contracts were stored here; it has fewer than were asked for when they
   * would be too large together. Grant hashes go before the grant type; all other filters count together.
   *
   * @throws SchakelError ERROR_CODE_REQUEST_INVALID for a limit, cursor or number of hashes that is not allowed
   */
  async list(query: BookQuery): Promise<Page<StoredContract>> {
    const limit = checkLimit(query);
    const after = positionIn(query);
    checkNames("grant_hash", query.grantHashes);
    const now = this.clock.now();
    let rows = this.#rows();
    for (const peer of [query.peerId, query.party, query.waitingFor]) {
      if (peer !== undefined) rows = withParty(rows, peer);
    }
    if (query.waitingFor !== undefined) {
      rows = inState(withoutAccept(rows, query.waitingFor), "PROPOSED", now);
    }
    if (query.grantHashes.length > 0) rows = withGrant(rows, "grant_hash", query.grantHashes);
    else if (query.grantType !== undefined) rows = withGrant(rows, "type", [query.grantType]);
    if (query.serviceName !== undefined) {
      rows = withGrant(rows, "service_name", [query.serviceName]);
    }
    if (query.state !== undefined) rows = inState(rows, query.state, now);
    const rising = query.sortOrder === "ascending";
    if (after !== undefined) rows = rows.where("position", rising ? ">" : "<", after);
    const order = rising ? "asc" : "desc";
    const found = await rows
      .clearSelect()
      .select(["position", sql<number>`length(fsc_contract.content)`.as("size")])
      .orderBy("position", order)
      .limit(limit + 1)
      .execute();
    const fits = fitting(found, limit);
    const { items, nextCursor } = pageOf(found, fits, ({ position }) => String(position));
    return { items: await this.#at(items, order), nextCursor };
  }

  async #at(places: readonly Sized[], order: "asc" | "desc"): Promise<readonly StoredContract[]> {
    const positions = places.map(({ position }) => position);
    if (positions.length === 0) return [];
    const rows = this.#rows().where("position", "in", positions);
    return contractsOf(this.db, await rows.orderBy("position", order).execute());
  }

  /** The contract that a grant stands in, whatever its state is; undefined when there is none. */
  async findGrant(hash: GrantHash): Promise<FoundGrant | undefined> {
    const rows = await withGrant(this.#rows(), "grant_hash", [hash]).execute();
    const [contract] = await contractsOf(this.db, rows);
    const grant = contract?.grants.find((each) => each.hash === hash);
    return contract === undefined || grant === undefined ? undefined : { contract, grant };
  }

  /**
   * The contracts whose hash begins with a text, with or without its `$1$1$`; at most PREFIX_MATCHES_MAX.
   * None for a text that no hash begins with.
   */
  async findByPrefix(text: string): Promise<readonly StoredContract[]> {
    const from = (text.startsWith("$") ? text : `${PREFIX}${text}`) as ContentHash;
    if (!from.startsWith(PREFIX) || !/^[A-Za-z0-9_-]*$/.test(from.slice(PREFIX.length))) return [];
    // "~" comes after all characters of base64url.
    const rows = await this.#rows()
      .where("fsc_contract.hash", ">=", from)
      .where("fsc_contract.hash", "<", `${from}~`)
      .orderBy("fsc_contract.hash")
      .limit(PREFIX_MATCHES_MAX)
      .execute();
    return contractsOf(this.db, rows);
  }
}
