// Connections to targets: made on demand, kept idle for a while after an exchange that ended cleanly, and
// given up at the first byte that nobody asked for.
import type { Duplex } from "node:stream";
import { ForwardError, type Target } from "./exchange.js";
import { Http2Pool } from "./http2-pool.js";
import { Http2Target } from "./http2-target.js";
import type { RelayLimits } from "./limits.js";
import { LinkPool } from "./link-pool.js";
import { LinkTarget } from "./link-target.js";
import { TargetConnection, type TargetSide } from "./target-connection.js";

/** The connections of one relay. */
export class Pool {
  readonly #idle = new Map<string, TargetConnection[]>();
  readonly #all = new Set<TargetConnection>();
  readonly #hooks = {
    released: (connection: TargetConnection): void => this.#release(connection),
    closed: (connection: TargetConnection): void => this.#forget(connection),
  };

  readonly #links: LinkPool;
  readonly #http2: Http2Pool;

  constructor(private readonly limits: RelayLimits) {
    this.#links = new LinkPool(limits, connectWithin);
    this.#http2 = new Http2Pool(limits, connectWithin);
  }

  /** A link with room or an idle connection for one exchange; undefined when there is none. */
  idle(target: Target): TargetSide | undefined {
    if (target.isHttp2 !== undefined) {
      return this.#http2.idle(target) ?? this.#idleConnection(target.key);
    }
    return target.isLink === undefined
      ? this.#idleConnection(target.key)
      : (this.#links.idle(target) ?? this.#idleConnection(target.key));
  }

  #idleConnection(key: string): TargetConnection | undefined {
    const idle = this.#idle.get(key);
    if (idle === undefined) return undefined;
    const now = performance.now();
    for (let next = idle.pop(); next !== undefined; next = idle.pop()) {
      if (next.usable && next.idleUntil > now) return next;
      next.destroy();
    }
    return undefined;
  }

  /** Looks at the clock: ends the connections that have been idle for as long as they are kept. */
  sweep(now: number): void {
    this.#links.sweep(now);
    this.#http2.sweep(now);
    for (const idle of this.#idle.values()) {
      for (const connection of [...idle]) if (connection.idleUntil <= now) connection.destroy();
    }
  }

  /**
   * A new connection for one exchange, or a link with room for it.
   *
   * @throws ForwardError connect, connect-timeout, or client-aborted when the signal aborts
   */
  async connect(target: Target, signal: AbortSignal): Promise<TargetSide> {
    const socket = await this.#reach(target, signal);
    if (socket instanceof LinkTarget || socket instanceof Http2Target) return socket;
    const connection = new TargetConnection(target.key, socket, this.limits, this.#hooks);
    this.#all.add(connection);
    return connection;
  }

  #reach(target: Target, signal: AbortSignal): Promise<LinkTarget | Http2Target | Duplex> {
    if (target.isHttp2 !== undefined) return this.#http2.reach(target, signal);
    return target.isLink === undefined
      ? connectWithin(target, signal)
      : this.#links.reach(target, signal);
  }

  /** Ends everything that is idle. */
  close(): void {
    this.drop(() => true);
    this.#links.destroy();
    this.#http2.destroy();
  }

  /** Ends the idle connections to the targets that match; those in use end after their exchange. */
  drop(predicate: (key: string) => boolean): void {
    this.#links.drop(predicate);
    this.#http2.drop(predicate);
    for (const connection of this.#all) {
      if (!predicate(connection.key)) continue;
      connection.poolable = false;
      if (this.#idle.get(connection.key)?.includes(connection) === true) connection.destroy();
    }
  }

  /** Takes a connection back after an exchange that was complete. */
  #release(connection: TargetConnection): void {
    const { socket, key } = connection;
    const idle = this.#idle.get(key) ?? [];
    const keptMs = Math.min(connection.keptMs, this.limits.pooledIdleMs);
    const full = idle.length >= this.limits.pooledPerTarget;
    if (!connection.poolable || full || keptMs <= 0 || !connection.usable) {
      socket.destroy();
      return;
    }
    connection.idleUntil = performance.now() + keptMs;
    if (idle.push(connection) === 1) this.#idle.set(key, idle);
  }

  #forget(connection: TargetConnection): void {
    this.#all.delete(connection);
    const left = this.#idle.get(connection.key)?.filter((other) => other !== connection) ?? [];
    if (left.length === 0) this.#idle.delete(connection.key);
    else this.#idle.set(connection.key, left);
  }
}

const connectWithin = (target: Target, signal: AbortSignal): Promise<Duplex> =>
  new Promise((resolve, reject) => {
    const aborter = new AbortController();
    let waiting = true;
    const settle = (): void => {
      waiting = false;
      clearTimeout(timer);
      signal.removeEventListener("abort", gone);
    };
    const fail = (
      kind: "connect" | "connect-timeout" | "client-aborted",
      cause?: unknown,
    ): void => {
      if (!waiting) return;
      settle();
      aborter.abort();
      reject(new ForwardError(kind, { nothingSent: true, cause }));
    };
    const gone = (): void => fail("client-aborted");
    const timer = setTimeout(() => fail("connect-timeout"), target.connectTimeoutMs);
    signal.addEventListener("abort", gone);
    target.connect(aborter.signal).then(
      (socket) => {
        if (waiting) {
          settle();
          resolve(socket);
        } else {
          socket.on("error", () => undefined);
          socket.destroy();
        }
      },
      (error: unknown) => fail("connect", error),
    );
  });
