// The methods with which the directory's own people look at publication contracts and decide about them.
import type { PeerIdentity } from "../certs/identity.js";
import { isConnection, serviceDelegator, type PublicationGrant } from "../contracts/grant.js";
import type { SignatureType } from "../contracts/signature.js";
import { partiesOf, stateAt, type ContractState } from "../contracts/state.js";
import type { Clock } from "../core/clock.js";
import { SchakelError, toSchakelError } from "../core/errors.js";
import type { Log } from "../core/log.js";
import type { PeerId } from "../core/names.js";
import { findContract } from "../fsc/find-contract.js";
import type { ListedPeer } from "../fsc/manager-interface.js";
import type { StoredContract } from "../fsc/stored-contract.js";
import * as wire from "../proto/gen/schakel/directory/v1/directory.js";
import { isWaiting, type ManagerSide } from "./manager-side.js";

const PAGE_SIZE_DEFAULT = 100;
const PAGE_SIZE_MAX = 1000;

const STATES: Readonly<Record<ContractState, wire.PublicationState>> = {
  PROPOSED: wire.PublicationState.PUBLICATION_STATE_PROPOSED,
  VALID: wire.PublicationState.PUBLICATION_STATE_VALID,
  REJECTED: wire.PublicationState.PUBLICATION_STATE_REJECTED,
  REVOKED: wire.PublicationState.PUBLICATION_STATE_REVOKED,
  EXPIRED: wire.PublicationState.PUBLICATION_STATE_EXPIRED,
};

const DECISIONS: Readonly<Record<number, SignatureType>> = {
  [wire.PublicationDecision.PUBLICATION_DECISION_APPROVE]: "accept",
  [wire.PublicationDecision.PUBLICATION_DECISION_REJECT]: "reject",
  [wire.PublicationDecision.PUBLICATION_DECISION_REVOKE]: "revoke",
};

/** What the methods work on. */
export interface PublicationParts {
  readonly side: Pick<ManagerSide, "own" | "book" | "peers">;
  readonly clock: Clock;
  readonly log: Log;
}

const invalid = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_REQUEST_INVALID", { detail });

const stateNamed = (state: wire.PublicationState): ContractState | undefined => {
  if (state === wire.PublicationState.PUBLICATION_STATE_UNSPECIFIED) return undefined;
  const found = Object.entries(STATES).find(([, value]) => value === state);
  if (found === undefined) throw invalid(`state is ${String(state)}, allowed are 0 to 5`);
  return found[0] as ContractState;
};

const publicationsIn = ({ content }: StoredContract): readonly PublicationGrant[] =>
  content.grants.flatMap(({ data }) => (isConnection(data) ? [] : [data]));

/** The methods. What they refuse, proto/schakel/directory/v1/directory.proto says. */
export class PublicationMethods {
  constructor(private readonly parts: PublicationParts) {}

  /** Lists publication contracts. */
  async list(
    request: wire.ListPublicationsRequest,
    caller: PeerIdentity,
  ): Promise<wire.ListPublicationsResponse> {
    this.#checkCaller(caller);
    const { own, book } = this.parts.side;
    const { pageSize, pageToken, waiting } = request;
    if (pageSize > PAGE_SIZE_MAX) {
      throw invalid(
        `page_size is ${String(pageSize)}, allowed is 1 to ${String(PAGE_SIZE_MAX)}, or 0 for ${String(PAGE_SIZE_DEFAULT)}`,
      );
    }
    const { items, nextCursor } = await book.list({
      cursor: pageToken === "" ? undefined : pageToken,
      limit: pageSize === 0 ? PAGE_SIZE_DEFAULT : pageSize,
      ...{ sortOrder: "descending", grantType: undefined, grantHashes: [] },
      state: stateNamed(request.state),
      waitingFor: waiting ? own : undefined,
    });
    return { publications: await this.#show(items), nextPageToken: nextCursor ?? "" };
  }

  /** Approves, rejects or revokes one. */
  async decide(
    request: wire.DecidePublicationRequest,
    caller: PeerIdentity,
  ): Promise<wire.DecidePublicationResponse> {
    this.#checkCaller(caller);
    const { book } = this.parts.side;
    const type = DECISIONS[request.decision];
    if (type === undefined) {
      throw invalid(`decision is ${String(request.decision)}, allowed are 1, 2 and 3`);
    }
    const { hash } = await findContract(book, request.contractHash);
    const { contract, changed } = await this.#recorded({ contract: hash, type }, caller, () =>
      book.decide(hash, type),
    );
    const [publication] = await this.#show([contract]);
    return { publication, changed };
  }

  /** The directory has no audit log: who decides what stands in the log of the process, before it is done and after. */
  async #recorded<T extends { readonly changed: boolean }>(
    act: object,
    { peerId, certificateThumbprint, publicKeyThumbprint }: PeerIdentity,
    work: () => Promise<T>,
  ): Promise<T> {
    const { log } = this.parts;
    const entry = {
      ...{ action: "DecidePublication", ...act, peer: peerId },
      ...{ certificateThumbprint, publicKeyThumbprint },
    };
    log.info(entry, "act begins");
    try {
      const done = await work();
      log.info({ ...entry, outcome: "succeeded", changed: done.changed }, "act ended");
      return done;
    } catch (error) {
      log.info({ ...entry, outcome: toSchakelError(error).code }, "act ended");
      throw error;
    }
  }

  #checkCaller({ peerId }: PeerIdentity): void {
    const { own } = this.parts.side;
    if (peerId === own) return;
    throw new SchakelError("ERROR_CODE_ROLE_NOT_ALLOWED", {
      detail: `this is for the directory's own peer, ${own}`,
    });
  }

  async #show(contracts: readonly StoredContract[]): Promise<wire.Publication[]> {
    const ids = contracts.flatMap((contract) =>
      publicationsIn(contract).map(({ service }) => service.peer_id),
    );
    const peers = await this.parts.side.peers.find(new Set(ids));
    return contracts.map((contract) => this.#wire(contract, peers));
  }

  #wire(contract: StoredContract, peers: ReadonlyMap<PeerId, ListedPeer>): wire.Publication {
    const { hash, content, signatures, decision } = contract;
    const { side, clock } = this.parts;
    const { not_before, not_after } = content.validity;
    const accepted = new Set(
      signatures.filter(({ type }) => type === "accept").map(({ signer }) => signer),
    );
    return {
      contractHash: hash,
      state: STATES[stateAt(decision, content.validity, clock.now())],
      waiting: isWaiting(contract, side.own, clock.now()),
      services: publicationsIn(contract).map((grant) => ({
        peerId: grant.service.peer_id,
        peerName: peers.get(grant.service.peer_id)?.name ?? "",
        name: grant.service.name,
        protocol: grant.service.protocol,
        delegatorPeerId: serviceDelegator(grant) ?? "",
      })),
      notBeforeMs: BigInt(not_before) * 1000n,
      notAfterMs: BigInt(not_after) * 1000n,
      missingPeerIds: [...partiesOf(content)].filter((party) => !accepted.has(party)),
    };
  }
}
