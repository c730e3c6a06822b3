// Starting to listen, with errors that say what to do.
import type { Server } from "node:net";
import { formatAddress, type Address } from "./address.js";
import { systemCode } from "./errors.js";

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is already taken by another process",
  EACCES: "this user may not listen on that port",
  EADDRNOTAVAIL: "this machine does not have that address",
  ENOTFOUND: "the host name does not resolve",
};

const HINTS: Readonly<Record<string, string>> = {
  EADDRINUSE: "choose another address or port, or stop the process that has it",
  EACCES: [
    "ports below 1024 take a right: listen on a port from 1024 up and have the firewall send the outer port to it",
    "(--listen says where; of 'schakel peer' --inway-listen, such as 0.0.0.0:9443, for the inway)",
    "or give the user the right (with systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE)",
  ].join("\n"),
  EADDRNOTAVAIL: "choose an address of this machine; 0.0.0.0 stands for all of them",
  ENOTFOUND: "choose an address of this machine; 0.0.0.0 stands for all of them",
};

/** An address that could not be listened on. */
export class ListenError extends Error {
  /** What to do about it. */
  readonly hint: string;

  constructor(address: Address, cause: unknown) {
    const code = systemCode(cause) ?? "unknown";
    super(`cannot listen on ${formatAddress(address)}: ${REASONS[code] ?? code}`, { cause });
    this.name = "ListenError";
    this.hint = HINTS[code] ?? "choose another address or port";
  }
}

/**
 * Listens on an address; port 0 takes a free port.
 *
 * @returns the address with the port in use
 * @throws ListenError naming the address and the reason
 */
export const listen = async (server: Server, address: Address): Promise<Address> => {
  await new Promise<void>((resolve, reject) => {
    const failed = (error: Error): void => reject(new ListenError(address, error));
    server.once("error", failed);
    server.listen({ host: address.host, port: address.port }, () => {
      server.removeListener("error", failed);
      resolve();
    });
  });
  const bound = server.address();
  return {
    host: address.host,
    port: typeof bound === "object" && bound !== null ? bound.port : address.port,
  };
};
