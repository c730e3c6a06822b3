// Contracts as commands print them as JSON, and what commands read from a contract.
import type { ContractContent } from "../contracts/content.js";
import { isConnection, type GrantData } from "../contracts/grant.js";
import {
  ContractStateName,
  SignatureKind,
  type Contract,
  type Signature,
} from "../proto/gen/schakel/manager/v1/administration.js";
import { DECISION_WORDS, STATE_WORDS, type DecisionWord, type StateWord } from "./state-words.js";
import { shownMoment } from "./times.js";

const STATES: Readonly<Record<StateWord, ContractStateName>> = {
  proposed: ContractStateName.CONTRACT_STATE_NAME_PROPOSED,
  valid: ContractStateName.CONTRACT_STATE_NAME_VALID,
  rejected: ContractStateName.CONTRACT_STATE_NAME_REJECTED,
  revoked: ContractStateName.CONTRACT_STATE_NAME_REVOKED,
  expired: ContractStateName.CONTRACT_STATE_NAME_EXPIRED,
};

const KINDS: Readonly<Record<DecisionWord, SignatureKind>> = {
  accept: SignatureKind.SIGNATURE_KIND_ACCEPT,
  reject: SignatureKind.SIGNATURE_KIND_REJECT,
  revoke: SignatureKind.SIGNATURE_KIND_REVOKE,
};

/** A state's name on the wire; that of no state for undefined. */
export const stateName = (word: StateWord | undefined): ContractStateName =>
  word === undefined ? ContractStateName.CONTRACT_STATE_NAME_UNSPECIFIED : STATES[word];

/** The word for a contract's state. */
export const stateOf = ({ state }: Pick<Contract, "state">): StateWord | "unknown" =>
  STATE_WORDS.find((word) => STATES[word] === state) ?? "unknown";

/** A decision's name on the wire. */
export const kindName = (word: DecisionWord): SignatureKind => KINDS[word];

/** The word for what a signature says. */
export const decisionOf = ({ kind }: Pick<Signature, "kind">): DecisionWord | "unknown" =>
  DECISION_WORDS.find((word) => KINDS[word] === kind) ?? "unknown";

/** The content, which our own manager has checked. */
export const contentOf = ({ content }: Pick<Contract, "content">): ContractContent =>
  JSON.parse(content.toString()) as ContractContent;

/** What the grants of a contract say. */
export const grantsOf = (contract: Pick<Contract, "content">): readonly GrantData[] =>
  contentOf(contract).grants.map(({ data }) => data);

/** Whether a contract gives access to a service. */
export const givesAccess = (contract: Pick<Contract, "content">): boolean =>
  grantsOf(contract).some(isConnection);

/** Whether we have made a signature of a kind. */
export const haveSigned = (
  { signatures, ownPeerId }: Pick<Contract, "signatures" | "ownPeerId">,
  decision: DecisionWord,
): boolean => signatures.some((each) => each.peerId === ownPeerId && decisionOf(each) === decision);

/** A contract as JSON. */
export const contractDocument = (contract: Contract): object => ({
  hash: contract.hash,
  state: stateOf(contract),
  summary: contract.summary,
  content: contentOf(contract),
  grant_hashes: contract.grantHashes,
  signatures: contract.signatures.map((each) => ({
    peer_id: each.peerId,
    peer_name: each.peerName,
    kind: decisionOf(each),
    signed_at: shownMoment(each.signedAt * 1000n),
    jws: each.jws,
  })),
  missing_peer_ids: contract.missingPeerIds,
  deliveries: contract.deliveries.map((each) => ({
    peer_id: each.peerId,
    attempts: each.attempts,
    last_error: each.lastError,
    next_attempt_at: shownMoment(each.nextAttemptAtMs),
  })),
  own_peer_id: contract.ownPeerId,
});
