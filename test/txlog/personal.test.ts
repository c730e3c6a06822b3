// The personal part: encrypted, committed to, erasable.
import { expect } from "chai";
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { FormatError } from "../../txlog/bytes.js";
import {
  decodePersonal,
  encodePersonal,
  hasPersonal,
  openPersonal,
  recordSecret,
  RecordSecrets,
  sealPersonal,
} from "../../txlog/personal.js";
import { personalOf, vectors } from "../support/log-vectors.js";

const hex = (text: string): Buffer => Buffer.from(text, "hex");

describe("txlog/personal", () => {
  const vector = vectors.personal;
  const personal = personalOf(vector.personal);
  const segmentKey = hex(vector.segment_key);
  const secret = hex(vector.record_secret);
  const sealed = { commitment: hex(vector.commitment), sealed: hex(vector.sealed) };
  /** The segment's secrets from where the vector's begins. */
  const secrets = (): RecordSecrets => {
    const made = new RecordSecrets(segmentKey);
    made.take(vector.place);
    return made;
  };

  it("derives the record's secret as the vector says", () => {
    expect(recordSecret(segmentKey, sealed.sealed)).to.deep.equal(secret);
    expect(secrets().take(secret.length)).to.deep.equal(secret);
  });

  it("writes and seals the vector", () => {
    expect(encodePersonal(personal).toString("hex")).to.equal(vector.plaintext);
    expect(sealPersonal(secrets(), personal)).to.deep.equal(sealed);
  });

  it("reads and opens the vector", () => {
    expect(decodePersonal(hex(vector.plaintext))).to.deep.equal(personal);
    expect(openPersonal(secret, sealed)).to.deep.equal(personal);
  });

  it("can be opened and checked with nothing but AES-256-CTR and SHA-256", () => {
    const body = hex(vector.sealed);
    const place = Number(body.readBigUInt64BE());
    const cipher = createCipheriv("aes-256-ctr", segmentKey, Buffer.alloc(16));
    const stream = cipher.update(Buffer.alloc(place + 32 + body.length - 8)).subarray(place);
    const [salt, pad] = [stream.subarray(0, 32), stream.subarray(32)];
    const plaintext = Buffer.from(body.subarray(8).map((byte, i) => byte ^ (pad[i] ?? 0)));
    const commitment = createHash("sha256")
      .update("schakel/personal/v1\0")
      .update(salt)
      .update(plaintext)
      .digest("hex");
    expect(commitment).to.equal(vector.commitment);
    expect(plaintext.toString("hex")).to.equal(vector.plaintext);
  });

  it("gives no byte of a segment's keystream to two records, however long they are", () => {
    const made = new RecordSecrets(randomBytes(32));
    const sizes = [0, 1, 15, 16, 100, 16_352, 20_000, 65_000, 3];
    let next = 0;
    for (const size of sizes) {
      expect(made.next).to.equal(next);
      const user = "x".repeat(Math.min(size, 65_000));
      const { sealed: bytes } = sealPersonal(made, { user });
      expect(Number(bytes.readBigUInt64BE())).to.equal(next);
      next += 32 + bytes.length - 8;
    }
  });

  it("opens each record with the secret of its place and with none of another's", () => {
    const key = randomBytes(32);
    const made = new RecordSecrets(key);
    const paths = Array.from({ length: 300 }, (_, n) => `/${String(n % 10)}/${"x".repeat(n * 7)}`);
    const parts = paths.map((path) => sealPersonal(made, { path }));
    for (const [n, part] of parts.entries()) {
      expect(openPersonal(recordSecret(key, part.sealed), part)).to.deep.equal({ path: paths[n] });
      const other = Buffer.from(part.sealed);
      other.writeUInt8((other[7] ?? 0) ^ 1, 7);
      expect(() => openPersonal(recordSecret(key, other), part)).to.throw(
        FormatError,
        /commits to/,
      );
    }
  });

  it("refuses the secret of another record", () => {
    const made = secrets();
    made.take(secret.length);
    const other = made.take(secret.length);
    expect(() => openPersonal(other, sealed)).to.throw(FormatError, /another one or was changed/);
    expect(() => openPersonal(secret.subarray(1), sealed)).to.throw(FormatError, /lengths differ/);
  });

  it("refuses a sealed part in which any byte is changed", () => {
    for (let at = 0; at < sealed.sealed.length; at++) {
      const changed = Buffer.from(sealed.sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() =>
        openPersonal(recordSecret(segmentKey, changed), { ...sealed, sealed: changed }),
      ).to.throw(FormatError);
    }
  });

  it("refuses a personal part that is not the one that was committed to", () => {
    const other = sealPersonal(secrets(), { path: "/another" });
    const its = recordSecret(segmentKey, other.sealed);
    expect(() => openPersonal(its, { ...other, commitment: sealed.commitment })).to.throw(
      FormatError,
      /commits to/,
    );
  });

  it("refuses a personal part that is too short, or of another version", () => {
    expect(() => recordSecret(segmentKey, Buffer.alloc(7))).to.throw(FormatError, /too short/);
    expect(() => openPersonal(secret, { ...sealed, sealed: Buffer.alloc(7) })).to.throw(
      FormatError,
    );
    expect(() => recordSecret(segmentKey, Buffer.alloc(40, 0xff))).to.throw(
      FormatError,
      /out of reach/,
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
