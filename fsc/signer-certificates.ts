// The certificates with which contracts were signed: fetched from the signer's manager, checked, and kept.
import type { X509Certificate } from "node:crypto";
import { CertificateError } from "../certs/certificate-error.js";
import { CHAIN_LENGTH_MAX, checkPath, pathProblems } from "../certs/chain.js";
import { readCertificates, writeCertificates } from "../certs/pem.js";
import { ContractRefusal } from "../contracts/refusal.js";
import { formatAddress } from "../core/address.js";
import { SchakelError } from "../core/errors.js";
import type { PeerId } from "../core/names.js";
import { ownPeerId, type BookParts } from "./book-parts.js";
import type { CallingManager } from "./manager-interface.js";
import type { FscDatabase } from "./schema.js";

/** A certificate, then its issuers without the anchor. */
export type Chain = readonly X509Certificate[];

/** How many former certificates of our own are still listed. */
export const FORMER_CERTIFICATES_MAX = 20;

/** Finds, checks and keeps the certificates of signers. */
export class SignerCertificates {
  readonly #parts: BookParts;
  /** By peer, then by thumbprint and address. */
  readonly #fetches = new Map<PeerId, Map<string, Promise<Chain | undefined>>>();
  /** Those in use before, the last first, as of `#inUse`. */
  #former: readonly Chain[] = [];
  #inUse: Chain = [];

  constructor(parts: BookParts) {
    this.#parts = parts;
  }

