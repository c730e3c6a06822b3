// From what a person asks for to the contract that is proposed: access to a service, a place in a directory.
import type { Group } from "../certs/group.js";
import type { Validity } from "../contracts/content.js";
import {
  isPublishable,
  type ConnectedService,
  type ConnectionGrant,
  type GrantData,
  type OutwayIdentification,
  type PublicationGrant,
} from "../contracts/grant.js";
import { isHostName } from "../core/address.js";
import type { Clock } from "../core/clock.js";
import { SchakelError } from "../core/errors.js";
import { parseThumbprint, type PeerId } from "../core/names.js";
import type {
  Component,
  PublishServiceRequest,
  RequestAccessRequest,
} from "../proto/gen/schakel/manager/v1/administration.js";
import type { StoredService } from "./feed.js";
import type { Proposals, Proposed, Wanted } from "./proposals.js";
import { invalidRequest, optionalPeer, parsed, seconds, serviceName } from "./request.js";

const YEAR_SECONDS = 365 * 24 * 3600;
const VALIDITY_SECONDS_MAX = 100 * YEAR_SECONDS;

/** Where no end was asked for, a contract that is there serves while more than this part of the usual length is left. */
const REST_MIN = 0.1;

/** What requests for access stand on. */
export interface AccessParts {
  readonly proposals: Pick<Proposals, "forGrant">;
  readonly group: () => Group;
  /** Our own peer. */
  readonly own: PeerId;
  /** Resolves when the peer is known. Rejects with ERROR_CODE_PEER_NOT_FOUND. */
  readonly findPeer: (id: PeerId) => Promise<void>;
  readonly service: (name: string) => StoredService;
  /** Our inways and outways. */
  readonly components: () => Promise<readonly Component[]> | readonly Component[];
  readonly clock: Clock;
}

/** Makes the contracts that people ask for, each once: the same request again names the contract that is there. */
export class Access {
  readonly #with: AccessParts;

  constructor(parts: AccessParts) {
    this.#with = parts;
  }

  /**
   * Asks for access: for our outway, for it in the name of another peer, or for another peer's outway in ours.
   *
   * @throws SchakelError ERROR_CODE_REQUEST_INVALID, ERROR_CODE_PEER_NOT_FOUND; what `propose` throws
   */
  async request(request: RequestAccessRequest): Promise<Proposed> {
    const grant = await this.#connectionGrant(request);
    await this.#findPeers(grant);
    const wanted = { grant, ...this.#askedTime(request) };
    return this.#with.proposals.forGrant(wanted);
  }

  /**
   * Asks a directory to show a service of ours.
   *
   * @throws SchakelError ERROR_CODE_SERVICE_NOT_FOUND, ERROR_CODE_PEER_NOT_FOUND, ERROR_CODE_REQUEST_INVALID;
   * what `propose` throws
   */
  async publish(request: PublishServiceRequest): Promise<Proposed> {
    const grant = this.#publicationGrant(request);
    await this.#findPeers(grant);
    const length = seconds("validity_seconds", request.validitySeconds, VALIDITY_SECONDS_MAX);
    const validity = this.#from(this.#today, length === 0 ? YEAR_SECONDS : length);
    const wanted = { grant, validity, isServedBy: this.#servesFromNow(validity) };
    return this.#with.proposals.forGrant(wanted);
  }

  get #today(): number {
    return Math.floor(this.#with.clock.now() / 1000);
  }

  #from(notBefore: number, length: number): Validity {
    return { not_before: notBefore, not_after: notBefore + length };
  }

  #servesFromNow({ not_before, not_after }: Validity): Wanted["isServedBy"] {
    const until = not_before + (not_after - not_before) * REST_MIN;
    return (found) => found.not_before <= not_before && found.not_after >= until;
  }

  #askedTime(request: RequestAccessRequest): Omit<Wanted, "grant"> {
    const from = seconds("not_before", request.notBefore);
    const to = seconds("not_after", request.notAfter);
    const length = seconds("validity_seconds", request.validitySeconds ?? 0n, VALIDITY_SECONDS_MAX);
    if (to !== 0 && length !== 0) {
      throw invalidRequest("not_after and validity_seconds: allowed is one of them");
    }
    const begin = from === 0 ? this.#today : from;
    const validity =
      to === 0
        ? this.#from(begin, length === 0 ? YEAR_SECONDS : length)
        : { not_before: begin, not_after: to };
    if (validity.not_after <= Math.max(begin, this.#today)) {
      throw invalidRequest(`not_after is ${to}, allowed is a later time than not_before and now`);
    }
    const isServedBy =
      to === 0
        ? this.#servesFromNow(validity)
        : (found: Validity) => found.not_before <= begin && found.not_after >= to;
    return { validity, isServedBy };
  }

