// The fields of an X.509 certificate that Node.js does not give, or gives only as joined text.
import type { KeyObject, X509Certificate } from "node:crypto";
import { madeOnce } from "../core/made-once.js";
import { CertificateError } from "./certificate-error.js";
import {
  childrenOf,
  expectTag,
  readDer,
  readIntegerHex,
  readOid,
  readSmallInteger,
  readTime,
  TAG,
  type Der,
} from "./der.js";
import { describeName, readName, type Attribute } from "./distinguished-name.js";
import { readExtensions, type Extensions } from "./extensions.js";

/** A certificate taken apart (RFC 5280, 4.1). */
export interface CertificateFields {
  /** 1, 2 or 3. */
  readonly version: number;
  /** The content of the INTEGER in hexadecimal. */
  readonly serial: string;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly issuer: readonly Attribute[];
  readonly subject: readonly Attribute[];
  /** The Name elements as they stand in the certificate: names are the same when these bytes are. */
  readonly issuerBytes: Buffer;
  readonly subjectBytes: Buffer;
  /** Whether subject and issuer are the same bytes. */
  readonly selfIssued: boolean;
  /** The SubjectPublicKeyInfo as it stands in the certificate. */
  readonly publicKeyInfo: Buffer;
  /** The object identifier of the issuer's signature algorithm. */
  readonly signatureAlgorithm: string;
  readonly extensions: Extensions;
}

const readVersion = (fields: Der[]): number => {
  if (fields[0]?.tag !== TAG.explicit(0)) return 1;
  const [version, ...rest] = childrenOf(expectTag(fields.shift(), TAG.explicit(0)));
  const value = readSmallInteger(version) + 1;
  if (rest.length > 0 || (value !== 2 && value !== 3)) {
    throw new CertificateError("a version that certificates do not have");
  }
  return value;
};

// After the key only the extensions may follow: unique ids of issuer and subject are obsolete, and no
// certificate may have them (RFC 5280, 4.1.2.8).
const readOptional = (optional: readonly Der[]): Extensions => {
  const [extensions, ...rest] = optional;
  if (extensions === undefined) return new Map();
  const [sequence, ...more] = childrenOf(expectTag(extensions, TAG.explicit(3)));
  if (rest.length > 0 || more.length > 0) throw new CertificateError("fields after the extensions");
  return readExtensions(sequence);
};

const EC_KEY = "1.2.840.10045.2.1";

// A curve is named, not written out (RFC 5480, 2.1.1): what a key writes out may be a curve of its own making.
const checkCurve = (key: Der): void => {
  const [algorithm] = childrenOf(key);
  const [oid, parameters] = childrenOf(expectTag(algorithm, TAG.sequence));
  if (readOid(oid) === EC_KEY && parameters?.tag !== TAG.oid) {
    throw new CertificateError("a key on a curve without a name");
  }
};

const read = (der: Uint8Array): CertificateFields => {
  const [tbs, outer, signature, ...after] = childrenOf(readDer(der, TAG.sequence));
  expectTag(signature, TAG.bitString);
  if (after.length > 0) throw new CertificateError("fields after the signature");
  const fields = [...childrenOf(expectTag(tbs, TAG.sequence))];
  const version = readVersion(fields);
  const [serial, inner, issuer, validity, subject, key, ...optional] = fields;
  const algorithm = expectTag(outer, TAG.sequence);
  if (!algorithm.bytes.equals(expectTag(inner, TAG.sequence).bytes)) {
    throw new CertificateError("the certificate names two different signature algorithms");
  }
  checkCurve(expectTag(key, TAG.sequence));
  const [from, to] = childrenOf(expectTag(validity, TAG.sequence));
  const issuerBytes = expectTag(issuer, TAG.sequence).bytes;
  const subjectBytes = expectTag(subject, TAG.sequence).bytes;
  return {
    version,
    serial: readIntegerHex(serial),
    notBefore: readTime(from),
    notAfter: readTime(to),
    issuer: readName(issuer),
    subject: readName(subject),
    issuerBytes,
    subjectBytes,
    selfIssued: issuerBytes.equals(subjectBytes),
    publicKeyInfo: expectTag(key, TAG.sequence).bytes,
    signatureAlgorithm: readOid(childrenOf(algorithm)[0]),
    extensions: readOptional(optional),
  };
};

/**
 * Takes a certificate apart; the result is kept as long as the certificate is.
 *
 * @throws CertificateError when it is not strict DER or has an extension twice
 */
export const fieldsOf: (certificate: X509Certificate) => CertificateFields = madeOnce(({ raw }) =>
  read(raw),
);

/** A certificate's subject for messages; safe to log whoever wrote it. */
export const describeSubject = (certificate: X509Certificate): string => {
  try {
    return describeName(fieldsOf(certificate).subject);
  } catch {
    return "(unreadable)";
  }
};

/** A certificate's issuer for messages; safe to log whoever wrote it. */
export const describeIssuer = (certificate: X509Certificate): string => {
  try {
    return describeName(fieldsOf(certificate).issuer);
  } catch {
    return "(unreadable)";
  }
};

/** A certificate's public key. Throws CertificateError when it is of a kind that cannot be read. */
export const publicKeyOf = (certificate: X509Certificate): KeyObject => {
  try {
    return certificate.publicKey;
  } catch (cause) {
    throw new CertificateError("a key of an unknown kind; allowed are RSA and EC", { cause });
  }
};

const CURVES: readonly (string | undefined)[] = ["prime256v1", "secp384r1", "secp521r1"];
const RSA_BITS_MIN = 2048;
const RSA_BITS_MAX = 8192;

/** What is wrong with a public key, or undefined: RSA of 2048 to 8192 bits or an EC key on P-256, P-384 or P-521 is allowed. */
export const keyProblem = (key: KeyObject): string | undefined => {
  const { modulusLength = 0, publicExponent = 0n, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === "rsa") {
    if (modulusLength < RSA_BITS_MIN || modulusLength > RSA_BITS_MAX) {
      return `an RSA key of ${String(modulusLength)} bits; allowed are ${String(RSA_BITS_MIN)} to ${String(RSA_BITS_MAX)}`;
    }
    return publicExponent < 65537n || publicExponent % 2n === 0n
      ? `an RSA key with the public exponent ${String(publicExponent)}; allowed is an odd number from 65537`
      : undefined;
  }
  if (key.asymmetricKeyType === "ec") {
    return CURVES.includes(namedCurve)
      ? undefined
      : `a key on the curve ${namedCurve ?? "without a name"}; allowed are P-256, P-384 and P-521`;
  }
  return `a key of the kind ${key.asymmetricKeyType ?? "unknown"}; allowed are RSA and EC`;
};
