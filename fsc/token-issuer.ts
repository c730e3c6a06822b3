// Who gets an access token for our services (FSC Core 2.0.0, Token): the checks, and the token.
import type { Bundle } from "../certs/bundle.js";
import type { Group } from "../certs/group.js";
import type { PeerIdentity } from "../certs/identity.js";
import {
  identifiesOutway,
  isConnection,
  type ConnectionGrant,
  type Outway,
} from "../contracts/grant.js";
import { parseGrantHash, type GrantHash, type HashedGrant } from "../contracts/hash.js";
import { quoted } from "../contracts/shown-text.js";
import { grantParties, usabilityAt, type Usability } from "../contracts/state.js";
import { signToken, tokenFor, TOKEN_INWAYS_MAX } from "../contracts/token.js";
import { formatAddress, type Address } from "../core/address.js";
import type { Clock } from "../core/clock.js";
import type { ServiceName } from "../core/names.js";
import { OAuthError, type TokenForm } from "./manager-interface.js";
import type { StoredContract } from "./stored-contract.js";

/** A grant with the contract that it stands in. */
export interface FoundGrant {
  readonly contract: StoredContract;
  readonly grant: HashedGrant;
}

/** What tokens are made from. */
export interface TokenIssuing {
  /** The grant with this hash, whatever its contract's state is. */
  readonly findGrant: (hash: GrantHash) => Promise<FoundGrant | undefined>;
  /** Where the inways are that offer a service of ours now, the best first. */
  readonly inwaysOf: (service: ServiceName) => readonly Address[];
  readonly group: Group;
  /** Our own: its peer provides the services, its key signs. */
  readonly bundle: Bundle;
  readonly lifetimeSeconds: number;
  readonly clock: Clock;
}

// One answer for what does not exist and for what is none of the caller's business.
const unknownGrant = (): OAuthError =>
  new OAuthError(
    "invalid_scope",
    "no contract of the client's peer has a connection grant with the hash in scope",
  );

const STATES: Readonly<Record<Exclude<Usability, "IN_FORCE">, string>> = {
  PROPOSED: "has not been accepted by all its parties",
  NOT_YET_VALID: "is not valid yet",
  REJECTED: "has been rejected",
  REVOKED: "has been revoked",
  EXPIRED: "has expired",
};

const grantHashIn = (scope: string): GrantHash => {
  const parsed = parseGrantHash(scope);
  if (parsed === undefined) {
    throw new OAuthError(
      "invalid_scope",
      `scope is ${quoted(scope)}, it must be the hash of a grant`,
    );
  }
  if (!parsed.type.endsWith("CONNECTION")) {
    throw new OAuthError(
      "invalid_scope",
      "scope is the hash of a publication grant: it connects nobody",
    );
  }
  return parsed.hash;
};

const checkClient = ({ clientId }: TokenForm, caller: PeerIdentity): void => {
  if (clientId === caller.peerId) return;
  throw new OAuthError(
    "invalid_client",
    `client_id is ${quoted(clientId)}, the certificate names peer ${caller.peerId}`,
  );
};

const connectionGrant = async (
  { findGrant, group }: TokenIssuing,
  hash: GrantHash,
  caller: PeerIdentity,
): Promise<{ readonly contract: StoredContract; readonly grant: ConnectionGrant }> => {
  const found = await findGrant(hash);
  if (found?.contract.content.group_id !== group.id) throw unknownGrant();
  const { contract, grant } = found;
  if (grant.hash !== hash || !isConnection(grant.grant)) throw unknownGrant();
  if (!grantParties(grant.grant).has(caller.peerId)) throw unknownGrant();
  return { contract, grant: grant.grant };
};

const shownBy = ({ identification }: Outway, caller: PeerIdentity): string => {
  if (identification.type === "OUTWAY_IDENTIFICATION_TYPE_PUBLIC_KEY_THUMBPRINT") {
    return `the public key thumbprint ${identification.public_key_thumbprint}, the certificate's is ${caller.publicKeyThumbprint}`;
  }
  const names = caller.dnsNames.join(", ");
  return `the domain name ${identification.domain_name}, the certificate has ${names === "" ? "none" : names}`;
};

const checkOutway = ({ outway }: ConnectionGrant, caller: PeerIdentity): void => {
  if (outway.peer_id !== caller.peerId) {
    throw new OAuthError(
      "unauthorized_client",
      `the grant is for an outway of peer ${outway.peer_id}, the certificate names peer ${caller.peerId}`,
    );
  }
  if (identifiesOutway(outway, caller)) return;
  throw new OAuthError(
    "unauthorized_client",
    `the grant is for the outway with ${shownBy(outway, caller)}`,
  );
};

const checkProvider = ({ service }: ConnectionGrant, { identity }: Bundle): void => {
  if (service.peer_id === identity.peerId) return;
  throw new OAuthError(
    "invalid_scope",
    `the service of the grant is provided by peer ${service.peer_id}: its manager gives the token, this is the manager of peer ${identity.peerId}`,
  );
};

const checkState = ({ decision, content }: StoredContract, now: number): void => {
  const usability = usabilityAt(decision, content.validity, now);
  if (usability === "IN_FORCE") return;
  throw new OAuthError("invalid_grant", `the contract of the grant ${STATES[usability]}`);
};

const inwaysFor = (
  { service }: ConnectionGrant,
  { inwaysOf }: TokenIssuing,
): readonly Address[] => {
  const known = new Map(inwaysOf(service.name).map((each) => [formatAddress(each), each]));
  const inways = [...known.values()].slice(0, TOKEN_INWAYS_MAX);
  if (inways.length > 0) return inways;
  throw new OAuthError("invalid_scope", `no inway offers the service ${service.name} now`);
};

/**
 * Makes the token that a peer asks for. It is bound to the certificate of the connection that asks, names the
 * inways that offer the service now (`aud` and `add.inways`, at most TOKEN_INWAYS_MAX), and ends with the contract
 * at the latest.
 *
 * @throws OAuthError invalid_client: `client_id` is not the peer of the certificate; invalid_scope: `scope` is no
 * connection grant of a contract that the caller is a party of, its service is not ours, or no inway offers it
 * now; unauthorized_client: the grant is for another outway; invalid_grant: the contract is not in force
 */
export const issueToken = async (
  issuing: TokenIssuing,
  form: TokenForm,
  caller: PeerIdentity,
): Promise<string> => {
  const { bundle, clock, lifetimeSeconds } = issuing;
  checkClient(form, caller);
  const hash = grantHashIn(form.grantHash);
  const { contract, grant } = await connectionGrant(issuing, hash, caller);
  checkProvider(grant, bundle);
  checkOutway(grant, caller);
  // Taken once: the token must not begin after the moment at which the contract was looked at.
  const now = clock.now();
  checkState(contract, now);
  const inways = inwaysFor(grant, issuing);
  const [certificate] = bundle.chain;
  if (certificate === undefined) throw new TypeError("the bundle has no certificate");
  const token = tokenFor({
    ...{ content: contract.content, grant, grantHash: hash, inways, lifetimeSeconds, now },
    certificateThumbprint: caller.certificateThumbprint,
  });
  return signToken(token, { key: bundle.key, certificate });
};
