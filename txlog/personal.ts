// The personal part of a record: encrypted from the first byte on disk, with a salted commitment in
// the leaf. Erasing the record's secret (or the segment key it comes from) erases the data, and every
// hash stays valid.
import { createCipheriv, hash, type Cipheriv, type KeyObject } from "node:crypto";
import { ByteReader, ByteWriter, FormatError } from "./bytes.js";
import { PERSONAL_TEXTS, type DataSubject, type PersonalEntry } from "./entry.js";

const VERSION = 1;
/** The salt of a commitment, with which a secret begins. */
const SALT_BYTES = 32;
/** Where a secret begins in its segment's keystream. */
const PLACE_BYTES = 8;
/** The largest personal part, before encryption. */
const PERSONAL_BYTES_MAX = 65_535;

const COMMITMENT = Buffer.from("schakel/personal/v1\0");

const put = (to: ByteWriter, entry: PersonalEntry): void => {
  const start = to.length;
  to.u8(VERSION);
  to.text(entry.path);
  const subjects = entry.dataSubjects ?? [];
  to.u16(subjects.length);
  for (const { key, value } of subjects) {
    to.text(key);
    to.text(value);
  }
  for (const name of PERSONAL_TEXTS) to.text(entry[name]);
  if (to.length - start > PERSONAL_BYTES_MAX) {
    throw new RangeError(`the personal part has ${to.length - start} bytes`);
  }
};

/**
 * The canonical bytes of a personal part; an absent text and an empty one are the same.
 *
 * @throws RangeError when it is larger than 65,535 bytes
 */
export const encodePersonal = (entry: PersonalEntry): Buffer => {
  const to = new ByteWriter(256);
  put(to, entry);
  return to.buffer.subarray(0, to.length);
};

/**
 * The personal part that the bytes hold.
 *
 * @throws FormatError for bytes that encodePersonal would not have written
 */
export const decodePersonal = (bytes: Buffer): PersonalEntry => {
  const from = new ByteReader(bytes);
  const version = from.u8();
  if (version !== VERSION) {
    throw new FormatError(`a personal part of the unknown version ${version}`);
  }
  const path = from.text();
  const dataSubjects = Array.from({ length: from.u16() }, (): DataSubject => ({
    key: from.text(),
    value: from.text(),
  }));
  const texts = PERSONAL_TEXTS.map((name) => [name, from.text()] as const);
  from.end();
  return {
    ...(path === "" ? {} : { path }),
    ...(dataSubjects.length === 0 ? {} : { dataSubjects }),
    ...Object.fromEntries(texts.filter(([, text]) => text !== "")),
  };
};

/** Whether there is anything personal in it. */
export const hasPersonal = (entry: PersonalEntry | undefined): entry is PersonalEntry => {
  if (entry === undefined) return false;
  // As nearly every exchange has one.
  if ((entry.path ?? "") !== "") return true;
  return (
    (entry.dataSubjects ?? []).length > 0 ||
    PERSONAL_TEXTS.some((name) => (entry[name] ?? "") !== "")
  );
};

/** So much of a keystream is made at once. */
const STREAM_BYTES = 16 * 1024;
const ZEROS = Buffer.alloc(STREAM_BYTES);
/** What a counter of AES counts. */
const CIPHER_BLOCK = 16;

/** The key of a segment: its 32 bytes, or, where many secrets are taken from it, an object, with which each costs Node.js a fifth. */
export type SegmentKey = Buffer | KeyObject;

/** The keystream of AES-256-CTR under a segment's key, from the block with a number on. */
const keystream = (segmentKey: SegmentKey, block: number): Cipheriv => {
  const counter = Buffer.alloc(CIPHER_BLOCK);
  counter.writeBigUInt64BE(BigInt(block), CIPHER_BLOCK - 8);
  return createCipheriv("aes-256-ctr", segmentKey, counter);
};

/**
 * The secrets of a segment's records: pieces of the keystream of AES-256-CTR (NIST SP 800-38A, 6.5) under the segment's
 * key, one after the other, each given out once.
 */
export class RecordSecrets {
  readonly #cipher: Cipheriv;
  #stream: Buffer = Buffer.alloc(0);
  #used = 0;
  /** Where in the keystream the next secret begins. */
  next = 0;

  /** @param segmentKey 32 random bytes that serve nothing else */
  constructor(segmentKey: Buffer) {
    this.#cipher = keystream(segmentKey, 0);
  }

