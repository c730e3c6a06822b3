// A statement of a peer about a key of its log, or the key with which it witnesses others' logs: signed with the peer's
// certificate, so that whoever trusts the group's anchors knows whose log it is.
import type { X509Certificate } from "node:crypto";
import { CertificateError } from "../../certs/certificate-error.js";
import { publicKeyOf } from "../../certs/certificate-fields.js";
import type { Group } from "../../certs/group.js";
import { identityOf } from "../../certs/identity.js";
import { findPath } from "../../certs/path-builder.js";
import { FieldError, Fields } from "../../contracts/fields.js";
import {
  certificateThumbprintOf,
  JwsError,
  readJws,
  signJws,
  verifyJws,
  type JwsSigner,
  type ReadJws,
} from "../../contracts/jws.js";
import type { PeerId } from "../../core/names.js";
import { logOrigin, witnessName } from "./checkpoint.js";
import { NoteError, parseVerifier, type Verifier } from "./note.js";

/** How large a statement may be, in bytes. */
export const KEY_STATEMENT_BYTES_MAX = 8 * 1024;

const TYPE = "schakel-log-key";
const VKEY_MAX = 1000;

/** What a statement says. */
export interface KeyStatement {
  /** The name of the key: the origin of the log's first epoch, or the witness's name. */
  readonly origin: string;
  /** The key, as C2SP writes it. */
  readonly vkey: string;
  /** From when it signs, seconds since 1970. */
  readonly from: number;
  /** The key that it replaces. */
  readonly previousVkey?: string;
}

/** A statement that has been verified. */
export interface VerifiedKeyStatement extends KeyStatement {
  readonly peerId: PeerId;
  readonly use: "log" | "witness";
  readonly verifier: Verifier;
  /** The compact JWS. */
  readonly jws: string;
}

/** A statement that is not accepted. */
export class KeyStatementError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(`a statement about a log's key is not accepted: ${message}`, options);
    this.name = "KeyStatementError";
  }
}

/** What statements are checked against. */
export interface StatementTrust {
  readonly group: Group;
  /** The signers' certificates with their issuers, in any order. */
  readonly certificates: readonly X509Certificate[];
}

/**
 * Signs a statement as a compact JWS.
 *
 * @throws TypeError when the signer's key is not its certificate's or none that FSC has an algorithm for
 */
export const signKeyStatement = (
  { origin, vkey, from, previousVkey }: KeyStatement,
  signer: JwsSigner,
): Promise<string> =>
  signJws(
    { origin, vkey, from, ...(previousVkey === undefined ? {} : { previous_vkey: previousVkey }) },
    signer,
    { type: TYPE },
  );

const claimOf = ({ payload }: ReadJws): KeyStatement => {
  const fields = new Fields(payload, "its payload");
  const claim = {
    origin: fields.text("origin", { max: VKEY_MAX }),
    vkey: fields.text("vkey", { max: VKEY_MAX }),
    from: fields.seconds("from"),
    ...(fields.has("previous_vkey")
      ? { previousVkey: fields.text("previous_vkey", { max: VKEY_MAX }) }
      : {}),
  };
  fields.end();
  return claim;
};

const signerOf = (jws: ReadJws, from: number, { group, certificates }: StatementTrust) => {
  const certificate = certificates.find((each) => certificateThumbprintOf(each) === jws.thumbprint);
  if (certificate === undefined) {
    throw new KeyStatementError(`the certificate ${jws.thumbprint} is not there`);
  }
  const issuers = certificates.filter((each) => each !== certificate);
  // As it was when the statement was made: evidence outlives certificates.
  const found = findPath(certificate, issuers, group, { now: from * 1000 });
  if (found.chain === undefined) throw new KeyStatementError(found.problems.join("; "));
  return {
    peerId: identityOf(certificate, group.peerIdRule).peerId,
    key: publicKeyOf(certificate),
  };
};

const useOf = (claim: KeyStatement, groupId: string, peerId: PeerId): "log" | "witness" => {
  if (claim.origin === logOrigin(groupId, peerId)) return "log";
  if (claim.origin === witnessName(groupId, peerId)) return "witness";
  throw new KeyStatementError(`peer ${peerId} says something about the key of ${claim.origin}`);
};

const verify = async (text: string, trust: StatementTrust): Promise<VerifiedKeyStatement> => {
  const jws = readJws(text, { bytesMax: KEY_STATEMENT_BYTES_MAX, types: [TYPE] });
  const claim = claimOf(jws);
  const { peerId, key } = signerOf(jws, claim.from, trust);
  await verifyJws(jws, key);
  const use = useOf(claim, trust.group.id, peerId);
  const verifier = parseVerifier(claim.vkey);
  if (verifier.name !== claim.origin || verifier.type !== (use === "log" ? 1 : 4)) {
    throw new KeyStatementError(`its key is not one of ${claim.origin}`);
  }
  return Object.freeze({ ...claim, peerId, use, verifier, jws: text });
};

/**
 * Verifies a statement: that a peer of the group made it about a key of its own, with a certificate that led to an
 * anchor of the group when it was made. Revocation counts as far as the group has lists.
 *
 * @throws KeyStatementError when it is not accepted, with why
 */
export const verifyKeyStatement = async (
  text: string,
  trust: StatementTrust,
): Promise<VerifiedKeyStatement> => {
  try {
    return await verify(text, trust);
  } catch (error) {
    const known = [JwsError, FieldError, CertificateError, NoteError];
    if (!(error instanceof Error) || !known.some((type) => error instanceof type)) throw error;
    throw new KeyStatementError(error.message, { cause: error });
  }
};
