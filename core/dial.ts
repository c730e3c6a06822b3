// The one way to reach another organisation: which addresses may be dialled at all, resolved once, and
// the peer checked before the first byte. What the certificate must be is handed in by certs/.
import { lookup } from "node:dns/promises";
import {
  connect as connectHttp2,
  type ClientHttp2Session,
  type ClientSessionOptions,
} from "node:http2";
import { connect as connectPlain, isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect, TLSSocket, type ConnectionOptions } from "node:tls";
import { formatAddress, type Address } from "./address.js";
import { isPublicAddress } from "./public-address.js";

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
  if (!policy.privateAddresses && !isPublicAddress(ip)) {
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
  constructor(address: Address, timeoutMs: number) {
    super(`no connection with ${formatAddress(address)} within ${String(timeoutMs)} ms`);
    this.name = "DialTimeout";
  }
}

type Insistence = Pick<ConnectionOptions, "rejectUnauthorized">;

const handshake = (
  ip: string,
  { address, tls, insist }: Dialling & { readonly insist: Insistence },
  deadline: AbortSignal,
) =>
  new Promise<TLSSocket>((resolve, reject) => {
    const socket = connect({
      ...tls,
      host: ip,
      port: address.port,
      servername: isIP(address.host) === 0 ? address.host : "",
      ...insist,
    });
    const expired = (): void => {
      socket.destroy(deadline.reason as Error);
    };
    const failed = (error: Error): void => {
      deadline.removeEventListener("abort", expired);
      reject(error);
    };
    deadline.addEventListener("abort", expired);
    socket.setNoDelay(true);
    socket.once("error", failed);
    socket.once("secureConnect", () => {
      deadline.removeEventListener("abort", expired);
      socket.removeListener("error", failed);
      resolve(socket);
    });
  });

/** Runs what reaches an address, with a deadline for all of it. A resolver cannot be interrupted: a late answer is not waited for. */
const within = async <T>(
  address: Address,
  timeoutMs: number,
  work: (deadline: AbortSignal, late: Promise<never>) => Promise<T>,
): Promise<T> => {
  const deadline = new AbortController();
  const expired = (): void => deadline.abort(new DialTimeout(address, timeoutMs));
  const timer = setTimeout(expired, Math.max(1, timeoutMs));
  const late = new Promise<never>((_, reject) => {
    deadline.signal.addEventListener("abort", () => reject(deadline.signal.reason as Error));
  });
  late.catch(() => undefined);
  try {
    return await work(deadline.signal, late);
  } finally {
    clearTimeout(timer);
  }
};

const plainConnection = (ip: string, port: number, deadline: AbortSignal): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connectPlain({ host: ip, port });
    const expired = (): void => {
      socket.destroy(deadline.reason as Error);
    };
    deadline.addEventListener("abort", expired);
    socket.once("error", reject);
    socket.once("connect", () => {
      deadline.removeEventListener("abort", expired);
      socket.removeListener("error", reject);
      resolve(socket);
    });
  });

/**
 * Opens a connection without TLS to a server of public files, such as revocation lists, which prove
 * themselves. The socket is the caller's; it has no error listener yet.
 *
 * @throws DialRefused, an error with the code ETIMEDOUT, or the resolver's or the system's error
 */
export const dialPlain = (dialling: Omit<Dialling, "tls">): Promise<Socket> => {
  const { address, policy, timeoutMs } = dialling;
  return within(address, timeoutMs, async (deadline, late) => {
    const ip = await Promise.race([resolveAddress(address, policy), late]);
    return plainConnection(ip, address.port, deadline);
  });
};

const open = (dialling: Dialling, insist: Insistence): Promise<TLSSocket> => {
  const { address, policy, timeoutMs } = dialling;
  return within(address, timeoutMs, async (deadline, late) => {
    const ip = await Promise.race([resolveAddress(address, policy), late]);
    return handshake(ip, { ...dialling, insist }, deadline);
  });
};

/**
 * Opens a TLS connection to another organisation. Resolves when the handshake is done and the
 * certificate has passed every check of `tls`, before any byte of ours has been sent. The socket is
 * the caller's; it has no error listener yet.
 *
 * @throws DialRefused, an error with the code ETIMEDOUT, the resolver's or the system's error, or the
 *   error of `checkServerIdentity`
 */
export const dial = (dialling: Dialling): Promise<TLSSocket> =>
  open(dialling, { rejectUnauthorized: true });

/**
 * Makes a handshake with whoever answers, shows the socket to `look`, and ends the connection: for a first
 * contact that has no anchor yet. Nothing is sent, and nothing that comes is read.
 *
 * @returns what `look` found
 * @throws what `dial` throws, or what `look` throws
 */
export const peek = async <T>(dialling: Dialling, look: (socket: TLSSocket) => T): Promise<T> => {
  const socket = await open(dialling, {});
  socket.on("error", () => undefined);
  try {
    return look(socket);
  } finally {
    socket.destroy();
  }
};

/** Speaks HTTP/2 over a connection that has been made: nothing is dialled. The session owns the connection from then on. */
export const http2Over = (socket: Duplex, options: ClientSessionOptions): ClientHttp2Session => {
  const scheme = socket instanceof TLSSocket ? "https" : "http";
  return connectHttp2(`${scheme}://target.invalid`, { ...options, createConnection: () => socket });
};
