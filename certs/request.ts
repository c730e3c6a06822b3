// Certificate requests (PKCS #10, RFC 2986): made by a peer, read and checked by the CA.
import { createPublicKey, verify, type KeyObject } from "node:crypto";
import forge from "node-forge";
import { CertificateError } from "./certificate-error.js";
import { keyProblem } from "./certificate-fields.js";
import { childrenOf, expectTag, readDer, readOctetBits, readOid, TAG, type Der } from "./der.js";
import { readName } from "./distinguished-name.js";
import { dnsNamesOf, readExtensions } from "./extensions.js";
import { dnsNames, peerSubject, publicHalf, signWith } from "./forge.js";
import { isCertificateName, isPeerName, readSubject } from "./identity.js";

/** How large a request may be, in bytes of PEM. */
export const REQUEST_BYTES_MAX = 64 * 1024;

/** How many DNS names a certificate of ours may have. */
const NAMES_MAX = 100;

// X.520 gives O and serialNumber upper bounds of 64 characters, which strict readers enforce.
const SUBJECT_TEXT_MAX = 64;

const EXTENSION_REQUEST = "1.2.840.113549.1.9.14";

const DIGESTS: Readonly<Record<string, string>> = {
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
};

/** Who asks for a certificate, and for which key. */
export interface RequestSubject {
  /** 1 to 64 characters that a PrintableString has, without spaces and "/". */
  readonly peerId: string;
  /** 1 to 64 printable characters. */
  readonly organisation: string;
}

/** A request whose signature has been checked. */
export interface CertificateRequest extends RequestSubject {
  readonly publicKey: KeyObject;
  /** The DNS names that it asks for. Nobody has checked that they are the requester's. */
  readonly requestedNames: readonly string[];
}

/** Checks what is to stand in a certificate. Throws CertificateError naming every mistake. */
export const checkSubject = (
  { peerId, organisation }: RequestSubject,
  names: readonly string[],
): void => {
  const wrong = names.filter((name) => !isCertificateName(name));
  const mistakes = [
    ...(/^[A-Za-z0-9'()+,.:=?-]{1,64}$/.test(peerId)
      ? []
      : ["the peer id (serialNumber) must have 1 to 64 of A-Z a-z 0-9 ' ( ) + , - . : = ?"]),
    ...(isPeerName(organisation) && organisation.length <= SUBJECT_TEXT_MAX
      ? []
      : [`the organisation (O) must have 1 to ${String(SUBJECT_TEXT_MAX)} printable characters`]),
    ...(names.length <= NAMES_MAX
      ? []
      : [`there are ${String(names.length)} names, allowed are ${String(NAMES_MAX)}`]),
    ...wrong.map((name) => `the name ${JSON.stringify(name)} is not a DNS host name`),
  ];
  if (mistakes.length > 0) throw new CertificateError(mistakes.join("\n"));
};

/**
 * Makes a request in PEM.
 *
 * @param key an RSA private key, which signs it
 * @throws CertificateError naming every mistake in the subject or the names
 */
export const createRequest = (
  subject: RequestSubject,
  names: readonly string[],
  key: KeyObject,
): string => {
  checkSubject(subject, names);
  const request = forge.pki.createCertificationRequest();
  request.publicKey = publicHalf(key);
  request.setSubject(peerSubject(subject.peerId, subject.organisation));
  if (names.length > 0) {
    request.setAttributes([{ name: "extensionRequest", extensions: [dnsNames(names)] }]);
  }
  signWith(key, request, () => {
    if (request.certificationRequestInfo === null) throw new TypeError("nothing to sign");
    return request.certificationRequestInfo;
  });
  return forge.pki.certificationRequestToPem(request);
};

const derOf = (pem: string): Buffer => {
  if (Buffer.byteLength(pem) > REQUEST_BYTES_MAX) {
    throw new CertificateError(`it is larger than ${String(REQUEST_BYTES_MAX)} bytes`);
  }
  const block =
    /-----BEGIN (NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END \1?CERTIFICATE REQUEST-----/.exec(
      pem,
    )?.[2];
  if (block === undefined) {
    throw new CertificateError(
      "it holds no certificate request in PEM (-----BEGIN CERTIFICATE REQUEST-----)",
    );
  }
  return Buffer.from(block, "base64");
};

const readKey = (element: Der | undefined): KeyObject => {
  const { bytes: der } = expectTag(element, TAG.sequence);
  let key: KeyObject;
  try {
    key = createPublicKey({ key: der, format: "der", type: "spki" });
  } catch (cause) {
    throw new CertificateError("its key cannot be read", { cause });
  }
  if (key.asymmetricKeyType !== "rsa") {
    throw new CertificateError(
      `it is for a key of the kind ${key.asymmetricKeyType ?? "unknown"}; this CA issues certificates for RSA keys only`,
    );
  }
  const weakness = keyProblem(key);
  if (weakness !== undefined) throw new CertificateError(`it is for ${weakness}`);
  return key;
};

const checkSignature = (
  info: Der,
  algorithm: Der | undefined,
  signature: Der | undefined,
  key: KeyObject,
): void => {
  const oid = readOid(childrenOf(expectTag(algorithm, TAG.sequence))[0]);
  const digest = DIGESTS[oid];
  if (digest === undefined) {
    throw new CertificateError(`it is signed with the algorithm ${oid}, which is not allowed`);
  }
  if (!verify(digest, info.bytes, key, readOctetBits(signature))) {
    throw new CertificateError("its signature is not by the key that it is for");
  }
};

const readRequestedNames = (attributes: Der | undefined): readonly string[] => {
  if (attributes === undefined) return [];
  const all = childrenOf(expectTag(attributes, TAG.explicit(0))).map((each) => childrenOf(each));
  const requested = all.filter(([type]) => readOid(type) === EXTENSION_REQUEST);
  return requested.flatMap(([, set]) =>
    childrenOf(expectTag(set, TAG.set)).flatMap((each) => dnsNamesOf(readExtensions(each))),
  );
};

/** A request taken apart; the holder of its key has signed it. */
export interface SignedRequest {
  readonly subject: Der | undefined;
  readonly publicKey: KeyObject;
  readonly attributes: Der | undefined;
}

/**
 * Takes a request in DER apart and checks that the holder of its key made it.
 *
 * @throws CertificateError for bytes that are no request, a key that is not RSA of 2048 to 8192 bits or a wrong signature
 */
export const readSignedRequest = (der: Buffer): SignedRequest => {
  const parts = childrenOf(readDer(der, TAG.sequence));
  const info = expectTag(parts[0], TAG.sequence);
  const [, subject, keyInfo, attributes] = childrenOf(info);
  const publicKey = readKey(keyInfo);
  checkSignature(info, parts[1], parts[2], publicKey);
  return { subject, publicKey, attributes };
};

/**
 * Reads a request and checks that the holder of its key made it. What it asks for is not to be trusted:
 * of its subject only peer id and organisation are given, of its extensions only the DNS names, for an
 * operator to confirm.
 *
 * @throws CertificateError for a text that is no request, a key that is not RSA of 2048 to 8192 bits, a
 * wrong signature, or a subject or names that may not stand in a certificate
 */
export const parseRequest = (pem: string): CertificateRequest => {
  const { subject, publicKey, attributes } = readSignedRequest(derOf(pem));
  const { serialNumber: peerId, organisation } = readSubject(readName(subject));
  const requestedNames = readRequestedNames(attributes);
  checkSubject({ peerId, organisation }, requestedNames);
  return { peerId, organisation, publicKey, requestedNames };
};
