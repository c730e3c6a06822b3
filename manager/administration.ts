// The manager's interface for people. Each method lists the roles that may call it, and each that changes
// something is in the audit log before it does.
import type { Metadata } from "@grpc/grpc-js";
import type { Role } from "../certs/internal-identity.js";
import { formatAddress } from "../core/address.js";
import type { GrpcServer } from "../core/grpc-server.js";
import type { PeerBook } from "../fsc/peer-book.js";
import type * as wire from "../proto/gen/schakel/manager/v1/administration.js";
import { subjectOf, type Actor, type AuditLog } from "./audit.js";
import type { AutomaticAccess } from "./automatic.js";
import { withRole, type InternalCaller } from "./caller.js";
import type { Clients } from "./clients.js";
import type { ComponentRevocation } from "./component-revocation.js";
import type { ContractMethodParts } from "./contract-methods.js";
import { ContractMethods } from "./contract-methods.js";
import { decisionNamed } from "./contract-view.js";
import type { Peers } from "./peers.js";
import { invalidRequest, pageOf } from "./request.js";
import { readRule, wireRule, type AccessRules } from "./rules.js";
import {
  auditedUrl,
  readService,
  visibilityNamed,
  wireService,
  type Services,
} from "./services.js";

/** Who may call the methods of this interface. */
const PEOPLE: readonly Role[] = ["cli", "web"];
const COMMAND_LINE: readonly Role[] = ["cli"];

/** The metadata with which a caller names the person that it acts for. */
export const USER_METADATA = "schakel-user";

const USER = /^[\x21-\x7e]([\x20-\x7e]{0,98}[\x21-\x7e])?$/;
const NAME_CONTAINS_MAX = 255;

/** What the interface stands on. */
export interface AdministrationParts extends ContractMethodParts {
  readonly audit: AuditLog;
  readonly services: Services;
  readonly rules: AccessRules;
  readonly automatic: Pick<AutomaticAccess, "considerAll">;
  readonly clients: Clients;
  readonly peers: PeerBook;
  readonly presence: Pick<Peers, "presence">;
  /** Inways and outways that have been connected, ordered by role and name. */
  readonly components: () => Promise<wire.Component[]> | wire.Component[];
  /** Makes a code that gives one component its certificate. */
  readonly createCode: (
    request: wire.CreateEnrolmentCodeRequest,
  ) => Promise<wire.CreateEnrolmentCodeResponse>;
  readonly revocation: Pick<ComponentRevocation, "list" | "revoke">;
}

/**
 * Who acts by a call: the person that it names, else its certificate.
 *
 * @throws SchakelError ERROR_CODE_ROLE_NOT_ALLOWED; ERROR_CODE_REQUEST_INVALID when the name is not 1 to 100
 * printable ASCII characters, or when pages (role web) act for nobody
 */
export const actorOf = (
  caller: InternalCaller,
  metadata: Metadata,
  roles: readonly Role[],
): Actor => {
  const { role, name } = withRole(caller, roles);
  const component = `${role}/${name}`;
  const [user, ...more] = metadata.get(USER_METADATA);
  if (user === undefined && role !== "web") return { user: component, component };
  if (typeof user !== "string" || more.length > 0 || !USER.test(user)) {
    throw invalidRequest(
      `the metadata ${USER_METADATA} must name one person in 1 to 100 printable ASCII characters`,
    );
  }
  return { user, component };
};

class Methods {
  constructor(private readonly parts: AdministrationParts) {}

  async putService({ service }: wire.PutServiceRequest): Promise<wire.PutServiceResponse> {
    const { services, proposals } = this.parts;
    const wanted = readService(service);
    // No publication may come between looking for one and making the service private.
    const put = await proposals.inTurn(() => services.put(wanted));
    if (put.changed) await this.parts.automatic.considerAll();
    return { service: wireService(put.service), changed: put.changed };
  }

  async removeService({ name }: wire.RemoveServiceRequest): Promise<wire.RemoveServiceResponse> {
    await this.parts.services.remove(name);
    return {};
  }

  listServices(): wire.ListServicesResponse {
    return { services: this.parts.services.list().map(wireService) };
  }

  async addRule({ rule }: wire.AddAccessRuleRequest): Promise<wire.AddAccessRuleResponse> {
    const { rules, automatic, group } = this.parts;
    const added = await rules.add(readRule(rule, group().peerIdRule));
    await automatic.considerAll();
    return { rule: wireRule(added.rule), created: added.created };
  }

  async removeRule({ id }: wire.RemoveAccessRuleRequest): Promise<wire.RemoveAccessRuleResponse> {
    await this.parts.rules.remove(id);
    return {};
  }

  async listRules(): Promise<wire.ListAccessRulesResponse> {
    return { rules: (await this.parts.rules.list()).map(wireRule) };
  }

  async addClient(request: wire.AddClientRequest): Promise<wire.AddClientResponse> {
    return { token: await this.parts.clients.add(request) };
  }

  async removeClient({ name }: wire.RemoveClientRequest): Promise<wire.RemoveClientResponse> {
    await this.parts.clients.remove(name);
    return {};
  }

  listClients(): wire.ListClientsResponse {
    const clients = this.parts.clients.list().map(({ name, grantHashes }) => ({
      ...{ name, grantHashes: [...grantHashes] },
      tokenHash: Buffer.alloc(0),
    }));
    return { clients };
  }

