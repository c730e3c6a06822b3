// Contracts in the database: reading them whole, and writing them with the signatures that were verified.
import { parseContent, CONTENT_BYTES_MAX, type ContractContent } from "../contracts/content.js";
import { contentHash, grantHashes, type ContentHash } from "../contracts/hash.js";
import { canonical } from "../contracts/jcs.js";
import { parseJson } from "../contracts/json.js";
import { decisionOf, partiesOf, type ContractDecision } from "../contracts/state.js";
import type { SignatureType } from "../contracts/signature.js";
import type { PeerId } from "../core/names.js";
import type { ContractRow, FscDatabase, SignatureRow } from "./schema.js";
import type { StoredContract, StoredSignature } from "./stored-contract.js";

// What is stored was checked when it came: a group whose rule for peer ids has changed since can still read it.
const contentOf = ({ content, group_id }: ContractRow): ContractContent =>
  parseContent(parseJson(Buffer.from(content), { bytesMax: CONTENT_BYTES_MAX }), {
    groupId: group_id,
    peerIdRule: (text) => text as PeerId,
  });

const signatureOf = (row: SignatureRow): StoredSignature => ({
  signer: row.signer as PeerId,
  type: row.type,
  signedAt: row.signed_at,
  jws: row.jws,
  certificateThumbprint: row.certificate_thumbprint,
});

const contractOf = (row: ContractRow, signatures: readonly StoredSignature[]): StoredContract => {
  const content = contentOf(row);
  return Object.freeze({
    hash: row.hash as ContentHash,
    content,
    grants: grantHashes(content),
    signatures,
    decision: row.decision,
    storedAt: row.stored_at_ms,
  });
};

/** Makes contracts of their rows, with all signatures, in the same order. */
export const contractsOf = async (
  db: FscDatabase,
  rows: readonly ContractRow[],
): Promise<readonly StoredContract[]> => {
  const [first] = rows;
  if (first === undefined) return [];
  const signatures = await db
    .selectFrom("fsc_signature")
    .selectAll()
    .where("group_id", "=", first.group_id)
    .where(
      "hash",
      "in",
      rows.map(({ hash }) => hash),
    )
    .orderBy("type")
    .orderBy("signer")
    .execute();
  const byHash = Map.groupBy(signatures, ({ hash }) => hash);
  return rows.map((row) => contractOf(row, (byHash.get(row.hash) ?? []).map(signatureOf)));
};

/** A contract by its hash; undefined when there is none. */
export const readContract = async (
  db: FscDatabase,
  groupId: string,
  hash: ContentHash,
): Promise<StoredContract | undefined> => {
  const rows = await db
    .selectFrom("fsc_contract")
    .selectAll()
    .where("group_id", "=", groupId)
    .where("hash", "=", hash)
    .execute();
  return (await contractsOf(db, rows))[0];
};

/** What the signatures make of a contract. */
export const decisionBy = (
  content: ContractContent,
  signatures: readonly StoredSignature[],
): ContractDecision => {
  const of = (type: SignatureType): ReadonlySet<PeerId> =>
    new Set(signatures.filter((each) => each.type === type).map(({ signer }) => signer));
  return decisionOf(content, { accept: of("accept"), reject: of("reject"), revoke: of("revoke") });
};

/** A contract that is new here. */
export interface NewContract {
  readonly content: ContractContent;
  /** Who brought it. */
  readonly submitter: PeerId;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Stores a contract without a signature, as the last of all lists. Its caller has looked that there is none. */
export const insertContract = async (
  tx: FscDatabase,
  { content, submitter, now }: NewContract,
): Promise<ContentHash> => {
  const { group_id } = content;
  const hash = contentHash(content);
  const { last } = await tx
    .selectFrom("fsc_contract")
    .select(({ fn }) => fn.max<number | null>("position").as("last"))
    .where("group_id", "=", group_id)
    .executeTakeFirstOrThrow();
  await tx
    .insertInto("fsc_contract")
    .values({
      ...{ group_id, hash, submitter, content: canonical(content), stored_at_ms: now },
      position: (last ?? 0) + 1,
      ...{ decision: "PROPOSED", not_after: content.validity.not_after },
    })
    .execute();
  const parties = [...partiesOf(content)];
  await tx
    .insertInto("fsc_contract_party")
    .values(parties.map((peer_id) => ({ group_id, hash, peer_id })))
    .execute();
  await tx
    .insertInto("fsc_grant")
    .values(
      grantHashes(content).map(({ hash: grant_hash, grant }) => ({
        ...{ group_id, grant_hash, hash },
        ...{ type: grant.type, service_name: grant.service.name },
      })),
    )
    .execute();
  return hash;
};

/**
 * Whether a signature takes the place of another of the same signer and type: the later one does, and of two
 * of one second the one whose text is greater, so that all managers keep the same one in whatever order they come.
 */
export const isNewer = (
  next: Pick<StoredSignature, "signedAt" | "jws">,
  than: Pick<StoredSignature, "signedAt" | "jws">,
): boolean =>
  next.signedAt === than.signedAt ? next.jws > than.jws : next.signedAt > than.signedAt;

/**
 * Adds a verified signature to a stored contract, and what follows from it.
 *
 * @returns the contract as it is now; undefined when it has this signature, or a newer one, already
 */
export const addSignature = async (
  tx: FscDatabase,
  contract: StoredContract,
  signature: StoredSignature,
): Promise<StoredContract | undefined> => {
  const { signer, type } = signature;
  const { group_id } = contract.content;
  const isItsPlace = (each: StoredSignature) => each.signer === signer && each.type === type;
  const before = contract.signatures.find(isItsPlace);
  if (before !== undefined && !isNewer(signature, before)) return undefined;
  const values = {
    signed_at: signature.signedAt,
    jws: signature.jws,
    certificate_thumbprint: signature.certificateThumbprint,
  };
  await tx
    .insertInto("fsc_signature")
    .values({ group_id, hash: contract.hash, signer, type, ...values })
    .onConflict((conflict) =>
      conflict.columns(["group_id", "hash", "signer", "type"]).doUpdateSet(values),
    )
    .execute();
  const signatures = [...contract.signatures.filter((each) => !isItsPlace(each)), signature];
  const decision = decisionBy(contract.content, signatures);
  await tx
    .updateTable("fsc_contract")
    .set({ decision })
    .where("group_id", "=", group_id)
    .where("hash", "=", contract.hash)
    .execute();
  return readContract(tx, group_id, contract.hash);
};
