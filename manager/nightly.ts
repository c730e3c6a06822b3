// Every night our log is compared with that of each peer with which there were exchanges: by one process, spread in time.
import { createHash } from "node:crypto";
import type { Clock } from "../core/clock.js";
import type { Lifecycle } from "../core/lifecycle.js";
import type { Log } from "../core/log.js";
import type { PeerId, PeerIdRule } from "../core/names.js";
import { repeat } from "../core/retry.js";
import type { Lease } from "../core/lease.js";
import type { FscSchema } from "../fsc/schema.js";
import { readKept } from "../txlog/reconcile/kept-result.js";
import type { LogReader } from "../txlog/store/read-side.js";
import type { Reconciliation } from "./reconciliation.js";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** The night, in UTC: the comparisons begin within it. */
const NIGHT_BEGINS_MS = 0;
const NIGHT_MS = 4 * HOUR_MS;
/** How often it is looked what is due. */
const TURN_MS = 30_000;
/** After a comparison that failed, the next is tried so much later. */
const AGAIN_MS = HOUR_MS;
/** What the next comparison looks at once more: records may have come late. */
const OVERLAP_MS = DAY_MS;
/** Exchanges of the last minutes may still be on their way. */
const SETTLED_MS = 5 * 60_000;
/** Peers are compared with for so long after the last exchange, and looked up again after an hour. */
const PEERS_DAYS = 7;
const BACKOFF = { firstMs: 1_000, maxMs: 60_000 };

/** What it stands on. */
export interface NightlyParts {
  readonly own: PeerId;
  readonly peerIdRule: () => PeerIdRule;
  readonly reader: Pick<LogReader, "peersWith" | "reconciliations">;
  readonly reconciliation: Reconciliation;
  /** Held for as long as comparisons are this process's. */
  readonly lease: Pick<Lease<FscSchema>, "hold" | "release">;
  readonly clock: Clock;
  readonly log: Log;
}

/** When in a night the comparison of one pair begins, in milliseconds: another one for each pair. */
export const slotOf = (own: string, peer: string): number => {
  const digest = createHash("sha256").update(`${own} ${peer}`).digest();
  return NIGHT_BEGINS_MS + Math.floor((digest.readUInt32BE(0) / 2 ** 32) * NIGHT_MS);
};

/** The last moment, not after now, at which the comparison of a pair was due. */
export const dueAt = (slot: number, now: number): number => {
  const today = Math.floor(now / DAY_MS) * DAY_MS + slot;
  return today <= now ? today : today - DAY_MS;
};

/** Compares every night. */
export class Nightly {
  #peers: { readonly at: number; readonly ids: readonly PeerId[] } = {
    at: Number.NEGATIVE_INFINITY,
    ids: [],
  };
  readonly #failedAt = new Map<PeerId, number>();
  readonly #differing = new Map<PeerId, string>();

  constructor(private readonly parts: NightlyParts) {}

  /** What the last comparison with each peer found, a sentence for each that differs. */
  differing(): readonly string[] {
    return [...this.#differing.values()];
  }

  /** Begins; ends with the life cycle. */
  start(lifecycle: Lifecycle): void {
    const { log } = this.parts;
    const loop = repeat(lifecycle.signal, {
      turn: async (signal) => {
        await this.turn(signal);
        return TURN_MS;
      },
      failed: (error) => log.warn({ err: error }, "the nightly comparisons are tried again"),
      backoff: BACKOFF,
    });
    lifecycle.onStop("nightly comparisons", async () => {
      await loop;
      await this.parts.lease.release();
    });
  }

  /** Compares with every peer that is due now, one after the other. */
  async turn(signal: AbortSignal): Promise<void> {
    const { lease, clock } = this.parts;
    if ((await lease.hold()).token === undefined) return;
    const now = clock.now();
    for (const peer of await this.#peersAt(now)) {
      if (signal.aborted) return;
      if (await this.#isDue(peer, now)) await this.#compare(peer);
      if ((await lease.hold()).token === undefined) return;
    }
  }

  async #peersAt(now: number): Promise<readonly PeerId[]> {
    const { reader, own, peerIdRule } = this.parts;
    if (now - this.#peers.at < HOUR_MS && now >= this.#peers.at) return this.#peers.ids;
    const names = await reader.peersWith({ fromMs: now - PEERS_DAYS * DAY_MS, toMs: now });
    const ids = names.map((name) => peerIdRule()(name)).filter((id) => id !== undefined);
    this.#peers = { at: now, ids: ids.filter((id) => id !== own) };
    return this.#peers.ids;
  }

  async #isDue(peer: PeerId, now: number): Promise<boolean> {
    const failedAt = this.#failedAt.get(peer);
    if (failedAt !== undefined && now - failedAt < AGAIN_MS) return false;
    const last = await this.#last(peer);
    return last === undefined || last.madeAtMs < dueAt(slotOf(this.parts.own, peer), now);
  }

  async #last(
    peer: PeerId,
  ): Promise<{ readonly madeAtMs: number; readonly toMs: number } | undefined> {
    const { results } = await this.parts.reader.reconciliations(peer, { limit: 100 });
    // Those that the other side made have proven none of our receipts.
    return results.find(({ result }) => readKept(result).isOurs);
  }

  async #compare(peer: PeerId): Promise<void> {
    const { reconciliation, clock, log } = this.parts;
    const last = await this.#last(peer);
    const fromMs = Math.max(0, (last?.toMs ?? OVERLAP_MS) - OVERLAP_MS);
    const toMs = clock.now() - SETTLED_MS;
    try {
      const { differences, truncated, receiptsProven } = await reconciliation.run(peer, {
        fromMs,
        toMs,
      });
      this.#failedAt.delete(peer);
      const count = `${String(differences.length)}${truncated ? " and more" : ""}`;
      log.info({ peer, differences: count, receiptsProven }, "the nightly comparison is done");
      if (differences.length === 0) this.#differing.delete(peer);
      else
        this.#differing.set(peer, `our log and that of peer ${peer} differ in ${count} exchanges`);
    } catch (error) {
      this.#failedAt.set(peer, clock.now());
      log.warn({ err: error, peer }, "the nightly comparison with a peer failed");
    }
  }
}
