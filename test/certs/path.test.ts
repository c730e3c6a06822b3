// Checks the judgement of certificates (certs/judge.ts, certs/chain.ts, certs/path-builder.ts) on faults that
// openssl builds: a right path first, then one fault each.
import { expect } from "chai";
import { sign, X509Certificate } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { judge, parseQuestion, type Judgement, type Question } from "../../certs/judge.js";
import { readCertificates } from "../../certs/pem.js";
import { randomFrom } from "../support/random.js";
import {
  caExtensions,
  makeOdd,
  makeOddCa,
  openssl,
  peerExtensions,
  type Issuer,
  type OddCa,
  type OddCertificate,
} from "../support/openssl.js";

const SUBJECT = "/O=Gemeente/serialNumber=00000000000000000007";
const NAME = "a.test";
const DAY_MS = 86_400_000;
const SEED = Number(process.env["PATH_SEED"] ?? "20261124");

/** A question that has a right answer, with changes. */
type Changes = Partial<Question>;
type Leaf = Partial<Omit<OddCertificate, "issuer">> & { readonly issuer?: Issuer | undefined };

const asPem = (der: Buffer): string =>
  `-----BEGIN CERTIFICATE-----\n${der.toString("base64")}\n-----END CERTIFICATE-----\n`;

const inDays = (days: number): string => new Date(Date.now() + days * DAY_MS).toISOString();

