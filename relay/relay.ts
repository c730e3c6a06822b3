// Moves HTTP exchanges from client connections to targets, strictly and streaming.
import type { Duplex } from "node:stream";
import { ClientConnection } from "./client-connection.js";
import type { ExchangeHandler } from "./exchange.js";
import { Http2Server } from "./http2-server.js";
import type { RelayLimits } from "./limits.js";
import { LinkServer } from "./link-server.js";
import { Pool } from "./pool.js";
import { Undecided } from "./preface.js";
import type { Served, ServedConnection } from "./serve.js";

export { RELAY_LIMITS, type RelayLimits } from "./limits.js";

const SWEEP_MS_MAX = 1_000;

/** A connection, with what its owner knows of the client. */
type Owned<C> = ServedConnection & { readonly context: C };

/**
 * Serves the connections it is given. Each exchange goes to the handler; the exchanges of one connection
 * one after the other, those of different connections at once.
 */
export class Relay<C> {
  readonly #connections = new Map<Duplex, Owned<C>>();
  readonly #pool: Pool;
  readonly #served: Served<C>;
  readonly #sweeper: NodeJS.Timeout;
  #exchanges = 0;
  #draining = false;
  #drained: () => void = () => undefined;

  constructor(handler: ExchangeHandler<C>, limits: RelayLimits) {
    this.#pool = new Pool(limits);
    this.#served = {
      handler,
      limits,
      pool: this.#pool,
      draining: () => this.#draining,
      began: () => (this.#exchanges += 1),
      ended: () => (this.#exchanges -= 1),
    };
    const sweepMs = Math.min(SWEEP_MS_MAX, Math.ceil(limits.headTimeoutMs / 4));
    this.#sweeper = setInterval(() => this.#sweep(), sweepMs).unref();
  }

  /** Open connections of clients. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Exchanges that are running. */
  get exchanges(): number {
    return this.#exchanges;
  }

  /** Takes over a connection: TCP, or TLS after the handshake. The relay ends it; nobody else may read or write it. */
  accept(socket: Duplex, context: C): void {
    this.#take(socket, (closed) => new ClientConnection(socket, context, this.#served, closed));
  }

  /** Takes over a connection that speaks the link (docs/link.md), as `accept` does; its exchanges run at once. */
  acceptLink(socket: Duplex, context: C): void {
    this.#take(socket, (closed) => new LinkServer(socket, context, this.#served, closed));
  }

  /** Takes over a connection that speaks HTTP/2, as `accept` does; its exchanges run at once. */
  acceptHttp2(socket: Duplex, context: C): void {
    this.#take(socket, (closed) => new Http2Server(socket, context, this.#served, closed));
  }

  /** Takes over a connection that speaks HTTP/1.1 or, as its first octets show, HTTP/2. */
  acceptEither(socket: Duplex, context: C): void {
    const { limits } = this.#served;
    this.#take(socket, (closed) => {
      const http1 = (): ServedConnection =>
        new ClientConnection(socket, context, this.#served, closed);
      const http2 = (): ServedConnection => new Http2Server(socket, context, this.#served, closed);
      return new Undecided(socket, context, { http1, http2, closed }, limits);
    });
  }

  /** Ends the connections of the clients that match, now; the exchanges that run on them end as `client-aborted`. */
  endConnections(where: (context: C) => boolean): void {
    for (const connection of [...this.#connections.values()]) {
      if (where(connection.context)) connection.destroy();
    }
  }

  /** Ends the pooled connections whose target key matches; exchanges that run over such a connection finish first. */
  dropTargets(predicate: (key: string) => boolean): void {
    this.#pool.drop(predicate);
  }

  /** Takes no more exchanges, lets the running ones finish within `drainMs`, then cuts what is left. Resolves when every connection is closed. */
  async close(drainMs: number): Promise<void> {
    this.#draining = true;
    clearInterval(this.#sweeper);
    if (this.#connections.size > 0) {
      const drained = new Promise<void>((resolve) => (this.#drained = resolve));
      const timer = setTimeout(() => {
        for (const connection of this.#connections.values()) connection.destroy();
      }, drainMs);
      for (const connection of this.#connections.values()) connection.drain();
      await drained;
      clearTimeout(timer);
    }
    this.#pool.close();
  }

  #take(socket: Duplex, serve: (closed: () => void) => Owned<C>): void {
    if (this.#draining) {
      socket.on("error", () => undefined);
      socket.destroy();
      return;
    }
    const closed = (): void => {
      this.#connections.delete(socket);
      if (this.#connections.size === 0) this.#drained();
    };
    this.#connections.set(socket, serve(closed));
  }

  #sweep(): void {
    const now = performance.now();
    for (const connection of this.#connections.values()) connection.sweep(now);
    this.#pool.sweep(now);
  }
}
