// The part of the interface for people that is about contracts: asking, deciding, looking.
import type { Group } from "../certs/group.js";
import { GRANT_TYPES } from "../contracts/grant.js";
import { partiesOf } from "../contracts/state.js";
import type { Clock } from "../core/clock.js";
import type { PeerId } from "../core/names.js";
import type { ContractBook } from "../fsc/contract-book.js";
import { findContract } from "../fsc/find-contract.js";
import type { PeerBook } from "../fsc/peer-book.js";
import type { StoredContract } from "../fsc/stored-contract.js";
import type * as wire from "../proto/gen/schakel/manager/v1/administration.js";
import type { Access } from "./access.js";
import { decisionNamed, stateNamed, wireContract } from "./contract-view.js";
import type { Proposals, Proposed } from "./proposals.js";
import { invalidRequest, optionalPeer, pageOf, parsed, serviceName } from "./request.js";

const NAMES_MAX = 1000;

/** What the methods stand on. */
export interface ContractMethodParts {
  readonly group: () => Group;
  /** Our own peer. */
  readonly own: PeerId;
  readonly ownName: () => string;
  readonly book: Pick<ContractBook, "list" | "decide" | "findByPrefix" | "deliveries">;
  readonly peers: Pick<PeerBook, "list">;
  readonly proposals: Proposals;
  readonly access: Access;
  readonly clock: Clock;
}

type Shown = { readonly contract: wire.Contract } & Pick<Proposed, "created">;

/** The methods. What they refuse, proto/schakel/manager/v1/administration.proto says. */
export class ContractMethods {
  readonly #with: ContractMethodParts;

  constructor(parts: ContractMethodParts) {
    this.#with = parts;
  }

  async requestAccess(request: wire.RequestAccessRequest): Promise<Shown> {
    return this.#proposed(await this.#with.access.request(request));
  }

  async publish(request: wire.PublishServiceRequest): Promise<Shown> {
    return this.#proposed(await this.#with.access.publish(request));
  }

  async propose({ content }: wire.ProposeContractRequest): Promise<Shown> {
    return this.#proposed(await this.#with.proposals.fromJson(content));
  }

  async sign({ hash, kind }: wire.SignContractRequest): Promise<wire.SignContractResponse> {
    const decision = decisionNamed(kind);
    if (decision === undefined) {
      throw invalidRequest("kind is not stated, allowed is accept, reject or revoke");
    }
    const found = await this.#find(hash);
    const { contract, changed } = await this.#with.book.decide(found.hash, decision);
    return { contract: await this.#show(contract), changed };
  }

  async get({ hash }: wire.GetContractRequest): Promise<wire.GetContractResponse> {
    return { contract: await this.#show(await this.#find(hash)) };
  }

  async list(request: wire.ListContractsRequest): Promise<wire.ListContractsResponse> {
    const { book, own } = this.#with;
    const { limit, token } = pageOf(request);
    const parseType = (text: string) => GRANT_TYPES.find((type) => type === text);
    const { grantType, serviceName: service } = request;
    const rule = this.#with.group().peerIdRule;
    const { items, nextCursor } = await book.list({
      ...{ cursor: token, limit, sortOrder: "descending", grantHashes: [] },
      grantType:
        grantType === ""
          ? undefined
          : parsed("grant_type", grantType, parseType, GRANT_TYPES.join(", ")),
      state: stateNamed(request.state),
      peerId: optionalPeer("peer_id", request.peerId, rule),
      serviceName: service === "" ? undefined : serviceName("service_name", service),
      waitingFor: request.waitingForUs ? own : undefined,
    });
    const contracts: wire.Contract[] = [];
    for (const contract of items) contracts.push(await this.#show(contract));
    return { contracts, nextPageToken: nextCursor ?? "" };
  }

  async #proposed({ contract, created }: Proposed): Promise<Shown> {
    return { contract: await this.#show(contract), created };
  }

  #find(hash: string): Promise<StoredContract> {
    return findContract(this.#with.book, hash);
  }

  async #show(contract: StoredContract): Promise<wire.Contract> {
    const { book, clock, own } = this.#with;
    return wireContract(contract, {
      ...{ now: clock.now(), own },
      names: await this.#namesIn(contract),
      deliveries: await book.deliveries(contract.hash),
    });
  }

  async #namesIn({ content }: StoredContract): Promise<ReadonlyMap<PeerId, string>> {
    const { peers, own, ownName } = this.#with;
    const { items } = await peers.list({
      ...{ cursor: undefined, limit: NAMES_MAX, sortOrder: "ascending" },
      ...{ nameContains: undefined, peerIds: [...partiesOf(content)] },
    });
    return new Map([...items.map(({ id, name }) => [id, name] as const), [own, ownName()]]);
  }
}
