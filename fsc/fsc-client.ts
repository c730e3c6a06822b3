// FSC's interface between managers, the client's side (FSC Core 2.0.0, Manager).
import type { BundleSource } from "../certs/bundle.js";
import type { GroupSource } from "../certs/group.js";
import { FSC_VERSION, FSC_VERSIONS_KNOWN } from "../contracts/content.js";
import { submissionBody, type Contract, type Submission } from "../contracts/contract.js";
import type { ContentHash, GrantHash } from "../contracts/hash.js";
import { JWKS_BYTES_MAX, parseJwks, type Jwks } from "../contracts/jwks.js";
import { ContractRefusal } from "../contracts/refusal.js";
import { quoted, shown } from "../contracts/shown-text.js";
import { TOKEN_BYTES_MAX } from "../contracts/token.js";
import type { Address } from "../core/address.js";
import type { Clock } from "../core/clock.js";
import type { DialPolicy } from "../core/dial.js";
import type { Log } from "../core/log.js";
import * as answers from "./answers.js";
import { managerAddressValue } from "./manager-address.js";
import { ManagerCalls, withQuery, type Parameter } from "./manager-call.js";
import {
  RemoteError,
  type ContractQuery,
  type ListedPeer,
  type ManagerClient,
  type ManagerEndpoint,
  type Page,
  type PageQuery,
  type PeerDescription,
  type PeerQuery,
  type PublishedService,
  type ServiceQuery,
  type SubmissionKind,
} from "./manager-interface.js";
import { sortOrderWord } from "./queries.js";
import { FORM_TYPE, OAUTH_GRANT_TYPE } from "./wire.js";

/** The limits of a ManagerClient. */
export interface ClientLimits {
  /** How long connecting may take. */
  readonly dialTimeoutMs: number;
  /** How long an answer may take. */
  readonly answerTimeoutMs: number;
  /** How large a page of a list may be, in bytes. */
  readonly pageBytesMax: number;
}

/** The limits unless others are given. */
export const CLIENT_LIMITS: ClientLimits = {
  dialTimeoutMs: 10_000,
  answerTimeoutMs: 30_000,
  pageBytesMax: 32 * 1024 * 1024,
};

/** What a client is made of. */
export interface ClientParts {
  readonly groups: Pick<GroupSource, "current">;
  readonly bundles: Pick<BundleSource, "current">;
  /** Which addresses may be dialled. The directories that the group names may be at any port. */
  readonly policy: () => DialPolicy;
  /** Where our own manager is; undefined for whoever only asks. */
  readonly ownAddress: Address | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** CLIENT_LIMITS unless given. */
  readonly limits?: Partial<ClientLimits> | undefined;
}

const SMALL_BYTES_MAX = 64 * 1024;
const TOKEN_ANSWER_BYTES_MAX = TOKEN_BYTES_MAX + SMALL_BYTES_MAX;

/** The parameters that say which page is wanted. */
export const pageParameters = ({ cursor, limit, sortOrder }: PageQuery): readonly Parameter[] => [
  ["cursor", cursor],
  ["limit", String(limit)],
  ["sort_order", sortOrderWord(sortOrder)],
];

const formText = (members: Readonly<Record<string, string>>): string =>
  Object.entries(members)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join("&");

class FscClient implements ManagerClient {
  readonly #calls: ManagerCalls;

  constructor(private readonly parts: ClientParts) {
    this.#calls = new ManagerCalls(parts, { ...CLIENT_LIMITS, ...parts.limits });
  }

  async announce(to: ManagerEndpoint): Promise<void> {
    const headers = this.#ownAddress();
    await this.#calls.call(to, { method: "PUT", path: "/announce", headers, body: undefined });
  }

