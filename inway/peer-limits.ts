// What one peer may have of the inway at once, so that one that takes all leaves something for the others.
import { Counter, type Registry } from "prom-client";
import { SchakelError } from "../core/errors.js";
import type { PeerId } from "../core/names.js";

/** To be called once, when what was counted has ended. */
export type Leave = () => void;

/** How much one peer may have. */
export interface PeerMaxima {
  readonly connectionsPerPeerMax: number;
  readonly exchangesPerPeerMax: number;
}

class Counts {
  readonly #counts = new Map<PeerId, number>();

  constructor(private readonly max: number) {}

  /** Counts one more; undefined when the peer has as many as it may. */
  enter(peer: PeerId): Leave | undefined {
    const count = this.#counts.get(peer) ?? 0;
    if (count >= this.max) return undefined;
    this.#counts.set(peer, count + 1);
    return () => {
      const left = (this.#counts.get(peer) ?? 0) - 1;
      if (left > 0) this.#counts.set(peer, left);
      else this.#counts.delete(peer);
    };
  }
}

/** Counts the connections and exchanges of each peer; of one that has none nothing is kept. */
export class PeerLimits {
  readonly #connections: Counts;
  readonly #exchanges: Counts;
  readonly #refused: Counter<"of">;

  constructor(
    private readonly maxima: PeerMaxima,
    registry: Registry,
  ) {
    this.#connections = new Counts(maxima.connectionsPerPeerMax);
    this.#exchanges = new Counts(maxima.exchangesPerPeerMax);
    this.#refused = new Counter({
      name: "schakel_peer_limit_refusals_total",
      help: "Connections and exchanges that were refused because their peer had as many as it may",
      labelNames: ["of"],
      registers: [registry],
    });
  }

  /** Counts a connection of a peer; undefined when it has as many as it may. */
  connection(peer: PeerId): Leave | undefined {
    const leave = this.#connections.enter(peer);
    if (leave === undefined) this.#refused.inc({ of: "connections" });
    return leave;
  }

  /**
   * Counts an exchange of a peer.
   *
   * @throws SchakelError ERROR_CODE_OVERLOADED when as many as it may have run already
   */
  exchange(peer: PeerId): Leave {
    const leave = this.#exchanges.enter(peer);
    if (leave !== undefined) return leave;
    this.#refused.inc({ of: "exchanges" });
    throw new SchakelError("ERROR_CODE_OVERLOADED", {
      detail: `of peer ${peer}, which may have ${String(this.maxima.exchangesPerPeerMax)} here`,
    });
  }
}
