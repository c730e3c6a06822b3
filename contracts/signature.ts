// Signatures on contracts (FSC Core 2.0.0): accept, reject, revoke.
import type { X509Certificate } from "node:crypto";
import { CertificateError } from "../certs/certificate-error.js";
import { publicKeyOf } from "../certs/certificate-fields.js";
import { identityOf } from "../certs/identity.js";
import type { PeerId, PeerIdRule } from "../core/names.js";
import { refusingFields } from "./content.js";
import { Fields } from "./fields.js";
import { parseContentHash, type ContentHash } from "./hash.js";
import { JwsError, readJws, signJws, verifyJws, type JwsSigner, type ReadJws } from "./jws.js";
import { ContractRefusal } from "./refusal.js";

/** What a signature may say. */
export const SIGNATURE_TYPES = ["accept", "reject", "revoke"] as const;
export type SignatureType = (typeof SIGNATURE_TYPES)[number];

/** How large a signature may be, in bytes. */
export const SIGNATURE_BYTES_MAX = 8 * 1024;

/** How far ahead of our clock that of another peer may be, in seconds. */
export const CLOCK_SKEW_SECONDS = 60;

// FSC says nothing of typ; these two say no more than "a compact JWS".
const TYPES = ["JOSE", "JWT"];

/** What a signature says, as it stands in it. */
export interface SignatureClaim {
  readonly contractHash: ContentHash;
  readonly type: SignatureType;
  /** Seconds since 1970, by the signer's clock. */
  readonly signedAt: number;
}

/** A signature that has been verified: only `verifySignature` makes one. */
export interface VerifiedSignature extends SignatureClaim {
  /** The compact JWS. */
  readonly jws: string;
  readonly signer: PeerId;
  /** Of the certificate that it was made with. */
  readonly certificateThumbprint: string;
}

/**
 * Signs a contract. The payload has `contract_content_hash`, `signed_at` and `type`.
 *
 * @throws TypeError when the key is not the certificate's or none that FSC has an algorithm for
 */
export const signContract = (claim: SignatureClaim, signer: JwsSigner): Promise<string> =>
  signJws(
    {
      contract_content_hash: claim.contractHash,
      type: claim.type,
      signed_at: claim.signedAt,
    },
    signer,
  );

const refuse = (detail: string, cause?: unknown): ContractRefusal =>
  new ContractRefusal("ERROR_CODE_SIGNATURE_VERIFICATION_FAILED", detail, { cause });

const refusingJws = (error: unknown): unknown => {
  if (!(error instanceof JwsError)) return error;
  return error.kind === "algorithm"
    ? new ContractRefusal("ERROR_CODE_UNKNOWN_ALGORITHM_SIGNATURE", error.message, { cause: error })
    : refuse(error.message, error);
};

const read = (jws: string): ReadJws => {
  try {
    return readJws(jws, { bytesMax: SIGNATURE_BYTES_MAX, types: TYPES });
  } catch (error) {
    throw refusingJws(error);
  }
};

// The payload has these three members and no others: what is signed and not understood is not taken.
const claimOf = ({ payload }: ReadJws): SignatureClaim => {
  const fields = new Fields(payload, "the signature's payload");
  const claim = {
    contractHash: fields.parsed("contract_content_hash", {
      max: 200,
      parse: parseContentHash,
      what: "a content hash ($1$1$ and 86 characters)",
    }),
    type: fields.word("type", SIGNATURE_TYPES),
    signedAt: fields.seconds("signed_at"),
  };
  fields.end();
  return Object.freeze(claim);
};

const readClaim = (jws: ReadJws): SignatureClaim => {
  try {
    return refusingFields(() => claimOf(jws));
  } catch (error) {
    throw error instanceof ContractRefusal ? refuse(error.detail, error) : error;
  }
};

/** What a signature says and which certificate it claims, without verifying anything: to know what to fetch. */
export const peekSignature = (
  jws: string,
): SignatureClaim & { readonly certificateThumbprint: string } => {
  const parts = read(jws);
  return { ...readClaim(parts), certificateThumbprint: parts.thumbprint };
};

