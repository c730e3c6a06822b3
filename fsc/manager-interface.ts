// FSC's interface between managers (FSC Core 2.0.0, Manager): what a manager is asked, and what it is told.
// The server hands requests to `ManagerHandlers`; the client is `ManagerClient`. Both sides of one interface.
import type { X509Certificate } from "node:crypto";
import type { PeerIdentity } from "../certs/identity.js";
import type { Contract, Submission } from "../contracts/contract.js";
import type { GrantType, Protocol } from "../contracts/grant.js";
import type { ContentHash, GrantHash } from "../contracts/hash.js";
import type { JsonObject } from "../contracts/json.js";
import type { Jwks } from "../contracts/jwks.js";
import type { SignatureType } from "../contracts/signature.js";
import type { Address } from "../core/address.js";
import type { PeerId, ServiceName } from "../core/names.js";

/** Where the manager of a peer is. The certificate that answers there must name the peer. */
export interface ManagerEndpoint {
  readonly peerId: PeerId;
  /** The host is a name of the certificate with which the peer announced it. */
  readonly address: Address;
}

/** A manager that calls ours: who it is by its certificate, and where it says (`Fsc-Manager-Address`) it can be reached. */
export interface CallingManager {
  readonly identity: PeerIdentity;
  /** A name of that certificate, at a port of the group's. */
  readonly address: Address;
}

/** What is submitted: a new contract with the proposer's accept signature, or a further signature. */
export type SubmissionKind = "propose" | SignatureType;

/** One page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Where to go on; undefined at the end. */
  readonly nextCursor: string | undefined;
}

/** Which page of a list is wanted. */
export interface PageQuery {
  /** The cursor that the page before gave; opaque to the caller. */
  readonly cursor: string | undefined;
  /** 1 to 1000. */
  readonly limit: number;
  readonly sortOrder: "ascending" | "descending";
}

/** Which contracts are wanted. */
export interface ContractQuery extends PageQuery {
  readonly grantType: GrantType | undefined;
  /** When not empty, these grants' contracts and no others. */
  readonly grantHashes: readonly GrantHash[];
}

/** Which peers are wanted. */
export interface PeerQuery extends PageQuery {
  /** Part of the name, without regard to case. */
  readonly nameContains: string | undefined;
  /** When not empty, these peers and no others. */
  readonly peerIds: readonly PeerId[];
}

/** Which services are wanted; the two filters are combined with OR. */
export interface ServiceQuery extends PageQuery {
  readonly peerId: PeerId | undefined;
  /** Part of the name, without regard to case. */
  readonly nameContains: string | undefined;
}

/** What a manager says of itself. */
export interface PeerDescription {
  readonly peerId: PeerId;
  readonly name: string;
  readonly fscVersion: string;
  /** Extension to version, for example EXTENSION_DELEGATION to "1.0.0". */
  readonly extensions: ReadonlyMap<string, string>;
}

/** A peer that a manager knows. */
export interface ListedPeer {
  readonly id: PeerId;
  /** Display only. */
  readonly name: string;
  readonly managerAddress: Address;
}

/** A service that a directory shows: it has a valid publication contract. */
export interface PublishedService {
  /** The peer that offers it. */
  readonly peerId: PeerId;
  /** Display only. */
  readonly peerName: string;
  /** Where its manager is; undefined when that is not known. */
  readonly managerAddress: Address | undefined;
  readonly name: ServiceName;
  readonly protocol: Protocol;
  /** The peer in whose name it is published; undefined for the offering peer itself. */
  readonly delegator: { readonly peerId: PeerId; readonly name: string } | undefined;
  readonly properties: JsonObject | undefined;
}

/** A request for an access token (RFC 6749, 4.4), its form checked. */
export interface TokenForm {
  /** `scope` */
  readonly grantHash: string;
  /** `client_id` */
  readonly clientId: string;
}

/** RFC 6749, 5.2. */
export type OAuthCode =
  | "invalid_request"
  | "invalid_client"
  | "invalid_grant"
  | "invalid_scope"
  | "unauthorized_client"
  | "unsupported_grant_type";

/** Why no token is given. The description goes to whoever asked. */
export class OAuthError extends Error {
  constructor(
    readonly code: OAuthCode,
    readonly description: string,
  ) {
    super(`${code}: ${description}`);
    this.name = "OAuthError";
  }
}

/** What answers the calls of other managers and outways. May be called any number of times at once. */
export interface ManagerHandlers {
  /** PUT /announce: the caller can be reached where it says. */
  announce(from: CallingManager): Promise<void>;
  /**
   * POST /contracts, PUT /contracts/{hash}/accept, reject, revoke. Resolves when contract and signature are
   * stored durably, or were before: the same again changes nothing.
   *
   * @param hashInUrl the path segment, percent-decoded; undefined for a proposal
   * @throws ContractRefusal with FSC's code
   */
  receive(
    kind: SubmissionKind,
    submission: Submission,
    from: CallingManager,
    hashInUrl: string | undefined,
  ): Promise<void>;
  /** GET /contracts: those that the caller is a party of. */
  listContracts(query: ContractQuery, caller: PeerIdentity): Promise<Page<Contract>>;
  /** POST /token. Resolves with the compact JWT. @throws OAuthError */
  issueToken(form: TokenForm, caller: PeerIdentity): Promise<string>;
  /** GET /peer */
  describe(): PeerDescription;
  /** GET /peers */
  listPeers(query: PeerQuery): Promise<Page<ListedPeer>>;
  /** GET /services */
  listServices(query: ServiceQuery): Promise<Page<PublishedService>>;
  /** GET /.well-known/jwks.json: certificates that signed contracts or tokens, each with its issuers. */
  certificates(): readonly (readonly X509Certificate[])[];
}

/**
 * Calls other managers, each call on a connection of its own: dialled by the rules, the peer checked
 * before the first byte, no redirects, limits on size and time. Rejects with a RemoteError when the manager
 * answered with an error, and with the system's error when it could not be reached.
 */
export interface ManagerClient {
  announce(to: ManagerEndpoint): Promise<void>;
  submit(
    to: ManagerEndpoint,
    kind: SubmissionKind,
    submission: Submission,
    hash: ContentHash,
  ): Promise<void>;
  contracts(to: ManagerEndpoint, query: ContractQuery): Promise<Page<Contract>>;
  /** Resolves with the compact JWT, unchecked. */
  token(to: ManagerEndpoint, grantHash: GrantHash): Promise<string>;
  peer(to: ManagerEndpoint): Promise<PeerDescription>;
  peers(to: ManagerEndpoint, query: PeerQuery): Promise<Page<ListedPeer>>;
  services(to: ManagerEndpoint, query: ServiceQuery): Promise<Page<PublishedService>>;
  certificates(to: ManagerEndpoint): Promise<Jwks>;
}

/** What another manager answered instead of what was asked for. Texts are its own, made fit to be shown. */
export class RemoteError extends Error {
  constructor(
    readonly endpoint: ManagerEndpoint,
    readonly status: number,
    /** FSC's or OAuth's code; undefined when the answer had none. */
    readonly code: string | undefined,
    readonly detail: string,
  ) {
    super(
      `the manager of peer ${endpoint.peerId} answered ${String(status)}${code === undefined ? "" : ` ${code}`}: ${detail}`,
    );
    this.name = "RemoteError";
  }
}
