// Checks certs/ca.ts: what it refuses, then what it does.
import { expect } from "chai";
import type { X509Certificate } from "node:crypto";
import { chmod, copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCa, openCa, recordIssued, validFromNow } from "../../certs/ca.js";
import { CertificateError } from "../../certs/certificate-error.js";
import { issueCertificate, type Issuance } from "../../certs/issue.js";
import { createKeyFile, KeyFileExists } from "../../certs/private-file.js";
import { createRsaKey } from "../../certs/private-key.js";
import { FileError } from "../../certs/read-file.js";
import { createRequest, parseRequest, type CertificateRequest } from "../../certs/request.js";
import { newSerial } from "../../certs/serial.js";
import { openssl } from "../support/openssl.js";

const DAY_MS = 86_400_000;
const NAME = "Démo “CA” Ü";

const rejection = async (work: Promise<unknown>): Promise<unknown> => {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error("it was not refused");
};

describe("certs/ca", function () {
  this.timeout(60_000);
  let dir: string;
  let caDir: string;
  let request: CertificateRequest;

  const issuance = (changes: Partial<Issuance> = {}): Issuance => ({
    names: ["inway.test"],
    notBefore: validFromNow(),
    notAfter: new Date(Date.now() + 90 * DAY_MS),
    ...changes,
  });
  const issue = async (changes?: Partial<Issuance>): Promise<X509Certificate> =>
    await issueCertificate(await openCa(caDir), request, issuance(changes));

  /** Runs openssl's strict check on a certificate. Rejects when it fails. */
  const verifyStrictly = async (pem: string, ...args: string[]): Promise<string> => {
    const path = join(dir, "checked.pem");
    await writeFile(path, pem);
    const [root, issuing] = [join(caDir, "root.pem"), join(caDir, "issuing.pem")];
    return await openssl(
      "verify",
      "-x509_strict",
      ...args,
      "-CAfile",
      root,
      "-untrusted",
      issuing,
      path,
    );
  };

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "schakel-test-ca-"));
    caDir = join(dir, "ca");
    await createCa(caDir, { name: NAME, keyBits: 2048 });
    const subject = { peerId: "00000000000000000002", organisation: "Gemeente Ütrecht" };
    const pem = createRequest(subject, ["asked.test", "*.asked.test"], await createRsaKey(2048));
    request = parseRequest(pem);
  });
  after(() => rm(dir, { recursive: true, force: true }));

  it("makes a root and an issuing CA that openssl takes strictly", async () => {
    for (const name of ["root.pem", "issuing.pem"]) {
      const pem = await readFile(join(caDir, name), "utf8");
      expect(await verifyStrictly(pem)).to.contain("OK");
    }
    const shown = await openssl(
      "x509",
      "-in",
      join(caDir, "issuing.pem"),
      "-noout",
      "-text",
      "-nameopt",
      "utf8,sep_comma_plus_space",
    );
    expect(shown).to.contain(`O=${NAME}, CN=${NAME} issuing CA`);
    expect(shown).to.contain("CA:TRUE, pathlen:0");
    expect(shown).to.contain("Certificate Sign, CRL Sign");
  });

  it("keeps its keys for their owner alone", async () => {
    for (const name of ["root.key", "issuing.key"]) {
      expect((await stat(join(caDir, name))).mode & 0o777, name).to.equal(0o600);
    }
    expect((await stat(caDir)).mode & 0o777).to.equal(0o700);
  });

  it("does not make a CA where there is one, and leaves it as it was", async () => {
    const before = await readFile(join(caDir, "root.key"), "utf8");
    const error = await rejection(createCa(caDir, { name: "Other", keyBits: 2048 }));
    expect(error).to.be.instanceOf(KeyFileExists);
    expect(await readFile(join(caDir, "root.key"), "utf8")).to.equal(before);
  });

  for (const name of ["", " ", "a\nb", "x".repeat(51)]) {
    it(`does not make a CA with the name ${JSON.stringify(name.slice(0, 10))}`, async () => {
      const other = join(dir, "none");
      const error = await rejection(createCa(other, { name, keyBits: 2048 }));
      expect(error).to.be.instanceOf(CertificateError);
      expect(await readdir(dir)).not.to.contain("none");
    });
  }

  it("makes dates beyond 2049 that openssl takes strictly", async () => {
    const far = join(dir, "far");
    await createCa(far, { name: "Far", keyBits: 2048, days: 9125 });
    const { root } = await openCa(far);
    expect(root.validToDate.getUTCFullYear()).to.be.greaterThan(2049);
    const path = join(far, "root.pem");
    expect(
      await openssl("verify", "-x509_strict", "-CAfile", path, join(far, "issuing.pem")),
    ).to.contain("OK");
  });

  it("issues certificates that openssl takes strictly, for client and server, at the name", async () => {
    const pem = (await issue()).toString();
    for (const purpose of ["sslclient", "sslserver"]) {
      expect(await verifyStrictly(pem, "-purpose", purpose)).to.contain("OK");
    }
    expect(await verifyStrictly(pem, "-verify_hostname", "inway.test")).to.contain("OK");
  });

  it("issues a subject in UTF-8 and an id as PrintableString", async () => {
    const path = join(dir, "leaf.pem");
    await writeFile(path, (await issue()).toString());
    const structure = await openssl("asn1parse", "-in", path);
    expect(structure).to.match(/UTF8STRING\s+:Gemeente Ütrecht/);
    expect(structure).to.match(/PRINTABLESTRING\s+:00000000000000000002/);
  });

  it("grants the operator's names and purposes, never the request's", async () => {
    const certificate = await issue({
      names: ["Granted.test", "granted.test"],
      purposes: ["client authentication"],
    });
    expect(certificate.subjectAltName).to.equal("DNS:granted.test");
    expect(certificate.keyUsage).to.deep.equal(["1.3.6.1.5.5.7.3.2"]);
    expect(certificate.ca).to.equal(false);
  });

  const refusals: readonly (readonly [string, Partial<Issuance>, string])[] = [
    ["no name", { names: [] }, "at least one name"],
    ["a name that is none", { names: ["a b"] }, 'the name "a b" is not a DNS host name'],
    ["an end before the beginning", { notAfter: new Date(0) }, "before it begins"],
    [
      "an end after the CA's own",
      { notAfter: new Date(Date.now() + 4000 * DAY_MS) },
      "but the CA itself ends at",
    ],
  ];
  for (const [what, changes, reason] of refusals) {
    it(`does not issue with ${what}`, async () => {
      const before = await readdir(join(caDir, "issued"));
      expect(await rejection(issue(changes)))
        .to.be.instanceOf(CertificateError)
        .with.property("message")
        .that.contains(reason);
      expect(await readdir(join(caDir, "issued"))).to.deep.equal(before);
    });
  }

  it("gives 200 certificates 200 serials, positive, random in 128 bits, each recorded", async () => {
    const ca = await openCa(caDir);
    const serials: string[] = [];
    for (let n = 0; n < 200; n++) {
      serials.push((await issueCertificate(ca, request, issuance())).serialNumber.toLowerCase());
    }
    expect(new Set(serials)).to.have.lengthOf(200);
    for (const serial of serials) expect(serial).to.match(/^[0-9a-f]{26,32}$/);
    expect(new Set(serials.map((serial) => serial.padStart(32, "0")[0]))).to.have.lengthOf(16);
    const recorded = await readdir(join(caDir, "issued"));
    expect(recorded).to.include.members(serials.map((serial) => `${serial}.pem`));
  });

  it("makes serials that are positive DER integers without padding", () => {
    for (let n = 0; n < 2000; n++) {
      const bytes = Buffer.from(newSerial(), "hex");
      const [first = 0, second = 0] = bytes;
      expect(first).to.be.lessThan(0x80);
      expect(first > 0 || second >= 0x80).to.equal(true);
      expect(bytes.length).to.be.lessThan(18);
    }
  });

  it("never records one serial twice", async () => {
    const ca = await openCa(caDir);
    const certificate = await issue();
    expect(await rejection(recordIssued(ca, certificate)))
      .to.be.instanceOf(CertificateError)
      .with.property("message")
      .that.contains("has been used before");
  });

  describe("opened", () => {
    const copy = async (name: string): Promise<string> => {
      const other = join(dir, name);
      await createCa(other, { name: "Other", keyBits: 2048 });
      return other;
    };

    it("is refused without its files", async () => {
      expect(await rejection(openCa(join(dir, "nowhere")))).to.be.instanceOf(FileError);
    });

    it("is refused with a key that others may read", async () => {
      const other = await copy("open");
      await chmod(join(other, "issuing.key"), 0o644);
      expect(await rejection(openCa(other)))
        .to.have.property("message")
        .that.contains("mode 0644");
    });

    it("is refused with another CA's key, and with another CA's root", async () => {
      const other = await copy("mixed");
      await copyFile(join(caDir, "issuing.key"), join(other, "issuing.key"));
      expect(await rejection(openCa(other)))
        .to.have.property("message")
        .that.contains("is not that of");
      await copyFile(join(caDir, "issuing.pem"), join(other, "issuing.pem"));
      expect(await rejection(openCa(other)))
        .to.have.property("message")
        .that.contains("was not issued by");
    });
  });

  it("never overwrites a key file, also when it is empty", async () => {
    const path = join(dir, "empty.key");
    await writeFile(path, "");
    expect(await rejection(createKeyFile(path, "x"))).to.be.instanceOf(KeyFileExists);
    expect(await readFile(path, "utf8")).to.equal("");
  });
});