  /** The next secret, of so many bytes: all that is needed to read a record's personal part and to check its commitment. */
  take(bytes: number): Buffer {
    while (this.#stream.length - this.#used < bytes) {
      const rest = this.#stream.subarray(this.#used);
      this.#stream = Buffer.concat([rest, this.#cipher.update(ZEROS)]);
      this.#used = 0;
    }
    const from = this.#used;
    this.#used += bytes;
    this.next += bytes;
    return this.#stream.subarray(from, this.#used);
  }
}

/**
 * The secret of one record, from the key of its segment: the salt of its commitment, and then as many bytes as its
 * plaintext has.
 *
 * @param sealed the record's sealed part, which says where in the keystream the secret begins
 * @throws FormatError when it is none
 */
export const recordSecret = (segmentKey: SegmentKey, sealed: Buffer): Buffer => {
  if (sealed.length < PLACE_BYTES) throw new FormatError("a personal part that is too short");
  const from = Number(sealed.readBigUInt64BE());
  if (!Number.isSafeInteger(from)) throw new FormatError("a secret that begins out of reach");
  const before = from % CIPHER_BLOCK;
  const cipher = keystream(segmentKey, Math.floor(from / CIPHER_BLOCK));
  const bytes = before + SALT_BYTES + sealed.length - PLACE_BYTES;
  return cipher.update(Buffer.alloc(bytes)).subarray(before);
};

/** A personal part as it goes to disk. */
export interface SealedPersonal {
  /** 32 bytes, for the leaf. */
  readonly commitment: Buffer;
  /** Where its secret begins in the keystream, in 8 bytes, and the plaintext under the rest of the secret. */
  readonly sealed: Buffer;
}

/** What is committed to: label, salt, and then the plaintext, written there at once. */
const committed = new ByteWriter(4096);
committed.bytes(COMMITMENT);
const PLAINTEXT = COMMITMENT.length + SALT_BYTES;

/** Combines each byte of `to` from a place on with one of the secret behind its salt. */
const combine = (to: Buffer, from: number, secret: Buffer): void => {
  const shift = from - SALT_BYTES;
  for (let i = SALT_BYTES; i < secret.length; i++)
    to[shift + i] = (to[shift + i] ?? 0) ^ (secret[i] ?? 0);
};

// A hash as a string of bytes is cheaper than as a Buffer, which has memory outside of the heap.
const commit = (length: number): Buffer =>
  Buffer.from(hash("sha256", committed.buffer.subarray(0, length), "binary"), "latin1");

/**
 * Encrypts a personal part and commits to it.
 *
 * @param secrets of the segment that it will stand in
 * @throws RangeError when it is larger than 65,535 bytes
 */
export const sealPersonal = (secrets: RecordSecrets, entry: PersonalEntry): SealedPersonal => {
  committed.length = PLAINTEXT;
  put(committed, entry);
  const { buffer, length } = committed;
  const bytes = length - PLAINTEXT;
  const place = secrets.next;
  const secret = secrets.take(SALT_BYTES + bytes);
  secret.copy(buffer, COMMITMENT.length, 0, SALT_BYTES);
  const sealed = Buffer.allocUnsafe(PLACE_BYTES + bytes);
  sealed.writeUInt32BE(Math.floor(place / 0x1_0000_0000));
  sealed.writeUInt32BE(place % 0x1_0000_0000, 4);
  buffer.copy(sealed, PLACE_BYTES, PLAINTEXT, length);
  combine(sealed, PLACE_BYTES, secret);
  return { commitment: commit(length), sealed };
};

/**
 * Decrypts a personal part and checks it against the leaf's commitment.
 *
 * @param secret from recordSecret
 * @throws FormatError when the sealed part, the secret and the commitment do not belong together
 */
export const openPersonal = (
  secret: Buffer,
  { commitment, sealed }: SealedPersonal,
): PersonalEntry => {
  const bytes = sealed.length - PLACE_BYTES;
  if (bytes < 0 || secret.length !== SALT_BYTES + bytes || bytes > PERSONAL_BYTES_MAX) {
    throw new FormatError("the secret is not one of this personal part: the lengths differ");
  }
  const plaintext = Buffer.from(sealed.subarray(PLACE_BYTES));
  combine(plaintext, 0, secret);
  committed.length = COMMITMENT.length;
  committed.bytes(secret.subarray(0, SALT_BYTES));
  committed.bytes(plaintext);
  if (!commit(committed.length).equals(commitment)) {
    throw new FormatError(
      "the personal part is not the one that the record commits to: it, or its secret, is another one or was changed",
    );
  }
  return decodePersonal(plaintext);
};
