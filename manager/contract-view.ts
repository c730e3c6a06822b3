// A contract as people see it: its state now, whose signature is missing, how far ours have come, and what
// it says in a few lines of English.
import { isConnection, type ConnectionGrant, type GrantData } from "../contracts/grant.js";
import { canonical } from "../contracts/jcs.js";
import { shown } from "../contracts/shown-text.js";
import type { SignatureType } from "../contracts/signature.js";
import {
  missingSigners,
  stateAt,
  usabilityAt,
  type ContractState,
  type Signers,
} from "../contracts/state.js";
import type { PeerId } from "../core/names.js";
import type { Delivery } from "../fsc/delivery-rows.js";
import type { StoredContract } from "../fsc/stored-contract.js";
import * as wire from "../proto/gen/schakel/manager/v1/administration.js";

const STATES: Readonly<Record<ContractState, wire.ContractStateName>> = {
  PROPOSED: wire.ContractStateName.CONTRACT_STATE_NAME_PROPOSED,
  VALID: wire.ContractStateName.CONTRACT_STATE_NAME_VALID,
  REJECTED: wire.ContractStateName.CONTRACT_STATE_NAME_REJECTED,
  REVOKED: wire.ContractStateName.CONTRACT_STATE_NAME_REVOKED,
  EXPIRED: wire.ContractStateName.CONTRACT_STATE_NAME_EXPIRED,
};

const KINDS: Readonly<Record<SignatureType, wire.SignatureKind>> = {
  accept: wire.SignatureKind.SIGNATURE_KIND_ACCEPT,
  reject: wire.SignatureKind.SIGNATURE_KIND_REJECT,
  revoke: wire.SignatureKind.SIGNATURE_KIND_REVOKE,
};

/** The state that a request names; undefined for none. */
export const stateNamed = (name: wire.ContractStateName): ContractState | undefined =>
  (Object.keys(STATES) as ContractState[]).find((state) => STATES[state] === name);

/** The decision that a request names; undefined when it names none. */
export const decisionNamed = (kind: wire.SignatureKind): SignatureType | undefined =>
  (Object.keys(KINDS) as SignatureType[]).find((type) => KINDS[type] === kind);

/** What is shown beside the contract itself. */
export interface Viewing {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Our own peer. */
  readonly own: PeerId;
  /** The names of peers, as far as they are known. Display only. */
  readonly names: ReadonlyMap<PeerId, string>;
  readonly deliveries: readonly Delivery[];
}

