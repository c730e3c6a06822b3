// What the feed holds, as the messages of WatchState say it, and what of it concerns which component.
import type { X509Certificate } from "node:crypto";
import type { RevocationList } from "../certs/revocation-list.js";
import { isConnection, type ConnectionGrant } from "../contracts/grant.js";
import { canonical } from "../contracts/jcs.js";
import type { ContractDecision } from "../contracts/state.js";
import { formatAddress, type Address } from "../core/address.js";
import type { PeerId } from "../core/names.js";
import type { StoredContract } from "../fsc/stored-contract.js";
import * as wire from "../proto/gen/schakel/manager/v1/component.js";
import type { StoredClient, StoredService } from "./feed.js";
import type { StreamingRole } from "./registration.js";

const DECISIONS: Readonly<Record<ContractDecision, wire.ContractDecision>> = {
  PROPOSED: wire.ContractDecision.CONTRACT_DECISION_PROPOSED,
  ACCEPTED: wire.ContractDecision.CONTRACT_DECISION_ACCEPTED,
  REJECTED: wire.ContractDecision.CONTRACT_DECISION_REJECTED,
  REVOKED: wire.ContractDecision.CONTRACT_DECISION_REVOKED,
};

const connectionsOf = ({ grants }: StoredContract): readonly ConnectionGrant[] =>
  grants.map(({ grant }) => grant).filter(isConnection);

/** Whether a contract concerns components of a role: it has a connection grant for a service, or an outway, of our peer. */
export const concerns = (contract: StoredContract, role: StreamingRole, ours: PeerId): boolean =>
  connectionsOf(contract).some((grant) =>
    role === "inway" ? grant.service.peer_id === ours : grant.outway.peer_id === ours,
  );

/** The peers that provide services to our outways by a contract. */
export const providersIn = (contract: StoredContract, ours: PeerId): readonly PeerId[] =>
  connectionsOf(contract)
    .filter(({ outway }) => outway.peer_id === ours)
    .map(({ service }) => service.peer_id);

/** A contract. */
export const contractMessage = ({
  hash,
  content,
  decision,
}: StoredContract): wire.ContractState => ({
  hash,
  content: Buffer.from(canonical(content)),
  decision: DECISIONS[decision],
});

/** The services that one inway offers. */
export const serviceMessages = (
  services: readonly StoredService[],
  inway: string,
): wire.ServiceList => ({
  services: services
    .filter(({ inways }) => inways.length === 0 || inways.some((each) => each === inway))
    .map(({ name, sourceUrl, openapiPath, protocol, publishedIn }) => ({
      ...{ name, sourceUrl, openapiPath, protocol },
      published: publishedIn.length > 0,
    })),
});

/** The clients of outways. */
export const clientMessages = (clients: readonly StoredClient[]): wire.ClientList => ({
  clients: clients.map(({ name, tokenHash, grantHashes }) => ({
    name,
    tokenHash: tokenHash ?? Buffer.alloc(0),
    grantHashes: [...grantHashes],
  })),
});

/** The certificates whose keys sign tokens. */
export const signerMessages = (signers: readonly X509Certificate[]): wire.CertificateList => ({
  certificates: signers.map(({ raw }) => raw),
});

/** Where managers are. */
export const managerMessages = (
  managers: ReadonlyMap<PeerId, Address>,
): readonly wire.PeerManager[] =>
  [...managers].map(([peerId, address]) => ({ peerId, address: formatAddress(address) }));

/** A revocation list. */
export const revocationMessage = (list: RevocationList): wire.RevocationList => ({
  ...list,
  issuerChain: list.issuerChain.map(({ raw }) => raw),
});

/** A message that changes nothing: the sign of life. */
export const nothing = (): wire.WatchStateResponse => ({
  snapshot: false,
  snapshotComplete: false,
  heartbeatIntervalMs: 0n,
  contracts: [],
  removedContracts: [],
  managers: [],
  revocationLists: [],
});
