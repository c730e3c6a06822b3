// Checks certs/request.ts: what it refuses, then what it does.
import { expect } from "chai";
import { createPublicKey, type KeyObject } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CertificateError } from "../../certs/certificate-error.js";
import { createRsaKey } from "../../certs/private-key.js";
import { createRequest, parseRequest } from "../../certs/request.js";
import { openssl } from "../support/openssl.js";
import { TestGroup } from "../support/pki.js";

const SUBJECT = { peerId: "00000000000000000002", organisation: "Gemeente Ütrecht" };
const NAMES = ["inway.test", "*.wild.test"];

const pemOf = (der: Buffer): string =>
  `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
const derOf = (pem: string): Buffer =>
  Buffer.from(pem.replaceAll(/-----[^-]*-----|\s/g, ""), "base64");

describe("certs/request", function () {
  this.timeout(60_000);
  let test: TestGroup;
  let key: KeyObject;
  let pem: string;
  let made = 0;

  /** A request made by openssl. */
  const foreign = async (...args: readonly string[]): Promise<string> => {
    made += 1;
    const at = join(test.dir, `request-${String(made)}`);
    const subject = `/O=Gemeente/serialNumber=${SUBJECT.peerId}`;
    const given = args.includes("-subj") ? [] : ["-subj", subject];
    await openssl(
      "req",
      "-new",
      "-nodes",
      "-utf8",
      "-keyout",
      `${at}.key`,
      ...given,
      ...args,
      "-out",
      at,
    );
    return await readFile(at, "utf8");
  };

  before(async () => {
    test = await TestGroup.create();
    key = await createRsaKey(2048);
    pem = createRequest(SUBJECT, NAMES, key);
  });
  after(() => test.remove());

  it("makes a request that openssl verifies and reads", async () => {
    const path = join(test.dir, "ours");
    await writeFile(path, pem);
    const text = await openssl(
      "req",
      "-in",
      path,
      "-verify",
      "-noout",
      "-text",
      "-nameopt",
      "utf8",
    );
    expect(text).to.contain("O=Gemeente Ütrecht, serialNumber=00000000000000000002");
    expect(text).to.contain("DNS:inway.test, DNS:*.wild.test");
  });

  it("reads what it made", () => {
    const request = parseRequest(pem);
    expect(request).to.deep.include({ ...SUBJECT, requestedNames: NAMES });
    expect(request.publicKey.equals(createPublicKey(key))).to.equal(true);
  });

  it("reads a request of openssl, without names and with other attributes", async () => {
    const request = parseRequest(await foreign("-newkey", "rsa:2048", "-sha384"));
    expect(request).to.deep.include({ organisation: "Gemeente", requestedNames: [] });
  });

  it("refuses a request of which any byte was changed", () => {
    const der = derOf(pem);
    for (let at = 0; at < der.length; at += 3) {
      const changed = Buffer.from(der);
      changed[at] = (changed[at] ?? 0) ^ 0x01;
      expect(() => parseRequest(pemOf(changed)), `byte ${String(at)}`).to.throw(CertificateError);
    }
  });

  it("refuses a request whose key was swapped for another", async () => {
    const other = await createRsaKey(2048);
    const spki = (from: KeyObject): Buffer =>
      createPublicKey(from).export({ format: "der", type: "spki" });
    const der = derOf(pem);
    spki(other).copy(der, der.indexOf(spki(key)));
    expect(() => parseRequest(pemOf(der))).to.throw(
      CertificateError,
      "its signature is not by the key that it is for",
    );
  });

  const refusals: readonly (readonly [string, () => Promise<string>, string])[] = [
    ["a text without PEM", () => Promise.resolve("x"), "holds no certificate request in PEM"],
    [
      "a request of more than 64 KiB",
      () => Promise.resolve(pem + " ".repeat(65_536)),
      "larger than 65536 bytes",
    ],
    ["a cut request", () => Promise.resolve(pemOf(derOf(pem).subarray(0, -1))), "not DER"],
    [
      "bytes after the request",
      () => Promise.resolve(pemOf(Buffer.concat([derOf(pem), Buffer.alloc(1)]))),
      "not DER",
    ],
    [
      "a request for an EC key",
      () => foreign("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
      "a key of the kind ec; this CA issues certificates for RSA keys only",
    ],
    [
      "a request for an Ed25519 key",
      () => foreign("-newkey", "ed25519"),
      "a key of the kind ed25519; this CA issues certificates for RSA keys only",
    ],
    [
      "a request for an RSA key of 1024 bits",
      () => foreign("-newkey", "rsa:1024"),
      "an RSA key of 1024 bits",
    ],
    [
      "a request signed with SHA-1",
      () => foreign("-newkey", "rsa:2048", "-sha1"),
      "which is not allowed",
    ],
    [
      "a request without O",
      () => foreign("-newkey", "rsa:2048", "-subj", "/serialNumber=1"),
      "no O (organisation)",
    ],
    [
      "a request without serialNumber",
      () => foreign("-newkey", "rsa:2048", "-subj", "/O=G"),
      "no serialNumber",
    ],
    [
      "a request with two serialNumbers",
      () => foreign("-newkey", "rsa:2048", "-subj", "/O=G/serialNumber=1/serialNumber=2"),
      "more than one serialNumber",
    ],
    [
      "a request for a name that is none",
      () => foreign("-newkey", "rsa:2048", "-addext", "subjectAltName=DNS:a_b.test"),
      'the name "a_b.test" is not a DNS host name',
    ],
    [
      "a request for more than 100 names",
      () =>
        foreign(
          ...["-newkey", "rsa:2048", "-addext"],
          `subjectAltName=${Array.from({ length: 101 }, (_, n) => `DNS:n${String(n)}.test`).join(",")}`,
        ),
      "there are 101 names, allowed are 100",
    ],
  ];
  for (const [what, make, reason] of refusals) {
    it(`refuses ${what}`, async () => {
      const text = await make();
      expect(() => parseRequest(text)).to.throw(CertificateError, reason);
    });
  }

  const wrong: readonly (readonly [string, Partial<typeof SUBJECT>, readonly string[], string])[] =
    [
      ["an empty peer id", { peerId: "" }, NAMES, "peer id"],
      ["a peer id with a space", { peerId: "1 2" }, NAMES, "peer id"],
      ["a peer id with a slash", { peerId: "1/2" }, NAMES, "peer id"],
      ["a peer id beyond ASCII", { peerId: "ü" }, NAMES, "peer id"],
      ["a peer id of 65 characters", { peerId: "1".repeat(65) }, NAMES, "peer id"],
      ["an organisation of 65 characters", { organisation: "x".repeat(65) }, NAMES, "organisation"],
      ["an organisation with a line break", { organisation: "a\nb" }, NAMES, "organisation"],
      ["an IP address as a name", {}, ["127.0.0.1"], "127.0.0.1"],
      ["an empty name", {}, [""], "is not a DNS host name"],
      ["a name with a comma", {}, ["a.test,DNS:b.test"], "is not a DNS host name"],
    ];
  for (const [what, change, names, reason] of wrong) {
    it(`does not make a request with ${what}`, () => {
      expect(() => createRequest({ ...SUBJECT, ...change }, names, key)).to.throw(
        CertificateError,
        reason,
      );
    });
  }

  it("names every mistake at once", () => {
    expect(() => createRequest({ peerId: "", organisation: "" }, ["_"], key))
      .to.throw(CertificateError)
      .with.property("message")
      .that.matches(/peer id.*\n.*organisation.*\n.*the name "_"/);
  });

  it("does not make keys of other sizes", async () => {
    for (const bits of [1024, 2047, 4097, 2048.5, NaN]) {
      const made = await createRsaKey(bits).catch((error: unknown) => error);
      expect(made, String(bits)).to.be.instanceOf(RangeError);
    }
  });
});
