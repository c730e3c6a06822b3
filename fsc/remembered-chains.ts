// The chains of other peers by which revocation lists are found: bounded, since others bring them.
import type { X509Certificate } from "node:crypto";
import { listAddressesOf } from "../certs/attributed-list.js";

/** How many chains of other peers are remembered. */
export const CHAINS_MAX = 100;

interface Remembered {
  readonly chain: readonly X509Certificate[];
  /** Who issued it, below the anchor; empty where the anchor itself did. */
  readonly issuers: string;
}

/** Chains, one for each issuer and its own addresses of lists, the one noted longest ago first. */
export class RememberedChains {
  readonly #chains = new Map<string, Remembered>();

  /** The chains, each the peer's certificate first, without the anchor. */
  all(): readonly (readonly X509Certificate[])[] {
    return [...this.#chains.values()].map(({ chain }) => chain);
  }

  /**
   * Notes a chain. When there are too many, the oldest whose issuers another chain has too makes room; when there
   * is none, the oldest that an anchor did not issue itself.
   *
   * @returns whether it is one that was not known and is now
   */
  note(chain: readonly X509Certificate[]): boolean {
    const issuers = chain
      .slice(1)
      .map(({ fingerprint256 }) => fingerprint256)
      .join(" ");
    const key = [issuers, ...listAddressesOf(chain)].join(" ");
    const known = this.#chains.get(key);
    if (known === undefined && this.#chains.size >= CHAINS_MAX && !this.#makeRoom()) return false;
    this.#chains.delete(key);
    this.#chains.set(key, known ?? { chain, issuers });
    return known === undefined;
  }

  #makeRoom(): boolean {
    const all = [...this.#chains];
    const by = Map.groupBy(all, ([, { issuers }]) => issuers);
    const [oldest] =
      all.find(([, { issuers }]) => (by.get(issuers)?.length ?? 0) > 1) ??
      all.find(([, { issuers }]) => issuers !== "") ??
      [];
    return oldest !== undefined && this.#chains.delete(oldest);
  }
}
