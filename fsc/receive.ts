// Receiving a contract, or a further signature on one, from another manager: FSC's checks in their order,
// and then one transaction. Signatures commute: they may come in any order, twice, and before their contract.
import { sql } from "kysely";
import type { ContractContent } from "../contracts/content.js";
import { CONTENT_BYTES_MAX, ivKey } from "../contracts/content.js";
import type { Submission } from "../contracts/contract.js";
import { isConnection } from "../contracts/grant.js";
import { contentHash, type ContentHash } from "../contracts/hash.js";
import { canonical } from "../contracts/jcs.js";
import { ContractRefusal } from "../contracts/refusal.js";
import { verifySignature, type SignatureType } from "../contracts/signature.js";
import { checkContent, checkSigner, checkUrlHash } from "../contracts/validate.js";
import { SchakelError } from "../core/errors.js";
import type { PeerId } from "../core/names.js";
import { ownPeerId, type BookParts } from "./book-parts.js";
import { addSignature, insertContract, readContract } from "./contract-rows.js";
import type { CallingManager, SubmissionKind } from "./manager-interface.js";
import type { FscDatabase } from "./schema.js";
import type { Chain, SignerCertificates } from "./signer-certificates.js";
import type { StoredContract } from "./stored-contract.js";

/** What another manager submitted, and how. */
export interface Received {
  readonly kind: SubmissionKind;
  readonly submission: Submission;
  readonly from: CallingManager;
  /** The path segment, percent-decoded; undefined for a proposal. */
  readonly hashInUrl: string | undefined;
}

/**
 * Checks a contract that is new here, whoever brings it: its content, its group, that its connection grants name
 * services that we offer, and that it is one that our peer takes.
 *
 * @throws ContractRefusal as `checkContent` does; ERROR_CODE_INCORRECT_GROUP_ID; ERROR_CODE_CONTRACT_INVALID
 */
export const checkNewContract = (
  parts: BookParts,
  content: ContractContent,
  submitter: PeerId,
): void => {
  const receiver = ownPeerId(parts);
  const groupId = parts.groups.current.id;
  if (content.group_id !== groupId) {
    throw new ContractRefusal(
      "ERROR_CODE_INCORRECT_GROUP_ID",
      `the contract says ${content.group_id}, this is the group ${groupId}`,
    );
  }
  checkContent(content, { now: parts.clock.now(), receiver, submitter });
  const { offers, refusal } = parts;
  const reason = refusal?.(content);
  if (reason !== undefined) throw new ContractRefusal("ERROR_CODE_CONTRACT_INVALID", reason);
  if (offers === undefined) return;
  for (const { data } of content.grants) {
    if (!isConnection(data) || data.service.peer_id !== receiver) continue;
    if (offers(data.service.name)) continue;
    throw new ContractRefusal(
      "ERROR_CODE_CONTRACT_INVALID",
      `peer ${receiver} does not offer a service ${data.service.name}`,
    );
  }
};

/**
 * Notes that a peer brought a content under its iv.
 *
 * @throws ContractRefusal ERROR_CODE_CONTRACT_INVALID when it brought another one under the same
 */
export const claimIv = async (
  tx: FscDatabase,
  content: ContractContent,
  hash: ContentHash,
  submitter: PeerId,
): Promise<void> => {
  const row = { group_id: content.group_id, peer_id: submitter, iv: ivKey(content) };
  await tx
    .insertInto("fsc_iv")
    .values({ ...row, hash })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const claimed = await tx
    .selectFrom("fsc_iv")
    .select("hash")
    .where("group_id", "=", row.group_id)
    .where("peer_id", "=", row.peer_id)
    .where("iv", "=", row.iv)
    .executeTakeFirstOrThrow();
  if (claimed.hash === hash) return;
  throw new ContractRefusal(
    "ERROR_CODE_CONTRACT_INVALID",
    `peer ${submitter} has used the iv ${content.iv} in another contract`,
  );
};

const count = async (
  tx: FscDatabase,
  groupId: string,
  submitter: PeerId,
  pendingAt: number | undefined,
): Promise<number> => {
  let rows = tx
    .selectFrom("fsc_contract")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .where("group_id", "=", groupId)
    .where("submitter", "=", submitter);
  if (pendingAt !== undefined) {
    rows = rows
      .where("decision", "=", "PROPOSED")
      .where("not_after", ">=", Math.floor(pendingAt / 1000));
  }
  return (await rows.executeTakeFirstOrThrow()).count;
};

const contentBytes = async (
  tx: FscDatabase,
  groupId: string,
  submitter: PeerId,
): Promise<number> => {
  // In the database's own words: counted without reading the contents themselves.
  const { bytes } = await tx
    .selectFrom("fsc_contract")
    .select(sql<number>`coalesce(sum(octet_length(content)), 0)`.as("bytes"))
    .where("group_id", "=", groupId)
    .where("submitter", "=", submitter)
    .executeTakeFirstOrThrow();
  return bytes;
};

const exceeded = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", { detail });

