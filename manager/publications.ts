// Which directories show which of our services: by a publication contract in force, at each moment.
import type { ContractContent } from "../contracts/content.js";
import type { PublicationGrant } from "../contracts/grant.js";
import { isConnection } from "../contracts/grant.js";
import type { ContentHash } from "../contracts/hash.js";
import { stateAt, usabilityAt } from "../contracts/state.js";
import type { Clock } from "../core/clock.js";
import type { PeerId, ServiceName } from "../core/names.js";
import type { StoredContract } from "../fsc/stored-contract.js";
import type { Visibility } from "./feed.js";

const publicationsOf = ({ grants }: ContractContent, own: PeerId): readonly PublicationGrant[] =>
  grants.flatMap(({ data }) => (!isConnection(data) && data.service.peer_id === own ? [data] : []));

/**
 * Why our peer has no part in a contract that would have a directory show a private service of ours; undefined for
 * every other contract.
 *
 * @param visibility who may see a service of ours; undefined for one that is not there
 */
export const refusedPublication = (
  content: ContractContent,
  own: PeerId,
  visibility: (name: ServiceName) => Visibility | undefined,
): string | undefined => {
  const names = publicationsOf(content, own).map(({ service }) => service.name);
  const found = names.find((name) => visibility(name) === "private");
  return found === undefined
    ? undefined
    : `the service ${found} of peer ${own} is private: no directory may show it`;
};

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
    return this.#directoriesOf(
      service,
      ({ decision, content }) => usabilityAt(decision, content.validity, now) === "IN_FORCE",
    );
  }

  /** The same, and those that would show it by a contract that waits for a signature or for its time. */
  openDirectoriesOf(service: ServiceName): readonly PeerId[] {
    const now = this.clock.now();
    return this.#directoriesOf(service, ({ decision, content }) =>
      ["PROPOSED", "VALID"].includes(stateAt(decision, content.validity, now)),
    );
  }

  #directoriesOf(
    service: ServiceName,
    counts: (contract: StoredContract) => boolean,
  ): readonly PeerId[] {
    const grants = [...this.#contracts.values()]
      .filter(counts)
      .flatMap((contract) => this.#grantsOf(contract));
    const shown = grants.filter((grant) => grant.service.name === service);
    return [...new Set(shown.map(({ directory }) => directory.peer_id))].sort();
  }

  #grantsOf({ content }: StoredContract): readonly PublicationGrant[] {
    return publicationsOf(content, this.own);
  }
}