  get #groupId(): string {
    return this.#parts.groups.current.id;
  }

  /**
   * The chain of the certificate with a thumbprint: one that is kept, else fetched from the calling
   * manager, once for all who want it at the same time. Its path has been checked now; whose it is has not.
   *
   * @returns undefined when the caller's manager does not list it
   * @throws ContractRefusal ERROR_CODE_PEER_CERTIFICATE_VERIFICATION_FAILED when the path does not hold,
   * ERROR_CODE_SIGNATURE_VERIFICATION_FAILED when the manager could not be asked; SchakelError
   * ERROR_CODE_LIMIT_EXCEEDED
   */
  async find(thumbprint: string, from: CallingManager): Promise<Chain | undefined> {
    const chain = (await this.#kept(thumbprint)) ?? (await this.#fetch(thumbprint, from));
    if (chain === undefined) return undefined;
    const { groups, clock } = this.#parts;
    try {
      checkPath(chain, groups.current, clock.now());
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      throw new ContractRefusal("ERROR_CODE_PEER_CERTIFICATE_VERIFICATION_FAILED", error.message, {
        cause: error,
      });
    }
    return chain;
  }

  async #kept(thumbprint: string): Promise<Chain | undefined> {
    const row = await this.#parts.db
      .selectFrom("fsc_certificate")
      .select("chain")
      .where("group_id", "=", this.#groupId)
      .where("thumbprint", "=", thumbprint)
      .executeTakeFirst();
    return row === undefined ? undefined : readCertificates(row.chain, CHAIN_LENGTH_MAX);
  }

  // By thumbprint: a fetch that began for another certificate may be older than this one.
  async #fetch(thumbprint: string, from: CallingManager): Promise<Chain | undefined> {
    const { peerId } = from.identity;
    const name = `${thumbprint} ${formatAddress(from.address)}`;
    const running = this.#fetches.get(peerId) ?? new Map<string, Promise<Chain | undefined>>();
    const joined = running.get(name);
    if (joined !== undefined) return joined;
    const { fetchesPerPeer } = this.#parts.limits;
    if (running.size >= fetchesPerPeer) {
      throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", {
        detail: `${String(fetchesPerPeer)} certificates of peer ${peerId} are being fetched already`,
      });
    }
    const fetched = this.#ask(thumbprint, from);
    running.set(name, fetched);
    this.#fetches.set(peerId, running);
    try {
      return await fetched;
    } finally {
      running.delete(name);
      if (running.size === 0) this.#fetches.delete(peerId);
    }
  }

  async #ask(
    thumbprint: string,
    { identity, address }: CallingManager,
  ): Promise<Chain | undefined> {
    const { client, log } = this.#parts;
    const { peerId } = identity;
    try {
      const { keys, ignored } = await client.certificates({ peerId, address });
      if (ignored.length > 0)
        log.info({ peerId, ignored }, "keys of a peer's manager are not used");
      return keys.get(thumbprint)?.chain;
    } catch (cause) {
      throw new ContractRefusal(
        "ERROR_CODE_SIGNATURE_VERIFICATION_FAILED",
        `the certificates of peer ${peerId} could not be fetched from ${formatAddress(address)}`,
        { cause },
      );
    }
  }

  /**
   * Keeps the chain of a signature that has been verified, with the signature's transaction.
   *
   * @throws SchakelError ERROR_CODE_LIMIT_EXCEEDED when the peer has too many that signatures name
   */
  async keep(tx: FscDatabase, peerId: PeerId, thumbprint: string, chain: Chain): Promise<void> {
    const rows = await tx
      .selectFrom("fsc_certificate")
      .select("thumbprint")
      .where("group_id", "=", this.#groupId)
      .where("peer_id", "=", peerId)
      .execute();
    if (rows.some((row) => row.thumbprint === thumbprint)) return;
    if (rows.length >= this.#parts.limits.certificatesPerPeer) await this.#makeRoom(tx, peerId);
    await tx
      .insertInto("fsc_certificate")
      .values({
        ...{ group_id: this.#groupId, peer_id: peerId, thumbprint },
        ...{ chain: writeCertificates(chain), stored_at_ms: this.#parts.clock.now() },
      })
      .execute();
  }

  async #makeRoom(tx: FscDatabase, peerId: PeerId): Promise<void> {
    const idle = await tx
      .selectFrom("fsc_certificate")
      .select("thumbprint")
      .where("group_id", "=", this.#groupId)
      .where("peer_id", "=", peerId)
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom("fsc_signature as made")
              .select("made.hash")
              .whereRef("made.group_id", "=", "fsc_certificate.group_id")
              .where("made.signer", "=", peerId)
              .whereRef("made.certificate_thumbprint", "=", "fsc_certificate.thumbprint"),
          ),
        ),
      )
      .orderBy("stored_at_ms")
      .limit(1)
      .executeTakeFirst();
    if (idle !== undefined) {
      await tx
        .deleteFrom("fsc_certificate")
        .where("group_id", "=", this.#groupId)
        .where("thumbprint", "=", idle.thumbprint)
        .execute();
      return;
    }
    if (peerId === ownPeerId(this.#parts)) return;
    throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", {
      detail: `${String(this.#parts.limits.certificatesPerPeer)} certificates of peer ${peerId} are kept, and signatures name them all`,
    });
  }

  /** Reads the former certificates of our own again when ours was replaced: signatures on their way may name them. */
  async loadFormer(): Promise<void> {
    const { chain: inUse } = this.#parts.bundles.current;
    if (inUse === this.#inUse) return;
    const rows = await this.#parts.db
      .selectFrom("fsc_certificate")
      .select("chain")
      .where("group_id", "=", this.#groupId)
      .where("peer_id", "=", ownPeerId(this.#parts))
      .where("thumbprint", "!=", this.#parts.bundles.current.identity.certificateThumbprint)
      .orderBy("stored_at_ms", "desc")
      .limit(FORMER_CERTIFICATES_MAX)
      .execute();
    this.#former = rows.map(({ chain }) => readCertificates(chain, CHAIN_LENGTH_MAX));
    this.#inUse = inUse;
  }

  /** The certificate in use and the former ones of our own that still hold, each with its issuers. */
  own(): readonly Chain[] {
    const { bundles, groups, clock } = this.#parts;
    const { chain } = bundles.current;
    const former = chain === this.#inUse ? this.#former : [this.#inUse, ...this.#former];
    const holds = (each: Chain): boolean =>
      pathProblems(each, groups.current, clock.now()).length === 0;
    return [chain, ...former.filter(holds)];
  }
}
