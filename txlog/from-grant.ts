// What the grant of an exchange tells the record of it. The shape is that of a grant that a component holds, written
// out here since neither room knows the other.
import { connectionDelegator, serviceDelegator, type ConnectionGrant } from "../contracts/grant.js";
import type { ContentHash, GrantHash } from "../contracts/hash.js";
import { madeOnce } from "../core/made-once.js";
import type { PeerId } from "../core/names.js";
import type { ExchangeEntry, Party } from "./entry.js";

/** A grant with the contract that it stands in. */
export interface UsedGrant {
  readonly hash: GrantHash;
  readonly grant: ConnectionGrant;
  readonly contract: { readonly hash: ContentHash };
}

/** What a grant says of every exchange under it. */
export type GrantEntry = Pick<ExchangeEntry, "source" | "destination" | "service"> & {
  readonly grantHash: GrantHash;
  readonly clause: string;
};

/** One side of an exchange. */
export const partyOf = (peerId: string, delegatorId: PeerId | undefined): Party =>
  delegatorId === undefined ? { peerId } : { peerId, delegatorId };

/**
 * The grant, its service, both sides with the peers for whom they act, and the contract as the clause that allowed the
 * exchange. Made once for a grant.
 */
export const ofGrant: (used: UsedGrant) => GrantEntry = madeOnce(({ hash, grant, contract }) => ({
  grantHash: hash,
  clause: `contract ${contract.hash}`,
  source: partyOf(grant.outway.peer_id, connectionDelegator(grant)),
  destination: partyOf(grant.service.peer_id, serviceDelegator(grant)),
  service: grant.service.name,
}));
