// The signatures of both sides under the result of a comparison: compact JWS with the certificates of their managers.
import type { X509Certificate } from "node:crypto";
import { CertificateError } from "../../certs/certificate-error.js";
import { publicKeyOf } from "../../certs/certificate-fields.js";
import type { Group } from "../../certs/group.js";
import { identityOf } from "../../certs/identity.js";
import { findPath } from "../../certs/path-builder.js";
import { canonical } from "../../contracts/jcs.js";
import {
  certificateThumbprintOf,
  JwsError,
  readJws,
  signJws,
  verifyJws,
  type JwsSigner,
} from "../../contracts/jws.js";
import { claimOf, RESULT_TYPE, ResultError, type Result } from "./result.js";

const JWS_BYTES_MAX = 16 * 1024;

/** Who must have signed, and by what that is known. */
export interface ExpectedSigner {
  readonly peerId: string;
  readonly group: Group;
  /** The signer's certificates with their issuers, in any order. */
  readonly certificates: readonly X509Certificate[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Signs a result. */
export const signResult = (result: Result, signer: JwsSigner): Promise<string> =>
  signJws(claimOf(result), signer, { type: RESULT_TYPE });

const verify = async (
  result: Result,
  signature: string,
  { peerId, group, certificates, now }: ExpectedSigner,
): Promise<readonly X509Certificate[]> => {
  const jws = readJws(signature, { bytesMax: JWS_BYTES_MAX, types: [RESULT_TYPE] });
  if (canonical(jws.payload) !== canonical(claimOf(result))) {
    throw new ResultError("the signature is for another result");
  }
  const certificate = certificates.find((each) => certificateThumbprintOf(each) === jws.thumbprint);
  if (certificate === undefined) throw new ResultError("the signer's certificate is not known");
  const found = findPath(certificate, certificates, group, { now });
  if (found.chain === undefined) throw new ResultError(found.problems.join("; "));
  if (identityOf(certificate, group.peerIdRule).peerId !== peerId) {
    throw new ResultError("the signature is by another peer's certificate");
  }
  await verifyJws(jws, publicKeyOf(certificate));
  return found.chain;
};

/**
 * Verifies that a peer signed a result.
 *
 * @returns the signer's certificate and its issuers, without the anchor
 * @throws ResultError saying why it did not
 */
export const verifyResultSignature = async (
  result: Result,
  signature: string,
  signer: ExpectedSigner,
): Promise<readonly X509Certificate[]> => {
  try {
    return await verify(result, signature, signer);
  } catch (error) {
    if (!(error instanceof JwsError || error instanceof CertificateError)) throw error;
    throw new ResultError(error.message, { cause: error });
  }
};
