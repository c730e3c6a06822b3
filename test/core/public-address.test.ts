// Which IP addresses count as the open internet, in every way they can be written.
import { expect } from "chai";
import { isPublicAddress } from "../../core/public-address.js";

const NOT_PUBLIC = [
  [
    "no address",
    "",
    "a.nl",
    "localhost",
    "1.2.3",
    "1",
    "0x7f.0.0.1",
    "010.0.0.1",
    "8.8.8.8 ",
    "[::1]",
  ],
  ["this network", "0.0.0.0", "0.1.2.3"],
  ["loopback", "127.0.0.1", "127.255.255.254", "::1", "0:0:0:0:0:0:0:1"],
  ["private", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12:3456::1"],
  ["shared", "100.64.0.1", "100.127.255.255"],
  ["link-local, with the metadata service of clouds", "169.254.169.254", "fe80::1", "febf::1"],
  ["of a zone", "fe80::1%eth0", "2a01::1%eth0", "::1%lo"],
  ["documentation", "192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
  ["assignments and benchmarks", "192.0.0.1", "198.18.0.1", "2001::1", "2001:2::1", "2001:1ff::1"],
  ["relays and tunnels", "192.88.99.1", "2002:808:808::1", "64:ff9b:1::808:808"],
  ["multicast", "224.0.0.1", "239.1.1.1", "ff02::1"],
  ["reserved", "240.0.0.1", "255.255.255.255", "::", "100::1", "4000::1", "fec0::1", "5f00::1"],
  [
    "mapped into IPv6",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "0:0:0:0:0:FFFF:10.0.0.1",
    "::ffff:0:0",
  ],
  ["compatible IPv6", "::127.0.0.1", "::8.8.8.8"],
  ["behind NAT64", "64:ff9b::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::1", "64:ff9b::a00:1"],
] as const;

const PUBLIC = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "223.255.255.255"].concat([
  "2a01::1",
  "2001:4860:4860::8888",
  "2600:0:0:0:0:0:0:1",
  "::ffff:8.8.8.8",
  "::FFFF:808:808",
  "64:ff9b::8.8.8.8",
  "64:ff9b::808:808",
]);

describe("core/public-address", () => {
  for (const [kind, ...addresses] of NOT_PUBLIC) {
    for (const address of addresses) {
      it(`refuses ${JSON.stringify(address)} (${kind})`, () => {
        expect(isPublicAddress(address)).to.equal(false);
      });
    }
  }
  for (const address of PUBLIC) {
    it(`takes ${address}`, () => {
      expect(isPublicAddress(address)).to.equal(true);
    });
  }
});
