// Connections to targets: made on demand, kept idle for a while after an exchange that ended cleanly, and
// given up at the first byte that nobody asked for.
import type { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { ForwardError, type Target } from "./exchange.js";
import type { RelayLimits } from "./limits.js";
import { headerValues, linesOf } from "./message.js";

const KEEP_ALIVE_TIMEOUT = /(?:^|[,\s])timeout=([0-9]{1,6})(?:$|[,\s])/i;
/** A connection is given up this much before the target would do so itself. */
const KEEP_ALIVE_MARGIN_MS = 1_000;

/** A connection to a target. While it is leased it carries one exchange. */
export class TargetConnection {
  /** Whether it has carried an exchange before. */
  reused = false;
  /** How long the target said it keeps an idle connection. */
  keptMs = Number.POSITIVE_INFINITY;
  /** False once it must not go back to the pool. */
  poolable = true;
  /** Runs while it is idle. */
  idleTimer: NodeJS.Timeout | undefined;
  #listening = false;
  #response: IncomingMessage | undefined;
  #readBefore = 0;
  #read = 0;
  #writtenBefore = 0;

  constructor(
    readonly key: string,
    readonly socket: Duplex,
    closed: (connection: TargetConnection) => void,
  ) {
    // node:http writes some heads without naming an encoding; the octets of a head are latin1.
    socket.setDefaultEncoding("latin1");
    if (socket instanceof Socket) socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.on("close", () => closed(this));
    socket.on("end", () => {
      if (!this.#listening) socket.destroy();
    });
    socket.on("data", (chunk: Buffer) => this.#arrived(chunk));
  }

  /** Begins an exchange. */
  lease(): void {
    clearTimeout(this.idleTimer);
    this.#response = undefined;
    this.#readBefore = this.#read;
    this.#writtenBefore = this.#written();
  }

  /** From now on the parser of an exchange reads what arrives. */
  listen(): void {
    this.#listening = true;
  }

  /** The final response has begun; after its last byte nothing may follow. */
  responding(response: IncomingMessage): void {
    this.#response = response;
    const [parameters = ""] = headerValues(linesOf(response.rawHeaders), "keep-alive");
    const timeout = KEEP_ALIVE_TIMEOUT.exec(parameters)?.[1];
    if (timeout !== undefined) this.keptMs = Number(timeout) * 1_000 - KEEP_ALIVE_MARGIN_MS;
  }

  /** Ends an exchange that was complete. */
  rest(): void {
    this.#listening = false;
    this.reused = true;
  }

  /** Whether a byte has come in during this exchange. */
  get answered(): boolean {
    return this.#read > this.#readBefore;
  }

  /** Whether a byte of this exchange may have gone out. */
  get written(): boolean {
    return this.#written() > this.#writtenBefore;
  }

  #written(): number {
    // A stream that cannot tell counts as written to.
    return this.socket instanceof Socket ? this.socket.bytesWritten : Number.POSITIVE_INFINITY;
  }

  #arrived(chunk: Buffer): void {
    this.#read += chunk.length;
    if (!this.#listening || this.#response?.complete === true) this.socket.destroy();
  }
}

/** The connections of one relay. */
export class Pool {
  readonly #idle = new Map<string, TargetConnection[]>();
  readonly #all = new Set<TargetConnection>();

  constructor(private readonly limits: RelayLimits) {}

  /**
   * A connection for one exchange: an idle one, or a new one when there is none or `fresh` asks for it.
   *
   * @throws ForwardError connect, connect-timeout, or client-aborted when the signal aborts
   */
  async lease(target: Target, signal: AbortSignal, fresh = false): Promise<TargetConnection> {
    const idle = this.#idle.get(target.key) ?? [];
    while (!fresh && idle.length > 0) {
      const connection = idle.pop();
      if (connection?.socket.writable === true && !connection.socket.readableEnded) {
        connection.lease();
        return connection;
      }
    }
    const socket = await connectWithin(target, signal);
    const connection = new TargetConnection(target.key, socket, (closed) => this.#forget(closed));
    this.#all.add(connection);
    connection.lease();
    return connection;
  }

  /** Takes a connection back after an exchange that was complete. */
  release(connection: TargetConnection): void {
    const { socket, key } = connection;
    const idle = this.#idle.get(key) ?? [];
    const keptMs = Math.min(connection.keptMs, this.limits.pooledIdleMs);
    const full = idle.length >= this.limits.pooledPerTarget;
    if (!connection.poolable || full || keptMs <= 0 || !socket.writable || socket.readableEnded) {
      socket.destroy();
      return;
    }
    connection.rest();
    connection.idleTimer = setTimeout(() => socket.destroy(), keptMs).unref();
    idle.push(connection);
    this.#idle.set(key, idle);
    // Node's parser may have left the socket paused; its end must be seen.
    socket.resume();
  }

  /** Ends the idle connections to the targets that match; those in use end after their exchange. */
  drop(predicate: (key: string) => boolean): void {
    for (const connection of this.#all) {
      if (!predicate(connection.key)) continue;
      connection.poolable = false;
      if (this.#idle.get(connection.key)?.includes(connection) === true) {
        connection.socket.destroy();
      }
    }
  }

  #forget(connection: TargetConnection): void {
    clearTimeout(connection.idleTimer);
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
