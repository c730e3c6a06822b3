// A peer of a test group as a directory meets it: it lists its certificates, takes what it is sent, and calls
// with a client of its own.
import type { Bundle } from "../../certs/bundle.js";
import type { Group } from "../../certs/group.js";
import { admit, serverTls } from "../../certs/tls.js";
import { systemClock } from "../../core/clock.js";
import type { DialPolicy } from "../../core/dial.js";
import { serveTls, type TlsListener } from "../../core/tls-server.js";
import { openManagerClient } from "../../fsc/fsc-client.js";
import { FscServer } from "../../fsc/fsc-server.js";
import type { CallingManager, ManagerClient } from "../../fsc/manager-interface.js";
import { RecordingHandlers } from "./fsc-manager.js";
import { recordedLog } from "./recorded-log.js";

interface Parts {
  readonly bundle: Bundle;
  /** What it was sent. */
  readonly handlers: RecordingHandlers;
  readonly client: ManagerClient;
  /** Who it is for others. */
  readonly caller: CallingManager;
  readonly listener: TlsListener;
  readonly server: FscServer;
}

/** A manager of one peer, at the first name of its certificate and a free port. Whoever starts it closes it. */
export class PeerManager {
  private constructor(private readonly parts: Parts) {}

  static async start(group: Group, bundle: Bundle, policy: DialPolicy): Promise<PeerManager> {
    const { log } = recordedLog();
    const groups = { current: group };
    const handlers = new RecordingHandlers(bundle);
    const server = new FscServer({
      ...{ handlers, groups, log, clock: systemClock, allowAnyPort: true },
    });
    const listener = await serveTls({
      address: { host: "127.0.0.1", port: 0 },
      tls: () => serverTls(bundle, group, ["http/1.1"]),
      admit: (socket) => admit(socket, group),
      connected: (socket, caller) => server.accept(socket, caller),
      ...{ connectionsMax: 100, log },
    });
    const [host = ""] = bundle.identity.dnsNames;
    const address = { host, port: listener.address.port };
    const client = openManagerClient({
      ...{ groups, bundles: { current: bundle }, policy: () => policy, ownAddress: address },
      ...{ clock: systemClock, log },
    });
    const caller = { identity: bundle.identity, address };
    return new PeerManager({ bundle, handlers, client, caller, listener, server });
  }

  get bundle(): Bundle {
    return this.parts.bundle;
  }

  get handlers(): RecordingHandlers {
    return this.parts.handlers;
  }

  get client(): ManagerClient {
    return this.parts.client;
  }

  get caller(): CallingManager {
    return this.parts.caller;
  }

  get peerId() {
    return this.bundle.identity.peerId;
  }

  async close(): Promise<void> {
    await this.parts.listener.close();
    await this.parts.server.close();
  }
}
