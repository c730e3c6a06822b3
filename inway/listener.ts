// The inway's one port: connections of peers go to the relay, probes of the directory are answered here.
import type { TLSSocket } from "node:tls";
import type { BundleSource } from "../certs/bundle.js";
import type { GroupSource } from "../certs/group.js";
import type { PeerIdentity } from "../certs/identity.js";
import { admit, serverTls } from "../certs/tls.js";
import type { Address } from "../core/address.js";
import type { Log } from "../core/log.js";
import { serveTls, type TlsListener } from "../core/tls-server.js";
import { LINK_PROTOCOL } from "../relay/link-frames.js";
import type { Relay } from "../relay/relay.js";
import type { PeerLimits } from "./peer-limits.js";

/** The ALPN name of a health probe (docs/architecture.md): answered with one line, never forwarded. */
export const PROBE_PROTOCOL = "schakel-probe/1";

const PROBE_TIMEOUT_MS = 5_000;

/** What the listener is made of. */
export interface InwayListening {
  readonly address: Address;
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
  readonly relay: Relay<PeerIdentity>;
  readonly connectionsMax: number;
  readonly peerLimits: Pick<PeerLimits, "connection">;
  /** Whether the inway would forward an exchange now. */
  readonly ready: () => boolean;
  readonly log: Log;
}

const answerProbe = (socket: TLSSocket, ready: boolean): void => {
  socket.on("error", () => undefined);
  socket.setTimeout(PROBE_TIMEOUT_MS, () => socket.destroy());
  socket.end(ready ? "ready\n" : "unready\n");
  socket.resume();
};

/** As a connection beyond the limit of all: closed unread. */
const drop = (socket: TLSSocket, { peerId }: PeerIdentity, log: Log): void => {
  log.warn(
    { remote: socket.remoteAddress, peer: peerId },
    "connection dropped: its peer has too many open",
  );
  socket.on("error", () => undefined);
  socket.destroy();
};

/**
 * Listens for peers. The caller reloads the listener when certificate or group change: open connections whose
 * certificate the group then refuses are ended.
 */
export const listenForPeers = (options: InwayListening): Promise<TlsListener> => {
  const { groups, bundles, relay, ready, peerLimits, log } = options;
  return serveTls<PeerIdentity>({
    address: options.address,
    tls: () =>
      serverTls(bundles.current, groups.current, [PROBE_PROTOCOL, LINK_PROTOCOL, "h2", "http/1.1"]),
    admit: (socket) => admit(socket, groups.current),
    connected: (socket, peer) => {
      const leave = peerLimits.connection(peer.peerId);
      if (leave === undefined) {
        drop(socket, peer, log);
        return;
      }
      socket.once("close", leave);
      if (socket.alpnProtocol === PROBE_PROTOCOL) answerProbe(socket, ready());
      else if (socket.alpnProtocol === LINK_PROTOCOL) relay.acceptLink(socket, peer);
      else if (socket.alpnProtocol === "h2") relay.acceptHttp2(socket, peer);
      else relay.accept(socket, peer);
    },
    connectionsMax: options.connectionsMax,
    log,
  });
};