/** Seconds since 1970 as "2026-01-31 12:00:00 UTC". Numbers beyond what a date can be stay numbers. */
const moment = (seconds: number): string => {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime())
    ? `${seconds} seconds since 1970`
    : `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
};

class Wording {
  constructor(private readonly names: ReadonlyMap<PeerId, string>) {}

  peer(id: PeerId): string {
    const name = this.names.get(id);
    return name === undefined ? shown(id, 255) : `${shown(name, 255)} (${shown(id, 255)})`;
  }

  grant(grant: GrantData): string {
    return `${isConnection(grant) ? this.#connection(grant) : this.#publication(grant)}${
      grant.properties === undefined
        ? ""
        : ` The grant has properties: ${shown(canonical(grant.properties), 500)}`
    }`;
  }

  #connection(grant: ConnectionGrant): string {
    const { outway, service } = grant;
    const who =
      grant.type === "GRANT_TYPE_DELEGATED_SERVICE_CONNECTION"
        ? `${this.peer(outway.peer_id)}, acting for ${this.peer(grant.delegator.peer_id)},`
        : this.peer(outway.peer_id);
    const what =
      service.type === "SERVICE_TYPE_DELEGATED_SERVICE"
        ? `${this.peer(service.peer_id)}, which offers it for ${this.peer(service.delegator.peer_id)}`
        : this.peer(service.peer_id);
    const { identification } = outway;
    const by =
      identification.type === "OUTWAY_IDENTIFICATION_TYPE_DOMAIN_NAME"
        ? `the outway named ${identification.domain_name}`
        : `the outway with the public key ${identification.public_key_thumbprint}`;
    return `${who} may use the service "${service.name}" of ${what}, with ${by}.`;
  }

  #publication(grant: Exclude<GrantData, ConnectionGrant>): string {
    const { directory, service } = grant;
    const whom =
      grant.type === "GRANT_TYPE_DELEGATED_SERVICE_PUBLICATION"
        ? `${this.peer(service.peer_id)}, in the name of ${this.peer(grant.delegator.peer_id)},`
        : this.peer(service.peer_id);
    return `${whom} publishes the service "${service.name}" (${service.protocol}) in the directory of ${this.peer(directory.peer_id)}.`;
  }
}

const signersOf = ({ signatures }: StoredContract): Signers => {
  const of = (type: SignatureType): ReadonlySet<PeerId> =>
    new Set(signatures.filter((each) => each.type === type).map(({ signer }) => signer));
  return { accept: of("accept"), reject: of("reject"), revoke: of("revoke") };
};

const standing = (contract: StoredContract, { now }: Viewing, words: Wording): string => {
  const signers = signersOf(contract);
  const list = (peers: Iterable<PeerId>): string =>
    [...peers].map((peer) => words.peer(peer)).join(", ");
  const missing = missingSigners(contract.content, signers);
  switch (usabilityAt(contract.decision, contract.content.validity, now)) {
    case "PROPOSED":
      return `It waits for the signature of ${list(missing)}.`;
    case "IN_FORCE":
      return "It is in force.";
    case "NOT_YET_VALID":
      return "All have signed; its time has not begun yet.";
    case "REJECTED":
      return signers.reject.size > 0
        ? `It was rejected by ${list(signers.reject)}.`
        : `Its time ended before ${list(missing)} had signed.`;
    case "REVOKED":
      return `It was revoked by ${list(signers.revoke)}.`;
    case "EXPIRED":
      return "Its time has ended.";
  }
};

/** What a contract says, in English, a line each: each grant, its time, and how it stands now. */
export const summaryOf = (contract: StoredContract, viewing: Viewing): readonly string[] => {
  const words = new Wording(viewing.names);
  const { validity, created_at } = contract.content;
  return [
    ...contract.content.grants.map(({ data }) => words.grant(data)),
    `From ${moment(validity.not_before)} to ${moment(validity.not_after)}; proposed ${moment(created_at)}.`,
    standing(contract, viewing, words),
  ];
};

/** Ours alone are delivered by us: the newest is the one with the last word. */
const WEIGHT: Readonly<Record<SignatureType, number>> = { accept: 0, reject: 1, revoke: 2 };

const waitingDeliveries = ({ deliveries }: Viewing): wire.Delivery[] => {
  const newest = Math.max(...deliveries.map(({ type }) => WEIGHT[type]));
  return deliveries.flatMap(({ party, type, attempts, lastError = "", nextAttemptAt }) =>
    nextAttemptAt === undefined || WEIGHT[type] < newest
      ? []
      : [{ peerId: party, attempts, lastError, nextAttemptAtMs: BigInt(nextAttemptAt) }],
  );
};

/** A contract as the interface shows it. */
export const wireContract = (contract: StoredContract, viewing: Viewing): wire.Contract => ({
  hash: contract.hash,
  content: Buffer.from(canonical(contract.content)),
  state: STATES[stateAt(contract.decision, contract.content.validity, viewing.now)],
  grantHashes: contract.grants.map(({ hash }) => hash),
  signatures: contract.signatures.map(({ signer, type, signedAt, jws }) => ({
    peerId: signer,
    peerName: viewing.names.get(signer) ?? "",
    kind: KINDS[type],
    signedAt: BigInt(signedAt),
    jws,
  })),
  missingPeerIds: [...missingSigners(contract.content, signersOf(contract))],
  deliveries: waitingDeliveries(viewing),
  summary: [...summaryOf(contract, viewing)],
  ownPeerId: viewing.own,
});
