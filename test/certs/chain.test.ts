// Checks certs/chain.ts: what it refuses, then what it does.
import { expect } from "chai";
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { CertificateError } from "../../certs/certificate-error.js";
import { checkPath, isRoot, pathProblems, type Trust } from "../../certs/chain.js";
import { readCertificates } from "../../certs/pem.js";
import {
  caExtensions,
  makeOdd,
  makeOddCa,
  peerExtensions,
  type Issuer,
  type OddCa,
  type OddCertificate,
} from "../support/openssl.js";
import { TestGroup } from "../support/pki.js";

const SUBJECT = "/O=Gemeente/serialNumber=00000000000000000007";
const DAY_MS = 86_400_000;

const trusting = (anchors: readonly X509Certificate[]): Trust => ({ anchors, revocationLists: [] });

describe("certs/chain", function () {
  this.timeout(60_000);
  let group: TestGroup;
  let ec: OddCa;
  let other: OddCa;
  let anchors: Trust;
  let made = 0;

  const read = async (path: string): Promise<readonly X509Certificate[]> =>
    readCertificates(await readFile(path, "utf8"), 10);
  const make = async (odd: Partial<OddCertificate> & { issuer?: Issuer }) => {
    made += 1;
    const dir = join(group.dir, "chain", String(made));
    return await makeOdd({ subject: SUBJECT, issuer: ec.issuing, ...odd, dir });
  };
  const chainOf = async (odd: Partial<OddCertificate>): Promise<readonly X509Certificate[]> =>
    await read((await make({ key: "P-256", ...odd })).cert);

  before(async () => {
    group = await TestGroup.create();
    ec = await makeOddCa(join(group.dir, "ec"), "EC CA", "P-256");
    other = await makeOddCa(join(group.dir, "other"), "EC CA", "P-256");
    anchors = trusting(await read(ec.root.cert));
  });
  after(() => group.remove());

  const leaves: readonly (Partial<OddCertificate> & { what: string; reason: string })[] = [
    {
      what: "a certificate for servers alone",
      extensions: ["extendedKeyUsage=serverAuth", "keyUsage=digitalSignature"],
      reason: "not for the purpose of client authentication",
    },
    {
      what: "a certificate for clients alone",
      extensions: ["extendedKeyUsage=clientAuth"],
      reason: "not for the purpose of server authentication",
    },
    {
      what: "a certificate for any purpose but TLS's",
      extensions: ["extendedKeyUsage=anyExtendedKeyUsage"],
      reason: "not for the purpose of client authentication",
    },
    {
      what: "a key that may not sign",
      extensions: ["keyUsage=keyAgreement"],
      reason: "a key usage without digitalSignature",
    },
    {
      what: "a CA's certificate",
      extensions: caExtensions(),
      reason: "a CA's certificate, not a peer's",
    },
    {
      what: "an unknown critical extension",
      extensions: [...peerExtensions("a.test"), "1.2.3.4=critical,ASN1:NULL"],
      reason: "the critical extension 1.2.3.4, which is unknown here",
    },
    { what: "a SHA-1 signature", digest: "sha1", reason: "which is not allowed" },
    { what: "an RSA key of 1024 bits", key: "rsa:1024", reason: "an RSA key of 1024 bits" },
    {
      what: "a certificate of more than 16 KiB",
      extensions: [...peerExtensions("a.test"), `nsComment=${"x".repeat(17_000)}`],
      reason: "bytes long, allowed are 16384",
    },
  ];
  for (const { what, reason, ...odd } of leaves) {
    it(`refuses ${what}`, async () => {
      const chain = await chainOf(odd);
      expect(pathProblems(chain, anchors, Date.now()).join("\n")).to.contain(reason);
      expect(() => checkPath(chain, anchors, Date.now())).to.throw(CertificateError, reason);
    });
  }

  const issuers: readonly { what: string; extensions: readonly string[]; reason: string }[] = [
    {
      what: "an issuer that is no CA",
      extensions: ["basicConstraints=critical,CA:FALSE", "keyUsage=keyCertSign"],
      reason: "not a CA's certificate, yet it issued one",
    },
    {
      what: "an issuer without basic constraints",
      extensions: ["keyUsage=keyCertSign"],
      reason: "not a CA's certificate, yet it issued one",
    },
    {
      what: "an issuer that may not sign certificates",
      extensions: ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,cRLSign"],
      reason: "a key usage without keyCertSign",
    },
    {
      what: "an issuer that does not say what its key is for",
      extensions: ["basicConstraints=critical,CA:TRUE"],
      reason: "a key usage without keyCertSign",
    },
    {
      what: "an issuer for servers alone",
      extensions: [...caExtensions(0), "extendedKeyUsage=serverAuth"],
      reason: "not for the purpose of client authentication",
    },
    {
      what: "name constraints",
      extensions: [...caExtensions(0), "nameConstraints=critical,permitted;DNS:test"],
      reason: "name constraints, which are not supported",
    },
  ];
  for (const { what, extensions, reason } of issuers) {
    it(`refuses ${what}`, async () => {
      const files = await make({
        subject: "/O=EC CA/CN=odd issuing",
        key: "P-256",
        extensions,
        issuer: ec.root,
      });
      const chain = await chainOf({ issuer: { ...files, chain: files.cert } });
      expect(pathProblems(chain, anchors, Date.now()).join("\n")).to.contain(reason);
    });
  }

  it("refuses more CAs below one than its path length allows", async () => {
    const files = await make({
      subject: "/O=EC CA/CN=below",
      key: "P-256",
      extensions: caExtensions(),
    });
    const chain = await chainOf({ issuer: { ...files, chain: files.cert } });
    expect(chain).to.have.lengthOf(3);
    expect(pathProblems(chain, anchors, Date.now()).join("\n")).to.contain(
      "1 CAs below it, allowed are 0",
    );
  });

  it("refuses a chain to another anchor of the same name, and says where it stops", async () => {
    const chain = await chainOf({ issuer: other.issuing });
    expect(pathProblems(chain, anchors, Date.now())).to.deep.equal([
      'the chain stops at (O="EC CA", CN="EC CA root"), anchors are (O="EC CA", CN="EC CA root")',
    ]);
  });

  it("refuses a chain without its issuing CA", async () => {
    const [leaf] = await chainOf({});
    expect(pathProblems(leaf === undefined ? [] : [leaf], anchors, Date.now())).to.deep.equal([
      'the chain stops at (O="EC CA", CN="EC CA issuing"), anchors are (O="EC CA", CN="EC CA root")',
    ]);
  });

  it("refuses a chain in another order", async () => {
    const [leaf, issuing] = await chainOf({});
    const chain = [leaf, issuing].filter((each) => each !== undefined).reverse();
    expect(pathProblems(chain, anchors, Date.now()).join("\n")).to.contain(
      "certificate 1 was not issued by certificate 2",
    );
  });

  it("refuses a certificate that was changed after it was signed", async () => {
    const [leaf, ...rest] = await chainOf({});
    const der = Buffer.from(leaf?.raw ?? []);
    const at = der.indexOf("Gemeente");
    der[at] = "g".charCodeAt(0);
    expect(pathProblems([new X509Certificate(der), ...rest], anchors, Date.now())).to.deep.equal([
      "certificate 1 was not issued by certificate 2",
    ]);
  });

  it("refuses a certificate that signed itself", async () => {
    made += 1;
    const dir = join(group.dir, "chain", String(made));
    const { cert } = await makeOdd({ dir, subject: SUBJECT, key: "P-256" });
    expect(pathProblems(await read(cert), anchors, Date.now()).join("\n")).to.contain(
      "the chain stops at",
    );
  });

  it("refuses no certificate, six certificates, and no anchor", async () => {
    const chain = await chainOf({});
    const [leaf] = chain;
    expect(pathProblems([], anchors, Date.now())).to.deep.equal(["there is no certificate"]);
    const six = Array.from({ length: 6 }, () => leaf).filter((each) => each !== undefined);
    expect(pathProblems(six, anchors, Date.now())).to.deep.equal([
      "a chain of 6 certificates, allowed are 5",
    ]);
    expect(pathProblems(chain, trusting([]), Date.now())).to.have.lengthOf(1);
  });

  it("refuses every certificate of the path outside its time, the anchor too", async () => {
    const chain = await chainOf({ days: 1 });
    expect(pathProblems(chain, anchors, Date.now() + 2 * DAY_MS).join("\n")).to.match(
      /^certificate 1 \(.*\): expired since [0-9-]+T[0-9:.]+Z$/,
    );
    const late = pathProblems(chain, anchors, Date.now() + 40 * DAY_MS);
    expect(late.filter((each) => each.includes("expired since"))).to.have.lengthOf(3);
    const early = pathProblems(chain, anchors, Date.now() - DAY_MS);
    expect(early.filter((each) => each.includes("not valid until"))).to.have.lengthOf(3);
  });

  it("takes a chain of EC certificates and one of RSA certificates", async () => {
    expect(pathProblems(await chainOf({}), anchors, Date.now())).to.deep.equal([]);
    const peer = await group.peer({ peerId: "7".repeat(20), name: "Rijk", names: ["a.test"] });
    const root = trusting(await read(join(group.caDir, "root.pem")));
    expect(pathProblems(await read(peer.files.cert), root, Date.now())).to.deep.equal([]);
  });

  it("takes an RSA certificate below an EC CA, and one straight below the anchor", async () => {
    const mixed = await chainOf({ key: "rsa:2048" });
    expect(pathProblems(mixed, anchors, Date.now())).to.deep.equal([]);
    const straight = await chainOf({ issuer: ec.root });
    expect(straight).to.have.lengthOf(1);
    expect(pathProblems(straight, anchors, Date.now())).to.deep.equal([]);
  });

  it("finds the right one of several anchors, also of one name", async () => {
    const all = trusting([...(await read(other.root.cert)), ...anchors.anchors]);
    expect(pathProblems(await chainOf({}), all, Date.now())).to.deep.equal([]);
  });

  it("knows a root from an issuing CA", async () => {
    const [root] = await read(ec.root.cert);
    const [issuing] = await read(ec.issuing.cert);
    expect(root !== undefined && isRoot(root)).to.equal(true);
    expect(issuing !== undefined && isRoot(issuing)).to.equal(false);
  });
});