  async #connectionGrant(request: RequestAccessRequest): Promise<ConnectionGrant> {
    const { own } = this.#with;
    const rule = this.#with.group().peerIdRule;
    const peer = parsed("peer_id", request.peerId, rule, "a peer id by the group's rule");
    const acting = optionalPeer("outway_peer_id", request.outwayPeerId, rule) ?? own;
    const delegator = optionalPeer("delegator_peer_id", request.delegatorPeerId, rule);
    const outwayOfOurs = acting === own;
    // Whose outway calls when it is not ours acts for us, unless it is said for whom.
    const forWhom = delegator ?? (outwayOfOurs ? undefined : own);
    if (!outwayOfOurs && forWhom !== own) {
      throw invalidRequest(
        `delegator_peer_id is ${forWhom ?? ""} and outway_peer_id is ${acting}, allowed is that one of them is ours, ${own}`,
      );
    }
    const outway = {
      peer_id: acting,
      identification: await this.#identification(request, outwayOfOurs),
    };
    const service = this.#connectedService(request, peer);
    return forWhom === undefined || forWhom === acting
      ? { type: "GRANT_TYPE_SERVICE_CONNECTION", outway, service }
      : {
          ...{ type: "GRANT_TYPE_DELEGATED_SERVICE_CONNECTION", outway, service },
          delegator: { peer_id: forWhom },
        };
  }

  #connectedService(request: RequestAccessRequest, peer: PeerId): ConnectedService {
    const rule = this.#with.group().peerIdRule;
    const name = serviceName("service_name", request.serviceName);
    const delegator = optionalPeer(
      "service_delegator_peer_id",
      request.serviceDelegatorPeerId,
      rule,
    );
    return delegator === undefined || delegator === peer
      ? { type: "SERVICE_TYPE_SERVICE", peer_id: peer, name }
      : {
          ...{ type: "SERVICE_TYPE_DELEGATED_SERVICE", peer_id: peer, name },
          delegator: { peer_id: delegator },
        };
  }

  async #identification(
    request: RequestAccessRequest,
    outwayOfOurs: boolean,
  ): Promise<OutwayIdentification> {
    const { outway, publicKeyThumbprint: key, domainName } = request;
    const ways = [outway, key, domainName].filter((each) => each !== "");
    if (ways.length > 1) {
      throw invalidRequest("outway, public_key_thumbprint and domain_name: allowed is one of them");
    }
    if (domainName !== "") {
      const parse = (text: string): string | undefined =>
        isHostName(text) ? text.toLowerCase() : undefined;
      return {
        type: "OUTWAY_IDENTIFICATION_TYPE_DOMAIN_NAME",
        domain_name: parsed("domain_name", domainName, parse, "a host name"),
      };
    }
    if (key === "" && !outwayOfOurs) {
      throw invalidRequest(
        "public_key_thumbprint or domain_name must say which outway of the other peer will call",
      );
    }
    const text = key === "" ? await this.#keyOfOutway(outway) : key;
    return {
      type: "OUTWAY_IDENTIFICATION_TYPE_PUBLIC_KEY_THUMBPRINT",
      public_key_thumbprint: parsed(
        "public_key_thumbprint",
        text,
        parseThumbprint,
        "64 hexadecimal characters",
      ),
    };
  }

  async #keyOfOutway(name: string): Promise<string> {
    const components = await this.#with.components();
    const outways = components.filter(({ role }) => role === "outway");
    const names = outways.map((each) => each.name);
    const [only, ...others] = name === "" ? outways : outways.filter((each) => each.name === name);
    if (only !== undefined && others.length === 0) return only.publicKeyThumbprint;
    if (name !== "") throw invalidRequest("outway is none that was ever connected", names);
    throw invalidRequest(
      outways.length === 0
        ? "outway is empty and none was ever connected: start one, or give public_key_thumbprint"
        : "outway is empty and there are several",
      names,
    );
  }

  #publicationGrant(request: PublishServiceRequest): PublicationGrant {
    const { own } = this.#with;
    const rule = this.#with.group().peerIdRule;
    const { name, protocol, visibility } = this.#with.service(request.name);
    if (visibility === "private") {
      throw invalidRequest(
        `name is ${name}, a private service, which no directory may show: 'schakel service add ${name} … --visibility group' lets one`,
      );
    }
    if (!isPublishable(name)) {
      throw invalidRequest(
        `name is ${name}, allowed is a name of 3 to 100 characters: directories show no others`,
      );
    }
    const directory = { peer_id: this.#directory(request.directoryPeerId) };
    const service = { peer_id: own, name, protocol };
    const delegator = optionalPeer("delegator_peer_id", request.delegatorPeerId, rule);
    return delegator === undefined || delegator === own
      ? { type: "GRANT_TYPE_SERVICE_PUBLICATION", directory, service }
      : {
          ...{ type: "GRANT_TYPE_DELEGATED_SERVICE_PUBLICATION", directory, service },
          delegator: { peer_id: delegator },
        };
  }

  #directory(text: string): PeerId {
    const ids = this.#with.group().directories.map(({ peerId }) => peerId);
    const [only, ...others] = text === "" ? ids : ids.filter((id) => id === text);
    if (only !== undefined && (text !== "" || others.length === 0)) return only;
    if (text === "")
      throw invalidRequest("directory_peer_id is empty and the group has several", ids);
    throw new SchakelError("ERROR_CODE_PEER_NOT_FOUND", {
      detail: "directory_peer_id is no directory of the group",
      choices: ids,
    });
  }

  async #findPeers(grant: GrantData): Promise<void> {
    const parties = [
      "outway" in grant ? grant.outway.peer_id : grant.directory.peer_id,
      grant.service.peer_id,
      "delegator" in grant ? grant.delegator.peer_id : undefined,
      "delegator" in grant.service ? grant.service.delegator.peer_id : undefined,
    ];
    for (const id of new Set(parties)) {
      if (id !== undefined && id !== this.#with.own) await this.#with.findPeer(id);
    }
  }
}
