// Checks the judgement of certificates (certs/judge.ts, certs/chain.ts, certs/path-builder.ts) on faults that
// openssl builds: a right path first, then faults of paths, one each. Faults of form are in path-form.test.ts.
import { expect } from "chai";
import { X509Certificate } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  asPem,
  extension,
  inDays,
  judging,
  NAME,
  ofCa,
  pemOf,
  without,
  type Changes,
  type Fault,
} from "../support/judging.js";
import { caExtensions, makeOddCa, openssl } from "../support/openssl.js";
import { randomFrom } from "../support/random.js";

const SEED = 20261124;

describe("certs/path", function () {
  this.timeout(60_000);
  const stage = judging();
  const { make, leafOf, through, from, ask } = stage;

  it("takes the path that every fault below is a change of", () => {
    expect(ask({})).to.deep.include({ valid: true });
  });

  const CA = "basicConstraints=critical,CA:TRUE";
  const SIGNS = "keyUsage=critical,keyCertSign,cRLSign";

  const faults: readonly Fault[] = [
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
    ["no anchor at all", /the chain stops at .*, there are no anchors$/, () => ({ anchors: [] })],
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
        const fake = await makeOddCa(join(stage.dir, "fake"), "EC CA", "P-256");
        return leafOf({ issuer: { cert: fake.issuing.cert, key: fake.issuing.key } });
      },
    ],
    [
      "a CA of the right name that the anchor has not signed",
      /the chain stops at/,
      async () => {
        const fake = await makeOddCa(join(stage.dir, "fake2"), "EC CA", "P-256");
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
          intermediates: [...stage.usual.intermediates, await pemOf(below.cert)],
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
      async () => ({ ...(await leafOf({ issuer: stage.ca.root })), intermediates: [] }),
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
          ...stage.usual.anchors,
          ...stage.usual.intermediates,
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
        const cross = join(stage.dir, "cross");
        await mkdir(cross, { recursive: true });
        await writeFile(join(cross, "ext"), caExtensions(0).join("\n"));
        await openssl(
          "req",
          "-new",
          "-key",
          stage.ca.issuing.key,
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
        return { intermediates: [await pemOf(join(cross, "cert")), ...stage.usual.intermediates] };
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
    const original = new X509Certificate(stage.usual.leaf).raw;
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
