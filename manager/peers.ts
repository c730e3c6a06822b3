// The other peers of the group as our manager comes to know them: it announces itself to the directories and
// asks them who there is, regularly and when somebody names a peer that is not known.
import type { Kysely } from "kysely";
import type { GroupSource } from "../certs/group.js";
import type { PeerIdentity } from "../certs/identity.js";
import { ContractRefusal } from "../contracts/refusal.js";
import { shown } from "../contracts/shown-text.js";
import type { Clock } from "../core/clock.js";
import { SchakelError } from "../core/errors.js";
import type { Lifecycle } from "../core/lifecycle.js";
import type { Log } from "../core/log.js";
import type { PeerId } from "../core/names.js";
import { repeat } from "../core/retry.js";
import type { ManagerClient, ManagerEndpoint, PageQuery } from "../fsc/manager-interface.js";
import type { PeerBook } from "../fsc/peer-book.js";
import type { ManagerSchema } from "./schema.js";

const PAGE_SIZE = 1000;
/** How many pages of a directory's peers are read at most. */
const PAGES_MAX = 100;
/** How long after a look-up in the directories the next one is made. */
const REFRESH_MIN_MS = 2_000;
/** How long a peer's version and presence are believed. */
const DESCRIPTION_MS = 3_600_000;
const RETRY_FIRST_MS = 1_000;
const VERSION_MAX = 50;

const FIRST_PAGE: PageQuery = { cursor: undefined, limit: PAGE_SIZE, sortOrder: "ascending" };

/** What is known of a peer beside its name and address. */
export interface PeerPresence {
  /** Milliseconds since 1970; 0 for never. */
  readonly seenAt: number;
  /** Empty when it has not said. */
  readonly fscVersion: string;
}

/** What the peers stand on. */
export interface PeersParts {
  readonly groups: GroupSource;
  /** Our own peer. */
  readonly own: PeerId;
  readonly book: PeerBook;
  readonly client: ManagerClient;
  readonly db: Kysely<ManagerSchema>;
  readonly clock: Clock;
  readonly log: Log;
  /** How often the directories are told and asked, in milliseconds. */
  readonly intervalMs: number;
}

const ABSENT: PeerPresence = { seenAt: 0, fscVersion: "" };

/** Knows and finds peers. */
export class Peers {
  readonly #with: PeersParts;
  #refreshing: Promise<readonly unknown[]> | undefined;
  #refreshedAt = Number.NEGATIVE_INFINITY;
  readonly #seen = new Map<PeerId, PeerPresence>();
  readonly #describing = new Set<PeerId>();

  constructor(parts: PeersParts) {
    this.#with = parts;
  }

  /** Announces our manager and learns of others until the process stops. */
  start(lifecycle: Lifecycle): void {
    const { log, intervalMs } = this.#with;
    const loop = repeat(lifecycle.signal, {
      turn: async () => {
        const failures = await this.#tour((directory) => this.#visit(directory));
        if (failures.length > 0) throw failures[0];
        return intervalMs;
      },
      failed: (error, failed, waitMs) =>
        log.warn({ err: error, failed, waitMs }, "a directory could not be told our address"),
      backoff: { firstMs: RETRY_FIRST_MS, maxMs: intervalMs },
    });
    lifecycle.onStop("peers", () => loop);
  }

  /**
   * Resolves when a peer is known; asks the directories when it is not.
   *
   * @throws SchakelError ERROR_CODE_PEER_NOT_FOUND
   */
  async find(id: PeerId): Promise<void> {
    if (await this.#isKnown(id)) return;
    const failures = await this.#refresh();
    if (await this.#isKnown(id)) return;
    const [failure] = failures;
    const reason = failure instanceof Error ? `: ${shown(failure.message, 300)}` : "";
    const { items } = await this.#with.book.list({
      ...{ ...FIRST_PAGE, limit: 10 },
      ...{ nameContains: undefined, peerIds: [] },
    });
    throw new SchakelError("ERROR_CODE_PEER_NOT_FOUND", {
      detail:
        failures.length === 0
          ? `${shown(id, 255)} has announced itself to no directory of the group`
          : `${shown(id, 255)} is not known, and a directory could not be asked${reason}`,
      choices: items.map((peer) => peer.id),
    });
  }

  /** Looks in the directories for those that are not known: what waits for them is delivered then. Never fails. */
  async meet(ids: Iterable<PeerId>): Promise<void> {
    const { book, log, own } = this.#with;
    try {
      for (const id of ids)
        if (id !== own && (await book.addressOf(id)) === undefined) await this.#refresh();
    } catch (error) {
      log.warn({ err: error }, "the parties of a contract are not looked for");
    }
  }

