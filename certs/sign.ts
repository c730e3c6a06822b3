// Signatures over bytes with the key of a peer's certificate, and their check with nothing at hand
// but the group's anchors.
import { constants, sign, verify, type KeyObject, type X509Certificate } from "node:crypto";
import type { Bundle } from "./bundle.js";
import { CertificateError } from "./certificate-error.js";
import { publicKeyOf } from "./certificate-fields.js";
import { CERTIFICATE_BYTES_MAX, CHAIN_LENGTH_MAX, checkPath } from "./chain.js";
import type { Group } from "./group.js";
import { identityOf, type PeerIdentity } from "./identity.js";
import { parseCertificate } from "./pem.js";

const SIGNATURE_BYTES_MAX = 1024;

/** Something signed, as it came from outside. */
export interface Signed {
  /** DER, the signer's certificate first, without the anchor; 1 to 5, each at most 16 KiB. */
  readonly chain: readonly Uint8Array[];
  /** At most 1024 bytes. */
  readonly signature: Uint8Array;
  /** What the signature is for; a signature for one purpose is none for another. */
  readonly purpose: string;
  readonly bytes: Uint8Array;
}

// The zero byte ends the purpose: no purpose with its bytes reads as another one with others.
const preimage = (purpose: string, bytes: Uint8Array): Buffer => {
  if (!/^[\x21-\x7e]{1,100}$/.test(purpose)) {
    throw new TypeError("a purpose is 1 to 100 visible ASCII characters");
  }
  return Buffer.concat([Buffer.from(`${purpose}\0`, "ascii"), bytes]);
};

const withScheme = (key: KeyObject) => {
  if (key.asymmetricKeyType === "rsa") return { key, padding: constants.RSA_PKCS1_PADDING };
  if (key.asymmetricKeyType === "ec") return { key, dsaEncoding: "der" } as const;
  throw new CertificateError("signatures are made with RSA and EC keys only");
};

/**
 * Signs the purpose in ASCII, one zero byte, and the bytes: RSA with PKCS #1 v1.5 and SHA-256, EC with
 * ECDSA and SHA-256 in DER (RFC 3279).
 *
 * @param purpose 1 to 100 visible ASCII characters, such as "schakel/announcement/v1"
 */
export const signBytes = (bundle: Bundle, purpose: string, bytes: Uint8Array): Buffer =>
  sign("sha256", preimage(purpose, bytes), withScheme(bundle.key));

const parseWithin = (der: Uint8Array): X509Certificate => {
  if (der.length > CERTIFICATE_BYTES_MAX) {
    throw new CertificateError(
      `a certificate of ${String(der.length)} bytes, allowed are ${String(CERTIFICATE_BYTES_MAX)}`,
    );
  }
  return parseCertificate(der);
};

/**
 * Checks a signature made by `signBytes`: the path from its certificate to an anchor of the group at
 * this moment, revocation lists too, and the signature itself with the scheme that the certificate's key allows.
 *
 * @param now milliseconds since 1970
 * @returns who signed
 * @throws CertificateError when a limit is passed, the path does not hold, the subject names no peer of
 * the group, or the signature is not by this key over these bytes for this purpose
 */
export const verifySigned = (signed: Signed, group: Group, now: number): PeerIdentity => {
  const { chain, signature, purpose, bytes } = signed;
  if (chain.length < 1 || chain.length > CHAIN_LENGTH_MAX) {
    throw new CertificateError(
      `a chain of ${String(chain.length)} certificates, allowed are 1 to ${String(CHAIN_LENGTH_MAX)}`,
    );
  }
  if (signature.length > SIGNATURE_BYTES_MAX) {
    throw new CertificateError(
      `a signature of ${String(signature.length)} bytes, allowed are ${String(SIGNATURE_BYTES_MAX)}`,
    );
  }
  const certificates = chain.map(parseWithin);
  checkPath(certificates, group, now);
  const [leaf] = certificates;
  if (leaf === undefined) throw new CertificateError("there is no certificate");
  const identity = identityOf(leaf, group.peerIdRule);
  const key = withScheme(publicKeyOf(leaf));
  if (!verify("sha256", preimage(purpose, bytes), key, signature)) {
    throw new CertificateError(`the signature is not by the key of peer ${identity.peerId}`);
  }
  return identity;
};
