// Checks certs/identity.ts: what it refuses, then what it does.
import { expect } from "chai";
import { createHash, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { certifiesHost, CertificateError, identityOf, isPeerName } from "../../certs/identity.js";
import { PEER_ID_PATTERN_DEFAULT, peerIdRule } from "../../core/names.js";
import { caExtensions, openssl, peerExtensions, type OddCertificate } from "../support/openssl.js";
import { TestGroup } from "../support/pki.js";

const ID = "00000000000000000007";
const rule = peerIdRule(PEER_ID_PATTERN_DEFAULT);

interface Refusal extends Omit<OddCertificate, "dir"> {
  readonly what: string;
  readonly reason: string;
}

const san = (value: string): readonly string[] => [
  ...peerExtensions().slice(0, -1),
  `subjectAltName=${value}`,
];

const REFUSALS: readonly Refusal[] = [
  { what: "no O", subject: `/serialNumber=${ID}`, reason: "no O (organisation)" },
  { what: "no serialNumber", subject: "/O=Gemeente", reason: "no serialNumber" },
  {
    what: "a CN that looks like both",
    subject: `/CN=O=Gemeente\\,serialNumber=${ID}`,
    reason: "no serialNumber",
  },
  {
    what: "two organisations",
    subject: `/O=Gemeente/O=Rijk/serialNumber=${ID}`,
    reason: "more than one O (organisation)",
  },
  {
    what: "two serialNumbers",
    subject: `/O=Gemeente/serialNumber=${ID}/serialNumber=00000000000000000008`,
    reason: "more than one serialNumber",
  },
  {
    what: "two serialNumbers in one RDN",
    subject: `/O=Gemeente/serialNumber=${ID}+serialNumber=00000000000000000008`,
    reason: "more than one serialNumber",
  },
  {
    what: "a serialNumber of 19 digits",
    subject: "/O=Gemeente/serialNumber=0000000000000000007",
    reason: "not a peer id by the group's rule",
  },
  {
    what: "a serialNumber with something after its digits",
    subject: `/O=Gemeente/serialNumber=${ID} 1`,
    reason: "not a peer id by the group's rule",
  },
  {
    what: "an organisation with a line break",
    subject: `/O=Gemeente\nserialNumber=1/serialNumber=${ID}`,
    reason: "printable characters",
  },
  {
    what: "an organisation that turns the direction of text",
    subject: `/O=Gemeente\u202e/serialNumber=${ID}`,
    reason: "printable characters",
  },
  {
    what: "an organisation of a space",
    subject: `/O= /serialNumber=${ID}`,
    reason: "printable characters",
  },
  {
    what: "a CA's certificate",
    subject: `/O=Gemeente/serialNumber=${ID}`,
    extensions: caExtensions(),
    reason: "the certificate of a CA",
  },
  {
    what: "an RSA key of 1024 bits",
    subject: `/O=Gemeente/serialNumber=${ID}`,
    key: "rsa:1024",
    reason: "an RSA key of 1024 bits",
  },
  {
    what: "an Ed25519 key",
    subject: `/O=Gemeente/serialNumber=${ID}`,
    key: "ed25519",
    reason: "a key of the kind ed25519",
  },
  {
    what: "a key on another curve",
    subject: `/O=Gemeente/serialNumber=${ID}`,
    key: "secp256k1",
    reason: "a key on the curve secp256k1",
  },
  {
    what: "a DNS name that would end in a joined list",
    subject: `/O=Gemeente/serialNumber=${ID}`,
    extensions: [...san("@names"), "[names]", "DNS.1=a.test\\, DNS:b.test"],
    reason: "a DNS name that is not a host name",
  },
  {
    what: "a DNS name that is an IP address",
    subject: `/O=Gemeente/serialNumber=${ID}`,
    extensions: san("DNS:127.0.0.1"),
    reason: "a DNS name that is not a host name",
  },
  {
    what: "a DNS name with a star within a label",
    subject: `/O=Gemeente/serialNumber=${ID}`,
    extensions: san("DNS:in*.test"),
    reason: "a DNS name that is not a host name",
  },
  {
    what: "more than 100 DNS names",
    subject: `/O=Gemeente/serialNumber=${ID}`,
    extensions: peerExtensions(...Array.from({ length: 101 }, (_, n) => `n${String(n)}.test`)),
    reason: "more than 100 DNS names",
  },
];

describe("certs/identity", function () {
  this.timeout(30_000);
  let group: TestGroup;

  const certificateOf = async (odd: Omit<OddCertificate, "dir">): Promise<X509Certificate> =>
    new X509Certificate(await readFile((await group.oddPeer(odd)).files.cert));

  before(async () => {
    group = await TestGroup.create();
  });
  after(() => group.remove());

  for (const { what, reason, ...odd } of REFUSALS) {
    it(`refuses ${what}`, async () => {
      const certificate = await certificateOf(odd);
      expect(() => identityOf(certificate, rule)).to.throw(CertificateError, reason);
    });
  }

  it("refuses an organisation as BMPString or TeletexString, which readers decode differently", async () => {
    const peer = await group.peer({ peerId: ID, name: "Gemeente", names: ["a.test"] });
    const pem = await readFile(peer.files.cert);
    const der = Buffer.from(new X509Certificate(pem).raw);
    const at = der.indexOf(Buffer.from("0c0847656d65656e7465", "hex"));
    expect(at).to.be.greaterThan(0);
    for (const tag of [0x14, 0x1e]) {
      der[at] = tag;
      expect(() => identityOf(new X509Certificate(der), rule)).to.throw(
        CertificateError,
        "no UTF8String or PrintableString",
      );
    }
  });

  it("reads peer id, name and names of an RSA certificate, and both thumbprints", async () => {
    const name = "Gemeente Ütrecht aan Zee ’s-Gravenland";
    const { files } = await group.peer({ peerId: ID, name, names: ["A.test", "*.b.test"] });
    const certificate = new X509Certificate(await readFile(files.cert));
    const identity = identityOf(certificate, rule);
    expect(identity.peerId).to.equal(ID);
    expect(identity.name).to.equal(name);
    expect(identity.dnsNames).to.deep.equal(["a.test", "*.b.test"]);
    const spki = certificate.publicKey.export({ format: "der", type: "spki" });
    const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes);
    expect(identity.publicKeyThumbprint).to.equal(sha256(spki).digest("hex"));
    const shown = await openssl("x509", "-in", files.cert, "-noout", "-fingerprint", "-sha256");
    const fingerprint = (/=([0-9A-F:]+)/.exec(shown)?.[1] ?? "").replaceAll(":", "");
    expect(identity.certificateThumbprint).to.equal(
      Buffer.from(fingerprint, "hex").toString("base64url"),
    );
  });

  for (const key of ["P-256", "P-384"] as const) {
    it(`reads a certificate with a ${key} key`, async () => {
      const certificate = await certificateOf({ subject: `/O=Rijk/serialNumber=${ID}`, key });
      const { peerId, name, dnsNames } = identityOf(certificate, rule);
      expect({ peerId, name, dnsNames }).to.deep.equal({
        peerId: ID,
        name: "Rijk",
        dnsNames: ["odd.test"],
      });
    });
  }

  it("takes an organisation with commas, slashes and equals signs as it stands", async () => {
    const { files } = await group.peer({
      peerId: ID,
      name: 'A, O=B/serialNumber=1 "C"',
      names: ["a.test"],
    });
    const { name, peerId } = identityOf(new X509Certificate(await readFile(files.cert)), rule);
    expect([peerId, name]).to.deep.equal([ID, 'A, O=B/serialNumber=1 "C"']);
  });

  it("keeps the group's own rule for ids", async () => {
    const certificate = await certificateOf({ subject: "/O=Rijk/serialNumber=NL-7" });
    expect(identityOf(certificate, peerIdRule("NL-[0-9]+")).peerId).to.equal("NL-7");
    expect(() => identityOf(certificate, peerIdRule("NL-"))).to.throw(CertificateError);
  });

  it("holds a host to be certified only by its exact name or one label in place of a star", async () => {
    const { files } = await group.peer({
      peerId: ID,
      name: "Gemeente",
      names: ["inway.test", "*.wild.test", "single"],
    });
    const identity = identityOf(new X509Certificate(await readFile(files.cert)), rule);
    for (const host of ["inway.test", "INWAY.TEST", "a.wild.test", "single"]) {
      expect(certifiesHost(identity, host), host).to.equal(true);
    }
    const others = [
      "",
      "*.wild.test",
      "wild.test",
      "a.b.wild.test",
      "awild.test",
      ".wild.test",
      "test",
      "inway.test.",
      "inway.test\0",
      "inway.test, DNS:other",
      "127.0.0.1",
      "::1",
    ];
    for (const host of others) expect(certifiesHost(identity, host), host).to.equal(false);
  });

  const names: readonly (readonly [string, boolean])[] = [
    ["Gemeente Ütrecht", true],
    ["x".repeat(255), true],
    ["x".repeat(256), false],
    ["", false],
    [" x", false],
    ["x\u0000", false],
    ["x\u2028y", false],
    ["x\u200by", false],
  ];
  for (const [name, allowed] of names) {
    it(`${allowed ? "takes" : "refuses"} ${JSON.stringify(name.slice(0, 20))} (${String(name.length)}) as a name`, () => {
      expect(isPeerName(name)).to.equal(allowed);
    });
  }
});
