// C2SP signed-note: text with signature lines below it, by Ed25519 keys that have names. The two kinds of signatures that
// a log needs: its own (type 1), and a witness's, which has a time (type 4, C2SP tlog-cosignature).
import { createPublicKey, hash, sign, verify, type KeyObject } from "node:crypto";

/** 1: Ed25519 over the text. 4: a co-signature, Ed25519 over a time and the text. */
export type SignatureType = 1 | 4;

/** Who may have signed a note. */
export interface Verifier {
  readonly name: string;
  /** The first four bytes of a hash over name, type and key: a hint, not more. */
  readonly id: number;
  readonly type: SignatureType;
  readonly publicKey: KeyObject;
  /** The key as a line of text, for parseVerifier. */
  readonly vkey: string;
}

/** A key that signs notes. */
export interface NoteKey extends Verifier {
  readonly privateKey: KeyObject;
}

/**
 * Why a note is not accepted. `malformed`: it is no note. `signature-wrong`: a line is said to be by a known
 * key, and is not. `unsigned`: no line is by a known key.
 */
export type NoteErrorKind = "malformed" | "signature-wrong" | "unsigned";

/** A note that is not accepted. */
export class NoteError extends Error {
  constructor(
    readonly kind: NoteErrorKind,
    message: string,
  ) {
    super(message);
    this.name = "NoteError";
  }
}

/** A signature that has been verified. */
export interface NoteSignature {
  readonly verifier: Verifier;
  /** Of a co-signature: seconds since 1970-01-01T00:00:00Z. */
  readonly time?: number;
  /** The whole line with its newline. */
  readonly line: string;
}

/** A line by a key that nobody gave. */
export interface UnknownSignature {
  readonly name: string;
  readonly id: number;
  readonly line: string;
}

/** A note of which at least one signature is by a known key, and none that says so is not. */
export interface OpenedNote {
  /** What was signed, with its last newline. */
  readonly text: string;
  /** At most one a key, in the order of the note. */
  readonly signatures: readonly NoteSignature[];
  readonly unknown: readonly UnknownSignature[];
}

const NOTE_BYTES_MAX = 1_000_000;
const SIGNATURES_MAX = 100;
const KEY_BYTES = 32;
const ID_BYTES = 4;
const TIME_BYTES = 8;
const SIGNATURE_BYTES = 64;

// Neither a space of Unicode nor a plus, which the text of a key has between its parts.
const NAME = /^[^\s\u0085+]+$/u;
// Control characters other than the newline.
const CONTROL = /[\u0000-\u0009\u000b-\u001f]/;
const LINE = /^— (\S+) ([A-Za-z0-9+/]+={0,2})$/u;
const VKEY = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/u;

/** Bytes in base64 as it is written in one way only; undefined for anything else. */
export const fromBase64 = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
};

const rawKey = (publicKey: KeyObject): Buffer => {
  const { x } = publicKey.export({ format: "jwk" });
  return Buffer.from(x ?? "", "base64url");
};

const keyOf = (raw: Buffer): KeyObject =>
  createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") },
    format: "jwk",
  });

/**
 * A verifier from its parts.
 *
 * @throws TypeError when the key is no Ed25519 key, or the name is empty or has a space or "+"
 */
export const noteVerifier = (
  name: string,
  publicKey: KeyObject,
  type: SignatureType = 1,
): Verifier => {
  if (publicKey.asymmetricKeyType !== "ed25519") throw new TypeError("it is no Ed25519 key");
  if (!NAME.test(name)) throw new TypeError(`a key cannot have the name ${JSON.stringify(name)}`);
  const encoded = Buffer.concat([Buffer.of(type), rawKey(publicKey)]);
  const digest = hash("sha256", Buffer.concat([Buffer.from(`${name}\n`), encoded]), "buffer");
  const id = digest.readUInt32BE(0);
  const hex = id.toString(16).padStart(8, "0");
  return Object.freeze({
    name,
    id,
    type,
    publicKey,
    vkey: `${name}+${hex}+${encoded.toString("base64")}`,
  });
};

/**
 * A key that signs, from its private half; type 4 for a witness.
 *
 * @throws TypeError as noteVerifier does
 */
export const noteKey = (name: string, privateKey: KeyObject, type: SignatureType = 1): NoteKey =>
  Object.freeze({ ...noteVerifier(name, createPublicKey(privateKey), type), privateKey });

/**
 * Reads a verifier as C2SP writes it: name, key id in hexadecimal and key, with "+" between.
 *
 * @throws NoteError (`malformed`) when it is none of an Ed25519 key, or its key id is another key's
 */
export const parseVerifier = (vkey: string): Verifier => {
  const [, name = "", , encoded = ""] = VKEY.exec(vkey) ?? [];
  const bytes = fromBase64(encoded);
  const type = bytes?.[0];
  if (bytes?.length !== 1 + KEY_BYTES || (type !== 1 && type !== 4) || !NAME.test(name)) {
    throw new NoteError(
      "malformed",
      "it is no key of signed notes: NAME+ID+KEY, of type 1 (Ed25519) or 4 (co-signatures)",
    );
  }
  const verifier = noteVerifier(name, keyOf(bytes.subarray(1)), type);
  if (verifier.vkey === vkey) return verifier;
  throw new NoteError("malformed", `the key id of ${name} does not fit its key`);
};

