// A TLS listener that decides itself who may stay: the handshake is finished, then `admit` looks at the
// certificate, so that a refusal has its reason in the log, which neither Node's nor grpc-js's own check gives.
import type { DropArgument, Socket } from "node:net";
import { createServer, type Server, type TlsOptions, type TLSSocket } from "node:tls";
import type { Address } from "./address.js";
import { LimitedLines } from "./limited-lines.js";
import { listen } from "./listen.js";
import type { Log } from "./log.js";
import { OpenHandshakes } from "./open-handshakes.js";

const HANDSHAKE_TIMEOUT_MS = 10_000;
const RECHECK_MS = 60_000;

/** TLS options of a server, from certs/. */
export interface TlsServing extends TlsOptions {
  /** Called for each connection when its handshake is done, before anything else of it is looked at. Does not throw. */
  readonly handshakeDone?: ((socket: TLSSocket) => void) | undefined;
}

/** What a TLS listener is made of. */
export interface TlsListening<Identity> {
  readonly address: Address;
  /** TLS options from certs/; called at the start and on each `reload`. */
  readonly tls: () => TlsServing;
  /**
   * Who the other side is. Throws with the reason when it may not stay. Asked again on each `reload` and
   * from time to time, since certificates and revocation lists come to their end.
   */
  readonly admit: (socket: TLSSocket) => Identity;
  /** Takes over an admitted connection. The socket has no error listener yet. */
  readonly connected: (socket: TLSSocket, identity: Identity) => void;
  /**
   * How many connections may be open at once; further ones are closed unread. A quarter of them may be in a
   * handshake: beyond it the oldest of those is ended.
   */
  readonly connectionsMax: number;
  /** How often open connections are judged again, in milliseconds; every minute unless given. */
  readonly recheckMs?: number | undefined;
  readonly log: Log;
}

/** A running TLS listener. */
export interface TlsListener {
  /** The address in use, with the real port. */
  readonly address: Address;
  /**
   * Takes new TLS options into use for the connections that follow, and ends the open ones that `admit`
   * lets in no longer; whoever took such a connection over sees it close.
   */
  reload(): void;
  /** Stops listening; a handshake under way comes to nothing. Open connections stay: they belong to whoever took them over. */
  close(): Promise<void>;
}

const refuse = (
  socket: TLSSocket,
  log: Pick<LimitedLines, "warn">,
  error: unknown,
  what = "refused",
): void => {
  const reason = error instanceof Error ? error.message : String(error);
  log.warn({ remote: socket.remoteAddress, reason }, `connection ${what}`);
  socket.destroy();
};

/**
 * Has a function called for each connection of a server when its handshake is done, before Node.js itself
 * looks at the certificate. The event for a log of keys is the only one that gives a connection early
 * enough; the keys themselves are wiped.
 */
export const onHandshake = (server: Server, done: (socket: TLSSocket) => void): void => {
  const known = new WeakSet<TLSSocket>();
  server.on("keylog", (line, socket) => {
    line.fill(0);
    if (known.has(socket)) return;
    known.add(socket);
    socket.prependOnceListener("secure", () => done(socket));
  });
};

class OpenConnections<Identity> {
  readonly #sockets = new Set<TLSSocket>();

  constructor(private readonly serving: Pick<TlsListening<Identity>, "admit" | "log">) {}

  add(socket: TLSSocket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  admitAgain(): void {
    const { admit, log } = this.serving;
    for (const socket of this.#sockets) {
      try {
        admit(socket);
      } catch (error) {
        refuse(socket, log, error, "ended");
      }
    }
  }
}

const logFailures = (server: Server, log: LimitedLines, connectionsMax: number): void => {
  server.on("tlsClientError", (error: Error & { code?: string }, socket) => {
    log.warn(
      { remote: socket.remoteAddress, reason: error.message, code: error.code },
      "handshake failed",
    );
    socket.destroy();
  });
  server.on("drop", (dropped?: DropArgument) => {
    log.warn(
      { remote: dropped?.remoteAddress, connectionsMax },
      "connection dropped: too many are open",
    );
  });
};

/**
 * Listens for TLS connections.
 *
 * @throws ListenError when the address cannot be listened on
 */
export const serveTls = async <Identity>(options: TlsListening<Identity>): Promise<TlsListener> => {
  const { tls, admit, connected, log, connectionsMax, recheckMs = RECHECK_MS } = options;
  const lines = new LimitedLines(log);
  const { handshakeDone, ...first } = tls();
  const server = createServer({ ...first, handshakeTimeout: HANDSHAKE_TIMEOUT_MS });
  if (handshakeDone !== undefined) onHandshake(server, handshakeDone);
  const handshakes = new OpenHandshakes(connectionsMax);
  server.on("connection", (socket: Socket) => handshakes.add(socket));
  const open = new OpenConnections({ admit, log });
  server.maxConnections = connectionsMax;
  let closed = false;
  server.on("secureConnection", (socket) => {
    handshakes.done(socket);
    if (closed) {
      // Its handshake was under way when the listener closed; nobody waits for it any more.
      socket.on("error", () => undefined).destroy();
      return;
    }
    let identity: Identity;
    try {
      identity = admit(socket);
    } catch (error) {
      socket.on("error", () => undefined);
      refuse(socket, lines, error);
      return;
    }
    open.add(socket);
    connected(socket, identity);
  });
  logFailures(server, lines, connectionsMax);
  const address = await listen(server, options.address);
  const recheck = setInterval(() => open.admitAgain(), recheckMs).unref();
  return {
    address,
    reload: () => {
      server.setSecureContext(tls());
      open.admitAgain();
    },
    close: () =>
      new Promise((resolve) => {
        closed = true;
        clearInterval(recheck);
        lines.flush();
        server.close(() => resolve());
        // Connections are not the listener's to wait for.
        resolve();
      }),
  };
};
