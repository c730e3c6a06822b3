// An organisation of a test group whose manager is a stand-in: it speaks the real interfaces, gRPC towards our own
// inways and outways and FSC's token endpoint towards other organisations, and says what a test tells it.
import type { ServerWritableStream } from "@grpc/grpc-js";
import { v7 } from "uuid";
import { loadBundle, type Bundle } from "../../certs/bundle.js";
import type { Group } from "../../certs/group.js";
import type { InternalIdentity } from "../../certs/internal-identity.js";
import { admitInternal, internalServerTls } from "../../certs/internal-tls.js";
import { admit, serverTls } from "../../certs/tls.js";
import { wireDecision } from "../../component/read-message.js";
import { proposeContent, type ContractContent, type Validity } from "../../contracts/content.js";
import type { Grant, GrantData } from "../../contracts/grant.js";
import {
  contentHash,
  grantHashes,
  type ContentHash,
  type GrantHash,
} from "../../contracts/hash.js";
import { canonical } from "../../contracts/jcs.js";
import type { ContractDecision } from "../../contracts/state.js";
import type { Address } from "../../core/address.js";
import type { Clock } from "../../core/clock.js";
import { GrpcServer } from "../../core/grpc-server.js";
import { serveTls, type TlsListener } from "../../core/tls-server.js";
import { FscServer } from "../../fsc/fsc-server.js";
import type { ManagerHandlers, TokenForm } from "../../fsc/manager-interface.js";
import { issueToken } from "../../fsc/token-issuer.js";
import type { PeerIdentity } from "../../certs/identity.js";
import {
  ComponentServiceService,
  type ComponentServiceServer,
  type OfferedService,
  type OutwayClient,
  type RevocationList,
  type WatchStateRequest,
  type WatchStateResponse,
} from "../../proto/gen/schakel/manager/v1/component.js";
import { InternalPki } from "./internal-pki.js";
import { LogIntake } from "./log-intake.js";
import type { TestGroup, TestPeer } from "./pki.js";
import { recordedLog } from "./recorded-log.js";

/** A contract as a manager tells of it. */
export interface ToldContract {
  readonly hash: ContentHash;
  readonly content: ContractContent;
  readonly decision: ContractDecision;
}

/** How a connection grant differs from the plainest. */
export interface GrantOptions {
  readonly service?: string;
  readonly domainName?: string;
  readonly publicKey?: string;
  readonly delegator?: string;
  readonly serviceDelegator?: string;
  readonly validity?: Validity;
  readonly decision?: ContractDecision;
}

type Stream = ServerWritableStream<WatchStateRequest, WatchStateResponse>;

/** A message that says nothing. */
export const EMPTY: WatchStateResponse = {
  snapshot: false,
  snapshotComplete: false,
  heartbeatIntervalMs: 300n,
  contracts: [],
  removedContracts: [],
  managers: [],
  revocationLists: [],
};

const HEARTBEAT_MS = 300;
const LOCALHOST = { host: "127.0.0.1", port: 0 };

/** A connection contract between two peers' organisations; it counts from a minute ago, for a day. */
export const contractBetween = (
  group: Group,
  consumer: PeerIdentity,
  provider: PeerIdentity,
  options: GrantOptions = {},
): ToldContract & { readonly grant: GrantHash } => {
  const now = Math.floor(Date.now() / 1000);
  const { delegator, serviceDelegator, domainName } = options;
  const data = {
    type: `GRANT_TYPE_${delegator === undefined ? "" : "DELEGATED_"}SERVICE_CONNECTION`,
    outway: {
      peer_id: consumer.peerId,
      identification:
        domainName === undefined
          ? {
              type: "OUTWAY_IDENTIFICATION_TYPE_PUBLIC_KEY_THUMBPRINT",
              public_key_thumbprint: options.publicKey ?? consumer.publicKeyThumbprint,
            }
          : { type: "OUTWAY_IDENTIFICATION_TYPE_DOMAIN_NAME", domain_name: domainName },
    },
    service: {
      type: `SERVICE_TYPE_${serviceDelegator === undefined ? "" : "DELEGATED_"}SERVICE`,
      peer_id: provider.peerId,
      name: options.service ?? "echo",
      ...(serviceDelegator === undefined ? {} : { delegator: { peer_id: serviceDelegator } }),
    },
    ...(delegator === undefined ? {} : { delegator: { peer_id: delegator } }),
  } as unknown as GrantData;
  const grants: readonly Grant[] = [{ data }];
  const content = proposeContent(
    {
      ...{ iv: v7(), grants, createdAt: now - 60 },
      validity: options.validity ?? { not_before: now - 60, not_after: now + 86_400 },
    },
    { groupId: group.id, peerIdRule: group.peerIdRule },
  );
  const [first] = grantHashes(content);
  if (first === undefined) throw new Error("the contract has no grant");
  const decision = options.decision ?? "ACCEPTED";
  return { hash: contentHash(content), content, decision, grant: first.hash };
};

