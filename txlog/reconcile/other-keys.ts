// The keys of other organisations' logs: what they say of them, believed as far as their certificates bear it.
import type { X509Certificate } from "node:crypto";
import type { Group } from "../../certs/group.js";
import type { Clock } from "../../core/clock.js";
import type { PeerId } from "../../core/names.js";
import { logOrigin, requireEpoch } from "../tree/checkpoint.js";
import {
  KeyStatementError,
  verifyKeyStatement,
  type VerifiedKeyStatement,
} from "../tree/key-statement.js";
import { LogFault } from "../tree/log-fault.js";
import type { Verifier } from "../tree/note.js";

/** How long statements are believed before they are fetched again. */
const KEPT_MS = 60_000;

/** How many peers' statements are kept. */
const PEERS_MAX = 1000;

/** What a peer says of its keys: statements, and the certificates that may have signed them with their issuers. */
export interface FetchedKeys {
  readonly statements: readonly string[];
  readonly certificates: readonly X509Certificate[];
}

/** What the keys stand on. */
export interface OtherKeysParts {
  readonly groups: { readonly current: Group };
  /** Asks a peer's manager. */
  readonly fetch: (peer: PeerId) => Promise<FetchedKeys>;
  readonly clock: Clock;
}

interface Kept {
  readonly at: number;
  readonly statements: Promise<readonly VerifiedKeyStatement[]>;
}

/**
 * The peer whose log has an origin, in this group; undefined when it is none of a peer's log.
 *
 * @throws NoteError (`malformed`) for an epoch that is not admitted: whoever could name any would have all of them kept
 */
export const peerOfOrigin = (origin: string, group: Group): PeerId | undefined => {
  const [, , peer = ""] = origin.split("/");
  const peerId = group.peerIdRule(peer.replaceAll("%2B", "+").replaceAll("%25", "%"));
  if (peerId === undefined) return undefined;
  const first = logOrigin(group.id, peerId);
  const epoch = Number(origin.slice(first.length + 1));
  const isLater = Number.isSafeInteger(epoch) && epoch > 1;
  const isIts = origin === first || (isLater && origin === logOrigin(group.id, peerId, epoch));
  if (!isIts) return undefined;
  requireEpoch(origin, first);
  return peerId;
};

/** Fetches and verifies the statements of other peers about their keys. */
export class OtherKeys {
  readonly #kept = new Map<PeerId, Kept>();

  constructor(private readonly parts: OtherKeysParts) {}

  /**
   * The keys with which a peer signs its log now, or with which it witnesses others'. Keys that it has replaced are not
   * among them: whoever got hold of one could sign a checkpoint of today.
   *
   * @throws LogFault `key-statement-wrong` when it states none that can be believed; what `fetch` rejects with
   */
  async of(peer: PeerId, use: "log" | "witness"): Promise<readonly Verifier[]> {
    const statements = await this.#statements(peer);
    const replaced = new Set(statements.map(({ previousVkey }) => previousVkey));
    const found = statements
      .filter((each) => each.use === use && !replaced.has(each.vkey))
      .map(({ verifier }) => verifier);
    if (found.length > 0) return found;
    const what = use === "log" ? "of its log" : "with which it witnesses";
    throw new LogFault("key-statement-wrong", `peer ${peer} states no key ${what}`);
  }

  /** All statements of a peer that can be believed. @throws as `of` does */
  stated(peer: PeerId): Promise<readonly VerifiedKeyStatement[]> {
    return this.#statements(peer);
  }

  /** Has what is kept of a peer fetched again the next time. */
  forget(peer: PeerId): void {
    this.#kept.delete(peer);
  }

  #statements(peer: PeerId): Promise<readonly VerifiedKeyStatement[]> {
    const now = this.parts.clock.monotonic();
    const known = this.#kept.get(peer);
    if (known !== undefined && now - known.at < KEPT_MS) return known.statements;
    const statements = this.#fetch(peer);
    this.#kept.delete(peer);
    this.#kept.set(peer, { at: now, statements });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > PEERS_MAX && oldest !== undefined) this.#kept.delete(oldest);
    // What failed is asked again the next time.
    statements.catch(() => this.#kept.delete(peer));
    return statements;
  }

  async #fetch(peer: PeerId): Promise<readonly VerifiedKeyStatement[]> {
    const { statements, certificates } = await this.parts.fetch(peer);
    const trust = { group: this.parts.groups.current, certificates };
    const verified: VerifiedKeyStatement[] = [];
    let refused: KeyStatementError | undefined;
    for (const statement of statements) {
      try {
        const found = await verifyKeyStatement(statement, trust);
        if (found.peerId === peer) verified.push(found);
      } catch (error) {
        if (!(error instanceof KeyStatementError)) throw error;
        refused ??= error;
      }
    }
    if (verified.length > 0 || refused === undefined) return verified;
    throw new LogFault("key-statement-wrong", refused.message);
  }
}