const cosigned = (text: string, time: number | bigint): Buffer =>
  Buffer.from(`cosignature/v1\ntime ${time}\n${text}`);

/**
 * A signature line with its newline. A co-signature (a key of type 4) needs the time, seconds since 1970.
 *
 * @throws RangeError when a co-signature has no time
 */
export const signatureLine = (text: string, key: NoteKey, timeSeconds?: number): string => {
  const head = Buffer.alloc(key.type === 4 ? ID_BYTES + TIME_BYTES : ID_BYTES);
  head.writeUInt32BE(key.id);
  let message: Buffer = Buffer.from(text);
  if (key.type === 4) {
    if (timeSeconds === undefined) throw new RangeError("a co-signature needs a time");
    head.writeBigUInt64BE(BigInt(timeSeconds), ID_BYTES);
    message = cosigned(text, timeSeconds);
  }
  const signature = sign(null, message, key.privateKey);
  return `— ${key.name} ${Buffer.concat([head, signature]).toString("base64")}\n`;
};

const requireText = (text: string): void => {
  if (!text.endsWith("\n") || CONTROL.test(text) || !text.isWellFormed()) {
    throw new NoteError("malformed", "a note's text ends in a newline and has no other controls");
  }
};

/**
 * Signs a text that ends in a newline, with keys of type 1.
 *
 * @throws NoteError (`malformed`) when the text cannot be a note's
 */
export const signNote = (text: string, keys: readonly NoteKey[]): string => {
  requireText(text);
  return `${text}\n${keys.map((key) => signatureLine(text, key)).join("")}`;
};

/** A note taken apart; nothing of it is verified. */
export interface ReadNote {
  readonly text: string;
  readonly lines: readonly (UnknownSignature & { readonly signature: Buffer })[];
}

const readLine = (line: string): ReadNote["lines"][number] => {
  const [, name = "", encoded = ""] = LINE.exec(line) ?? [];
  const bytes = fromBase64(encoded);
  if (!NAME.test(name) || bytes === undefined || bytes.length <= ID_BYTES) {
    throw new NoteError("malformed", "a line below the note's text is no signature");
  }
  return {
    name,
    id: bytes.readUInt32BE(0),
    line: `${line}\n`,
    signature: bytes.subarray(ID_BYTES),
  };
};

/**
 * Takes a note apart without verifying it.
 *
 * @throws NoteError (`malformed`) when it is none, is over 1,000,000 bytes or has more than 100 signatures
 */
export const readNote = (note: string): ReadNote => {
  if (Buffer.byteLength(note) > NOTE_BYTES_MAX) {
    throw new NoteError("malformed", `a note has at most ${NOTE_BYTES_MAX} bytes`);
  }
  requireText(note);
  const end = note.lastIndexOf("\n\n");
  if (end < 0) throw new NoteError("malformed", "a note has an empty line before its signatures");
  const lines = note.slice(end + 2, -1).split("\n");
  if (lines.length > SIGNATURES_MAX) {
    throw new NoteError("malformed", `a note has at most ${SIGNATURES_MAX} signatures`);
  }
  return { text: note.slice(0, end + 1), lines: lines.map(readLine) };
};

const requireSignature = (
  text: string,
  verifier: Verifier,
  signature: Buffer,
): number | undefined => {
  const timed = verifier.type === 4;
  const time = timed && signature.length >= TIME_BYTES ? signature.readBigUInt64BE(0) : 0n;
  const own = timed ? signature.subarray(TIME_BYTES) : signature;
  const message = timed ? cosigned(text, time) : Buffer.from(text);
  const right =
    own.length === SIGNATURE_BYTES &&
    time <= BigInt(Number.MAX_SAFE_INTEGER) &&
    verify(null, message, verifier.publicKey, own);
  if (right) return timed ? Number(time) : undefined;
  throw new NoteError("signature-wrong", `the signature of ${verifier.name} is not by its key`);
};

/**
 * Verifies a note by the keys that are known. Lines by other keys prove nothing and are given apart.
 *
 * @throws NoteError when it is no note, a signature is not by the known key that it names, or none is by a known key
 */
export const openNote = (note: string, verifiers: readonly Verifier[]): OpenedNote => {
  const { text, lines } = readNote(note);
  const signatures: NoteSignature[] = [];
  const unknown: UnknownSignature[] = [];
  for (const { name, id, line, signature } of lines) {
    const verifier = verifiers.find((known) => known.name === name && known.id === id);
    if (verifier === undefined) {
      unknown.push({ name, id, line });
      continue;
    }
    const time = requireSignature(text, verifier, signature);
    if (signatures.some((earlier) => earlier.verifier === verifier)) continue;
    signatures.push({ verifier, line, ...(time === undefined ? {} : { time }) });
  }
  if (signatures.length > 0) return { text, signatures, unknown };
  throw new NoteError("unsigned", "no signature of the note is by a known key");
};
