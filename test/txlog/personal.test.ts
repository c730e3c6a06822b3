// The personal part: encrypted, committed to, erasable.
import { expect } from "chai";
import { createDecipheriv, createHash, createHmac, randomBytes } from "node:crypto";
import { FormatError } from "../../txlog/bytes.js";
import { hmacSha256 } from "../../txlog/hmac.js";
import {
  decodePersonal,
  encodePersonal,
  hasPersonal,
  openPersonal,
  recordSecret,
  sealPersonal,
} from "../../txlog/personal.js";
import { personalOf, vectors } from "../support/log-vectors.js";

const hex = (text: string): Buffer => Buffer.from(text, "hex");

describe("txlog/hmac", () => {
  for (const size of [0, 1, 63, 64, 65, 192]) {
    it(`gives what HMAC-SHA-256 gives for ${String(size)} bytes`, () => {
      const [key, message] = [randomBytes(32), randomBytes(size)];
      const expected = createHmac("sha256", key).update(message).digest("hex");
      expect(hmacSha256(key, message).toString("hex")).to.equal(expected);
    });
  }

  it("refuses a message that is too long for it", () => {
    expect(() => hmacSha256(randomBytes(32), randomBytes(193))).to.throw(RangeError);
  });
});

describe("txlog/personal", () => {
  const vector = vectors.personal;
  const personal = personalOf(vector.personal);
  const secret = hex(vector.record_secret);
  const sealed = { commitment: hex(vector.commitment), sealed: hex(vector.sealed) };

  it("derives the record's secret, key and salt as the vector says", () => {
    expect(recordSecret(hex(vector.segment_key), vector.sequence)).to.deep.equal(secret);
    const derived = (label: string) => createHmac("sha256", secret).update(label).digest("hex");
    expect(derived("schakel/personal-key/v1")).to.equal(vector.encryption_key);
    expect(derived("schakel/personal-salt/v1")).to.equal(vector.salt);
  });

  it("writes and seals the vector", () => {
    expect(encodePersonal(personal).toString("hex")).to.equal(vector.plaintext);
    expect(sealPersonal(secret, personal)).to.deep.equal(sealed);
  });

  it("reads and opens the vector", () => {
    expect(decodePersonal(hex(vector.plaintext))).to.deep.equal(personal);
    expect(openPersonal(secret, sealed)).to.deep.equal(personal);
  });

  it("can be opened and checked with nothing but AES-256-GCM and SHA-256", () => {
    const body = hex(vector.sealed);
    const open = createDecipheriv("aes-256-gcm", hex(vector.encryption_key), Buffer.alloc(12));
    open.setAuthTag(body.subarray(-16));
    const plaintext = Buffer.concat([open.update(body.subarray(0, -16)), open.final()]);
    const commitment = createHash("sha256")
      .update("schakel/personal/v1\0")
      .update(hex(vector.salt))
      .update(plaintext)
      .digest("hex");
    expect(commitment).to.equal(vector.commitment);
  });

  it("gives each record another secret", () => {
    const key = randomBytes(32);
    const secrets = [1, 2, 256, 2 ** 32, 2 ** 53 - 1].map((n) => recordSecret(key, n));
    expect(new Set(secrets.map(String)).size).to.equal(5);
  });

  it("refuses the secret of another record", () => {
    const other = recordSecret(hex(vector.segment_key), vector.sequence + 1);
    expect(() => openPersonal(other, sealed)).to.throw(FormatError, /not encrypted under this key/);
  });

  it("refuses a ciphertext in which any byte is changed", () => {
    for (let at = 0; at < sealed.sealed.length; at++) {
      const changed = Buffer.from(sealed.sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => openPersonal(secret, { ...sealed, sealed: changed })).to.throw(FormatError);
    }
  });

  it("refuses a personal part that is not the one that was committed to", () => {
    const other = sealPersonal(secret, { path: "/another" });
    expect(() => openPersonal(secret, { ...other, commitment: sealed.commitment })).to.throw(
      FormatError,
      /commits to/,
    );
  });

  it("refuses a personal part that is too short, or of another version", () => {
    expect(() => openPersonal(secret, { ...sealed, sealed: Buffer.alloc(15) })).to.throw(
      FormatError,
    );
    expect(() => decodePersonal(Buffer.of(2))).to.throw(FormatError, /version 2/);
    expect(() => decodePersonal(Buffer.concat([hex(vector.plaintext), Buffer.of(0)]))).to.throw(
      FormatError,
    );
  });

  it("refuses to write more than 65,535 bytes", () => {
    const long = "x".repeat(40_000);
    expect(() => encodePersonal({ user: long, claims: long })).to.throw(RangeError);
  });

  it("takes empty texts for nothing personal", () => {
    expect(hasPersonal(undefined)).to.equal(false);
    expect(hasPersonal({})).to.equal(false);
    expect(hasPersonal({ path: "", user: "", dataSubjects: [] })).to.equal(false);
    expect(hasPersonal({ userId: "x" })).to.equal(true);
    expect(hasPersonal({ dataSubjects: [{ key: "bsn", value: "1" }] })).to.equal(true);
  });
});
