// Checks certs/extensions.ts: what it refuses, then what it does.
import { expect } from "chai";
import { CertificateError } from "../../certs/certificate-error.js";
import { readDer } from "../../certs/der.js";
import {
  basicConstraintsOf,
  dnsNamesOf,
  EXTENSION,
  keyUsagesOf,
  purposesOf,
  readExtensions,
  type Extensions,
} from "../../certs/extensions.js";

const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(" ", ""), "hex");
const one = (oid: string, value: string): Extensions =>
  new Map([[oid, { critical: false, value: hex(value) }]]);
const extensionsOf = (digits: string): Extensions => {
  const content = hex(digits);
  return readExtensions(
    readDer(Buffer.concat([Buffer.from([0x30, content.length]), content]), 0x30),
  );
};

const KEY_USAGE = "300b 0603551d0f 0404 03020780";

describe("certs/extensions", () => {
  const refusals: readonly (readonly [string, () => unknown])[] = [
    ["an extension that stands there twice", () => extensionsOf(KEY_USAGE + KEY_USAGE)],
    ["an extension without a value", () => extensionsOf("3005 0603551d0f")],
    ["an extension whose value is no octet string", () => extensionsOf("3007 0603551d0f 0500")],
    [
      "a critical flag that is no boolean",
      () => extensionsOf("300e 0603551d0f 010101 0404 03020780"),
    ],
    [
      "basic constraints that are no sequence",
      () => basicConstraintsOf(one(EXTENSION.basicConstraints, "0101ff")),
    ],
    [
      "a path length without the CA flag",
      () => basicConstraintsOf(one(EXTENSION.basicConstraints, "3003 020100")),
    ],
    [
      "a negative path length",
      () => basicConstraintsOf(one(EXTENSION.basicConstraints, "3006 0101ff 0201ff")),
    ],
    ["a key usage that is no bit string", () => keyUsagesOf(one(EXTENSION.keyUsage, "0402 0780"))],
    [
      "a purpose that is no identifier",
      () => purposesOf(one(EXTENSION.extendedKeyUsage, "3002 0500")),
    ],
    [
      "alternative names with bytes after them",
      () => dnsNamesOf(one(EXTENSION.subjectAltName, "3000 00")),
    ],
    ["a subjectAltName without a name", () => dnsNamesOf(one(EXTENSION.subjectAltName, "3000"))],
    ["a key usage without a use", () => keyUsagesOf(one(EXTENSION.keyUsage, "030100"))],
    ["a key usage of zeros alone", () => keyUsagesOf(one(EXTENSION.keyUsage, "03020000"))],
    ["a key usage with an unused bit set", () => keyUsagesOf(one(EXTENSION.keyUsage, "03020781"))],
    ["no purpose at all", () => purposesOf(one(EXTENSION.extendedKeyUsage, "3000"))],
    [
      "a CA flag that is written out although false",
      () => basicConstraintsOf(one(EXTENSION.basicConstraints, "3003010100")),
    ],
    [
      "a path length without a CA flag",
      () => basicConstraintsOf(one(EXTENSION.basicConstraints, "3003020100")),
    ],
  ];
  for (const [what, read] of refusals) {
    it(`refuses ${what}`, () => {
      expect(read).to.throw(CertificateError);
    });
  }

  it("reads critical and other extensions", () => {
    const extensions = extensionsOf(`${KEY_USAGE} 300e 0603551d13 0101ff 0404 30020500`);
    expect(extensions.get(EXTENSION.keyUsage)?.critical).to.equal(false);
    expect(extensions.get(EXTENSION.basicConstraints)?.critical).to.equal(true);
    expect(keyUsagesOf(extensions)).to.deep.equal(["digitalSignature"]);
  });

  it("tells an absent extension from an empty one", () => {
    expect(keyUsagesOf(new Map())).to.equal(undefined);
    expect(purposesOf(new Map())).to.equal(undefined);
    expect(basicConstraintsOf(one(EXTENSION.basicConstraints, "3000")).isCa).to.equal(false);
  });

  it("gives DNS names alone, not addresses or mail addresses that look like one", () => {
    const names = "3012 8706610101010101 8103612e62 8203612e62";
    expect(dnsNamesOf(one(EXTENSION.subjectAltName, names.replace("8706", "8106")))).to.deep.equal([
      "a.b",
    ]);
  });
});
