// Organisations of a test group, each with its manager in this process: real certificates, databases, TLS
// between managers and gRPC with internal certificates. The first organisation's manager is the group's directory.
import { Metadata } from "@grpc/grpc-js";
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Role } from "../../certs/internal-identity.js";
import { callManager } from "../../component/manager-call.js";
import { openManager } from "../../component/manager-channel.js";
import type { Address } from "../../core/address.js";
import { systemClock, type Clock } from "../../core/clock.js";
import { Lifecycle } from "../../core/lifecycle.js";
import type { Log } from "../../core/log.js";
import { readSettings } from "../../core/settings.js";
import { startManager, type RunningManager } from "../../manager/main.js";
import { MANAGER_SETTINGS } from "../../manager/settings.js";
import {
  AdministrationServiceClient,
  ServiceVisibility,
  type AdministrationServiceService,
  type RequestAccessRequest,
  type Service,
} from "../../proto/gen/schakel/manager/v1/administration.js";
import { InternalPki } from "./internal-pki.js";
import { freePort } from "./network.js";
import { TestGroup, type TestPeer } from "./pki.js";
import { recordedLog } from "./recorded-log.js";
import { temporaryFolder } from "./temporary.js";

/** The public key of an outway that tests name. */
export const OUTWAY_KEY = "ab".repeat(32);

/** A request with everything empty but what a test says. */
export const accessRequest = (changes: Partial<RequestAccessRequest>): RequestAccessRequest => ({
  ...{ peerId: "", serviceName: "echo", serviceDelegatorPeerId: "", outway: "" },
  ...{ publicKeyThumbprint: OUTWAY_KEY, domainName: "", delegatorPeerId: "" },
  ...{ outwayPeerId: "", notBefore: 0n, notAfter: 0n },
  ...changes,
});

/** A service "echo" with changes. */
export const service = (changes: Partial<Service> = {}): Service => ({
  ...{ name: "echo", sourceUrl: "http://127.0.0.1:8080", openapiPath: "", contact: "" },
  ...{ inways: [], protocol: "PROTOCOL_TCP_HTTP_1.1", publishedIn: [] },
  visibility: ServiceVisibility.SERVICE_VISIBILITY_GROUP,
  ...changes,
});

type Definitions = typeof AdministrationServiceService;
type RequestOf<K extends keyof Definitions> = ReturnType<Definitions[K]["requestDeserialize"]>;
type ResponseOf<K extends keyof Definitions> = ReturnType<Definitions[K]["responseDeserialize"]>;

interface Around {
  readonly group: TestGroup;
  /** Answers instead of DNS, as the setting has them. */
  readonly hosts: string;
  readonly clock: Clock;
}

/** One organisation. */
export class Organisation {
  #running: { readonly manager: RunningManager; readonly lifecycle: Lifecycle } | undefined;
  readonly #clients: AdministrationServiceClient[] = [];
  lines: readonly string[] = [];
  log: Log | undefined;

  constructor(
    readonly peer: TestPeer,
    readonly address: Address,
    readonly pki: InternalPki,
    private readonly around: Around,
  ) {}

  readonly data = join(temporaryFolder(), "manager");

  get peerId(): string {
    return this.peer.peerId;
  }

