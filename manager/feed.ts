// What the manager tells the inways and outways of its own organisation, and when it changes. The parts
// that own the data stand behind it; the streams of WatchState read it.
import type { X509Certificate } from "node:crypto";
import type { RevocationList } from "../certs/revocation-list.js";
import type { Protocol } from "../contracts/grant.js";
import type { GrantHash } from "../contracts/hash.js";
import type { Address } from "../core/address.js";
import type { ComponentName, PeerId, ServiceName } from "../core/names.js";
import type { StoredContract } from "../fsc/stored-contract.js";

/** Who may see a service: the group, by a directory that publishes it, or only who is told of it. */
export type Visibility = "group" | "private";

/** A service of ours. A value: replaced whole when it changes. */
export interface StoredService {
  readonly name: ServiceName;
  /** Where the source is: http or https, without user, query or fragment. */
  readonly sourceUrl: string;
  /** The path of its OpenAPI description below the service; empty when there is none. */
  readonly openapiPath: string;
  /** Whom to ask; empty when nobody is named. */
  readonly contact: string;
  /** The inways that offer it; empty for all of them. */
  readonly inways: readonly ComponentName[];
  readonly protocol: Protocol;
  readonly visibility: Visibility;
  /** Directory peers that show it by a publication contract in force now. */
  readonly publishedIn: readonly PeerId[];
}

/** A program that may use our outways beyond loopback. */
export interface StoredClient {
  readonly name: ComponentName;
  /** SHA-256 of its token, 32 bytes; undefined when it shows a certificate with the role client. */
  readonly tokenHash: Buffer | undefined;
  /** Grants it may use; empty for every grant. */
  readonly grantHashes: readonly GrantHash[];
}

/** Ends a subscription; the listener is not called any more. */
export type Unsubscribe = () => void;

/**
 * What components work by. Lists are whole and current at the moment of the call; a listener is called
 * after the change is durable and visible in them. Listeners must not throw.
 */
export interface ComponentFeed {
  /**
   * Contracts with a connection grant in which our peer provides the service (they concern inways) or owns
   * the outway (they concern outways), without those that ended long ago.
   */
  contracts(): Promise<readonly StoredContract[]>;
  /** Called with a contract of that kind that is new or whose decision changed. */
  onContract(listener: (contract: StoredContract) => void): Unsubscribe;

  /** Our services, ordered by name. */
  services(): readonly StoredService[];
  onServices(listener: () => void): Unsubscribe;

  /** Clients of our outways, ordered by name. */
  clients(): readonly StoredClient[];
  onClients(listener: () => void): Unsubscribe;

  /** The certificates whose keys may sign access tokens of our peer; the one in use first. */
  tokenSigners(): readonly X509Certificate[];
  onTokenSigners(listener: () => void): Unsubscribe;

  /** Where the managers of these peers are; those that are not known are absent. */
  managers(peerIds: ReadonlySet<PeerId>): Promise<ReadonlyMap<PeerId, Address>>;
  /** Called when a peer's manager became known or moved. */
  onManagers(listener: () => void): Unsubscribe;

  /** The newest revocation list of each CA in use. */
  revocationLists(): readonly RevocationList[];
  onRevocationLists(listener: () => void): Unsubscribe;
}
