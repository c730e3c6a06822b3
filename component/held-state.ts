// The state that exchanges ask, made of what is held, with its lookups.
import { isConnection } from "../contracts/grant.js";
import { grantHash, type GrantHash } from "../contracts/hash.js";
import type { TokenKeys } from "../contracts/token-check.js";
import { madeOnce } from "../core/made-once.js";
import type { PeerId, ServiceName } from "../core/names.js";
import type { ComponentState, HeldContract, HeldGrant, OfferedService } from "./component-state.js";
import type { Held } from "./held.js";

const grantsOf = madeOnce((contract: HeldContract): readonly HeldGrant[] =>
  contract.content.grants.flatMap(({ data }) =>
    isConnection(data)
      ? [Object.freeze({ hash: grantHash(contract.hash, data), grant: data, contract })]
      : [],
  ),
);

class State implements ComponentState {
  readonly contracts: Held["contracts"];
  readonly services: ReadonlyMap<ServiceName, OfferedService>;
  readonly clients: Held["clients"];
  readonly managers: Held["managers"];
  readonly #grants: ReadonlyMap<GrantHash, HeldGrant>;
  readonly #byPeer: ReadonlyMap<PeerId, ReadonlyMap<ServiceName, readonly HeldGrant[]>>;

  constructor(
    held: Held,
    readonly tokenKeys: TokenKeys,
  ) {
    this.contracts = held.contracts;
    this.services = new Map(held.services.map((service) => [service.name, service]));
    this.clients = held.clients;
    this.managers = held.managers;
    const grants = [...held.contracts.values()].flatMap(grantsOf);
    this.#grants = new Map(grants.map((grant) => [grant.hash, grant]));
    const byPeer = Map.groupBy(grants, ({ grant }) => grant.service.peer_id);
    this.#byPeer = new Map(
      [...byPeer].map(([peer, its]) => [peer, Map.groupBy(its, ({ grant }) => grant.service.name)]),
    );
  }

  grant(hash: GrantHash): HeldGrant | undefined {
    return this.#grants.get(hash);
  }

  grantsFor(peerId: PeerId, service: ServiceName): readonly HeldGrant[] {
    return this.#byPeer.get(peerId)?.get(service) ?? [];
  }
}

/** The state for what is held. A value: nothing changes it. */
export const stateOf = (held: Held, tokenKeys: TokenKeys): ComponentState =>
  new State(held, tokenKeys);