/** One organisation. Whoever makes it closes it. */
export class Organisation {
  readonly contracts = new Map<ContentHash, ToldContract>();
  services: OfferedService[] = [];
  /** Who may sign tokens; the manager itself unless a test says otherwise. */
  tokenSigners: readonly Buffer[];
  clients: OutwayClient[] = [];
  managers = new Map<string, Address>();
  revocationLists: RevocationList[] = [];
  /** Where tokens say that the inways are. */
  inways: readonly Address[] = [];
  tokenLifetimeSeconds = 600;
  /** What answers for a token instead of the rules. */
  answerToken: ((form: TokenForm, caller: PeerIdentity) => Promise<string>) | undefined;
  /** How often a token was asked for. */
  tokensAsked = 0;
  /** What components have asked with. */
  readonly requests: WatchStateRequest[] = [];
  /** What a stream begins with, instead of one snapshot. */
  opening: (() => readonly WatchStateResponse[]) | undefined;
  /** Whether heartbeats are sent. */
  beats = true;
  /** Takes the records of the components' transaction logs. */
  readonly intake = new LogIntake();
  readonly lines: readonly string[];
  readonly #log;
  readonly #streams = new Set<Stream>();
  #grpc: GrpcServer<InternalIdentity | undefined> | undefined;
  #port = 0;
  #fsc: { readonly server: FscServer; readonly listener: TlsListener } | undefined;
  #timer: NodeJS.Timeout | undefined;

  readonly group: Group;
  readonly bundle: Bundle;
  readonly clock: Clock;

  private constructor(
    context: { readonly group: Group; readonly clock: Clock },
    /** The manager's certificate in the group. */
    readonly peer: TestPeer,
    bundle: Bundle,
    readonly internal: InternalPki,
  ) {
    this.group = context.group;
    this.clock = context.clock;
    this.bundle = bundle;
    this.tokenSigners = bundle.chain.slice(0, 1).map(({ raw }) => raw);
    const { log, lines } = recordedLog();
    this.#log = log;
    this.lines = lines;
  }

  /** Makes one with a manager at the name `manager.{name}.test`; both its interfaces listen. */
  static async start(
    test: TestGroup,
    group: Group,
    { peerId, name, clock }: { peerId: string; name: string; clock: Clock },
  ): Promise<Organisation> {
    const peer = await test.peer({ peerId, name, names: [`manager.${name}.test`] });
    const bundle = await loadBundle(peer.files, group);
    const made = new Organisation({ group, clock }, peer, bundle, await InternalPki.create(name));
    await made.listen();
    await made.#listenForManagers();
    return made;
  }

