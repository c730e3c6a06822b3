// Checks certs/sign.ts: what it refuses, then what it does.
import { expect } from "chai";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { writeFile } from "node:fs/promises";
import { loadBundle, type Bundle } from "../../certs/bundle.js";
import { loadGroup, type Group } from "../../certs/group.js";
import { CertificateError } from "../../certs/identity.js";
import { signBytes, verifySigned, type Signed } from "../../certs/sign.js";
import { makeOdd, makeOddCa, openssl, peerExtensions } from "../support/openssl.js";
import { TestGroup } from "../support/pki.js";

const ID = "00000000000000000002";
const PURPOSE = "schakel/test/v1";
const BYTES = Buffer.from("what is signed");

describe("certs/sign", function () {
  this.timeout(60_000);
  let test: TestGroup;
  let group: Group;
  let rsa: Bundle;
  let ec: Bundle;

  const signedBy = (bundle: Bundle): Signed => ({
    chain: bundle.chain.map(({ raw }) => raw),
    signature: signBytes(bundle, PURPOSE, BYTES),
    purpose: PURPOSE,
    bytes: BYTES,
  });

  before(async () => {
    test = await TestGroup.create();
    group = await loadGroup(test.groupFile);
    const peer = await test.peer({ peerId: ID, name: "Gemeente", names: ["a.test"] });
    rsa = await loadBundle(peer.files, group);
    const odd = { subject: `/O=Rijk/serialNumber=${ID}`, extensions: peerExtensions("b.test") };
    ec = await loadBundle((await test.oddPeer({ ...odd, key: "P-256" })).files, group);
  });
  after(() => test.remove());

  for (const kind of ["RSA", "EC"] as const) {
    const bundle = (): Bundle => (kind === "RSA" ? rsa : ec);

    it(`takes what an ${kind} key signed, and says who it was`, () => {
      const { peerId, name } = verifySigned(signedBy(bundle()), group, Date.now());
      expect([peerId, name]).to.deep.equal([ID, kind === "RSA" ? "Gemeente" : "Rijk"]);
    });

    it(`makes an ${kind} signature that openssl takes, over purpose, zero byte and bytes`, async () => {
      const at = (name: string): string => join(test.dir, `${kind}-${name}`);
      const key = bundle().chain[0]?.publicKey.export({ format: "pem", type: "spki" }) ?? "";
      await writeFile(at("key"), key);
      await writeFile(at("signature"), signedBy(bundle()).signature);
      await writeFile(at("bytes"), Buffer.concat([Buffer.from(PURPOSE), Buffer.from([0]), BYTES]));
      const shown = await openssl(
        ...["dgst", "-sha256", "-verify", at("key"), "-signature", at("signature"), at("bytes")],
      );
      expect(shown).to.contain("Verified OK");
    });

    const changes: readonly (readonly [string, (signed: Signed) => Partial<Signed>])[] = [
      ["other bytes", () => ({ bytes: Buffer.from("what is signet") })],
      ["no bytes", () => ({ bytes: Buffer.alloc(0) })],
      ["another purpose", () => ({ purpose: "schakel/test/v2" })],
      ["no signature", () => ({ signature: Buffer.alloc(0) })],
      ["a signature cut by a byte", ({ signature }) => ({ signature: signature.subarray(1) })],
      [
        "a signature with a byte more",
        ({ signature }) => ({ signature: Buffer.concat([signature, Buffer.from([0])]) }),
      ],
      ["a signature of more than 1024 bytes", () => ({ signature: Buffer.alloc(1025) })],
      [
        "another key's signature",
        () => ({ signature: signBytes(kind === "RSA" ? ec : rsa, PURPOSE, BYTES) }),
      ],
      ["another peer's chain", () => ({ chain: signedBy(kind === "RSA" ? ec : rsa).chain })],
      ["no chain", () => ({ chain: [] })],
      ["a chain without the issuing CA", ({ chain }) => ({ chain: chain.slice(0, 1) })],
      ["a chain in another order", ({ chain }) => ({ chain: [...chain].reverse() })],
      ["a chain of six", ({ chain }) => ({ chain: [...chain, ...chain, ...chain] })],
      [
        "a certificate in PEM",
        () => ({ chain: bundle().chain.map((each) => Buffer.from(each.toString())) }),
      ],
      [
        "a certificate with bytes after it",
        ({ chain }) => ({ chain: chain.map((each) => Buffer.concat([each, Buffer.from([0])])) }),
      ],
      [
        "a certificate of more than 16 KiB",
        ({ chain }) => ({ chain: [Buffer.alloc(16_385), ...chain] }),
      ],
      ["a certificate that is none", () => ({ chain: [Buffer.from("3000", "hex")] })],
    ];
    for (const [what, change] of changes) {
      it(`refuses ${what} (${kind})`, () => {
        const signed = signedBy(bundle());
        const changed = { ...signed, ...change(signed) };
        expect(() => verifySigned(changed, group, Date.now())).to.throw(CertificateError);
      });
    }
  }

  it("refuses bytes moved into the purpose", () => {
    const signature = signBytes(rsa, "ab", Buffer.from("c"));
    const moved = { ...signedBy(rsa), signature, purpose: "abc", bytes: Buffer.alloc(0) };
    expect(() => verifySigned(moved, group, Date.now())).to.throw(CertificateError);
  });

  for (const purpose of ["", "a b", "a\0b", "ü", "x".repeat(101)]) {
    it(`does not sign for the purpose ${JSON.stringify(purpose.slice(0, 10))}`, () => {
      expect(() => signBytes(rsa, purpose, BYTES)).to.throw(TypeError);
    });
  }

  it("refuses a signature after the certificate's time, and before it", () => {
    const year = 365 * 86_400_000;
    for (const now of [Date.now() + year, Date.now() - year]) {
      expect(() => verifySigned(signedBy(rsa), group, now)).to.throw(CertificateError);
    }
  });

  it("refuses a signer of another CA, and of another group's CA", async () => {
    const ca = await makeOddCa(join(test.dir, "other"), "Other", "P-256");
    const files = await makeOdd({
      dir: join(test.dir, "other", "peer"),
      subject: `/O=Rijk/serialNumber=${ID}`,
      issuer: ca.issuing,
    });
    const chain = [files.cert, ca.issuing.cert].map((path) => path);
    const certificates = await Promise.all(
      chain.map(async (path) => new X509Certificate(await openssl("x509", "-in", path)).raw),
    );
    const signed = { ...signedBy(rsa), chain: certificates };
    expect(() => verifySigned(signed, group, Date.now())).to.throw(CertificateError, "stops at");
    const other = await TestGroup.create({ groupId: "another" });
    const anotherGroup = await loadGroup(other.groupFile);
    await other.remove();
    expect(() => verifySigned(signedBy(rsa), anotherGroup, Date.now())).to.throw(
      CertificateError,
      "stops at",
    );
  });

  it("refuses a signer without peer id", async () => {
    const { files } = await test.oddPeer({ subject: "/O=Rijk", key: "P-256" });
    const leaf = new X509Certificate(await openssl("x509", "-in", files.cert));
    const chain = [leaf.raw, ...signedBy(rsa).chain.slice(1)];
    expect(() => verifySigned({ ...signedBy(rsa), chain }, group, Date.now())).to.throw(
      CertificateError,
      "no serialNumber",
    );
  });
});
