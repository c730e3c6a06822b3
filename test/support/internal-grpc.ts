// gRPC servers and clients inside an organisation, over TLS with certificates of its internal CA.
import type { Client } from "@grpc/grpc-js";
import type { InternalBundle } from "../../certs/internal-bundle.js";
import { admitInternal, internalServerTls } from "../../certs/internal-tls.js";
import { openManager } from "../../component/manager-channel.js";
import type { Address } from "../../core/address.js";
import type { GrpcClientConstructor } from "../../core/grpc-client.js";
import { GrpcServer } from "../../core/grpc-server.js";
import type { InternalCaller } from "../../manager/caller.js";
import { recordedLog } from "./recorded-log.js";

/** A server of the manager's internal interface that runs. */
export interface InternalServed {
  readonly server: GrpcServer<InternalCaller>;
  readonly address: Address;
  /** What it logged. */
  readonly lines: readonly string[];
}

/** Starts a server with the bundle on a free port, with what `add` puts on it. Whoever starts it stops it. */
export const serveInternal = async (
  bundle: InternalBundle,
  add: (server: GrpcServer<InternalCaller>) => void,
): Promise<InternalServed> => {
  const { log, lines } = recordedLog();
  const server = new GrpcServer<InternalCaller>({
    address: { host: "127.0.0.1", port: 0 },
    tls: () => internalServerTls(bundle, ["h2"]),
    admit: (socket) => admitInternal(socket, bundle),
    connectionsMax: 100,
    messageBytesMax: 512 * 1024,
    stopMs: 200,
    domain: "manager",
    log,
  });
  add(server);
  return { server, lines, address: await server.listen() };
};

/** A client of the server with a bundle. Whoever opens it closes it. */
export const internalClient = <C extends Client>(
  constructor: GrpcClientConstructor<C>,
  bundle: InternalBundle,
  address: Address,
): Promise<C> => openManager(constructor, { bundle, address });