  /** Where its manager is for other organisations. */
  get managerAddress(): Address {
    const [host = ""] = this.bundle.identity.dnsNames;
    return { host, port: this.#fsc?.listener.address.port ?? 0 };
  }

  /** An identity folder for a component, which says where the manager is. */
  identity(
    role: "inway" | "outway" | "client",
    name: string = role,
    hostNames: readonly string[] = [],
  ): Promise<string> {
    const manager = { host: "127.0.0.1", port: this.#port };
    return this.internal.identity(role, name, { manager, hostNames });
  }

  /** Where it listens for components. */
  get port(): number {
    return this.#port;
  }

  /** How many components are connected. */
  get connected(): number {
    return this.#streams.size;
  }

  /** Tells of contracts: new ones, or a new decision. */
  tell(...contracts: readonly ToldContract[]): void {
    for (const contract of contracts) this.contracts.set(contract.hash, contract);
    this.send({ contracts: contracts.map(toWire) });
  }

  /** Tells that all contracts so far concern nobody any more. */
  forget(): void {
    this.send({ removedContracts: [...this.contracts.keys()] });
    this.contracts.clear();
  }

  /** Sends a change to every component. */
  send(change: Partial<WatchStateResponse>): void {
    for (const stream of this.#streams) stream.write({ ...EMPTY, ...change });
  }

  /** Everything there is, as the first message of a stream. */
  snapshot(): WatchStateResponse {
    return {
      ...EMPTY,
      snapshot: true,
      snapshotComplete: true,
      contracts: [...this.contracts.values()].map(toWire),
      services: { services: this.services },
      tokenSigners: { certificates: [...this.tokenSigners] },
      clients: { clients: this.clients },
      managers: [...this.managers].map(([peerId, { host, port }]) => ({
        peerId,
        address: `${host}:${String(port)}`,
      })),
      revocationLists: this.revocationLists,
    };
  }

  /** Sends the whole state anew, as after a new stream: for changes of fields of this class. */
  restartStreams(): void {
    for (const stream of this.#streams) stream.end();
  }

  /** Listens for components, on the same port as before. */
  async listen(): Promise<void> {
    const bundle = await this.internal.bundle("manager", "manager");
    const server = new GrpcServer<InternalIdentity | undefined>({
      address: { host: "127.0.0.1", port: this.#port },
      tls: () => internalServerTls(bundle, ["h2"]),
      admit: (socket) => admitInternal(socket, bundle),
      connectionsMax: 100,
      messageBytesMax: 512 * 1024,
      stopMs: 50,
      domain: "manager",
      log: this.#log,
    });
    const answers: ComponentServiceServer = {
      watchState: server.serverStream<WatchStateRequest, WatchStateResponse>((stream) => {
        this.requests.push(stream.request);
        this.#streams.add(stream);
        stream.on("close", () => this.#streams.delete(stream));
        stream.on("cancelled", () => this.#streams.delete(stream));
        stream.on("error", () => this.#streams.delete(stream));
        for (const message of this.opening?.() ?? [this.snapshot()]) stream.write(message);
      }),
    };
    server.grpc.addService(ComponentServiceService, answers);
    this.intake.addTo(server);
    this.#grpc = server;
    this.#port = (await server.listen()).port;
    this.#timer = setInterval(() => {
      if (this.beats) this.send({});
    }, HEARTBEAT_MS);
  }

  /** The manager is away for its components; `listen` brings it back. */
  async stopListening(): Promise<void> {
    clearInterval(this.#timer);
    await this.#grpc?.stop();
    this.#streams.clear();
    this.#grpc = undefined;
  }

  /** The manager is away for other peers. */
  async stopAnswering(): Promise<void> {
    await this.#fsc?.listener.close();
    await this.#fsc?.server.close();
    this.#fsc = undefined;
  }

  /** Ends everything. */
  async close(): Promise<void> {
    await this.stopListening();
    await this.stopAnswering();
    await this.internal.remove();
  }

  async #listenForManagers(): Promise<void> {
    const { group, bundle, clock } = this;
    const handlers = {
      issueToken: (form: TokenForm, caller: PeerIdentity) => this.#issue(form, caller),
    } as Partial<ManagerHandlers> as ManagerHandlers;
    const server = new FscServer({ handlers, groups: { current: group }, log: this.#log, clock });
    const listener = await serveTls<PeerIdentity>({
      address: LOCALHOST,
      tls: () => serverTls(bundle, group, ["http/1.1"]),
      admit: (socket) => admit(socket, group),
      connected: (socket, caller) => server.accept(socket, caller),
      connectionsMax: 100,
      log: this.#log,
    });
    this.#fsc = { server, listener };
  }

  async #issue(form: TokenForm, caller: PeerIdentity): Promise<string> {
    this.tokensAsked += 1;
    if (this.answerToken !== undefined) return await this.answerToken(form, caller);
    const { group, bundle, clock } = this;
    const found = (hash: GrantHash) =>
      [...this.contracts.values()]
        .map(({ content, decision, hash: contract }) => ({
          grant: grantHashes(content).find((each) => each.hash === hash),
          contract: {
            ...{ hash: contract, content, decision, grants: grantHashes(content) },
            ...{ signatures: [], storedAt: 0 },
          },
        }))
        .flatMap(({ grant, contract }) => (grant === undefined ? [] : [{ grant, contract }]))[0];
    return await issueToken(
      {
        findGrant: (hash) => Promise.resolve(found(hash)),
        inwaysOf: () => this.inways,
        ...{ group, bundle, clock, lifetimeSeconds: this.tokenLifetimeSeconds },
      },
      form,
      caller,
    );
  }
}

/** A contract as it is sent. */
export const toWire = ({ hash, content, decision }: ToldContract) => ({
  hash,
  content: Buffer.from(canonical(content)),
  decision: wireDecision(decision),
});
