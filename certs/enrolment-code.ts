// The text of an enrolment code: a secret, and the hash of the internal CA's key, by which whoever holds the
// code knows the manager before telling it the secret.
import { randomBytes, type X509Certificate } from "node:crypto";
import { keyHashOf } from "./internal-ca.js";

const PREFIX = "schakel-enrol-1-";
const SECRET_BYTES = 16;
const HASH_BYTES = 32;

/** How long the text of a code may be, in characters. */
export const CODE_LENGTH_MAX = 1000;

/** What a code says. */
export interface EnrolmentCode {
  /** 128 random bits. */
  readonly secret: Buffer;
  /** SHA-256 of the SubjectPublicKeyInfo of the internal CA's root. */
  readonly caKeyHash: Buffer;
}

/** Makes a new code for components of the CA with this root. */
export const newEnrolmentCode = (anchor: X509Certificate): EnrolmentCode => ({
  secret: randomBytes(SECRET_BYTES),
  caKeyHash: keyHashOf(anchor),
});

/** A code as text: letters, digits, "-" and "_" alone. */
export const formatEnrolmentCode = ({ secret, caKeyHash }: EnrolmentCode): string =>
  PREFIX + Buffer.concat([secret, caKeyHash]).toString("base64url");

/** Takes the text of a code, with white space around it; undefined when it is none. */
export const parseEnrolmentCode = (text: string): EnrolmentCode | undefined => {
  const trimmed = text.length > CODE_LENGTH_MAX ? "" : text.trim();
  if (!trimmed.startsWith(PREFIX)) return undefined;
  const encoded = trimmed.slice(PREFIX.length);
  const bytes = Buffer.from(encoded, "base64url");
  if (bytes.length !== SECRET_BYTES + HASH_BYTES || bytes.toString("base64url") !== encoded) {
    return undefined;
  }
  return { secret: bytes.subarray(0, SECRET_BYTES), caKeyHash: bytes.subarray(SECRET_BYTES) };
};
