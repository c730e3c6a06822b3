// What the grant of an exchange tells the record of it. The shape is that of a grant that a component holds, written
// out here since neither room knows the other.
import { connectionDelegator, serviceDelegator, type ConnectionGrant } from "../contracts/grant.js";
import type { ContentHash, GrantHash } from "../contracts/hash.js";
import type { PeerId } from "../core/names.js";
import type { ExchangeEntry } from "./entry.js";

/** A grant with the contract that it stands in. */
export interface UsedGrant {
  readonly hash: GrantHash;
  readonly grant: ConnectionGrant;
  readonly contract: { readonly hash: ContentHash };
}

const delegator = (id: PeerId | undefined): { readonly delegatorId?: string } =>
  id === undefined ? {} : { delegatorId: id };

/** The entry with the grant, the peers for whom either side acts, and the contract as the clause that allowed it. */
export const underGrant = (
  entry: ExchangeEntry,
  { hash, grant, contract }: UsedGrant,
): ExchangeEntry => ({
  ...entry,
  grantHash: hash,
  clause: `contract ${contract.hash}`,
  source: { peerId: entry.source.peerId, ...delegator(connectionDelegator(grant)) },
  destination: { peerId: entry.destination.peerId, ...delegator(serviceDelegator(grant)) },
});
