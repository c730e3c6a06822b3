// Our own signatures: on contracts that we propose, on those that we decide about, and made again when our
// certificate is replaced. Each is stored in one transaction with its deliveries.
import type { ContractContent } from "../contracts/content.js";
import { contentHash, type ContentHash } from "../contracts/hash.js";
import { ContractRefusal } from "../contracts/refusal.js";
import { signContract, type SignatureType } from "../contracts/signature.js";
import { stateAt, type ContractState } from "../contracts/state.js";
import { SchakelError } from "../core/errors.js";
import { ownPeerId, type BookParts } from "./book-parts.js";
import { addSignature, insertContract, readContract } from "./contract-rows.js";
import { queueDeliveries } from "./delivery-rows.js";
import { checkNewContract, claimIv } from "./receive.js";
import type { FscDatabase } from "./schema.js";
import type { SignerCertificates } from "./signer-certificates.js";
import type { StoredContract, StoredSignature } from "./stored-contract.js";

/** What came of proposing a contract. */
export interface Proposed {
  readonly contract: StoredContract;
  /** False when it was there already: then nothing changed. */
  readonly created: boolean;
}

/** What came of a decision. */
export interface Decided {
  readonly contract: StoredContract;
  /** False when we had decided so already: then nothing changed. */
  readonly changed: boolean;
}

const RENEWED_AT_ONCE = 100;

const OPEN_STATES: Readonly<Record<SignatureType, readonly ContractState[]>> = {
  accept: ["PROPOSED", "VALID"],
  reject: ["PROPOSED"],
  revoke: ["PROPOSED", "VALID"],
};

const notFound = (): SchakelError => new SchakelError("ERROR_CODE_CONTRACT_NOT_FOUND");

/** Signs for our own peer. */
export class OwnSignatures {
  /** The certificate for which nothing is left to be made again. */
  #renewedFor: string | undefined;

  constructor(
    private readonly parts: BookParts,
    private readonly certificates: SignerCertificates,
  ) {}

