// Certificate revocation lists (RFC 5280, section 5): read strictly, and checked to be by their issuer.
// Whole lists of a CA for its own certificates are understood; partial (delta, by reason) and indirect ones are refused.
import { verify, type X509Certificate } from "node:crypto";
import { CertificateError } from "./certificate-error.js";
import { fieldsOf, publicKeyOf } from "./certificate-fields.js";
import { isSignatureAllowed } from "./certificate-rules.js";
import {
  childrenOf,
  expectTag,
  readDer,
  readIntegerHex,
  readOctetBits,
  readOid,
  readTime,
  TAG,
  type Der,
} from "./der.js";
import { describeName, readName } from "./distinguished-name.js";
import { authorityKeyIdOf, keyUsagesOf, readExtensions } from "./extensions.js";
import type { AuthorityKeyId, Extensions } from "./extensions.js";
import { mayMean } from "./issued-by.js";

/** How large a revocation list may be, in bytes. */
export const CRL_BYTES_MAX = 8 * 1024 * 1024;

/** How many certificates a revocation list may name. */
export const CRL_ENTRIES_MAX = 200_000;

/** A revocation list as it is handed around: bytes, and the certificates that vouch for them. */
export interface RevocationList {
  /** The list, DER. */
  readonly crl: Buffer;
  /** Certificates between the list's issuer and the anchor, the issuer first; empty when an anchor issued it. */
  readonly issuerChain: readonly X509Certificate[];
}

/** What a list says of one certificate. */
export interface Revocation {
  /** Milliseconds since 1970. */
  readonly since: number;
  /** RFC 5280's word for the reason; "unspecified" when none is given. */
  readonly reason: string;
}

/** A revocation list taken apart. */
export interface ReadRevocationList {
  /** The issuer's Name element. */
  readonly issuerBytes: Buffer;
  /** The issuer for messages. */
  readonly issuer: string;
  /** Milliseconds since 1970. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** The CRL number: a newer list of a CA has a higher one. */
  readonly number: bigint;
  readonly authorityKeyId: AuthorityKeyId | undefined;
  /** By the serial, as `CertificateFields` has it. */
  readonly revoked: ReadonlyMap<string, Revocation>;
  readonly signatureAlgorithm: string;
  /** What is signed, and the signature. */
  readonly signed: Buffer;
  readonly signature: Buffer;
}

const CRL_NUMBER = "2.5.29.20";
const REASON_CODE = "2.5.29.21";
const DELTA = "2.5.29.27";
const ISSUING_DISTRIBUTION_POINT = "2.5.29.28";
const CRL_NUMBER_BYTES_MAX = 20;

/** The reasons of RFC 5280, 5.3.1, by their number. A whole list cannot say removeFromCRL (8), and 7 is not used. */
export const REASONS = [
  "unspecified",
  "keyCompromise",
  "cACompromise",
  "affiliationChanged",
  "superseded",
  "cessationOfOperation",
  "certificateHold",
  undefined,
  undefined,
  "privilegeWithdrawn",
  "aACompromise",
] as const;

const HASHES: Readonly<Record<string, readonly [type: "rsa" | "ec", hash: string]>> = {
  "1.2.840.113549.1.1.11": ["rsa", "sha256"],
  "1.2.840.113549.1.1.12": ["rsa", "sha384"],
  "1.2.840.113549.1.1.13": ["rsa", "sha512"],
  "1.2.840.10045.4.3.2": ["ec", "sha256"],
  "1.2.840.10045.4.3.3": ["ec", "sha384"],
  "1.2.840.10045.4.3.4": ["ec", "sha512"],
};

const refusal = (why: string): CertificateError => new CertificateError(`a revocation list ${why}`);

const readReason = (extensions: Extensions): string => {
  for (const [oid, { critical }] of extensions) {
    if (critical && oid !== REASON_CODE) {
      throw refusal(`with an entry whose critical extension ${oid} is unknown here`);
    }
  }
  const extension = extensions.get(REASON_CODE);
  if (extension === undefined) return "unspecified";
  const { content } = readDer(extension.value, TAG.enumerated);
  const reason = content.length === 1 ? REASONS[content[0] ?? -1] : undefined;
  if (reason === undefined) throw refusal("with an entry whose reason a whole list cannot have");
  return reason;
};

const readRevoked = (entries: Der | undefined): ReadonlyMap<string, Revocation> => {
  const revoked = new Map<string, Revocation>();
  if (entries === undefined) return revoked;
  for (const entry of childrenOf(entries, CRL_ENTRIES_MAX)) {
    const [serial, date, extensions, ...rest] = childrenOf(expectTag(entry, TAG.sequence));
    if (rest.length > 0) throw refusal("with a malformed entry");
    const reason =
      extensions === undefined ? "unspecified" : readReason(readExtensions(extensions));
    const hex = readIntegerHex(serial);
    if (revoked.has(hex)) throw refusal("that names a certificate twice");
    revoked.set(hex, { since: readTime(date), reason });
  }
  return revoked;
};

