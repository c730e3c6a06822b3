// A TLS listener that decides itself who may stay: the handshake is finished, then `admit` looks at the
// certificate, so that a refusal has its reason in the log, which neither Node's nor grpc-js's own check gives.
import type { DropArgument } from "node:net";
import { createServer, type Server, type TlsOptions, type TLSSocket } from "node:tls";
import type { Address } from "./address.js";
import { listen } from "./listen.js";
import type { Log } from "./log.js";

const HANDSHAKE_TIMEOUT_MS = 10_000;

/** What a TLS listener is made of. */
export interface TlsListening<Identity> {
  readonly address: Address;
  /** TLS options from certs/; called at the start and on each `reload`. */
  readonly tls: () => TlsOptions;
  /** Who the other side is. Throws with the reason when it may not stay. */
  readonly admit: (socket: TLSSocket) => Identity;
  /** Takes over an admitted connection. The socket has no error listener yet. */
  readonly connected: (socket: TLSSocket, identity: Identity) => void;
  /** How many connections may be open at once; further ones are closed unread. */
  readonly connectionsMax: number;
  readonly log: Log;
}

/** A running TLS listener. */
export interface TlsListener {
  /** The address in use, with the real port. */
  readonly address: Address;
  /** Takes new TLS options into use for the connections that follow. */
  reload(): void;
  /** Stops listening; a handshake under way comes to nothing. Open connections stay: they belong to whoever took them over. */
  close(): Promise<void>;
}

const refuse = (socket: TLSSocket, log: Log, error: unknown): void => {
  const reason = error instanceof Error ? error.message : String(error);
  log.warn({ remote: socket.remoteAddress, reason }, "connection refused");
  socket.destroy();
};

const logFailures = (server: Server, log: Log, connectionsMax: number): void => {
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
  const { tls, admit, connected, log, connectionsMax } = options;
  const server = createServer({ ...tls(), handshakeTimeout: HANDSHAKE_TIMEOUT_MS });
  server.maxConnections = connectionsMax;
  let closed = false;
  server.on("secureConnection", (socket) => {
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
      refuse(socket, log, error);
      return;
    }
    connected(socket, identity);
  });
  logFailures(server, log, connectionsMax);
  const address = await listen(server, options.address);
  return {
    address,
    reload: () => server.setSecureContext(tls()),
    close: () =>
      new Promise((resolve) => {
        closed = true;
        server.close(() => resolve());
        // Connections are not the listener's to wait for.
        resolve();
      }),
  };
};