/** What a signature is checked against. */
export interface SignatureExpectations {
  /** The hash of the content that came with the signature, computed here and now. */
  readonly contractHash: ContentHash;
  /** What the signature must say: what the request asks for. */
  readonly type: SignatureType;
  /** Who must have signed: the peer that sent it, or in whose place it stands in a contract. */
  readonly signer: PeerId;
  /** The group's rule for peer ids. */
  readonly peerIdRule: PeerIdRule;
  /**
   * Finds the signer's certificate. Only certificates of the signer whose path to an anchor of the group
   * holds, and that are not revoked, may come out of it: nothing of that is checked again. Undefined when
   * there is none; what it throws is passed on.
   */
  readonly certificateOf: (thumbprint: string) => Promise<X509Certificate | undefined>;
  /** Milliseconds since 1970. */
  readonly now: number;
}

const signerOf = (certificate: X509Certificate, rule: PeerIdRule) => {
  try {
    return { identity: identityOf(certificate, rule), key: publicKeyOf(certificate) };
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    throw new ContractRefusal("ERROR_CODE_PEER_CERTIFICATE_VERIFICATION_FAILED", error.message, {
      cause: error,
    });
  }
};

const checkClaim = (claim: SignatureClaim, expected: SignatureExpectations): void => {
  if (claim.contractHash !== expected.contractHash) {
    throw new ContractRefusal(
      "ERROR_CODE_SIGNATURE_CONTRACT_CONTENT_HASH_MISMATCH",
      `it is for ${claim.contractHash}, the content has ${expected.contractHash}`,
    );
  }
  if (claim.type !== expected.type) {
    throw refuse(`it says ${claim.type}, this place is for ${expected.type}`);
  }
  const latest = Math.floor(expected.now / 1000) + CLOCK_SKEW_SECONDS;
  if (claim.signedAt > latest) {
    throw refuse(
      `it was signed at ${String(claim.signedAt)}, more than ${String(CLOCK_SKEW_SECONDS)} seconds from now`,
    );
  }
};

/**
 * Verifies a signature on a contract: its form, that it is by the expected peer with the certificate that it
 * names, for this contract and of this type, and not from the future. Whether the signer is a party of
 * the contract is `checkSigner`'s.
 *
 * @throws ContractRefusal ERROR_CODE_UNKNOWN_ALGORITHM_SIGNATURE for an algorithm that FSC does not have;
 * ERROR_CODE_SIGNATURE_CONTRACT_CONTENT_HASH_MISMATCH for one on another contract;
 * ERROR_CODE_PEER_CERTIFICATE_VERIFICATION_FAILED for a certificate that names no peer;
 * ERROR_CODE_PEER_ID_SIGNATURE_MISMATCH for another signer; ERROR_CODE_SIGNATURE_VERIFICATION_FAILED for
 * all else
 */
export const verifySignature = async (
  jws: string,
  expected: SignatureExpectations,
): Promise<VerifiedSignature> => {
  const parts = read(jws);
  const claim = readClaim(parts);
  checkClaim(claim, expected);
  const certificate = await expected.certificateOf(parts.thumbprint);
  if (certificate === undefined) {
    throw refuse(
      `the certificate with the thumbprint ${parts.thumbprint} is not among those of peer ${expected.signer}`,
    );
  }
  const { identity, key } = signerOf(certificate, expected.peerIdRule);
  if (identity.certificateThumbprint !== parts.thumbprint) {
    throw refuse("the certificate that was found is not the one that its header names");
  }
  if (identity.peerId !== expected.signer) {
    throw new ContractRefusal(
      "ERROR_CODE_PEER_ID_SIGNATURE_MISMATCH",
      `it is by peer ${identity.peerId}, not by peer ${expected.signer}`,
    );
  }
  try {
    await verifyJws(parts, key);
  } catch (error) {
    throw refusingJws(error);
  }
  return Object.freeze({
    ...claim,
    ...{ jws, signer: identity.peerId, certificateThumbprint: parts.thumbprint },
  });
};
