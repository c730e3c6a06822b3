// Which directories show which of our services: by a publication contract in force, at each moment.
import type { PublicationGrant } from "../contracts/grant.js";
import { isConnection } from "../contracts/grant.js";
import type { ContentHash } from "../contracts/hash.js";
import { usabilityAt } from "../contracts/state.js";
import type { Clock } from "../core/clock.js";
import type { PeerId, ServiceName } from "../core/names.js";
import type { StoredContract } from "../fsc/stored-contract.js";

/** The publication contracts of our peer. Contracts are put in as they come and change. */
export class Publications {
  readonly #contracts = new Map<ContentHash, StoredContract>();

  constructor(
    private readonly own: PeerId,
    private readonly clock: Clock,
  ) {}

  /** Takes a contract as it is now. Returns whether it publishes a service of ours. */
  note(contract: StoredContract): boolean {
    if (this.#grantsOf(contract).length === 0) return false;
    this.#contracts.set(contract.hash, contract);
    return true;
  }

  /** The directories that show a service now, ordered, each once. */
  directoriesOf(service: ServiceName): readonly PeerId[] {
    const now = this.clock.now();
    const inForce = [...this.#contracts.values()].filter(
      ({ decision, content }) => usabilityAt(decision, content.validity, now) === "IN_FORCE",
    );
    const grants = inForce.flatMap((contract) => this.#grantsOf(contract));
    const shown = grants.filter((grant) => grant.service.name === service);
    return [...new Set(shown.map(({ directory }) => directory.peer_id))].sort();
  }

  #grantsOf({ grants }: StoredContract): readonly PublicationGrant[] {
    return grants.flatMap(({ grant }) =>
      !isConnection(grant) && grant.service.peer_id === this.own ? [grant] : [],
    );
  }
}