  get manager(): RunningManager {
    if (this.#running === undefined) throw new Error("the manager does not run");
    return this.#running.manager;
  }

  /** Makes the data folder as `schakel init` does. */
  async prepare(): Promise<void> {
    await mkdir(this.data, { recursive: true });
    await cp(this.pki.caDir, join(this.data, "internal-ca"), { recursive: true });
    await cp(await this.pki.identity("manager", "manager"), join(this.data, "identity"), {
      recursive: true,
    });
  }

  /** Flags of a test beside the usual ones. */
  more: Readonly<Record<string, string | boolean>> = {};

  /** The flags with which it is started. */
  flags(): Record<string, string | boolean> {
    const { host, port } = this.address;
    const { cert, key } = this.peer.files;
    return {
      ...{ group: this.around.group.groupFile, cert, key, data: this.data },
      ...{ listen: `127.0.0.1:${port}`, address: `${host}:${port}` },
      ...{ internalListen: "127.0.0.1:0", healthListen: "127.0.0.1:0", resolve: this.around.hosts },
      ...{ allowPrivateAddresses: true, allowAnyPort: true, announceInterval: "1s" },
      ...{ stopTimeout: "2s", ...this.more },
    };
  }

  async start(): Promise<void> {
    const { log, lines } = recordedLog();
    this.lines = lines;
    const lifecycle = new Lifecycle(log);
    const settings = readSettings("manager", MANAGER_SETTINGS, this.flags(), {});
    try {
      const manager = await startManager(settings, { log, lifecycle, clock: this.around.clock });
      this.#running = { manager, lifecycle };
    } catch (error) {
      await lifecycle.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.close();
    await this.#running?.lifecycle.stop();
    this.#running = undefined;
  }

  /** A client with an internal certificate. It is closed when the manager stops. */
  async client(role: Role = "cli", name = "alice"): Promise<AdministrationServiceClient> {
    const bundle = await this.pki.bundle(role, name);
    const client = await openManager(AdministrationServiceClient, {
      bundle,
      address: this.manager.internalAddress,
    });
    this.#clients.push(client);
    return client;
  }

  /** Calls a method as somebody of the organisation. Rejects with a ManagerError. */
  async call<K extends keyof Definitions>(
    method: K,
    request: RequestOf<K>,
    { role = "cli", name = "alice", user }: Caller = {},
  ): Promise<ResponseOf<K>> {
    const client = await this.#clientOf(role, name);
    const asking = client[method].bind(client) as unknown as (...args: unknown[]) => never;
    const more = new Metadata();
    if (user !== undefined) more.set("schakel-user", user);
    return callManager<ResponseOf<K>>(
      (metadata, options, answered) => {
        metadata.merge(more);
        return asking(request, metadata, options, answered);
      },
      { timeoutMs: 20_000 },
    );
  }

  readonly #byRole = new Map<string, AdministrationServiceClient>();

  async #clientOf(role: Role, name: string): Promise<AdministrationServiceClient> {
    const key = `${role}/${name}`;
    const known = this.#byRole.get(key);
    if (known !== undefined && this.#clients.includes(known)) return known;
    const client = await this.client(role, name);
    this.#byRole.set(key, client);
    return client;
  }
}

/** Who calls. */
export interface Caller {
  readonly role?: Role;
  readonly name?: string;
  readonly user?: string;
}

/** A group of organisations. Whoever makes it removes it. */
export class Organisations {
  private constructor(
    readonly group: TestGroup,
    readonly all: readonly Organisation[],
  ) {}

  /** Makes and starts organisations; the first is the directory. */
  static async start(count: number, clock: Clock = systemClock): Promise<Organisations> {
    const organisations = await Organisations.prepare(count, clock);
    try {
      for (const each of organisations.all) await each.start();
    } catch (error) {
      await organisations.remove();
      throw error;
    }
    return organisations;
  }

  /** Makes organisations whose managers do not run yet; the first is the directory. */
  static async prepare(count: number, clock: Clock = systemClock): Promise<Organisations> {
    const about = await Promise.all(
      Array.from({ length: count }, async (_, at) => ({
        peerId: String(at + 1).padStart(20, "0"),
        name: `Organisation ${at + 1}`,
        host: `manager${at + 1}.test`,
        port: await freePort(),
      })),
    );
    const [directory] = about;
    if (directory === undefined) throw new Error("there is no organisation");
    const group = await TestGroup.create({
      directories: [{ peer_id: directory.peerId, address: `${directory.host}:${directory.port}` }],
    });
    const hosts = about.map(({ host }) => `${host}=127.0.0.1`).join(",");
    const all: Organisation[] = [];
    for (const { peerId, name, host, port } of about) {
      const peer = await group.peer({ peerId, name, names: [host] });
      const pki = await InternalPki.create(name);
      const made = new Organisation(peer, { host, port }, pki, { group, hosts, clock });
      await made.prepare();
      all.push(made);
    }
    return new Organisations(group, all);
  }

  /** The organisation at a place, the directory at 0. */
  at(place: number): Organisation {
    const found = this.all[place];
    if (found === undefined) throw new Error(`there is no organisation ${place}`);
    return found;
  }

  async remove(): Promise<void> {
    for (const each of [...this.all].reverse()) {
      await each.stop();
      await each.pki.remove();
    }
    await this.group.remove();
  }
}
