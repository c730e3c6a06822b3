// What an inway or outway knows from its manager: contracts, services, clients, keys. A value that is
// swapped whole when anything changes.
import type { ContractContent } from "../contracts/content.js";
import type { ConnectionGrant, Protocol } from "../contracts/grant.js";
import type { ContentHash, GrantHash } from "../contracts/hash.js";
import type { ContractDecision } from "../contracts/state.js";
import type { TokenKeys } from "../contracts/token-check.js";
import type { Address } from "../core/address.js";
import type { PeerId, ServiceName } from "../core/names.js";

/** A contract as the manager last said. Whether it is in force now, `usabilityAt` says. */
export interface HeldContract {
  readonly hash: ContentHash;
  readonly content: ContractContent;
  readonly decision: ContractDecision;
}

/** A connection grant with the contract that it stands in. */
export interface HeldGrant {
  readonly hash: GrantHash;
  readonly grant: ConnectionGrant;
  readonly contract: HeldContract;
}

/** A service that the inway offers. */
export interface OfferedService {
  readonly name: ServiceName;
  /** Where the service's source is: http or https, with a path only where the source must have one. */
  readonly source: URL;
  /** The path of the OpenAPI description below the source; undefined when there is none. */
  readonly openapiPath: string | undefined;
  /** What its source speaks, and outways to the inway. */
  readonly protocol: Protocol;
  /** Whether a valid publication contract shows it in a directory. */
  readonly published: boolean;
}

/** A program of our own organisation that may use outways beyond loopback. */
export interface OutwayClient {
  readonly name: string;
  /** SHA-256 of its token; undefined when it shows a certificate with the role client. */
  readonly tokenHash: Buffer | undefined;
  /** Grants it may use; empty for every grant. */
  readonly grantHashes: ReadonlySet<GrantHash>;
}

/** The whole state at one moment. */
export interface ComponentState {
  readonly contracts: ReadonlyMap<ContentHash, HeldContract>;
  /** Inways: the services by name. */
  readonly services: ReadonlyMap<ServiceName, OfferedService>;
  /** Inways: the keys that may sign tokens of our peer. */
  readonly tokenKeys: TokenKeys;
  /** Outways: who may use it beyond loopback. */
  readonly clients: readonly OutwayClient[];
  /** Outways: where tokens are asked for. */
  readonly managers: ReadonlyMap<PeerId, Address>;
  /** The grant with this hash, whatever its contract's state is. */
  grant(hash: GrantHash): HeldGrant | undefined;
  /** The connection grants for a service of a peer, whatever their contracts' states are. */
  grantsFor(peerId: PeerId, service: ServiceName): readonly HeldGrant[];
}
