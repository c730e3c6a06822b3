// HTTP/2 connections to targets: few for each, shared by all exchanges.
import type { ClientHttp2Session } from "node:http2";
import type { Duplex } from "node:stream";
import { http2Over } from "../core/dial.js";
import { ForwardError, type Target } from "./exchange.js";
import { CONNECTION_WINDOW, sessionOptions, STREAMS_MAX } from "./http2-limits.js";
import { Http2Target } from "./http2-target.js";
import type { RelayLimits } from "./limits.js";

/** How a connection is made, within the target's time. */
type Connect = (target: Target, signal: AbortSignal) => Promise<Duplex>;

interface Kept {
  readonly session: ClientHttp2Session;
  /** Exchanges that have their place on it now, and that had one. */
  streams: number;
  opened: number;
  quietSince: number;
  /** Takes no more exchanges. */
  draining: boolean;
}

/** The connections of one relay. */
export class Http2Pool {
  /** By the target's key; of a target without connections nothing is kept. */
  readonly #kept = new Map<string, Set<Kept>>();

  constructor(
    private readonly limits: RelayLimits,
    private readonly connect: Connect,
  ) {}

  /** A connection to the target with room for an exchange; undefined when there is none. */
  idle(target: Target): Http2Target | undefined {
    for (const kept of this.#kept.get(target.key) ?? []) {
      if (roomOf(kept) > 0) return this.#lease(kept);
    }
    return undefined;
  }

  /**
   * A new connection to the target for an exchange; the socket itself when it does not speak HTTP/2.
   *
   * @throws ForwardError connect, connect-timeout, or client-aborted when the signal aborts
   */
  async reach(target: Target, signal: AbortSignal): Promise<Http2Target | Duplex> {
    const socket = await this.connect(target, signal);
    if (target.isHttp2?.(socket) !== true) return socket;
    if (socket.destroyed) throw new ForwardError("connect", { nothingSent: true });
    return this.#lease(this.#adopt(target.key, socket));
  }

  /** Looks at the clock: ends connections that have been idle for as long as they are kept. */
  sweep(now: number): void {
    for (const kept of this.#all()) {
      if (kept.streams === 0 && now - kept.quietSince > this.limits.pooledIdleMs) {
        kept.session.destroy();
      }
    }
  }

  /** Lets no more exchanges on the connections to the targets that match; those that run finish. */
  drop(predicate: (key: string) => boolean): void {
    for (const [key, group] of this.#kept) if (predicate(key)) group.forEach(drain);
  }

  /** Ends all connections now. */
  destroy(): void {
    for (const { session } of this.#all()) session.destroy();
  }

  #all(): Kept[] {
    return [...this.#kept.values()].flatMap((group) => [...group]);
  }

  #adopt(key: string, socket: Duplex): Kept {
    const session = http2Over(socket, sessionOptions(this.limits));
    const quietSince = performance.now();
    const kept: Kept = { session, streams: 0, opened: 0, quietSince, draining: false };
    const group = this.#kept.get(key) ?? new Set<Kept>();
    this.#kept.set(key, group.add(kept));
    session.on("error", () => undefined);
    session.on("goaway", () => drain(kept));
    session.on("close", () => {
      group.delete(kept);
      if (group.size === 0 && this.#kept.get(key) === group) this.#kept.delete(key);
    });
    session.once("connect", () => session.setLocalWindowSize(CONNECTION_WINDOW));
    return kept;
  }

  #lease(kept: Kept): Http2Target {
    let isLeft = false;
    const reused = kept.opened > 0;
    kept.streams += 1;
    kept.opened += 1;
    return new Http2Target(kept.session, reused, this.limits, () => {
      if (isLeft) return;
      isLeft = true;
      kept.streams -= 1;
      kept.quietSince = performance.now();
    });
  }
}

const roomOf = ({ session, draining, streams }: Kept): number => {
  if (draining || session.closed || session.destroyed) return 0;
  const theirs = session.connecting
    ? STREAMS_MAX
    : (session.remoteSettings.maxConcurrentStreams ?? STREAMS_MAX);
  return Math.min(STREAMS_MAX, theirs) - streams;
};

const drain = (kept: Kept): void => {
  kept.draining = true;
  if (!kept.session.closed) kept.session.close();
};
