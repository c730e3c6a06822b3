// Which keys of a log and of witnesses are trusted: those that were given, and those that peers of a group stand for.
import type { X509Certificate } from "node:crypto";
import type { Group } from "../../certs/group.js";
import { logOrigin } from "./checkpoint.js";
import {
  KeyStatementError,
  verifyKeyStatement,
  type VerifiedKeyStatement,
} from "./key-statement.js";
import { LogFault } from "./log-fault.js";
import type { Verifier } from "./note.js";
import type { TrustedKeys } from "./verify-head.js";

/** What is trusted from outside. */
export interface KeyTrust {
  /** Keys of the log that are trusted without a statement; those of other logs are passed over. */
  readonly keys: readonly Verifier[];
  /** Keys of witnesses that are trusted without a statement. */
  readonly witnesses: readonly Verifier[];
  /** The group by whose anchors statements about keys are judged; without it they count for nothing. */
  readonly group?: Group;
  /** Whether co-signatures by keys that are not trusted are passed over. */
  readonly anyWitness?: boolean;
}

/** What comes with a log about its keys. */
export interface KeyClaims {
  readonly groupId: string;
  /** Whose log it is. */
  readonly peerId: string;
  /** Compact JWS. */
  readonly statements: readonly string[];
  /** The signers' certificates with their issuers, in any order. */
  readonly certificates: readonly X509Certificate[];
}

const statementOf = async (
  jws: string,
  group: Group,
  certificates: readonly X509Certificate[],
): Promise<VerifiedKeyStatement> => {
  try {
    return await verifyKeyStatement(jws, { group, certificates });
  } catch (error) {
    if (!(error instanceof KeyStatementError)) throw error;
    throw new LogFault("key-statement-wrong", error.message);
  }
};

/**
 * The keys that are trusted for a log.
 *
 * @throws LogFault (`key-statement-wrong`) with a group, when it is another one than the log's or a statement does not hold
 */
export const trustedKeys = async (
  { groupId, peerId, statements, certificates }: KeyClaims,
  { group, keys, witnesses: given, anyWitness = false }: KeyTrust,
): Promise<TrustedKeys> => {
  const name = logOrigin(groupId, peerId);
  const log = keys.filter((key) => key.name === name);
  const witnesses = [...given];
  if (group === undefined) return { log, witnesses, anyWitness };
  if (group.id !== groupId) {
    const detail = `the log is of the group ${groupId}, group.json of ${group.id}`;
    throw new LogFault("key-statement-wrong", detail);
  }
  for (const jws of statements) {
    const { use, verifier } = await statementOf(jws, group, certificates);
    if (use === "witness") witnesses.push(verifier);
    else if (verifier.name === name) log.push(verifier);
  }
  return { log, witnesses, anyWitness };
};
