// The one way to reach another organisation: which addresses may be dialled at all, resolved once, and
// the peer checked before the first byte. What the certificate must be is handed in by certs/.
import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { formatAddress, type Address } from "./address.js";

/** Which addresses of other organisations may be dialled. */
export interface DialPolicy {
  /** Ports that are allowed; the group's ports (443 and 8443), or undefined for any port (tests). */
  readonly ports: readonly number[] | undefined;
  /** Whether loopback, link-local and private addresses are allowed. */
  readonly privateAddresses: boolean;
  /** Fixed answers instead of DNS, lower-case name to IP address. */
  readonly hosts: ReadonlyMap<string, string>;
}

/** Why an address was not dialled. Nothing has been sent. */
export class DialRefused extends Error {
  readonly code = "SCHAKEL_DIAL_REFUSED";
  constructor(address: Address, reason: string) {
    super(`${formatAddress(address)} is not dialled: ${reason}`);
    this.name = "DialRefused";
  }
}

const NOT_PUBLIC = new BlockList();
// RFC 6890 and its registries: this network, private, shared, loopback, link-local, documentation, benchmarks, multicast, reserved.
for (const [net, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const) {
  NOT_PUBLIC.addSubnet(net, bits, "ipv4");
}
for (const [net, bits] of [
  ["::", 128],
  ["::1", 128],
  ["64:ff9b:1::", 48],
  ["100::", 64],
  ["2001:db8::", 32],
  ["fc00::", 7],
  ["fe80::", 10],
  ["ff00::", 8],
] as const) {
  NOT_PUBLIC.addSubnet(net, bits, "ipv6");
}

const isPublic = (ip: string): boolean => {
  const mapped = /^::ffff:([0-9.]+)$/i.exec(ip)?.[1];
  return mapped === undefined
    ? !NOT_PUBLIC.check(ip, isIP(ip) === 6 ? "ipv6" : "ipv4")
    : isPublic(mapped);
};

/**
 * Checks an address against the policy and resolves its name once.
 *
 * @returns the IP address to connect to; whoever connects uses it and does not resolve again
 * @throws DialRefused when the port or the resolved address is not allowed; the resolver's error when the name does not resolve
 */
export const resolveAddress = async (address: Address, policy: DialPolicy): Promise<string> => {
  const { host, port } = address;
  if (policy.ports !== undefined && !policy.ports.includes(port)) {
    throw new DialRefused(address, `port ${String(port)} is not one of ${policy.ports.join(", ")}`);
  }
  const fixed = policy.hosts.get(host) ?? (isIP(host) === 0 ? undefined : host);
  const ip = fixed ?? (await lookup(host)).address;
  if (!policy.privateAddresses && !isPublic(ip)) {
    throw new DialRefused(
      address,
      "it resolves to a loopback, link-local, private or reserved address",
    );
  }
  return ip;
};

/** How one TLS connection to another organisation is made. */
export interface Dialling {
  readonly address: Address;
  readonly policy: DialPolicy;
  /** TLS options from certs/: our certificate, the anchors, and `checkServerIdentity`, which checks who answers. */
  readonly tls: ConnectionOptions;
  /** How long resolving, connecting and the handshake may take together, in milliseconds. */
  readonly timeoutMs: number;
}

class DialTimeout extends Error {
  readonly code = "ETIMEDOUT";
}

/**
 * Opens a TLS connection to another organisation. Resolves when the handshake is done and the
 * certificate has passed every check of `tls`, before any byte of ours has been sent. The socket is
 * the caller's; it has no error listener yet.
 *
 * @throws DialRefused, the resolver's or the system's error, or the error of `checkServerIdentity`
 */
export const dial = async ({ address, policy, tls, timeoutMs }: Dialling): Promise<TLSSocket> => {
  const deadline = performance.now() + timeoutMs;
  const ip = await resolveAddress(address, policy);
  return await new Promise<TLSSocket>((resolve, reject) => {
    const servername = isIP(address.host) === 0 ? address.host : "";
    const socket = connect({
      ...tls,
      host: ip,
      port: address.port,
      servername,
      rejectUnauthorized: true,
    });
    const timer = setTimeout(
      () => {
        socket.destroy(
          new DialTimeout(
            `no connection with ${formatAddress(address)} within ${String(timeoutMs)} ms`,
          ),
        );
      },
      Math.max(1, deadline - performance.now()),
    );
    socket.setNoDelay(true);
    socket.once("error", (error: Error) => {
      clearTimeout(timer);
      reject(error);
    });
    socket.once("secureConnect", () => {
      clearTimeout(timer);
      socket.removeAllListeners("error");
      resolve(socket);
    });
  });
};
