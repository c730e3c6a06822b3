// The rules that a contract must keep beyond its form (FSC Core 2.0.0, validation of contracts).
import type { PeerId } from "../core/names.js";
import type { ContractContent } from "./content.js";
import { isConnection } from "./grant.js";
import { contentHash, grantHashes, type ContentHash } from "./hash.js";
import { ContractRefusal, type RefusalCode } from "./refusal.js";
import { quoted } from "./shown-text.js";
import { CLOCK_SKEW_SECONDS } from "./signature.js";
import { partiesOf } from "./state.js";

/** How many grants a contract may have unless the group says otherwise. */
export const GRANTS_MAX = 10;

/** What a contract is checked against. */
export interface ContentExpectations {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** The peer whose manager checks. */
  readonly receiver: PeerId;
  /** The peer that sent it; the receiver itself for a contract of its own. */
  readonly submitter: PeerId;
  /** GRANTS_MAX unless given. */
  readonly grantsMax?: number | undefined;
}

const seconds = (value: number): string => `${String(value)} seconds since 1970`;

const refuseIf = (broken: boolean, code: RefusalCode, detail: string): void => {
  if (broken) throw new ContractRefusal(code, detail);
};

const checkTime = ({ created_at, validity }: ContractContent, now: number): void => {
  const code = "ERROR_CODE_CONTRACT_INVALID";
  const today = Math.floor(now / 1000);
  const { not_before, not_after } = validity;
  refuseIf(
    created_at > today + CLOCK_SKEW_SECONDS,
    code,
    `created_at is ${seconds(created_at)}, which is in the future`,
  );
  refuseIf(
    not_after <= not_before,
    code,
    `not_after is ${seconds(not_after)}, not later than not_before, ${seconds(not_before)}`,
  );
  refuseIf(not_after <= today, code, `not_after is ${seconds(not_after)}, which has passed`);
};

/**
 * Whether publication and connection grants stand in one contract. FSC's text forbids a service publication beside others
 * and says nothing of the rest; we let both of a family stand together, and never the two families.
 */
export const mixesFamilies = ({ grants }: ContractContent): boolean => {
  const connections = grants.filter(({ data }) => isConnection(data)).length;
  return connections > 0 && connections < grants.length;
};

const checkGrants = (content: ContractContent, grantsMax: number): void => {
  const { grants } = content;
  refuseIf(
    grants.length < 1 || grants.length > grantsMax,
    "ERROR_CODE_CONTRACT_INVALID",
    `the contract has ${String(grants.length)} grants, allowed are 1 to ${String(grantsMax)}`,
  );
  refuseIf(
    mixesFamilies(content),
    "ERROR_CODE_GRANT_COMBINATION_NOT_ALLOWED",
    "publication grants and connection grants never stand in one contract",
  );
  // A grant's hash is its name: two grants of one name could not be told apart.
  const hashes = new Set(grantHashes(content).map(({ hash }) => hash));
  refuseIf(
    hashes.size < grants.length,
    "ERROR_CODE_CONTRACT_INVALID",
    "two grants of the contract are the same",
  );
};

/** The check on the group's parties: that a peer is one of them. */
const isParty = (content: ContractContent, peer: PeerId): boolean => partiesOf(content).has(peer);

/**
 * Checks a contract that is new here. Form, version, hash algorithm and group are `parseContent`'s. Not
 * checked, since they need what only a manager has: that the iv is unused, that the service of a connection
 * grant is offered, and who the other parties are.
 *
 * @throws ContractRefusal ERROR_CODE_CONTRACT_INVALID for a creation time in the future (beyond 60 s), an
 * end that is not after the beginning or has passed, no grant, too many, or two that are the same;
 * ERROR_CODE_GRANT_COMBINATION_NOT_ALLOWED; ERROR_CODE_SUBMITTING_PEER_NOT_PART_OF_CONTRACT;
 * ERROR_CODE_RECEIVING_PEER_NOT_PART_OF_CONTRACT
 */
export const checkContent = (
  content: ContractContent,
  { now, receiver, submitter, grantsMax = GRANTS_MAX }: ContentExpectations,
): void => {
  checkTime(content, now);
  checkGrants(content, grantsMax);
  checkSigner(content, submitter);
  refuseIf(
    !isParty(content, receiver),
    "ERROR_CODE_RECEIVING_PEER_NOT_PART_OF_CONTRACT",
    `peer ${receiver} is in none of its grants`,
  );
};

/**
 * Checks that a peer may sign a contract: that it is one of its parties.
 *
 * @throws ContractRefusal ERROR_CODE_SUBMITTING_PEER_NOT_PART_OF_CONTRACT
 */
export const checkSigner = (content: ContractContent, signer: PeerId): void => {
  refuseIf(
    !isParty(content, signer),
    "ERROR_CODE_SUBMITTING_PEER_NOT_PART_OF_CONTRACT",
    `peer ${signer} is in none of its grants`,
  );
};

/**
 * Checks that a URL names the contract that its body carries.
 *
 * @param inUrl the path segment, percent-decoded
 * @returns the hash
 * @throws ContractRefusal ERROR_CODE_URL_PATH_CONTENT_HASH_MISMATCH
 */
export const checkUrlHash = (content: ContractContent, inUrl: string): ContentHash => {
  const hash = contentHash(content);
  refuseIf(
    hash !== inUrl,
    "ERROR_CODE_URL_PATH_CONTENT_HASH_MISMATCH",
    `the URL has ${quoted(inUrl)}, the content ${hash}`,
  );
  return hash;
};
