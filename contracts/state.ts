// What a contract's signatures and the time make of it (FSC Core 2.0.0, contract states). All of it
// follows from the set of signatures, never from the order in which they came: two managers that have the
// same signatures agree, and a further signature never leads back to a state that gives more.
import type { PeerId } from "../core/names.js";
import type { ContractContent, Validity } from "./content.js";
import { isConnection, serviceDelegator, type GrantData } from "./grant.js";
import type { SignatureType } from "./signature.js";

/** What the parties have decided, whatever the time is. */
export const CONTRACT_DECISIONS = ["PROPOSED", "ACCEPTED", "REJECTED", "REVOKED"] as const;
export type ContractDecision = (typeof CONTRACT_DECISIONS)[number];

/** The states of FSC. The last three are final. */
export const CONTRACT_STATES = ["PROPOSED", "VALID", "REJECTED", "REVOKED", "EXPIRED"] as const;
export type ContractState = (typeof CONTRACT_STATES)[number];

/** Whose signatures of each type have been verified. */
export type Signers = Readonly<Record<SignatureType, ReadonlySet<PeerId>>>;

/** The peers that a grant binds, each of which must sign; one that has several parts stands in it once. */
export const grantParties = (grant: GrantData): ReadonlySet<PeerId> => {
  const parties = isConnection(grant)
    ? [grant.outway.peer_id, grant.service.peer_id]
    : [grant.directory.peer_id, grant.service.peer_id];
  const delegators = [
    "delegator" in grant ? grant.delegator.peer_id : undefined,
    serviceDelegator(grant),
  ];
  return new Set([...parties, ...delegators.filter((each) => each !== undefined)]);
};

/** The peers that a contract binds: those of all its grants. Each must sign, and only they may. */
export const partiesOf = (content: ContractContent): ReadonlySet<PeerId> =>
  new Set(content.grants.flatMap(({ data }) => [...grantParties(data)]));

/** The parties whose accept signature is not there. */
export const missingSigners = (content: ContractContent, signers: Signers): readonly PeerId[] =>
  [...partiesOf(content)].filter((party) => !signers.accept.has(party));

/**
 * What the parties have decided. Signatures of peers that are not parties count for nothing. A revoke counts
 * before all have accepted too: that is how a proposal is withdrawn; FSC has no rule for it. A reject
 * counts after all have accepted too, since nobody can know which came first.
 */
export const decisionOf = (content: ContractContent, signers: Signers): ContractDecision => {
  const parties = [...partiesOf(content)];
  if (parties.some((party) => signers.revoke.has(party))) return "REVOKED";
  if (parties.some((party) => signers.reject.has(party))) return "REJECTED";
  const accepted = parties.length > 0 && parties.every((party) => signers.accept.has(party));
  return accepted ? "ACCEPTED" : "PROPOSED";
};

/** Whether a contract's time has ended: the second `not_after` is its last. */
const hasEnded = ({ not_after }: Validity, now: number): boolean =>
  Math.floor(now / 1000) > not_after;

const hasBegun = ({ not_before }: Validity, now: number): boolean => now >= not_before * 1000;

/**
 * The state of a contract at a moment.
 *
 * @param now milliseconds since 1970
 */
export const stateAt = (
  decision: ContractDecision,
  validity: Validity,
  now: number,
): ContractState => {
  switch (decision) {
    case "PROPOSED":
      return hasEnded(validity, now) ? "REJECTED" : "PROPOSED";
    case "ACCEPTED":
      return hasEnded(validity, now) ? "EXPIRED" : "VALID";
    case "REJECTED":
    case "REVOKED":
      return decision;
  }
};

/** The state of a contract at a moment, from its signatures. The time is in milliseconds since 1970. */
export const contractState = (
  content: ContractContent,
  signers: Signers,
  now: number,
): ContractState => stateAt(decisionOf(content, signers), content.validity, now);

/** Whether a contract may be used, and what stands against it when not. */
export type Usability = "IN_FORCE" | "NOT_YET_VALID" | Exclude<ContractState, "VALID">;

/**
 * Whether the grants of a contract may be used at a moment: it is VALID and its time has begun. FSC's
 * states do not know the latter.
 *
 * @param now milliseconds since 1970
 */
export const usabilityAt = (
  decision: ContractDecision,
  validity: Validity,
  now: number,
): Usability => {
  const state = stateAt(decision, validity, now);
  if (state !== "VALID") return state;
  return hasBegun(validity, now) ? "IN_FORCE" : "NOT_YET_VALID";
};
