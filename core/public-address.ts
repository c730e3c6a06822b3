// Which IP addresses belong to the open internet. Told by what is allowed, not by what is refused, so
// that a form nobody thought of is refused too.
import { BlockList, isIP, SocketAddress } from "node:net";

const listOf = (family: "ipv4" | "ipv6", nets: readonly string[]): BlockList => {
  const list = new BlockList();
  for (const net of nets) {
    const [address = "", bits] = net.split("/");
    list.addSubnet(address, Number(bits), family);
  }
  return list;
};

/** IANA's IPv4 special-purpose registry (RFC 6890), multicast and the reserved top. */
const SPECIAL_4 = listOf("ipv4", [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
]);

/** Global unicast (RFC 4291): the only part of IPv6 that is handed out. */
const UNICAST_6 = listOf("ipv6", ["2000::/3"]);

/** Inside 2000::/3: protocol assignments and Teredo, documentation (two blocks), 6to4 with its embedded IPv4 address. */
const SPECIAL_6 = listOf("ipv6", ["2001::/23", "2001:db8::/32", "3fff::/20", "2002::/16"]);

/** Prefixes whose last 32 bits are an IPv4 address: mapped (RFC 4291) and NAT64 (RFC 6052). */
const EMBEDDED_4 = listOf("ipv6", ["::ffff:0:0/96", "64:ff9b::/96"]);

/** The IPv4 address in the last 32 bits of an IPv6 address in its shortest form. */
const embedded = (ip: string): string => {
  const dotted = /[0-9.]+$/.exec(ip)?.[0] ?? "";
  if (isIP(dotted) === 4) return dotted;
  // "64:ff9b::1" has an empty group before its last one: the high half is zero.
  const [high = 0, low = 0] = ip
    .split(":")
    .slice(-2)
    .map((group) => parseInt(group || "0", 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
};

/**
 * Whether an IP address belongs to the open internet: neither loopback, link-local, private, shared,
 * documentation, multicast nor reserved, also when an IPv4 address is written inside an IPv6 one.
 * Anything that is not an IP address, or has a zone ("%eth0"), is not public.
 */
export const isPublicAddress = (ip: string): boolean => {
  const family = isIP(ip);
  if (family === 0 || ip.includes("%")) return false;
  if (family === 4) return !SPECIAL_4.check(ip, "ipv4");
  const shortest = new SocketAddress({ address: ip, family: "ipv6" }).address;
  if (EMBEDDED_4.check(shortest, "ipv6")) return isPublicAddress(embedded(shortest));
  return UNICAST_6.check(shortest, "ipv6") && !SPECIAL_6.check(shortest, "ipv6");
};
