// Checks certs/der.ts: what it refuses, then what it does.
import { expect } from "chai";
import { CertificateError } from "../../certs/certificate-error.js";
import {
  childrenOf,
  readBoolean,
  readDer,
  readIntegerHex,
  readOctetBits,
  readOid,
  readSmallInteger,
  readTime,
  TAG,
} from "../../certs/der.js";

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(" ", ""), "hex");
const element = (hex: string, tag: number) => readDer(bytes(hex), tag);

interface Refusal {
  readonly what: string;
  readonly read: () => unknown;
}

const REFUSALS: readonly Refusal[] = [
  { what: "no bytes", read: () => element("", TAG.sequence) },
  { what: "a tag alone", read: () => element("30", TAG.sequence) },
  { what: "another tag", read: () => element("31 00", TAG.sequence) },
  { what: "a tag of several bytes", read: () => element("3f 81 00 00", 0x3f) },
  { what: "an element longer than the bytes", read: () => element("30 01", TAG.sequence) },
  { what: "bytes after the element", read: () => element("30 00 00", TAG.sequence) },
  { what: "an indefinite length", read: () => element("30 80 00 00", TAG.sequence) },
  { what: "a long length that fits a short one", read: () => element("04 81 01 00", 0x04) },
  {
    what: "a length with a leading zero",
    read: () => element(`04 82 00 80 ${"00".repeat(128)}`, 4),
  },
  { what: "a length of five bytes", read: () => element("04 85 00 00 00 00 01 00", 4) },
  { what: "a length that ends early", read: () => element("04 82 01", 4) },
  { what: "a child that ends early", read: () => childrenOf(element("30 03 04 05 00", 0x30)) },
  {
    what: "more than 1000 children",
    read: () => childrenOf(element(`30 82 07 d2 ${"0500".repeat(1001)}`, 0x30)),
  },
  { what: "a boolean of 0x01", read: () => readBoolean(element("01 01 01", 1)) },
  { what: "a boolean of two bytes", read: () => readBoolean(element("01 02 ff ff", 1)) },
  { what: "a negative integer", read: () => readSmallInteger(element("02 01 ff", 2)) },
  {
    what: "an integer of five bytes",
    read: () => readSmallInteger(element("02 05 0100000000", 2)),
  },
  { what: "an empty integer", read: () => readSmallInteger(element("02 00", 2)) },
  { what: "an empty object identifier", read: () => readOid(element("06 00", 6)) },
  { what: "an unfinished object identifier", read: () => readOid(element("06 02 55 84", 6)) },
  { what: "a padded object identifier", read: () => readOid(element("06 03 55 80 04", 6)) },
  {
    what: "an endless number in an object identifier",
    read: () => readOid(element(`06 0b 55 ${"ff".repeat(9)} 01`, 6)),
  },
  { what: "bits that are not whole bytes", read: () => readOctetBits(element("03 02 04 f0", 3)) },
  { what: "an absent element", read: () => readOid(undefined) },
];

describe("certs/der", () => {
  for (const { what, read } of REFUSALS) {
    it(`refuses ${what}`, () => {
      expect(read).to.throw(CertificateError);
    });
  }

  it("refuses every cut of a nested element", () => {
    const whole = bytes("30 0c 06 03 55 04 0a 0c 05 68 65 6c 6c 6f");
    for (let length = 0; length < whole.length; length++) {
      expect(() => readDer(whole.subarray(0, length), TAG.sequence)).to.throw(CertificateError);
    }
  });

  it("reads object identifiers of one and several bytes a number", () => {
    expect(readOid(element("06 03 55 04 0a", 6))).to.equal("2.5.4.10");
    expect(readOid(element("06 09 2a 86 48 86 f7 0d 01 01 0b", 6))).to.equal(
      "1.2.840.113549.1.1.11",
    );
  });

  it("reads children in order, with their bytes", () => {
    const children = childrenOf(element("30 06 02 01 05 01 01 ff", TAG.sequence));
    expect(children.map(({ tag }) => tag)).to.deep.equal([TAG.integer, TAG.boolean]);
    expect(readSmallInteger(children[0])).to.equal(5);
    expect(readBoolean(children[1])).to.equal(true);
    expect(children[1]?.bytes.toString("hex")).to.equal("0101ff");
  });

  it("reads a length of two bytes", () => {
    expect(element(`04 82 01 00 ${"ab".repeat(256)}`, 4).content).to.have.lengthOf(256);
  });

  const time = (tag: number, text: string): (() => number) => {
    const der = Buffer.concat([Buffer.from([tag, text.length]), Buffer.from(text, "latin1")]);
    return () => readTime(readDer(der, tag));
  };
  const { utcTime, generalizedTime } = TAG;

  const noTimes: readonly (readonly [what: string, tag: number, text: string])[] = [
    ["without seconds", utcTime, "2611241200Z"],
    ["without a zone", utcTime, "261124120000"],
    ["with another zone", utcTime, "261124120000+0100"],
    ["with a fraction", generalizedTime, "20501124120000.5Z"],
    ["of a month that there is not", utcTime, "261324120000Z"],
    ["of a day that there is not", utcTime, "260230120000Z"],
    ["of an hour that there is not", utcTime, "261124240000Z"],
    ["with a leap second", utcTime, "261231235960Z"],
    ["before 2050 that is no UTCTime", generalizedTime, "20491231235959Z"],
    ["before 1950 that is no UTCTime", generalizedTime, "19490101000000Z"],
    ["of two digits as of four", generalizedTime, "500101000000Z"],
    ["of four digits as of two", utcTime, "20500101000000Z"],
    ["with something else in it", utcTime, "26112412000 Z"],
    ["of another kind", TAG.utf8String, "261124120000Z"],
  ];
  for (const [what, tag, text] of noTimes) {
    it(`refuses a time ${what}`, () => {
      expect(time(tag, text)).to.throw(CertificateError);
    });
  }

  it("reads times of both kinds", () => {
    expect(time(utcTime, "261124120000Z")()).to.equal(Date.UTC(2026, 10, 24, 12));
    expect(time(utcTime, "491231235959Z")()).to.equal(Date.UTC(2049, 11, 31, 23, 59, 59));
    expect(time(utcTime, "500101000000Z")()).to.equal(Date.UTC(1950, 0, 1));
    expect(time(generalizedTime, "99991231235959Z")()).to.equal(Date.UTC(9999, 11, 31, 23, 59, 59));
  });

  it("reads integers of any size, and refuses padded and empty ones", () => {
    expect(readIntegerHex(element("02 02 00 ff", TAG.integer))).to.equal("00ff");
    expect(readIntegerHex(element("02 01 80", TAG.integer))).to.equal("80");
    for (const hex of ["02 00", "02 02 00 7f", "02 02 ff 80"]) {
      expect(() => readIntegerHex(element(hex, TAG.integer)), hex).to.throw(CertificateError);
    }
  });
});
