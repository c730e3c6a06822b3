// "host:port" as a value.

/** Where something listens or is reached. The host is a DNS name or an IP address without brackets, in lower case. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

const LABEL = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/;

/** Whether the text is a DNS host name in letters, digits and hyphens, at most 253 characters, without a final dot. */
export const isHostName = (text: string): boolean =>
  text.length <= 253 &&
  text
    .toLowerCase()
    .split(".")
    .every((label) => LABEL.test(label)) &&
  !/^[0-9.]+$/.test(text);

/**
 * Takes "host:port" or "[ipv6]:port"; undefined when it is neither. The port is 0 to 65535 in decimal
 * without leading zeros. The host may be a DNS name or an IP address; nothing is resolved.
 */
export const parseAddress = (text: string): Address | undefined => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([a-zA-Z0-9.-]+)):(0|[1-9][0-9]{0,4})$/.exec(text);
  if (match === null) return undefined;
  const host = (match[1] ?? match[2] ?? "").toLowerCase();
  const port = Number(match[3]);
  const isAddress = match[1] !== undefined || /^[0-9]{1,3}(\.[0-9]{1,3}){3}$/.test(host);
  return port <= 65535 && (isAddress || isHostName(host)) ? { host, port } : undefined;
};

/** The inverse of parseAddress. */
export const formatAddress = ({ host, port }: Address): string =>
  host.includes(":") ? `[${host}]:${String(port)}` : `${host}:${String(port)}`;
