// Which inway of a service is tried first: those the directory saw up, then those we found fast and
// sound ourselves.
import { formatAddress, type Address } from "../core/address.js";
import type { Clock } from "../core/clock.js";

/** An inway as far as picking is concerned. */
export interface Candidate {
  readonly address: Address;
  readonly health: "up" | "down" | "unknown";
}

interface Seen {
  /** Time to connect, exponentially weighted, in milliseconds. */
  readonly latencyMs: number;
  /** When the last failure was, on the monotonic clock; far in the past when there was none. */
  readonly failedAt: number;
}

/** How long an inway that failed is tried after all others. */
const SHUN_MS = 5_000;
/** Weight of the newest measurement. */
const WEIGHT = 0.2;
const INWAYS_MAX = 10_000;
const UNSEEN: Seen = { latencyMs: 0, failedAt: -Infinity };

/** Remembers how the inways did, per address. The directory's word only ranks: it never chooses an identity. */
export class InwayPicker {
  readonly #seen = new Map<string, Seen>();

  constructor(private readonly clock: Clock) {}

  /** The inways, best first. Those that the directory saw down come last: the provider says that they are there. */
  rank<C extends Candidate>(candidates: readonly C[]): C[] {
    if (candidates.length < 2) return [...candidates];
    const now = this.clock.monotonic();
    const ranked = candidates.map((candidate) => {
      const seen = this.#seen.get(formatAddress(candidate.address)) ?? UNSEEN;
      return { candidate, shunned: now - seen.failedAt < SHUN_MS, latencyMs: seen.latencyMs };
    });
    ranked.sort(
      (a, b) =>
        Number(a.candidate.health === "down") - Number(b.candidate.health === "down") ||
        Number(a.shunned) - Number(b.shunned) ||
        Number(a.candidate.health === "unknown") - Number(b.candidate.health === "unknown") ||
        a.latencyMs - b.latencyMs,
    );
    return ranked.map(({ candidate }) => candidate);
  }

  /** Notes that a connection was made, and how long that took. */
  connected(address: Address, latencyMs: number): void {
    const before = this.#seen.get(formatAddress(address));
    const weighted =
      before === undefined ? latencyMs : before.latencyMs * (1 - WEIGHT) + latencyMs * WEIGHT;
    this.#note(address, { latencyMs: weighted, failedAt: -Infinity });
  }

  /** Notes that an inway could not be reached. */
  failed(address: Address): void {
    const { latencyMs } = this.#seen.get(formatAddress(address)) ?? UNSEEN;
    this.#note(address, { latencyMs, failedAt: this.clock.monotonic() });
  }

  #note(address: Address, seen: Seen): void {
    if (this.#seen.size >= INWAYS_MAX) this.#seen.clear();
    this.#seen.set(formatAddress(address), seen);
  }
}
