// Where other peers' managers and outways connect: mutual TLS with the group's anchors.
import type { X509Certificate } from "node:crypto";
import type { BundleSource } from "../certs/bundle.js";
import type { GroupSource } from "../certs/group.js";
import { admit, serverTls } from "../certs/tls.js";
import type { Address } from "../core/address.js";
import type { Log } from "../core/log.js";
import { serveTls, type TlsListener } from "../core/tls-server.js";
import { admittedChain } from "../fsc/admitted-chain.js";
import type { FscServer } from "../fsc/fsc-server.js";

/** What the listener is made of. */
export interface FscListening {
  readonly address: Address;
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
  readonly server: FscServer;
  /** Told the chain of each admitted peer, its own certificate first, without the anchor. */
  readonly noted: (chain: readonly X509Certificate[]) => void;
  readonly connectionsMax: number;
  readonly log: Log;
}

/**
 * Listens for other peers. A new certificate or group is taken into use for the connections that follow, and
 * open ones that it does not let in are ended.
 */
export const listenForManagers = async (options: FscListening): Promise<TlsListener> => {
  const { groups, bundles, server } = options;
  const listener = await serveTls({
    address: options.address,
    tls: () => serverTls(bundles.current, groups.current, ["http/1.1"]),
    admit: (socket) => admit(socket, groups.current),
    connected: (socket, peer) => {
      const chain = admittedChain(socket, groups.current);
      if (chain !== undefined) options.noted(chain);
      server.accept(socket, peer);
    },
    connectionsMax: options.connectionsMax,
    log: options.log,
  });
  const ends = [
    bundles.onChange(() => listener.reload()),
    groups.onChange(() => listener.reload()),
  ];
  return {
    address: listener.address,
    reload: () => listener.reload(),
    close: async () => {
      for (const end of ends) end();
      await listener.close();
    },
  };
};
