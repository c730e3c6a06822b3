// Checks certs/distinguished-name.ts: what it refuses, then what it does.
import { expect } from "chai";
import { CertificateError } from "../../certs/certificate-error.js";
import { readDer } from "../../certs/der.js";
import { describeName, readName, readText } from "../../certs/distinguished-name.js";

const der = (tag: number, content: Buffer) =>
  readDer(Buffer.concat([Buffer.from([tag, content.length]), content]), tag);
const text = (tag: number, value: string) => der(tag, Buffer.from(value, "utf8"));
const hex = (digits: string): Buffer => Buffer.from(digits, "hex");

describe("certs/distinguished-name", () => {
  const refused = [
    { what: "UTF-8 that is cut", value: der(0x0c, hex("47c3")) },
    { what: "an overlong UTF-8 form", value: der(0x0c, hex("c080")) },
    { what: "a surrogate in UTF-8", value: der(0x0c, hex("eda080")) },
    { what: "a PrintableString beyond ASCII", value: der(0x13, hex("47fc")) },
    { what: "a TeletexString", value: text(0x14, "Gemeente") },
    { what: "a BMPString", value: der(0x1e, hex("00470065")) },
    { what: "a UniversalString", value: der(0x1c, hex("00000047")) },
    { what: "an integer", value: der(0x02, hex("07")) },
  ];
  for (const { what, value } of refused) {
    it(`refuses ${what} as text`, () => {
      expect(() => readText(value)).to.throw(CertificateError);
    });
  }

  const names = [
    { what: "an attribute without a value", name: "300931073005 0603550403" },
    { what: "an attribute with two values", name: "300f310d300b 0603550403 0c0141 0c0142" },
    { what: "a set that is a sequence", name: "300c300a3008 0603550403 0c0141" },
  ];
  for (const { what, name } of names) {
    it(`refuses a name with ${what}`, () => {
      const bytes = hex(name.replaceAll(" ", ""));
      expect(() => readName(readDer(bytes, 0x30))).to.throw(CertificateError);
    });
  }

  it("keeps a byte order mark, so that two names never read alike", () => {
    expect(readText(der(0x0c, hex("efbbbf41")))).to.equal("\ufeffA");
  });

  it("describes a name without letting it break the line, the quotation or the screen", () => {
    const attribute = (value: string) => ({ oid: "2.5.4.10", value: text(0x0c, value) });
    expect(describeName([attribute('A", O="B\n\u001b[2J\u202e')])).to.equal('O="A?, O=?B??[2J?"');
    expect(describeName([attribute("x".repeat(120))])).to.have.lengthOf(105);
    expect(describeName([])).to.equal("(no name)");
    expect(describeName([{ oid: "1.2.3", value: text(0x0c, "y") }])).to.equal('1.2.3="y"');
  });
});