  /** Takes note that a peer's manager answered or called. */
  async seen(id: PeerId, fscVersion?: string): Promise<void> {
    const before = await this.presence(id);
    const now = this.#with.clock.now();
    const version = fscVersion === undefined ? before.fscVersion : shown(fscVersion, VERSION_MAX);
    // Presence is for people: once in ten seconds is enough.
    if (version === before.fscVersion && now - before.seenAt < 10_000) return;
    this.#seen.set(id, { seenAt: now, fscVersion: version });
    const values = { seen_at_ms: now, fsc_version: version };
    await this.#with.db
      .insertInto("manager_peer")
      .values({ group_id: this.#groupId, peer_id: id, ...values })
      .onConflict((conflict) => conflict.columns(["group_id", "peer_id"]).doUpdateSet(values))
      .execute();
  }

  /** When a peer was last there and what it speaks. */
  async presence(id: PeerId): Promise<PeerPresence> {
    const known = this.#seen.get(id);
    if (known !== undefined) return known;
    const row = await this.#with.db
      .selectFrom("manager_peer")
      .select(["seen_at_ms", "fsc_version"])
      .where("group_id", "=", this.#groupId)
      .where("peer_id", "=", id)
      .executeTakeFirst();
    const presence =
      row === undefined ? ABSENT : { seenAt: row.seen_at_ms, fscVersion: row.fsc_version };
    this.#seen.set(id, presence);
    return presence;
  }

  /** Asks a peer for its name and version, in the background, unless it has said lately. Never fails. */
  describe(id: PeerId): void {
    if (id === this.#with.own || this.#describing.has(id)) return;
    this.#describing.add(id);
    this.#ask(id)
      .catch((error: unknown) =>
        this.#with.log.info(
          { err: error, peer: id },
          "a peer's manager could not be asked who it is",
        ),
      )
      .finally(() => this.#describing.delete(id));
  }

  /** Keeps, for the screens, what of a known peer's contracts or signatures was refused. Never fails. */
  noteRefusal({ peerId: id }: PeerIdentity, error: SchakelError): void {
    if (!(error instanceof ContractRefusal)) return;
    const { book, log } = this.#with;
    book
      .noteRefusal(id, `${error.code}: ${error.detail}`)
      .catch((failure: unknown) => log.warn({ err: failure, peer: id }, "a refusal is not kept"));
  }

  get #groupId(): string {
    return this.#with.groups.current.id;
  }

  async #ask(id: PeerId): Promise<void> {
    const { book, client, clock } = this.#with;
    const { seenAt, fscVersion } = await this.presence(id);
    if (fscVersion !== "" && clock.now() - seenAt < DESCRIPTION_MS) return;
    const address = await book.addressOf(id);
    if (address === undefined) return;
    const description = await client.peer({ peerId: id, address });
    await this.seen(id, description.fscVersion);
  }

  async #isKnown(id: PeerId): Promise<boolean> {
    const known = id === this.#with.own || (await this.#with.book.addressOf(id)) !== undefined;
    if (known) this.describe(id);
    return known;
  }

  async #visit(directory: ManagerEndpoint): Promise<void> {
    await this.#with.client.announce(directory);
    await this.seen(directory.peerId);
    await this.#learn(directory);
  }

  async #learn(directory: ManagerEndpoint): Promise<void> {
    const { book, client, own } = this.#with;
    let cursor: string | undefined;
    for (let page = 0; page < PAGES_MAX; page++) {
      const query = { ...FIRST_PAGE, cursor, nameContains: undefined, peerIds: [] };
      const { items, nextCursor } = await client.peers(directory, query);
      for (const peer of items) if (peer.id !== own) await book.note(peer);
      if (nextCursor === undefined) return;
      cursor = nextCursor;
    }
  }

  /** Goes to every directory but ourselves. Resolves with what failed. */
  async #tour(visit: (directory: ManagerEndpoint) => Promise<void>): Promise<readonly unknown[]> {
    const { groups, own } = this.#with;
    const others = groups.current.directories.filter(({ peerId }) => peerId !== own);
    const results = await Promise.allSettled(others.map(visit));
    return results.flatMap((each) => (each.status === "rejected" ? [each.reason as unknown] : []));
  }

  /** Asks every directory; calls at the same time, or soon after one that found all, share one tour. */
  #refresh(): Promise<readonly unknown[]> {
    const now = this.#with.clock.monotonic();
    if (this.#refreshing !== undefined) return this.#refreshing;
    if (now - this.#refreshedAt < REFRESH_MIN_MS) return Promise.resolve([]);
    this.#refreshing = this.#tour((directory) => this.#learn(directory)).finally(() => {
      this.#refreshedAt = this.#with.clock.monotonic();
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }
}