describe("certs/path", function () {
  this.timeout(60_000);
  let dir: string;
  let ca: OddCa;
  let usual: Question;
  let made = 0;

  const pemOf = (file: string): Promise<string> => readFile(file, "utf8");
  const first = (pem: string): string => readCertificates(pem, 10)[0]?.toString() ?? "";
  const make = async (odd: Leaf): Promise<Issuer> => {
    made += 1;
    const files = await makeOdd({
      ...{ subject: SUBJECT, key: "P-256", extensions: peerExtensions(NAME) },
      ...{ issuer: { cert: ca.issuing.cert, key: ca.issuing.key } },
      ...odd,
      dir: join(dir, String(made)),
    } as OddCertificate);
    return { ...files };
  };
  const leafOf = async (odd: Leaf): Promise<Changes> => ({
    leaf: await pemOf((await make(odd)).cert),
  });
  /** A path through an issuing CA with a fault. */
  const through = async (odd: Leaf, leaf: Leaf = {}): Promise<Changes> => {
    const issuer = await make({
      ...{ subject: "/O=EC CA/CN=odd", issuer: ca.root, extensions: caExtensions(0) },
      ...odd,
    });
    const { cert } = await make({ issuer, ...leaf });
    return { leaf: first(await pemOf(cert)), intermediates: [first(await pemOf(issuer.cert))] };
  };
  /** A path to a root with a fault. */
  const from = async (odd: Leaf): Promise<Changes> => {
    const root = await make({
      ...{ subject: "/O=Odd/CN=root", extensions: caExtensions() },
      ...odd,
      issuer: undefined,
    });
    return {
      ...(await leafOf({ issuer: root })),
      anchors: [await pemOf(root.cert)],
      intermediates: [],
    };
  };
  /** A certificate with changed content, signed again by its issuer. */
  const patched = async (odd: Leaf, change: (tbs: Buffer) => void): Promise<Changes> => {
    const issuer = await make({
      ...{ subject: "/CN=rsa", key: "rsa:2048", issuer: ca.root, extensions: caExtensions(0) },
    });
    const { cert } = await make({ issuer, ...odd });
    const der = Buffer.from(new X509Certificate(await pemOf(cert)).raw);
    const tbs = der.subarray(4, 8 + der.readUInt16BE(6));
    change(tbs);
    sign("sha256", tbs, await pemOf(issuer.key)).copy(der, der.length - 256);
    return { leaf: asPem(der), intermediates: [first(await pemOf(issuer.cert))] };
  };
  const ask = (changes: Changes): Judgement =>
    judge(parseQuestion(JSON.stringify({ ...usual, time: inDays(0.01), ...changes })));

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "schakel-test-path-"));
    ca = await makeOddCa(join(dir, "ca"), "EC CA", "P-256");
    usual = {
      anchors: [await pemOf(ca.root.cert)],
      intermediates: [await pemOf(ca.issuing.cert)],
      leaf: "",
      crls: [],
      time: "",
      name: NAME,
      purpose: "serverAuth",
    };
    usual = { ...usual, ...(await leafOf({})) };
  });
  after(() => rm(dir, { recursive: true, force: true }));

  it("takes the path that every fault below is a change of", () => {
    expect(ask({})).to.deep.include({ valid: true });
  });

  const extension = (...lines: string[]): Leaf => ({
    extensions: [...peerExtensions(NAME), ...lines],
  });
  const without = (start: string, ...lines: string[]): Leaf => ({
    extensions: [...peerExtensions(NAME).filter((line) => !line.startsWith(start)), ...lines],
  });
  const ofCa = (...extensions: string[]): Leaf => ({ extensions });
  const CA = "basicConstraints=critical,CA:TRUE";
  const SIGNS = "keyUsage=critical,keyCertSign,cRLSign";

  const faults: readonly (readonly [
    what: string,
    reason: RegExp,
    build: () => Promise<Changes> | Changes,
  ])[] = [
    [
      "an expired certificate",
      /certificate 1 .*expired since/,
      async () => ({ ...(await leafOf({ days: 1 })), time: inDays(2) }),
    ],
    [
      "a certificate that is not valid yet",
      /certificate 1 .*not valid until/,
      () => ({ time: inDays(-1) }),
    ],
    [
      "an expired intermediate",
      /certificate 2 .*expired since/,
      async () => ({ ...(await through({ days: 1 })), time: inDays(2) }),
    ],
    [
      "an expired anchor",
      /certificate 2 .*expired since/,
      async () => ({ ...(await from({ days: 1 })), time: inDays(2) }),
    ],
    [
      "a path to an anchor that is not trusted",
      /the chain stops at/,
      async () => ({
        anchors: [
          await pemOf(
            (
              await make({
                issuer: undefined,
                subject: "/CN=x",
                extensions: caExtensions(),
              })
            ).cert,
          ),
        ],
      }),
    ],
    ["no anchor at all", /the chain stops at/, () => ({ anchors: [] })],
    ["a certificate that signed itself", /the chain stops at/, () => leafOf({ issuer: undefined })],
    [
      "a certificate that signed itself and is given as the anchor",
      /not a CA's certificate/,
      async () => {
        const leaf = await pemOf((await make({ issuer: undefined })).cert);
        return { leaf, anchors: [leaf] };
      },
    ],
    ["a missing intermediate", /the chain stops at/, () => ({ intermediates: [] })],
    [
      "an issuer with the right name and another key",
      /the chain stops at/,
      async () => {
        const fake = await makeOddCa(join(dir, "fake"), "EC CA", "P-256");
        return leafOf({ issuer: { cert: fake.issuing.cert, key: fake.issuing.key } });
      },
    ],
    [
      "a CA of the right name that the anchor has not signed",
      /the chain stops at/,
      async () => {
        const fake = await makeOddCa(join(dir, "fake2"), "EC CA", "P-256");
        return {
          ...(await leafOf({ issuer: { cert: fake.issuing.cert, key: fake.issuing.key } })),
          intermediates: [await pemOf(fake.issuing.cert)],
        };
      },
    ],
    [
      "an issuer that is no CA",
      /not a CA's certificate/,
      () => through(ofCa("basicConstraints=critical,CA:FALSE", SIGNS)),
    ],
    ["an issuer without basic constraints", /not a CA's certificate/, () => through(ofCa(SIGNS))],
    [
      "an issuer whose basic constraints are not critical",
      /basic constraints that are not critical/,
      () => through(ofCa("basicConstraints=CA:TRUE", SIGNS)),
    ],
    ["an anchor without basic constraints", /not a CA's certificate/, () => from(ofCa(SIGNS))],
    [
      "an issuer that may not sign certificates",
      /without keyCertSign/,
      () => through(ofCa(CA, "keyUsage=critical,cRLSign")),
    ],
    [
      "an issuer that does not say what its key is for",
      /without keyCertSign/,
      () => through(ofCa(CA)),
    ],
    [
      "more CAs than a path length allows",
      /CAs below it, allowed are 0/,
      async () => {
        const below = await make({ subject: "/CN=below", extensions: caExtensions() });
        return {
          ...(await leafOf({ issuer: below })),
          intermediates: [...usual.intermediates, await pemOf(below.cert)],
        };
      },
    ],
    [
      "a CA as the certificate",
      /a CA's certificate, not a peer's/,
      () => leafOf(ofCa(...caExtensions(), `subjectAltName=DNS:${NAME}`)),
    ],
    [
      "a certificate whose key may sign certificates although it is no CA's",
      /may sign certificates, yet it is no CA's/,
      () => leafOf(without("keyUsage", "keyUsage=digitalSignature,keyCertSign")),
    ],
    [
      "a key that may not sign",
      /without digitalSignature/,
      () => leafOf(without("keyUsage", "keyUsage=keyAgreement")),
    ],
    [
      "a certificate for clients alone, as a server's",
      /not for the purpose of server/,
      () => leafOf(without("extendedKeyUsage", "extendedKeyUsage=clientAuth")),
    ],
    [
      "a certificate for servers alone, as a client's",
      /not for the purpose of client/,
      async () => ({
        ...(await leafOf(without("extendedKeyUsage", "extendedKeyUsage=serverAuth"))),
        purpose: "clientAuth",
      }),
    ],
    [
      "a certificate for neither purpose, when none is asked for",
      /not for the purpose of/,
      async () => ({
        ...(await leafOf(without("extendedKeyUsage", "extendedKeyUsage=codeSigning"))),
        purpose: undefined,
      }),
    ],
    [
      "a certificate for any purpose",
      /not for the purpose of/,
      () => leafOf(without("extendedKeyUsage", "extendedKeyUsage=anyExtendedKeyUsage")),
    ],
    [
      "an issuer for clients alone",
      /certificate 2 .*not for the purpose/,
      () => through(ofCa(...caExtensions(0), "extendedKeyUsage=clientAuth")),
    ],
    [
      "an unknown critical extension",
      /critical extension 1\.2\.3\.4/,
      () => leafOf(extension("1.2.3.4=critical,ASN1:NULL")),
    ],
    [
      "an unknown critical extension of an issuer",
      /certificate 2 .*critical extension 1\.2\.3\.4/,
      () => through(ofCa(...caExtensions(0), "1.2.3.4=critical,ASN1:NULL")),
    ],
    [
      "an unknown critical extension of the anchor",
      /critical extension 1\.2\.3\.4/,
      () => from(ofCa(...caExtensions(), "1.2.3.4=critical,ASN1:NULL")),
    ],
    [
      "critical subject key identifiers",
      /critical extension 2\.5\.29\.14/,
      () => leafOf(extension("2.5.29.14=critical,DER:04021234")),
    ],
    [
      "critical authority key identifiers",
      /critical extension 2\.5\.29\.35/,
      () => leafOf(extension("authorityKeyIdentifier=critical,keyid")),
    ],
    [
      "name constraints",
      /name constraints/,
      () => through(ofCa(...caExtensions(0), "nameConstraints=critical,permitted;DNS:test")),
    ],
    [
      "name constraints that are not critical",
      /name constraints/,
      () => through(ofCa(...caExtensions(0), "nameConstraints=permitted;DNS:other")),
    ],
    [
      "policy constraints",
      /policy constraints/,
      () => through(ofCa(...caExtensions(0), "policyConstraints=requireExplicitPolicy:0")),
    ],
    [
      "a limit on policies",
      /limit on policies/,
      () => through(ofCa(...caExtensions(0), "inhibitAnyPolicy=0")),
    ],
    [
      "an extension that stands in it twice",
      /stands in it twice/,
      () =>
        patched(extension("1.2.3.4=ASN1:NULL", "1.2.3.5=ASN1:NULL"), (tbs) => {
          tbs[tbs.indexOf(Buffer.from("06032a0305", "hex")) + 4] = 4;
        }),
    ],
    [
      "times that are no UTCTime although before 2050",
      /not DER|cannot be read/,
      () =>
        patched({}, (tbs) => {
          tbs[tbs.indexOf(Buffer.from("170d", "hex"))] = 0x18;
        }),
    ],
    [
      "another algorithm inside than outside",
      /two different signature algorithms|cannot be read/,
      () =>
        patched({}, (tbs) => {
          const rsa = Buffer.from("2a864886f70d01010b", "hex");
          tbs[tbs.indexOf(rsa) + 8] = 0x0c;
        }),
    ],
    [
      "an MD5 signature",
      /algorithm .* is not allowed/,
      async () =>
        leafOf({
          digest: "md5",
          issuer: await make({
            key: "rsa:2048",
            issuer: ca.root,
            subject: "/CN=r",
            extensions: caExtensions(0),
          }),
        }),
    ],
    ["a SHA-1 signature", /algorithm .* is not allowed/, () => leafOf({ digest: "sha1" })],
    ["a SHA-224 signature", /algorithm .* is not allowed/, () => leafOf({ digest: "sha224" })],
    [
      "a SHA-1 signature of an issuer",
      /certificate 2 .*algorithm .* is not allowed/,
      () => through({ digest: "sha1" }),
    ],
    ["an RSA key of 1024 bits", /RSA key of 1024 bits/, () => leafOf({ key: "rsa:1024" })],
    [
      "an issuer with an RSA key of 1024 bits",
      /RSA key of 1024 bits/,
      () => through({ key: "rsa:1024" }),
    ],
    ["a key on a curve that is not allowed", /curve secp256k1/, () => leafOf({ key: "secp256k1" })],
    [
      "a key on a curve that it writes out",
      /curve|cannot be read|unknown kind/,
      () => leafOf({ key: "explicit P-256" }),
    ],
    ["an Ed25519 key", /kind ed25519/, () => leafOf({ key: "ed25519" })],
    ["a certificate of version 1", /version 1|not a CA's/, () => leafOf(ofCa())],
    ["an issuer of version 1", /certificate 2 .*version 1/, () => through(ofCa())],
    ["a serial of zero", /serial that is not positive/, () => leafOf({ serial: "0" })],
    ["a negative serial", /serial that is not positive/, () => leafOf({ serial: "-5" })],
    [
      "a serial of 21 bytes",
      /serial of 21 bytes/,
      () => leafOf({ serial: `0x01${"00".repeat(20)}` }),
    ],
    ["another name", /the name "b\.test" is not in it/, () => ({ name: "b.test" })],
    [
      "a name that stands in the subject alone",
      /is not in it \(names are: none\)/,
      () => leafOf({ subject: `/CN=${NAME}`, ...without("subjectAltName") }),
    ],
    [
      "a wildcard for two labels",
      /is not in it/,
      async () => ({
        ...(await leafOf(without("subjectAltName", "subjectAltName=DNS:*.test"))),
        name: "x.y.test",
      }),
    ],
    [
      "an address as the name",
      /is not in it/,
      async () => ({
        ...(await leafOf(without("subjectAltName", "subjectAltName=IP:10.0.0.1"))),
        name: "10.0.0.1",
      }),
    ],
    [
      "an address written as a DNS name",
      /is not in it/,
      async () => ({
        ...(await leafOf(without("subjectAltName", "subjectAltName=DNS:10.0.0.1"))),
        name: "10.0.0.1",
      }),
    ],
    [
      "key identifiers that contradict",
      /the chain stops at/,
      () => leafOf(extension(`2.5.29.35=DER:30168014${"ab".repeat(20)}`)),
    ],
    [
      "an authority key identifier with another serial",
      /the chain stops at/,
      () => leafOf(extension("2.5.29.35=DER:3017a112a410300e310c300a06035504030c0378797a820105")),
    ],
    [
      "neither a subject nor a critical subjectAltName",
      /neither a subject nor/,
      () => leafOf({ subject: "/" }),
    ],
    ["a CA without a name", /without a name/, () => through({ subject: "/" })],
    [
      "an empty key usage",
      /key usage that is empty/,
      () => leafOf(without("keyUsage", "2.5.29.15=critical,DER:030100")),
    ],
    [
      "an empty extended key usage",
      /without a purpose/,
      () => leafOf(without("extendedKeyUsage", "2.5.29.37=DER:3000")),
    ],
    [
      "a CA flag that is written out although false",
      /default that is written out/,
      () => leafOf(without("basicConstraints", "2.5.29.19=critical,DER:3003010100")),
    ],
    [
      "a path length in a certificate that is no CA's",
      /path length in a certificate/,
      () => leafOf(without("basicConstraints", "2.5.29.19=critical,DER:3003020100")),
    ],
    [
      "a subjectAltName without a name",
      /list of names without a name/,
      () => leafOf(without("subjectAltName", "2.5.29.17=DER:3000")),
    ],
    [
      "a subjectAltName that is not DER",
      /not DER/,
      () => leafOf(without("subjectAltName", "2.5.29.17=DER:300582ff")),
    ],
    [
      "a certificate of more than 16 KiB",
      /bytes long, allowed are 16384/,
      () => leafOf(extension(`nsComment=${"x".repeat(17_000)}`)),
    ],
    [
      "more CAs than a chain may have",
      /the chain stops at|allowed are 5/,
      async () => {
        const cas: Issuer[] = [ca.root];
        for (let n = 0; n < 5; n++)
          cas.push(
            await make({
              subject: `/CN=${String(n)}`,
              extensions: caExtensions(),
              issuer: cas.at(-1) ?? ca.root,
            }),
          );
        const pems = await Promise.all(cas.slice(1).map(({ cert }) => pemOf(cert)));
        return { ...(await leafOf({ issuer: cas.at(-1) ?? ca.root })), intermediates: pems };
      },
    ],
    [
      "two CAs that signed each other and nothing else",
      /the chain stops at/,
      async () => {
        const one = await make({ subject: "/CN=one", extensions: caExtensions(), issuer: ca.root });
        const two = await make({ subject: "/CN=two", extensions: caExtensions(), issuer: one });
        const loop = join(dir, `loop-${String(made)}`);
        const back = await makeOdd({
          dir: loop,
          subject: "/CN=one",
          extensions: caExtensions(),
          issuer: two,
          key: "P-256",
        });
        return {
          ...(await leafOf({ issuer: two })),
          intermediates: [await pemOf(two.cert), await pemOf(back.cert)],
        };
      },
    ],
    [
      "a certificate with something after it",
      /leaf: certificate 1 cannot be read/,
      () => {
        const der = Buffer.concat([new X509Certificate(usual.leaf).raw, Buffer.from([5, 0])]);
        return {
          leaf: `-----BEGIN CERTIFICATE-----\n${der.toString("base64")}\n-----END CERTIFICATE-----\n`,
        };
      },
    ],
    [
      "two certificates as one",
      /leaf: it holds 2 certificates/,
      () => ({ leaf: usual.leaf + (usual.intermediates[0] ?? "") }),
    ],
    [
      "a text that is no certificate",
      /leaf: it holds no PEM certificate/,
      () => ({ leaf: "hello" }),
    ],
  ];
  for (const [what, reason, build] of faults) {
    it(`refuses ${what}`, async () => {
      const judgement = ask(await build());
      expect(judgement.valid, judgement.reason).to.equal(false);
      expect(judgement.reason).to.match(reason);
    });
  }

  const right: readonly (readonly [what: string, build: () => Promise<Changes> | Changes])[] = [
    [
      "a certificate straight below the anchor",
      async () => ({ ...(await leafOf({ issuer: ca.root })), intermediates: [] }),
    ],
    ["an RSA certificate below EC CAs", () => leafOf({ key: "rsa:2048" })],
    ["P-384 and P-521 keys", () => through({ key: "P-384" }, { key: "P-521", digest: "sha384" })],
    ["a certificate without key usages", () => leafOf(without("keyUsage"))],
    ["a certificate without purposes", () => leafOf(without("extendedKeyUsage"))],
    [
      "a wildcard for one label",
      async () => ({
        ...(await leafOf(without("subjectAltName", "subjectAltName=DNS:*.test"))),
        name: "x.test",
      }),
    ],
    [
      "a critical subjectAltName without a subject",
      () =>
        leafOf({
          subject: "/",
          ...without("subjectAltName", `subjectAltName=critical,DNS:${NAME}`),
        }),
    ],
    [
      "a time in another zone",
      () => ({ time: new Date(Date.now() + 7_200_000).toISOString().replace(/\..*Z$/, "+02:00") }),
    ],
    [
      "intermediates in any order, with some of no use",
      async () => ({
        intermediates: [
          await pemOf((await make({})).cert),
          ...usual.anchors,
          ...usual.intermediates,
        ],
      }),
    ],
    ["no name and no purpose", () => ({ name: undefined, purpose: undefined })],
    [
      "a path through the other of two certificates of a CA that others have signed too",
      async () => {
        const foreign = await make({
          subject: "/CN=foreign",
          extensions: caExtensions(),
          issuer: undefined,
        });
        const cross = join(dir, "cross");
        await mkdir(cross, { recursive: true });
        await writeFile(join(cross, "ext"), caExtensions(0).join("\n"));
        await openssl(
          "req",
          "-new",
          "-key",
          ca.issuing.key,
          "-subj",
          "/O=EC CA/CN=EC CA issuing",
          "-utf8",
          "-out",
          join(cross, "csr"),
        );
        await openssl(
          "x509",
          "-req",
          "-in",
          join(cross, "csr"),
          "-CA",
          foreign.cert,
          "-CAkey",
          foreign.key,
          "-set_serial",
          "7",
          "-extfile",
          join(cross, "ext"),
          "-out",
          join(cross, "cert"),
        );
        return { intermediates: [await pemOf(join(cross, "cert")), ...usual.intermediates] };
      },
    ],
  ];
  for (const [what, build] of right) {
    it(`takes ${what}`, async () => {
      const judgement = ask(await build());
      expect(judgement.valid, judgement.reason).to.equal(true);
    });
  }

  it(`never takes a certificate with a changed byte, and never breaks (seed ${String(SEED)})`, () => {
    const random = randomFrom(SEED);
    const original = new X509Certificate(usual.leaf).raw;
    for (let round = 0; round < 400; round++) {
      const der = Buffer.from(original);
      for (let n = 1 + Math.floor(random() * 3); n > 0; n--) {
        der[Math.floor(random() * der.length)] = Math.floor(random() * 256);
      }
      const cut = random() < 0.1 ? der.subarray(0, Math.floor(random() * der.length)) : der;
      if (cut.equals(original)) continue;
      const judgement = ask({ leaf: asPem(cut) });
      expect(judgement.valid, `${cut.toString("hex")}: ${judgement.reason}`).to.equal(false);
    }
  });
});