const readNumber = (extensions: Extensions): bigint => {
  for (const [oid, { critical }] of extensions) {
    if (critical) throw refusal(`with the critical extension ${oid}, which is unknown here`);
  }
  if (extensions.has(DELTA) || extensions.has(ISSUING_DISTRIBUTION_POINT)) {
    throw refusal("that is not whole: for some certificates or changes alone");
  }
  const extension = extensions.get(CRL_NUMBER);
  if (extension === undefined) throw refusal("without a CRL number");
  const hex = readIntegerHex(readDer(extension.value, TAG.integer));
  if (hex.length > CRL_NUMBER_BYTES_MAX * 2 || Number.parseInt(hex.slice(0, 2), 16) >= 0x80) {
    throw refusal("with a CRL number that is out of range");
  }
  return BigInt(`0x${hex}`);
};

const isTime = (element: Der | undefined): boolean =>
  element?.tag === TAG.utcTime || element?.tag === TAG.generalizedTime;

const readSigned = (tbs: Der, algorithm: Der) => {
  const fields = [...childrenOf(tbs)];
  // Without a version it is 1.
  const version = fields.shift();
  if (version?.tag !== TAG.integer || readIntegerHex(version) !== "01") {
    throw refusal("of another version than 2");
  }
  const inner = expectTag(fields.shift(), TAG.sequence);
  if (!inner.bytes.equals(algorithm.bytes)) {
    throw refusal("that names two different signature algorithms");
  }
  const issuer = expectTag(fields.shift(), TAG.sequence);
  const thisUpdate = readTime(fields.shift());
  if (!isTime(fields[0])) throw refusal("that does not say when the next one comes");
  const nextUpdate = readTime(fields.shift());
  if (nextUpdate < thisUpdate) throw refusal("whose next one came before it");
  const [first, second, ...rest] = fields;
  const entries = first?.tag === TAG.sequence ? first : undefined;
  const wrapped = entries === undefined ? first : second;
  if (entries === undefined && second !== undefined) throw refusal("with a field too many");
  if (rest.length > 0 || wrapped === undefined) throw refusal("without extensions");
  const extensions = readExtensions(childrenOf(expectTag(wrapped, TAG.explicit(0)))[0]);
  return {
    issuerBytes: issuer.bytes,
    issuer: describeName(readName(issuer)),
    thisUpdate,
    nextUpdate,
    number: readNumber(extensions),
    authorityKeyId: authorityKeyIdOf(extensions),
    revoked: readRevoked(entries),
  };
};

const read = (der: Buffer): ReadRevocationList => {
  if (der.length > CRL_BYTES_MAX) {
    throw refusal(`of ${String(der.length)} bytes, allowed are ${String(CRL_BYTES_MAX)}`);
  }
  const [tbs, outer, signature, ...rest] = childrenOf(readDer(der, TAG.sequence));
  if (rest.length > 0) throw refusal("with something after its signature");
  const signed = expectTag(tbs, TAG.sequence);
  const algorithm = expectTag(outer, TAG.sequence);
  const signatureAlgorithm = readOid(childrenOf(algorithm)[0]);
  if (!isSignatureAllowed(signatureAlgorithm)) {
    throw refusal(`signed with the algorithm ${signatureAlgorithm}, which is not allowed`);
  }
  return {
    ...readSigned(signed, algorithm),
    signatureAlgorithm,
    signed: signed.bytes,
    signature: readOctetBits(signature),
  };
};

const known = new WeakMap<Buffer, ReadRevocationList>();

/**
 * Takes a list apart; the result is kept as long as the bytes are, which must not be changed.
 *
 * @throws CertificateError when it is not a whole list of version 2 in strict DER with CRL number and next
 * update, is too large, or has a critical extension: none is understood
 */
export const readRevocationList = (der: Buffer): ReadRevocationList => {
  const list = known.get(der) ?? read(der);
  known.set(der, list);
  return list;
};

const checked = new WeakMap<ReadRevocationList, Map<string, boolean>>();
const ISSUERS_KEPT_MAX = 16;

const isSignedBy = (list: ReadRevocationList, issuer: X509Certificate): boolean => {
  const [type, hash] = HASHES[list.signatureAlgorithm] ?? [];
  const key = publicKeyOf(issuer);
  if (hash === undefined || key.asymmetricKeyType !== type) return false;
  return verify(hash, list.signed, { key, dsaEncoding: "der" }, list.signature);
};

/**
 * Whether a list is by this CA: its name and key identifier, a key that may sign lists, and the signature.
 * Says nothing of the CA's own certificate. Never throws.
 */
export const isListBy = (list: ReadRevocationList, issuer: X509Certificate): boolean => {
  try {
    const { subjectBytes, extensions } = fieldsOf(issuer);
    const usages = keyUsagesOf(extensions);
    if (!subjectBytes.equals(list.issuerBytes)) return false;
    if (usages?.includes("cRLSign") === false || !mayMean(list.authorityKeyId, issuer))
      return false;
    const verdicts = checked.get(list) ?? new Map<string, boolean>();
    const verdict = verdicts.get(issuer.fingerprint256) ?? isSignedBy(list, issuer);
    if (verdicts.size < ISSUERS_KEPT_MAX) verdicts.set(issuer.fingerprint256, verdict);
    checked.set(list, verdicts);
    return verdict;
  } catch {
    return false;
  }
};

/** Whether one list of a CA replaces another: a higher number, or the same one made later. */
export const isNewer = (list: ReadRevocationList, than: ReadRevocationList): boolean =>
  list.number === than.number ? list.thisUpdate > than.thisUpdate : list.number > than.number;
