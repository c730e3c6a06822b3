// "host:port" as a value, and what is no host.
import { expect } from "chai";
import { formatAddress, isHostName, parseAddress } from "../../core/address.js";

const REFUSED = [
  "",
  "a",
  ":443",
  "a:",
  "a:65536",
  "a:-1",
  "a:+1",
  "a:0443",
  "a:443 ",
  " a:443",
  "a:443\n",
  "a:4e2",
  "a:0x50",
  "a b:443",
  "a_b:443",
  "a..b:443",
  ".a:443",
  "a.:443",
  "-a:443",
  "a-:443",
  "é.nl:443",
  "user@a:443",
  "http://a:443",
  "a/b:443",
  "a:1:2",
  "::1:443",
  "[::1]",
  "[::1]443",
  "[1.2.3.4]:443",
  "[::::]:443",
  "[fe80::1%eth0]:443",
  "[12345::]:443",
  "999.1.1.1:443",
  "1.2.3:443",
  "1:443",
  "127.1:443",
  "010.0.0.1:443",
  "0x7f.0.0.1:443",
  "0x7f000001:443",
  "a.0x1:443",
  "a.1:443",
  `${"a".repeat(64)}.nl:443`,
  `${"abcdefg.".repeat(32)}nl:443`,
];

const TAKEN = [
  { text: "inway.a.nl:443", host: "inway.a.nl", port: 443 },
  { text: "INWAY.A.NL:8443", host: "inway.a.nl", port: 8443 },
  { text: "localhost:0", host: "localhost", port: 0 },
  { text: "127.0.0.1:65535", host: "127.0.0.1", port: 65535 },
  { text: "[::1]:443", host: "::1", port: 443 },
  { text: "[FE80::1]:443", host: "fe80::1", port: 443 },
  { text: "[::ffff:1.2.3.4]:443", host: "::ffff:1.2.3.4", port: 443 },
  { text: "1a.b2:443", host: "1a.b2", port: 443 },
  { text: "xn--mnchen-3ya.de:443", host: "xn--mnchen-3ya.de", port: 443 },
];

describe("core/address", () => {
  for (const text of REFUSED) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(parseAddress(text)).to.equal(undefined);
    });
  }

  for (const { text, host, port } of TAKEN) {
    it(`takes ${text}, in lower case, and writes it back`, () => {
      expect(parseAddress(text)).to.deep.equal({ host, port });
      expect(formatAddress({ host, port })).to.equal(text.toLowerCase());
    });
  }

  for (const text of [
    "",
    "a b",
    "a.",
    "1.2.3.4",
    "0x1",
    "a.0X",
    "a\n",
    "::1",
    "*.a.nl",
    "a".repeat(64),
  ]) {
    it(`does not take ${JSON.stringify(text)} for a host name`, () => {
      expect(isHostName(text)).to.equal(false);
    });
  }

  it("takes a host name of 253 characters and no more", () => {
    const longest = `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(61)}`;
    expect(isHostName(longest)).to.equal(true);
    expect(isHostName(`${longest}d`)).to.equal(false);
  });
});