  async submit(
    to: ManagerEndpoint,
    kind: SubmissionKind,
    submission: Submission,
    hash: ContentHash,
  ): Promise<void> {
    const headers = { ...this.#ownAddress(), "Content-Type": "application/json" };
    const body = submissionBody(submission);
    const path = `/contracts/${encodeURIComponent(hash)}/${kind}`;
    try {
      await (kind === "propose"
        ? this.#calls.call(to, { method: "POST", path: "/contracts", headers, body })
        : this.#calls.call(to, { method: "PUT", path, headers, body }));
    } catch (error) {
      throw await this.#withVersions(to, error);
    }
  }

  async contracts(to: ManagerEndpoint, query: ContractQuery): Promise<Page<Contract>> {
    const path = withQuery("/contracts", [
      ...pageParameters(query),
      ["grant_type", query.grantType],
      ["grant_hash", query.grantHashes.join(",")],
    ]);
    return this.#calls.page(to, path, (bytes) =>
      answers.readContracts(bytes, this.parts.groups.current),
    );
  }

  async token(to: ManagerEndpoint, grantHash: GrantHash): Promise<string> {
    const body = formText({
      grant_type: OAUTH_GRANT_TYPE,
      scope: grantHash,
      client_id: this.parts.bundles.current.identity.peerId,
    });
    const headers = { "Content-Type": FORM_TYPE };
    const answerBytesMax = TOKEN_ANSWER_BYTES_MAX;
    return this.#calls.json(
      to,
      { method: "POST", path: "/token", headers, body, answerBytesMax },
      answers.readToken,
    );
  }

  async peer(to: ManagerEndpoint): Promise<PeerDescription> {
    return this.#calls.json(to, { path: "/peer" }, (bytes) => {
      const found = answers.readDescription(bytes, this.parts.groups.current);
      if (found.peerId === to.peerId) return found;
      throw new ContractRefusal(
        "ERROR_CODE_REQUEST_INVALID",
        `peer_id is ${quoted(found.peerId)}, its certificate names ${to.peerId}`,
      );
    });
  }

  async peers(to: ManagerEndpoint, query: PeerQuery): Promise<Page<ListedPeer>> {
    const path = withQuery("/peers", [
      ...pageParameters(query),
      ["peer_name", query.nameContains],
      ["peer_id", query.peerIds.join(",")],
    ]);
    return this.#calls.page(to, path, (bytes) =>
      answers.readPeers(bytes, this.parts.groups.current),
    );
  }

  async services(to: ManagerEndpoint, query: ServiceQuery): Promise<Page<PublishedService>> {
    const path = withQuery("/services", [
      ...pageParameters(query),
      ["peer_id", query.peerId],
      ["service_name", query.nameContains],
    ]);
    return this.#calls.page(to, path, (bytes) =>
      answers.readServices(bytes, this.parts.groups.current),
    );
  }

  async certificates(to: ManagerEndpoint): Promise<Jwks> {
    const path = "/.well-known/jwks.json";
    const jwks = await this.#calls.json(to, { path, answerBytesMax: JWKS_BYTES_MAX }, parseJwks);
    this.#calls.logIgnored(to, path, jwks.ignored);
    return jwks;
  }

  #ownAddress(): Readonly<Record<string, string>> {
    const { ownAddress } = this.parts;
    if (ownAddress === undefined) {
      throw new TypeError("a client without an address of its own only asks");
    }
    return { "Fsc-Manager-Address": managerAddressValue(ownAddress) };
  }

  /**
   * A refusal may come from another version of FSC, which has another form of body or does not know our
   * version: asks for the version, and names both.
   */
  async #withVersions(to: ManagerEndpoint, error: unknown): Promise<unknown> {
    if (!(error instanceof RemoteError) || error.status < 400 || error.status >= 500) return error;
    const theirs = await this.peer(to).then(
      ({ fscVersion }) => fscVersion,
      () => undefined,
    );
    const isOther = theirs !== undefined && !FSC_VERSIONS_KNOWN.includes(theirs);
    if (error.code !== "ERROR_CODE_UNKNOWN_FSC_VERSION" && !isOther) return error;
    const said = theirs === undefined ? "does not say its version" : `says it is of ${theirs}`;
    return new RemoteError(
      to,
      error.status,
      error.code ?? "ERROR_CODE_UNKNOWN_FSC_VERSION",
      `this manager speaks FSC ${FSC_VERSION}, the other ${said}: ${shown(error.detail, 500)}`,
    );
  }
}

/** Makes a client. It holds nothing open between calls. */
export const openManagerClient = (parts: ClientParts): ManagerClient => new FscClient(parts);
