// Contracts between the peers of a test group, signed with their real keys.
import type { Bundle } from "../../certs/bundle.js";
import type { Group } from "../../certs/group.js";
import { proposeContent, type ContractContent, type Validity } from "../../contracts/content.js";
import type { Contract, Submission } from "../../contracts/contract.js";
import type { Grant, GrantData } from "../../contracts/grant.js";
import { contentHash, grantHashes } from "../../contracts/hash.js";
import type { JsonObject } from "../../contracts/json.js";
import { signContract, type SignatureType } from "../../contracts/signature.js";
import type { ContractDecision } from "../../contracts/state.js";
import type { PeerId, ServiceName } from "../../core/names.js";
import type { StoredContract } from "../../fsc/stored-contract.js";
import { v7 } from "uuid";

/** The service of all of them, unless another is named. */
export const ECHO = "echo" as ServiceName;

/** What a grant is made of. */
export interface ConnectionOf {
  readonly outway: Bundle;
  readonly service: Bundle;
  readonly name?: string;
  /** Known by this domain name and not by the outway's key. */
  readonly domainName?: string;
  /** The peer for whom the outway's peer acts. */
  readonly delegator?: Bundle;
  readonly properties?: JsonObject;
}

const grantOf = (data: object): Grant => ({ data: data as GrantData });

/** A connection grant. */
export const connection = (of: ConnectionOf): Grant =>
  grantOf({
    type:
      of.delegator === undefined
        ? "GRANT_TYPE_SERVICE_CONNECTION"
        : "GRANT_TYPE_DELEGATED_SERVICE_CONNECTION",
    outway: {
      peer_id: of.outway.identity.peerId,
      identification:
        of.domainName === undefined
          ? {
              type: "OUTWAY_IDENTIFICATION_TYPE_PUBLIC_KEY_THUMBPRINT",
              public_key_thumbprint: of.outway.identity.publicKeyThumbprint,
            }
          : { type: "OUTWAY_IDENTIFICATION_TYPE_DOMAIN_NAME", domain_name: of.domainName },
    },
    service: {
      type: "SERVICE_TYPE_SERVICE",
      peer_id: of.service.identity.peerId,
      name: of.name ?? ECHO,
    },
    ...(of.delegator === undefined ? {} : { delegator: { peer_id: of.delegator.identity.peerId } }),
    ...(of.properties === undefined ? {} : { properties: of.properties }),
  });

/** What a publication grant is made of. */
export interface PublicationOf {
  readonly directory: PeerId;
  readonly service: PeerId;
  readonly name: string;
  readonly delegator?: PeerId;
  readonly properties?: JsonObject;
}

/** A publication grant. */
export const publication = ({ directory, service, name, delegator, properties }: PublicationOf) =>
  grantOf({
    type:
      delegator === undefined
        ? "GRANT_TYPE_SERVICE_PUBLICATION"
        : "GRANT_TYPE_DELEGATED_SERVICE_PUBLICATION",
    directory: { peer_id: directory },
    service: { peer_id: service, name, protocol: "PROTOCOL_TCP_HTTP_1.1" },
    ...(delegator === undefined ? {} : { delegator: { peer_id: delegator } }),
    ...(properties === undefined ? {} : { properties }),
  });

/** When a contract counts that says nothing else: for a day. */
export const dayFrom = (now: number): Validity => ({
  not_before: Math.floor(now / 1000) - 60,
  not_after: Math.floor(now / 1000) + 86_400,
});

/** A content of these grants. */
export const contentOf = (
  group: Group,
  grants: readonly Grant[],
  changes: { readonly validity?: Validity; readonly createdAt?: number } = {},
): ContractContent => {
  const now = Date.now();
  return proposeContent(
    {
      ...{ iv: v7(), validity: changes.validity ?? dayFrom(now), grants },
      createdAt: changes.createdAt ?? Math.floor(now / 1000) - 60,
    },
    { groupId: group.id, peerIdRule: group.peerIdRule },
  );
};

/** A content with one real signature. */
export const signed = async (
  content: ContractContent,
  by: Bundle,
  type: SignatureType = "accept",
): Promise<Submission> => {
  const claim = { contractHash: contentHash(content), type, signedAt: content.created_at };
  return {
    content,
    signature: await signContract(claim, { key: by.key, certificate: by.chain[0]! }),
  };
};

/** A contract as it is listed, accepted by some. */
export const listed = async (
  content: ContractContent,
  ...by: readonly Bundle[]
): Promise<Contract> => {
  const accept = await Promise.all(
    by.map(
      async (each) => [each.identity.peerId, (await signed(content, each)).signature] as const,
    ),
  );
  return { content, signatures: { accept: new Map(accept), reject: new Map(), revoke: new Map() } };
};

/** A contract as a manager holds it, with a decision and no signatures. */
export const held = (
  content: ContractContent,
  decision: ContractDecision = "ACCEPTED",
): StoredContract => ({
  hash: contentHash(content),
  content,
  grants: grantHashes(content),
  signatures: [],
  decision,
  storedAt: content.created_at * 1000,
});
