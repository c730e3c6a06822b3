// Where an outway's clients connect: plain HTTP on loopback, since only programs of this machine come there; TLS with
// the outway's internal certificate everywhere else.
import { createServer } from "node:net";
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
  readonly relay: Pick<Relay<Connected>, "accept" | "acceptEither" | "acceptHttp2">;
  readonly connectionsMax: number;
  readonly log: Log;
}

const listenOnLoopback = async (options: OutwayListening): Promise<TlsListener> => {
  const server = createServer({ noDelay: true }, (socket) =>
    options.relay.acceptEither(socket, { kind: "loopback" }),
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

const listenOverTls = (options: OutwayListening): Promise<TlsListener> => {
  const { address, internal, relay, connectionsMax, log } = options;
  return serveTls<Connected>({
    ...{ address, connectionsMax, log },
    tls: () => internalServerTls(internal.current, ["http/1.1", "h2"]),
    admit: (socket) => connectedBy(admitInternal(socket, internal.current)),
    connected: (socket, connected) =>
      socket.alpnProtocol === "h2"
        ? relay.acceptHttp2(socket, connected)
        : relay.accept(socket, connected),
  });
};

/**
 * Listens for clients. The caller reloads the listener when the internal certificate changes: connections that the
 * new one would not let in are ended.
 *
 * @throws ListenError when the address cannot be listened on
 */
export const listenForClients = (options: OutwayListening): Promise<TlsListener> =>
  isLoopback(options.address.host) ? listenOnLoopback(options) : listenOverTls(options);