const checkCounts = async (
  parts: BookParts,
  tx: FscDatabase,
  submitter: PeerId,
  content: ContractContent,
): Promise<void> => {
  const { groups, clock } = parts;
  const { pendingPerPeer, contractsPerPeer, contentBytesPerPeer } = parts.limits;
  const groupId = groups.current.id;
  const pending = await count(tx, groupId, submitter, clock.now());
  if (pending >= pendingPerPeer) {
    throw exceeded(
      `peer ${submitter} has ${String(pending)} contracts waiting for a decision, which is the limit`,
    );
  }
  const all = await count(tx, groupId, submitter, undefined);
  if (all >= contractsPerPeer) {
    throw exceeded(`peer ${submitter} has brought ${String(all)} contracts, which is the limit`);
  }
  // So few cannot be too large together.
  if ((all + 1) * CONTENT_BYTES_MAX <= contentBytesPerPeer) return;
  const own = Buffer.byteLength(canonical(content));
  const bytes = own + (await contentBytes(tx, groupId, submitter));
  if (bytes <= contentBytesPerPeer) return;
  throw exceeded(
    `the contracts that peer ${submitter} has brought would have ${String(bytes)} bytes with this one, allowed are ${String(contentBytesPerPeer)}`,
  );
};

const typeOf = (kind: SubmissionKind): SignatureType => (kind === "propose" ? "accept" : kind);

/** Takes in what other managers submit. */
export class Receiver {
  constructor(
    private readonly parts: BookParts,
    private readonly certificates: SignerCertificates,
  ) {}

  /**
   * Checks a contract or signature and stores it durably, with the address of the manager that sent it.
   * Nothing is stored when it is refused. The same again changes nothing, and neither does an older signature.
   * A contract that is known takes valid signatures whatever its state is: what follows from all of
   * them is the same everywhere, in whatever order they came. One that is new must not have ended.
   *
   * @returns the contract as it is now; undefined when nothing changed
   * @throws ContractRefusal with FSC's code; SchakelError ERROR_CODE_LIMIT_EXCEEDED
   */
  async receive({
    kind,
    submission,
    from,
    hashInUrl,
  }: Received): Promise<StoredContract | undefined> {
    const { content, signature } = submission;
    const hash = kind === "propose" ? contentHash(content) : checkUrlHash(content, hashInUrl ?? "");
    const signer = from.identity.peerId;
    const { db, groups, peers } = this.parts;
    const known = await readContract(db, groups.current.id, hash);
    if (known === undefined) checkNewContract(this.parts, content, signer);
    else checkSigner(content, signer);
    this.#checkIsAnother(signer);
    const isStored = known?.signatures.some(
      (each) => each.jws === signature && each.signer === signer && each.type === typeOf(kind),
    );
    const received = { kind, submission, from, hashInUrl };
    if (isStored === true) await this.#again(content, hash, received);
    const changed = isStored === true ? undefined : await this.#take(content, hash, received);
    const { identity, address } = from;
    await peers.note({ id: signer, name: identity.name, managerAddress: address }, "itself");
    return changed;
  }

  #checkIsAnother(signer: PeerId): void {
    if (signer !== ownPeerId(this.parts)) return;
    throw new ContractRefusal(
      "ERROR_CODE_PEER_ID_SIGNATURE_MISMATCH",
      "the receiving peer signs for itself alone",
    );
  }

  // Verified when it was stored; its certificate may have expired since.
  async #again(
    content: ContractContent,
    hash: ContentHash,
    { kind, from }: Received,
  ): Promise<void> {
    if (kind !== "propose") return;
    await this.parts.db
      .transaction()
      .execute((tx) => claimIv(tx, content, hash, from.identity.peerId));
  }

  async #take(
    content: ContractContent,
    hash: ContentHash,
    { kind, submission, from }: Received,
  ): Promise<StoredContract | undefined> {
    const { groups, clock, db } = this.parts;
    const signer = from.identity.peerId;
    const found: { chain?: Chain | undefined } = {};
    const verified = await verifySignature(submission.signature, {
      ...{ contractHash: hash, type: typeOf(kind), signer, now: clock.now() },
      peerIdRule: groups.current.peerIdRule,
      certificateOf: async (thumbprint) => {
        found.chain = await this.certificates.find(thumbprint, from);
        return found.chain?.[0];
      },
    });
    return db.transaction().execute(async (tx) => {
      const before = await readContract(tx, content.group_id, hash);
      if (before === undefined || kind === "propose") await claimIv(tx, content, hash, signer);
      const contract = before ?? (await this.#insert(tx, content, signer));
      const changed = await addSignature(tx, contract, verified);
      if (changed !== undefined) {
        const { certificateThumbprint } = verified;
        await this.certificates.keep(tx, signer, certificateThumbprint, found.chain ?? []);
      }
      return changed;
    });
  }

  async #insert(
    tx: FscDatabase,
    content: ContractContent,
    submitter: PeerId,
  ): Promise<StoredContract> {
    await checkCounts(this.parts, tx, submitter, content);
    const hash = await insertContract(tx, { content, submitter, now: this.parts.clock.now() });
    const contract = await readContract(tx, content.group_id, hash);
    if (contract === undefined) throw new TypeError("a contract is not there that was just stored");
    return contract;
  }
}
