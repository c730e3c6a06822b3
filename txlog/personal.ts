// The personal part of a record: encrypted from the first byte on disk, with a salted commitment in
// the leaf. Erasing the record's secret (or the segment key it comes from) erases the data, and every
// hash stays valid.
import { createCipheriv, createDecipheriv, createSecretKey, hash } from "node:crypto";
import { ByteReader, ByteWriter, FormatError } from "./bytes.js";
import type { DataSubject, PersonalEntry } from "./entry.js";
import { Hmac, hmacSha256 } from "./hmac.js";

const VERSION = 1;
const TAG_BYTES = 16;
const SECRET_BYTES = 32;
/** The largest personal part, before encryption. */
const PERSONAL_BYTES_MAX = 65_535;

const RECORD = Buffer.from("schakel/record/v1\0");
const KEY = Buffer.from("schakel/personal-key/v1");
const SALT = Buffer.from("schakel/personal-salt/v1");
const COMMITMENT = Buffer.from("schakel/personal/v1\0");

/**
 * Fixed, and safe because a key encrypts one message in its life: it is derived from a random segment
 * key and the record's sequence, and a sequence is given out once within a segment.
 */
const NONCE = Buffer.alloc(12);

const TEXTS = [
  "processId",
  "dataElements",
  "user",
  "claims",
  "userId",
  "applicationId",
  "subjectIdentifier",
] as const satisfies readonly (keyof PersonalEntry)[];

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
  for (const name of TEXTS) to.text(entry[name]);
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
  const texts = TEXTS.map((name) => [name, from.text()] as const);
  from.end();
  return {
    ...(path === "" ? {} : { path }),
    ...(dataSubjects.length === 0 ? {} : { dataSubjects }),
    ...Object.fromEntries(texts.filter(([, text]) => text !== "")),
  };
};

/** Whether there is anything personal in it. */
export const hasPersonal = (entry: PersonalEntry | undefined): entry is PersonalEntry =>
  entry !== undefined &&
  ((entry.path ?? "") !== "" ||
    (entry.dataSubjects ?? []).length > 0 ||
    TEXTS.some((name) => (entry[name] ?? "") !== ""));

const recordMessage = Buffer.concat([RECORD, Buffer.alloc(8)]);

/** The secrets of a segment's records. */
export class RecordSecrets {
  readonly #hmac: Hmac;

  /** @param segmentKey 32 bytes */
  constructor(segmentKey: Buffer) {
    this.#hmac = new Hmac(segmentKey);
  }

  /** The secret of one record, 32 bytes: all that is needed to read its personal part and to check its commitment. */
  of(sequence: number): Buffer {
    recordMessage.writeUInt32BE(Math.floor(sequence / 0x1_0000_0000), RECORD.length);
    recordMessage.writeUInt32BE(sequence % 0x1_0000_0000, RECORD.length + 4);
    const secret = Buffer.allocUnsafe(SECRET_BYTES);
    this.#hmac.write(recordMessage, secret, 0);
    return secret;
  }
}

/** As RecordSecrets, for one record. */
export const recordSecret = (segmentKey: Buffer, sequence: number): Buffer =>
  new RecordSecrets(segmentKey).of(sequence);

const commit = (secret: Buffer, plaintext: Buffer): Buffer =>
  Buffer.from(
    hash("sha256", Buffer.concat([COMMITMENT, hmacSha256(secret, SALT), plaintext]), "binary"),
    "latin1",
  );

// Node takes a KeyObject several times faster than the bytes of a key.
const encryptionKey = (secret: Buffer) => createSecretKey(hmacSha256(secret, KEY));

/** A personal part as it goes to disk. */
export interface SealedPersonal {
  /** 32 bytes, for the leaf. */
  readonly commitment: Buffer;
  /** The ciphertext and its 16-byte tag. */
  readonly sealed: Buffer;
}

/** What is committed to: label, salt, and then the plaintext, written there at once. */
const committed = new ByteWriter(4096);
committed.bytes(COMMITMENT);
const PLAINTEXT = COMMITMENT.length + SECRET_BYTES;
const keyed = new Hmac();
const keyBytes = Buffer.alloc(SECRET_BYTES);

/**
 * Encrypts a personal part and commits to it.
 *
 * @param secret from recordSecret; never used for another plaintext
 * @throws RangeError when it is larger than 65,535 bytes
 */
export const sealPersonal = (secret: Buffer, entry: PersonalEntry): SealedPersonal => {
  committed.length = PLAINTEXT;
  put(committed, entry);
  const { buffer, length } = committed;
  keyed.setKey(secret);
  keyed.write(KEY, keyBytes, 0);
  keyed.write(SALT, buffer, COMMITMENT.length);
  const cipher = createCipheriv("aes-256-gcm", createSecretKey(keyBytes), NONCE);
  const ciphertext = cipher.update(buffer.subarray(PLAINTEXT, length));
  cipher.final();
  return {
    commitment: Buffer.from(hash("sha256", buffer.subarray(0, length), "binary"), "latin1"),
    sealed: Buffer.concat([ciphertext, cipher.getAuthTag()]),
  };
};

/**
 * Decrypts a personal part and checks it against the leaf's commitment.
 *
 * @throws FormatError when the ciphertext, the secret and the commitment do not belong together
 */
export const openPersonal = (
  secret: Buffer,
  { commitment, sealed }: SealedPersonal,
): PersonalEntry => {
  if (secret.length !== SECRET_BYTES || sealed.length < TAG_BYTES) {
    throw new FormatError("a secret or a personal part that is too short");
  }
  const decipher = createDecipheriv("aes-256-gcm", encryptionKey(secret), NONCE);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  let plaintext: Buffer;
  try {
    const start = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES));
    plaintext = Buffer.concat([start, decipher.final()]);
  } catch {
    throw new FormatError("the personal part was not encrypted under this key, or was changed");
  }
  if (!commit(secret, plaintext).equals(commitment)) {
    throw new FormatError("the personal part is not the one that the record commits to");
  }
  return decodePersonal(plaintext);
};