  get #groupId(): string {
    return this.parts.groups.current.id;
  }

  /**
   * Stores a contract of our own with our accept signature, to be delivered to all its parties. One that is
   * there already stays as it is, whoever proposed it.
   *
   * @throws ContractRefusal when a receiver would refuse it
   */
  async propose(content: ContractContent): Promise<Proposed> {
    const { db, clock } = this.parts;
    const own = ownPeerId(this.parts);
    const hash = contentHash(content);
    const known = await readContract(db, this.#groupId, hash);
    if (known !== undefined) return { contract: known, created: false };
    checkNewContract(this.parts, content, own);
    const signature = await this.#sign(hash, "accept");
    return db.transaction().execute(async (tx) => {
      const before = await readContract(tx, this.#groupId, hash);
      if (before !== undefined) return { contract: before, created: false };
      await claimIv(tx, content, hash, own);
      await insertContract(tx, { content, submitter: own, now: clock.now() });
      return { contract: await this.#store(tx, hash, signature), created: true };
    });
  }

  /**
   * Signs a contract: accepts, rejects or revokes it. To have decided so before is no mistake.
   *
   * @throws SchakelError ERROR_CODE_CONTRACT_NOT_FOUND; ERROR_CODE_CONTRACT_DECIDED when its state does not
   * allow it: a contract that is valid is revoked and not rejected, and a final state stays; ContractRefusal
   * ERROR_CODE_CONTRACT_INVALID to accept what our peer does not take (any more)
   */
  async decide(hash: ContentHash, type: SignatureType): Promise<Decided> {
    const { db } = this.parts;
    const known = await readContract(db, this.#groupId, hash);
    if (known === undefined) throw notFound();
    if (this.#mayDecide(known, type) === "decided") return { contract: known, changed: false };
    const reason = type === "accept" ? this.parts.refusal?.(known.content) : undefined;
    if (reason !== undefined) throw new ContractRefusal("ERROR_CODE_CONTRACT_INVALID", reason);
    const signature = await this.#sign(hash, type);
    return db.transaction().execute(async (tx) => {
      const contract = await readContract(tx, this.#groupId, hash);
      if (contract === undefined) throw notFound();
      if (this.#mayDecide(contract, type) === "decided") return { contract, changed: false };
      return { contract: await this.#store(tx, hash, signature), changed: true };
    });
  }

  #mayDecide(contract: StoredContract, type: SignatureType): "open" | "decided" {
    if (this.#ownOf(contract, type) !== undefined) return "decided";
    const state = stateAt(contract.decision, contract.content.validity, this.parts.clock.now());
    if (OPEN_STATES[type].includes(state)) return "open";
    throw new SchakelError("ERROR_CODE_CONTRACT_DECIDED", {
      detail: `the contract is ${state}, to ${type} is possible when it is ${OPEN_STATES[type].join(" or ")}`,
    });
  }

  #ownOf({ signatures }: StoredContract, type: SignatureType): StoredSignature | undefined {
    const own = ownPeerId(this.parts);
    return signatures.find((each) => each.signer === own && each.type === type);
  }

  async #sign(hash: ContentHash, type: SignatureType, notBefore = 0): Promise<StoredSignature> {
    const { bundles, clock } = this.parts;
    const { key, chain, identity } = bundles.current;
    const [certificate] = chain;
    if (certificate === undefined) throw new TypeError("a bundle has no certificate");
    const signedAt = Math.max(Math.floor(clock.now() / 1000), notBefore);
    const claim = { contractHash: hash, type, signedAt };
    const jws = await signContract(claim, { key, certificate });
    return {
      ...{ signer: identity.peerId, type, signedAt, jws },
      certificateThumbprint: identity.certificateThumbprint,
    };
  }

  // The certificate is kept too: it stays listed until nobody needs it to verify what was signed with it.
  async #store(
    tx: FscDatabase,
    hash: ContentHash,
    signature: StoredSignature,
  ): Promise<StoredContract> {
    const { bundles, clock } = this.parts;
    const before = await readContract(tx, this.#groupId, hash);
    if (before === undefined) throw notFound();
    const contract = (await addSignature(tx, before, signature)) ?? before;
    const { signer, type, certificateThumbprint } = signature;
    const { identity, chain } = bundles.current;
    if (identity.certificateThumbprint === certificateThumbprint) {
      await this.certificates.keep(tx, signer, certificateThumbprint, chain);
    }
    // The certificate was replaced since this was signed, or is another one for a while: there is something left.
    if (certificateThumbprint !== this.#renewedFor) this.#renewedFor = undefined;
    const { content } = contract;
    await queueDeliveries(tx, { hash, content, type, own: signer, now: clock.now() });
    return contract;
  }

  /**
   * Makes our signatures again that another certificate than the one in use made: accepts of contracts that
   * are open or in force, and whatever has not arrived everywhere. They are delivered again.
   *
   * @param changed called with each contract that has changed
   */
  async renew(changed: (contract: StoredContract) => void): Promise<void> {
    const { certificateThumbprint } = this.parts.bundles.current.identity;
    if (this.#renewedFor === certificateThumbprint) return;
    // First, so that what is signed with another one meanwhile takes it back.
    this.#renewedFor = certificateThumbprint;
    try {
      while (await this.#renewSome(changed));
    } catch (error) {
      this.#renewedFor = undefined;
      throw error;
    }
  }

  /** Resolves with whether there may be more. */
  async #renewSome(changed: (contract: StoredContract) => void): Promise<boolean> {
    const outdated = await this.#outdated();
    for (const { hash, type } of outdated) {
      const contract = await this.#renewOne(hash as ContentHash, type);
      if (contract !== undefined) changed(contract);
    }
    return outdated.length > 0;
  }

  async #outdated(): Promise<readonly { readonly hash: string; readonly type: SignatureType }[]> {
    const { db, bundles, clock } = this.parts;
    return db
      .selectFrom("fsc_signature as made")
      .innerJoin("fsc_contract as contract", (join) =>
        join
          .onRef("contract.group_id", "=", "made.group_id")
          .onRef("contract.hash", "=", "made.hash"),
      )
      .select(["made.hash", "made.type"])
      .where("made.group_id", "=", this.#groupId)
      .where("made.signer", "=", ownPeerId(this.parts))
      .where("made.certificate_thumbprint", "!=", bundles.current.identity.certificateThumbprint)
      .where("contract.not_after", ">=", Math.floor(clock.now() / 1000))
      .where((eb) =>
        eb.or([
          eb.and([
            eb("made.type", "=", "accept"),
            eb("contract.decision", "in", ["PROPOSED", "ACCEPTED"]),
          ]),
          eb.exists(
            eb
              .selectFrom("fsc_delivery as delivery")
              .select("delivery.hash")
              .whereRef("delivery.group_id", "=", "made.group_id")
              .whereRef("delivery.hash", "=", "made.hash")
              .whereRef("delivery.type", "=", "made.type")
              .where("delivery.delivered_ms", "is", null),
          ),
        ]),
      )
      .limit(RENEWED_AT_ONCE)
      .execute();
  }

  async #renewOne(hash: ContentHash, type: SignatureType): Promise<StoredContract | undefined> {
    const { db, log } = this.parts;
    const known = await readContract(db, this.#groupId, hash);
    const former = known === undefined ? undefined : this.#ownOf(known, type);
    if (former === undefined) return undefined;
    // Later than the one that it replaces, also when the clock was set back: the later one counts.
    const signature = await this.#sign(hash, type, former.signedAt + 1);
    const contract = await db.transaction().execute((tx) => this.#store(tx, hash, signature));
    log.info({ hash, type }, "a signature was made again with the new certificate");
    return contract;
  }
}
