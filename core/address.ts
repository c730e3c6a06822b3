// "host:port" as a value.
import { isIP } from "node:net";

/** Where something listens or is reached. The host is a DNS name or an IP address without brackets, in lower case. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

const LABEL = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/;

/** A last label that makes resolvers read the whole as an IPv4 address: "127.1", "0x7f000001" (WHATWG URL, "ends in a number"). */
const ENDS_IN_NUMBER = /(^|\.)([0-9]+|0x[0-9a-f]*)$/;

/**
 * Whether the text is a DNS host name in letters, digits and hyphens, at most 253 characters, without
 * a final dot. What a resolver could take for an IPv4 address in some odd form is none.
 */
export const isHostName = (text: string): boolean => {
  const name = text.toLowerCase();
  return (
    name.length <= 253 &&
    name.split(".").every((label) => LABEL.test(label)) &&
    !ENDS_IN_NUMBER.test(name)
  );
};

/**
 * Takes "host:port" or "[ipv6]:port"; undefined when it is neither. The port is 0 to 65535 in decimal
 * without leading zeros. The host may be a DNS name or an IP address; nothing is resolved.
 */
export const parseAddress = (text: string): Address | undefined => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([a-zA-Z0-9.-]+)):(0|[1-9][0-9]{0,4})$/.exec(text);
  if (match === null) return undefined;
  const host = (match[1] ?? match[2] ?? "").toLowerCase();
  const port = Number(match[3]);
  const valid = match[1] === undefined ? isIP(host) === 4 || isHostName(host) : isIP(host) === 6;
  return port <= 65535 && valid ? { host, port } : undefined;
};

/** The inverse of parseAddress. */
export const formatAddress = ({ host, port }: Address): string =>
  host.includes(":") ? `[${host}]:${String(port)}` : `${host}:${String(port)}`;

/** Whether a host names this machine alone, as it is written: localhost, 127.x.x.x or ::1. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(\.[0-9]{1,3}){3}$/.test(host);
