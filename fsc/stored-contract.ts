// A contract as a manager holds it: its content, the signatures that were verified, and what follows from them.
import type { ContractContent } from "../contracts/content.js";
import type { ContentHash, HashedGrant } from "../contracts/hash.js";
import type { SignatureType } from "../contracts/signature.js";
import type { ContractDecision } from "../contracts/state.js";
import type { PeerId } from "../core/names.js";

/** A signature that has been verified and stored. */
export interface StoredSignature {
  readonly signer: PeerId;
  readonly type: SignatureType;
  /** Seconds since 1970, by the signer's clock. */
  readonly signedAt: number;
  /** The compact JWS. */
  readonly jws: string;
  /** Of the certificate that it was made with, base64url. */
  readonly certificateThumbprint: string;
}

/** A contract with all signatures that are known. A value: replaced whole when one is added. */
export interface StoredContract {
  readonly hash: ContentHash;
  readonly content: ContractContent;
  /** In the order of the content. */
  readonly grants: readonly HashedGrant[];
  /** One a signer and type: the newest. */
  readonly signatures: readonly StoredSignature[];
  readonly decision: ContractDecision;
  /** When it was stored here, milliseconds since 1970. */
  readonly storedAt: number;
}
