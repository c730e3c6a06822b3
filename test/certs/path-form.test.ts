// Checks the judgement of certificates on faults of form that openssl builds: keys, algorithms, names, serials,
// extensions and DER, one each. Faults of paths are in path.test.ts.
import { expect } from "chai";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { extension, judging, NAME, ofCa, pemOf, without, type Fault } from "../support/judging.js";
import { caExtensions, makeOdd, type Issuer } from "../support/openssl.js";

describe("certs/path, form", function () {
  this.timeout(60_000);
  const stage = judging();
  const { make, leafOf, through, patched, ask } = stage;

  const faults: readonly Fault[] = [
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
            issuer: stage.ca.root,
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
        const cas: Issuer[] = [stage.ca.root];
        for (let n = 0; n < 5; n++)
          cas.push(
            await make({
              subject: `/CN=${String(n)}`,
              extensions: caExtensions(),
              issuer: cas.at(-1) ?? stage.ca.root,
            }),
          );
        const pems = await Promise.all(cas.slice(1).map(({ cert }) => pemOf(cert)));
        return { ...(await leafOf({ issuer: cas.at(-1) ?? stage.ca.root })), intermediates: pems };
      },
    ],
    [
      "two CAs that signed each other and nothing else",
      /the chain stops at/,
      async () => {
        const one = await make({
          subject: "/CN=one",
          extensions: caExtensions(),
          issuer: stage.ca.root,
        });
        const two = await make({ subject: "/CN=two", extensions: caExtensions(), issuer: one });
        const loop = join(stage.dir, `loop-${String(stage.made)}`);
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
        const der = Buffer.concat([new X509Certificate(stage.usual.leaf).raw, Buffer.from([5, 0])]);
        return {
          leaf: `-----BEGIN CERTIFICATE-----\n${der.toString("base64")}\n-----END CERTIFICATE-----\n`,
        };
      },
    ],
    [
      "two certificates as one",
      /leaf: it holds 2 certificates/,
      () => ({ leaf: stage.usual.leaf + (stage.usual.intermediates[0] ?? "") }),
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
});
