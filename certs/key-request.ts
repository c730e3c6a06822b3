// Certificate requests that say nothing but their key (PKCS #10): how a component of our own
// organisation asks the manager, which alone decides what stands in the certificate.
import type { KeyObject } from "node:crypto";
import forge from "node-forge";
import { CertificateError } from "./certificate-error.js";
import { publicHalf, signWith } from "./forge.js";
import { readSignedRequest, REQUEST_BYTES_MAX } from "./request.js";

/** Makes a request for an RSA key, signed by it, in DER. */
export const createKeyRequest = (key: KeyObject): Buffer => {
  const request = forge.pki.createCertificationRequest();
  request.publicKey = publicHalf(key);
  signWith(key, request, () => {
    if (request.certificationRequestInfo === null) throw new TypeError("nothing to sign");
    return request.certificationRequestInfo;
  });
  const der = forge.asn1.toDer(forge.pki.certificationRequestToAsn1(request));
  return Buffer.from(der.getBytes(), "latin1");
};

/**
 * The key of a request in DER whose holder made it. Whatever else the request says is not looked at.
 *
 * @throws CertificateError for bytes that are no request, a key that is not RSA of 2048 to 8192 bits or a wrong signature
 */
export const readKeyRequest = (der: Uint8Array): KeyObject => {
  if (der.length > REQUEST_BYTES_MAX) {
    throw new CertificateError(`it is larger than ${String(REQUEST_BYTES_MAX)} bytes`);
  }
  return readSignedRequest(Buffer.from(der)).publicKey;
};
