// Where an outway's clients connect: plain HTTP on loopback, since only programs of this machine come there; TLS with
// the outway's internal certificate everywhere else.
import { createServer } from "node:net";
import type { TLSSocket } from "node:tls";
import type { InternalSource } from "../certs/internal-bundle.js";
import { admitInternal, internalServerTls } from "../certs/internal-tls.js";
import { isLoopback, type Address } from "../core/address.js";
import { listen } from "../core/listen.js";
import type { Log } from "../core/log.js";
import { serveTls, type TlsListener } from "../core/tls-server.js";
import type { Relay } from "../relay/relay.js";
import { connectedBy, type Connected } from "./clients.js";

/** What the listener is made of. */
export interface OutwayListening {
  readonly address: Address;
  readonly internal: InternalSource;
  readonly relay: Pick<Relay<Connected>, "accept">;
  readonly connectionsMax: number;
  readonly log: Log;
}

const listenOnLoopback = async (options: OutwayListening): Promise<TlsListener> => {
  const server = createServer({ noDelay: true }, (socket) =>
    options.relay.accept(socket, { kind: "loopback" }),
  );
  server.maxConnections = options.connectionsMax;
  return {
    address: await listen(server, options.address),
    reload: () => undefined,
    close: () => {
      server.close();
      return Promise.resolve();
    },
  };
};

const listenOverTls = async (options: OutwayListening): Promise<TlsListener> => {
  const { address, internal, relay, connectionsMax, log } = options;
  const open = new Set<TLSSocket>();
  const admit = (socket: TLSSocket): Connected =>
    connectedBy(admitInternal(socket, internal.current));
  const listener = await serveTls<Connected>({
    ...{ address, connectionsMax, log, admit },
    tls: () => internalServerTls(internal.current, ["http/1.1"]),
    connected: (socket, connected) => {
      open.add(socket);
      socket.once("close", () => open.delete(socket));
      relay.accept(socket, connected);
    },
  });
  return {
    ...listener,
    reload: () => {
      listener.reload();
      for (const socket of open) {
        try {
          admit(socket);
        } catch {
          socket.destroy();
        }
      }
    },
  };
};

/**
 * Listens for clients. The caller reloads the listener when the internal certificate changes.
 *
 * @throws ListenError when the address cannot be listened on
 */
export const listenForClients = (options: OutwayListening): Promise<TlsListener> =>
  isLoopback(options.address.host) ? listenOnLoopback(options) : listenOverTls(options);
