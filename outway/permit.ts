// Which grant an exchange is made under: the one that the client names, or the only one in force for the service and
// for this outway's certificate.
import type { PeerIdentity } from "../certs/identity.js";
import type { ComponentState, HeldGrant } from "../component/component-state.js";
import { connectionDelegator, identifiesOutway, serviceDelegator } from "../contracts/grant.js";
import { parseGrantHash, type GrantHash } from "../contracts/hash.js";
import { usabilityAt } from "../contracts/state.js";
import { SchakelError } from "../core/errors.js";
import { HEADER } from "../core/exchange-headers.js";
import { headerValues, type HeaderLines } from "../relay/message.js";
import type { Client } from "./clients.js";
import type { LocatedService } from "./target.js";

const SHOWN_MAX = 10;

/** What grants are looked for in, at one moment. */
export interface Permitting {
  readonly state: ComponentState;
  /** Who this outway is towards inways. */
  readonly own: PeerIdentity;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * The grant that the client names with the header Fsc-Grant-Hash; undefined when it names none.
 *
 * @throws SchakelError ERROR_CODE_GRANT_UNKNOWN for anything but one grant of our own peer's outways
 */
export const chosenGrant = (
  headers: HeaderLines,
  { state, own }: Pick<Permitting, "state" | "own">,
): HeldGrant | undefined => {
  const values = headerValues(headers, HEADER.grantHash);
  const [value] = values;
  if (value === undefined) return undefined;
  const hash = values.length === 1 ? parseGrantHash(value)?.hash : undefined;
  const held = hash === undefined ? undefined : state.grant(hash);
  if (held?.grant.outway.peer_id === own.peerId) return held;
  throw new SchakelError("ERROR_CODE_GRANT_UNKNOWN", {
    detail: hash ?? `the header ${HEADER.grantHash} is not one grant hash`,
  });
};

/** Why a grant may not be used at this moment; undefined when it may. */
const problemOf = (
  { grant, contract }: HeldGrant,
  { own, now }: Permitting,
): string | undefined => {
  const usability = usabilityAt(contract.decision, contract.content.validity, now);
  if (usability !== "IN_FORCE") return `contract ${contract.hash} is ${usability}`;
  return identifiesOutway(grant.outway, own)
    ? undefined
    : `contract ${contract.hash} names another outway's certificate`;
};

const noContract = (
  { peerId, name }: LocatedService,
  { own }: Permitting,
  problems: readonly string[],
): SchakelError => {
  const reasons = problems.slice(0, SHOWN_MAX).map((problem) => `; ${problem}`);
  return new SchakelError("ERROR_CODE_NO_CONTRACT", {
    detail: `peer ${own.peerId} with public key ${own.publicKeyThumbprint}, service "${name}" of peer ${peerId}${reasons.join("")}`,
  });
};

const described = ({ hash, grant }: HeldGrant): string => {
  const [forPeer, ofPeer] = [connectionDelegator(grant), serviceDelegator(grant)];
  const acting = forPeer === undefined ? "" : `, acting for peer ${forPeer}`;
  const offered = ofPeer === undefined ? "" : `, offered for peer ${ofPeer}`;
  return `${hash}${acting}${offered}`;
};

const only = (grants: readonly HeldGrant[], client: Client): HeldGrant => {
  const allowed = grants.filter(({ hash }) => client.mayUse(hash));
  const [first] = allowed;
  if (first === undefined) {
    throw new SchakelError("ERROR_CODE_CLIENT_NOT_ALLOWED", {
      detail: `client "${client.name}", ${grants.slice(0, SHOWN_MAX).map(described).join("; ")}`,
    });
  }
  if (allowed.length === 1) return first;
  throw new SchakelError("ERROR_CODE_GRANT_AMBIGUOUS", {
    detail: allowed.slice(0, SHOWN_MAX).map(described).join("; "),
    choices: allowed.map(({ hash }) => hash),
  });
};

/** What a client asks for. */
export interface Asked {
  readonly located: LocatedService;
  /** The grant that the client named. */
  readonly chosen: HeldGrant | undefined;
  readonly client: Client;
}

/**
 * The grant for an exchange: in force now, for the addressed service, for this outway's certificate, and one that the
 * client may use.
 *
 * @throws SchakelError ERROR_CODE_NO_CONTRACT, ERROR_CODE_GRANT_AMBIGUOUS or ERROR_CODE_CLIENT_NOT_ALLOWED;
 * ERROR_CODE_ADDRESS_INVALID when the chosen grant is for another service than the addressed one
 */
export const permit = ({ located, chosen, client }: Asked, permitting: Permitting): HeldGrant => {
  const { state, own } = permitting;
  const { peerId, name } = located;
  if (chosen !== undefined) {
    const { service } = chosen.grant;
    if (service.peer_id !== peerId || service.name !== name) {
      throw new SchakelError("ERROR_CODE_ADDRESS_INVALID", {
        detail: `the address names the service "${name}" of peer ${peerId}, and ${HEADER.grantHash} another one`,
        choices: [`/${service.peer_id}/${service.name}`],
      });
    }
  }
  const candidates = chosen === undefined ? state.grantsFor(peerId, name) : [chosen];
  const usable: HeldGrant[] = [];
  const problems: string[] = [];
  for (const held of candidates) {
    if (held.grant.outway.peer_id !== own.peerId) continue;
    const problem = problemOf(held, permitting);
    if (problem === undefined) usable.push(held);
    else problems.push(problem);
  }
  if (usable.length > 0) return only(usable, client);
  throw noContract(located, permitting, problems);
};

/** Why exchanges under a grant may not go on at this moment; undefined when they may. */
export const runningRefusal = (
  hash: GrantHash,
  state: ComponentState,
  now: number,
): SchakelError | undefined => {
  const held = state.grant(hash);
  const ended =
    held === undefined
      ? "its contract is known no more"
      : usabilityAt(held.contract.decision, held.contract.content.validity, now);
  return ended === "IN_FORCE"
    ? undefined
    : new SchakelError("ERROR_CODE_NO_CONTRACT", { detail: `grant ${hash}: ${ended}` });
};
