// The publication contracts that are with this directory: what they show at each moment, and the rule by which
// the directory signs them.
import { isConnection, type PublicationGrant } from "../contracts/grant.js";
import type { ContentHash } from "../contracts/hash.js";
import { stateAt, usabilityAt } from "../contracts/state.js";
import type { Clock } from "../core/clock.js";
import type { PeerId } from "../core/names.js";
import type { StoredContract } from "../fsc/stored-contract.js";

const NONE: ReadonlySet<string> = new Set();

/** The publication contracts of one directory. Contracts are put in as they come and change. */
export class Publications {
  readonly #contracts = new Map<ContentHash, StoredContract>();
  #shown: ReadonlyMap<PeerId, ReadonlySet<string>> = new Map();

  constructor(
    private readonly own: PeerId,
    private readonly clock: Clock,
  ) {}

  /** Takes a contract as it is now. One that publishes nothing here is left alone. */
  note(contract: StoredContract): void {
    if (this.grantsOf(contract).length === 0) return;
    this.#contracts.set(contract.hash, contract);
    this.recheck();
  }

  /** Looks again at what is in force: time has passed. */
  recheck(): void {
    const now = this.clock.now();
    const shown = new Map<PeerId, Set<string>>();
    for (const [hash, contract] of this.#contracts) {
      const { decision, content } = contract;
      const usability = usabilityAt(decision, content.validity, now);
      // What is final never comes back.
      if (["REVOKED", "REJECTED", "EXPIRED"].includes(usability)) this.#contracts.delete(hash);
      if (usability !== "IN_FORCE") continue;
      for (const { service } of this.grantsOf(contract)) {
        const names = shown.get(service.peer_id) ?? new Set();
        shown.set(service.peer_id, names.add(service.name));
      }
    }
    this.#shown = shown;
  }

  /** The names of a peer's services that are shown now. */
  of(peer: PeerId): ReadonlySet<string> {
    return this.#shown.get(peer) ?? NONE;
  }

  /**
   * Whether a contract waits for the directory's signature and is one that a directory signs: every grant of
   * it publishes a service here.
   */
  isWaiting(contract: StoredContract): boolean {
    const { content, grants, signatures, decision } = contract;
    const state = stateAt(decision, content.validity, this.clock.now());
    const signed = signatures.some(({ signer }) => signer === this.own);
    return state === "PROPOSED" && !signed && this.grantsOf(contract).length === grants.length;
  }

  private grantsOf({ grants }: StoredContract): readonly PublicationGrant[] {
    return grants.flatMap(({ grant }) =>
      !isConnection(grant) && grant.directory.peer_id === this.own ? [grant] : [],
    );
  }
}
