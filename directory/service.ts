// The methods of the directory's interface (proto/schakel/directory/v1/directory.proto).
import type { ComponentKind } from "../catalogue/announcement.js";
import type { Catalogue, CatalogueService } from "../catalogue/catalogue.js";
import type { GroupSource } from "../certs/group.js";
import type { PeerIdentity } from "../certs/identity.js";
import { SchakelError } from "../core/errors.js";
import type { GrpcServer } from "../core/grpc-server.js";
import {
  parseComponentName,
  parseServiceName,
  type PeerId,
  type ServiceName,
} from "../core/names.js";
import * as wire from "../proto/gen/schakel/directory/v1/directory.js";
import { listedPeers, listedService, nameContains, page } from "./listing.js";
import type { PublicationMethods } from "./publication-methods.js";
import type { Registry } from "./registry.js";
import type { Watchers } from "./watchers.js";

const CHOICES_MAX = 10;

const KINDS: Readonly<Record<number, ComponentKind>> = {
  [wire.ComponentKind.COMPONENT_KIND_INWAY]: "inway",
  [wire.ComponentKind.COMPONENT_KIND_OUTWAY]: "outway",
};

/** What the methods work on. */
export interface DirectoryParts {
  readonly groups: GroupSource;
  readonly registry: Registry;
  readonly watchers: Watchers;
  readonly publications: PublicationMethods;
  /** The peer in whose name a service is published; undefined for its own peer. */
  readonly delegatorOf: (peer: PeerId, service: ServiceName) => PeerId | undefined;
  readonly leaseMs: number;
  /** Counts an announcement by what came of it: "accepted" or the code of the error. */
  readonly announced: (result: string) => void;
}

const invalid = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_REQUEST_INVALID", { detail });

class Methods {
  constructor(private readonly parts: DirectoryParts) {}

  checkGroup({ groupId }: { readonly groupId: string }): void {
    const { id } = this.parts.groups.current;
    if (groupId === id) return;
    throw new SchakelError("ERROR_CODE_INCORRECT_GROUP_ID", { detail: `this is the group ${id}` });
  }

  async announce(
    { announcement }: wire.AnnounceRequest,
    caller: PeerIdentity,
  ): Promise<wire.AnnounceResponse> {
    const { registry, leaseMs, announced } = this.parts;
    try {
      if (announcement === undefined) throw invalid("announcement is missing");
      await registry.announce(announcement, caller);
    } catch (error) {
      announced(error instanceof SchakelError ? error.code : "ERROR_CODE_INTERNAL");
      throw error;
    }
    announced("accepted");
    return { leaseMs: BigInt(leaseMs) };
  }

  async withdraw(
    request: wire.WithdrawRequest,
    caller: PeerIdentity,
  ): Promise<wire.WithdrawResponse> {
    this.checkGroup(request);
    const component = parseComponentName(request.component);
    if (component === undefined) throw invalid("component is not 1 to 100 of a-z A-Z 0-9 . - _");
    const kind = KINDS[request.kind];
    if (kind === undefined) throw invalid(`kind is ${request.kind}, allowed are 1 and 2`);
    await this.parts.registry.withdraw(caller, kind, component);
    return {};
  }

  listPeers(request: wire.ListPeersRequest): wire.ListPeersResponse {
    this.checkGroup(request);
    const matches = nameContains(request.nameContains);
    const peers = listedPeers(this.#catalogue).filter(({ name }) => matches(name));
    const { items, next } = page(peers, ({ id }) => id, request);
    return { peers: [...items], nextPageToken: next };
  }

  listServices(request: wire.ListServicesRequest): wire.ListServicesResponse {
    this.checkGroup(request);
    const matches = nameContains(request.nameContains);
    const services = this.#catalogue
      .peers()
      .filter(({ id }) => request.peerId === "" || id === request.peerId)
      .flatMap(({ id }) => this.#catalogue.services(id))
      .filter(({ service }) => matches(service.name));
    const { items, next } = page(
      services,
      // A zero byte sorts below all that a peer id may hold, as the end of the id does.
      ({ peerId, service }) => `${peerId}\0${service.name}`,
      request,
    );
    return { services: items.map((found) => this.#listed(found)), nextPageToken: next };
  }

  getService(request: wire.GetServiceRequest): wire.GetServiceResponse {
    this.checkGroup(request);
    const peer = this.#catalogue.peers().find(({ id }) => id === request.peerId);
    if (peer === undefined) {
      const choices = this.#catalogue.peers().map(({ id }) => id);
      throw new SchakelError("ERROR_CODE_PEER_NOT_FOUND", {
        choices: choices.slice(0, CHOICES_MAX),
      });
    }
    const name = parseServiceName(request.serviceName);
    const found = name && this.#catalogue.service(peer.id, name);
    if (found === undefined) {
      const choices = this.#catalogue.services(peer.id).map(({ service }) => service.name);
      throw new SchakelError("ERROR_CODE_SERVICE_NOT_FOUND", {
        choices: choices.slice(0, CHOICES_MAX),
      });
    }
    return { service: this.#listed(found) };
  }

  #listed(found: CatalogueService): wire.ListedService {
    return listedService(found, this.parts.delegatorOf(found.peerId, found.service.name));
  }

  get #catalogue(): Catalogue {
    return this.parts.registry.current;
  }
}

/** Makes the handlers of the interface for a server. */
export const directoryService = (
  server: GrpcServer<PeerIdentity>,
  parts: DirectoryParts,
): wire.DirectoryServiceServer => {
  const methods = new Methods(parts);
  return {
    announce: server.unary((request, caller) => methods.announce(request, caller)),
    withdraw: server.unary((request, caller) => methods.withdraw(request, caller)),
    watchCatalogue: server.serverStream((call, caller) => {
      methods.checkGroup(call.request);
      parts.watchers.add(call, caller);
    }),
    listPeers: server.unary((request) => methods.listPeers(request)),
    listServices: server.unary((request) => methods.listServices(request)),
    getService: server.unary((request) => methods.getService(request)),
    listPublications: server.unary((request, caller) => {
      methods.checkGroup(request);
      return parts.publications.list(request, caller);
    }),
    decidePublication: server.unary((request, caller) => {
      methods.checkGroup(request);
      return parts.publications.decide(request, caller);
    }),
  };
};
