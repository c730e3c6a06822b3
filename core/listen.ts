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

/** An address that could not be listened on. */
export class ListenError extends Error {
  readonly hint = "choose another address or port, or stop the process that has it";

  constructor(address: Address, cause: unknown) {
    const code = systemCode(cause) ?? "unknown";
    super(`cannot listen on ${formatAddress(address)}: ${REASONS[code] ?? code}`, { cause });
    this.name = "ListenError";
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