  async listComponents(): Promise<wire.ListComponentsResponse> {
    const components = await this.parts.components();
    return { components, refused: this.parts.revocation.list() };
  }

  async listPeers(request: wire.ListPeersRequest): Promise<wire.ListPeersResponse> {
    const { limit, token } = pageOf(request);
    const { nameContains } = request;
    if (nameContains.length > NAME_CONTAINS_MAX) {
      throw invalidRequest(
        `name_contains has ${nameContains.length} characters, allowed are ${NAME_CONTAINS_MAX}`,
      );
    }
    const { items, nextCursor } = await this.parts.peers.list({
      ...{ cursor: token, limit, sortOrder: "ascending", peerIds: [] },
      nameContains: nameContains === "" ? undefined : nameContains,
    });
    const peers: wire.KnownPeer[] = [];
    for (const { id, name, managerAddress, refusal } of items) {
      const { seenAt, fscVersion } = await this.parts.presence.presence(id);
      peers.push({
        ...{ id, name, managerAddress: formatAddress(managerAddress), fscVersion },
        ...{ seenAtMs: BigInt(seenAt), lastRefusal: refusal?.text ?? "" },
        lastRefusalAtMs: BigInt(refusal?.at ?? 0),
      });
    }
    return { peers, nextPageToken: nextCursor ?? "" };
  }

  async listAudit(request: wire.ListAuditRecordsRequest): Promise<wire.ListAuditRecordsResponse> {
    const { limit, token } = pageOf(request);
    if (token !== undefined && !/^[1-9][0-9]{0,14}$/.test(token)) {
      throw invalidRequest("page_token is not the next_page_token of an answer");
    }
    const before = token === undefined ? undefined : Number(token);
    const records = await this.parts.audit.list(before, limit);
    const last = records.at(-1)?.number ?? 1;
    return {
      records: records.map(({ number, at, request: subject, ...act }) => ({
        ...{ ...act, subject, number: BigInt(number), atMs: BigInt(at) },
      })),
      nextPageToken: records.length < limit || last === 1 ? "" : String(last),
    };
  }
}

/** A service as the audit log has it. */
const audited = ({ service }: wire.PutServiceRequest): object => ({
  service: service && {
    ...{ ...service, sourceUrl: auditedUrl(service.sourceUrl), publishedIn: [] },
    visibility: visibilityNamed(service.visibility) ?? "not known",
  },
});

/** A decision as the audit log has it: its word instead of its number. */
const decided = ({ hash, kind }: wire.SignContractRequest): object => ({
  hash,
  kind: decisionNamed(kind) ?? "not stated",
});

/** Makes the handlers of the interface for a server. */
export const administrationService = (
  server: GrpcServer<InternalCaller>,
  parts: AdministrationParts,
): wire.AdministrationServiceServer => {
  const methods = new Methods(parts);
  const contracts = new ContractMethods(parts);

  /** A method that changes nothing. */
  const look = <Req, Res>(roles: readonly Role[], work: (request: Req) => Promise<Res> | Res) =>
    server.unary((request: Req, caller, metadata) => {
      actorOf(caller, metadata, roles);
      return work(request);
    });

  /** A method that changes something: its record comes first. */
  const act = <Req extends object, Res>(
    action: string,
    roles: readonly Role[],
    work: (request: Req, caller: InternalCaller) => Promise<Res>,
    shownOf: (request: Req) => object = (request) => request,
  ) =>
    server.unary((request: Req, caller, metadata) => {
      const actor = actorOf(caller, metadata, roles);
      const entry = { ...actor, action, request: subjectOf(shownOf(request)) };
      return parts.audit.record(entry, () => work(request, caller));
    });

  return {
    putService: act("PutService", PEOPLE, (request) => methods.putService(request), audited),
    removeService: act("RemoveService", PEOPLE, (request) => methods.removeService(request)),
    listServices: look(PEOPLE, () => methods.listServices()),
    publishService: act("PublishService", PEOPLE, (request) => contracts.publish(request)),
    requestAccess: act("RequestAccess", PEOPLE, (request) => contracts.requestAccess(request)),
    proposeContract: act("ProposeContract", PEOPLE, (request) => contracts.propose(request)),
    signContract: act("SignContract", PEOPLE, (request) => contracts.sign(request), decided),
    listContracts: look(PEOPLE, (request) => contracts.list(request)),
    getContract: look(PEOPLE, (request) => contracts.get(request)),
    addAccessRule: act("AddAccessRule", PEOPLE, (request) => methods.addRule(request)),
    removeAccessRule: act("RemoveAccessRule", PEOPLE, (request) => methods.removeRule(request)),
    listAccessRules: look(PEOPLE, () => methods.listRules()),
    addClient: act("AddClient", PEOPLE, (request) => methods.addClient(request)),
    removeClient: act("RemoveClient", PEOPLE, (request) => methods.removeClient(request)),
    listClients: look(PEOPLE, () => methods.listClients()),
    createEnrolmentCode: act("CreateEnrolmentCode", PEOPLE, (request) => parts.createCode(request)),
    revokeComponent: act("RevokeComponent", COMMAND_LINE, (request, caller) =>
      parts.revocation.revoke(request, caller),
    ),
    listComponents: look(PEOPLE, () => methods.listComponents()),
    listPeers: look(PEOPLE, (request) => methods.listPeers(request)),
    listAuditRecords: look(PEOPLE, (request) => methods.listAudit(request)),
  };
};
