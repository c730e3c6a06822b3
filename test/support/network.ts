// A whole group in processes of their own: a directory, a provider with its manager, inway and source, a consumer
// with its manager and outway, and for tests that want one a stranger with manager and outway. The provider's
// services are published, and a contract in force gives them to the consumer. One line starts it, one ends it.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Processes, type Running } from "../../demo/processes.js";
import type { GrantData } from "../../contracts/grant.js";
import {
  ContractStateName,
  ServiceVisibility,
  SignatureKind,
  type Contract,
} from "../../proto/gen/schakel/manager/v1/administration.js";
import { askToken } from "./as-manager.js";
import {
  certified,
  contentBytes,
  freePort,
  namesOf,
  NetworkOrganisation,
  PEERS,
  RESOLVE,
  type OrganisationName,
  type PeerRole,
} from "./network-peers.js";
import { TestGroup, type TestPeer } from "./pki.js";
import { RecordingSource } from "./source.js";
import { Stranger, type Message } from "./stranger.js";
import { until } from "./until.js";

export { freePort, PEERS } from "./network-peers.js";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const READY_MS = 60_000;
const KNOWN_MS = 30_000;
const DIRECTORY_ID = PEERS.directory.peerId;

/** One started process with what a test needs of it. */
export interface Member {
  readonly running: Running;
  /** Where it listens. */
  readonly port: number;
  readonly healthPort: number;
  /** Its transaction log's folder. */
  readonly log: string;
}

type Command = "directory" | "manager" | "inway" | "outway";

/** What may differ from test to test. */
export interface NetworkOptions {
  /** More flags for the processes of a kind. */
  readonly flags?: Partial<Record<Command, readonly string[]>>;
  /** Flags for node itself, by the name of the process. */
  readonly nodeFlags?: (name: string) => readonly string[];
  /** More environment for all processes. */
  readonly env?: Readonly<Record<string, string>>;
  /** The URL of the service "echo" instead of the recording source's. */
  readonly sourceUrl?: string;
  /** Further services of the provider, name to URL, granted to the consumer. */
  readonly services?: Readonly<Record<string, string>>;
  /** Whether the stranger has a manager and an outway. */
  readonly stranger?: boolean;
}

const organisationOf = (name: string): OrganisationName => {
  if (name.startsWith("stranger") || name === "manager-stranger") return "stranger";
  return name.startsWith("inway") || name === "manager-provider" ? "provider" : "consumer";
};

/** A running group. `stop` ends every process and removes every file. */
export class Network {
  readonly processes = new Processes();
  readonly #members = new Map<string, Member>();
  inwayPort = 0;
  /** The contract that gives the consumer the provider's services, once it is in force. */
  contract: Contract | undefined;

  readonly group: TestGroup;
  readonly source: RecordingSource;
  readonly peers: Readonly<Record<PeerRole, TestPeer>>;
  readonly organisations: Readonly<Record<OrganisationName, NetworkOrganisation>>;
  readonly directoryPort: number;

  private constructor(
    parts: Pick<Network, "group" | "source" | "peers" | "organisations" | "directoryPort">,
    readonly options: NetworkOptions,
  ) {
    this.group = parts.group;
    this.source = parts.source;
    this.peers = parts.peers;
    this.organisations = parts.organisations;
    this.directoryPort = parts.directoryPort;
  }

  /** Starts everything and waits until a call of the consumer reaches the source. */
  static async start(options: NetworkOptions = {}): Promise<Network> {
    const network = await Network.prepare(options);
    try {
      await network.#startAll();
    } catch (error) {
      await network.stop();
      throw error;
    }
    return network;
  }

  /** Makes certificates and folders; no process runs yet. */
  static async prepare(options: NetworkOptions = {}): Promise<Network> {
    const directoryPort = await freePort();
    const address = `${PEERS.directory.host}:${String(directoryPort)}`;
    const group = await TestGroup.create({
      directories: [{ peer_id: DIRECTORY_ID, address }],
    });
    const made = await Promise.all(
      (Object.keys(PEERS) as PeerRole[]).map(async (role) => {
        const { peerId, name } = PEERS[role];
        return [role, await group.peer({ peerId, name, names: namesOf(role) })] as const;
      }),
    );
    const peers = Object.fromEntries(made) as Network["peers"];
    const organisations = await Promise.all(
      (["provider", "consumer", "stranger"] as const).map(
        async (name) => [name, await NetworkOrganisation.prepare(group, name)] as const,
      ),
    );
    return new Network(
      {
        ...{ group, peers, directoryPort, source: await RecordingSource.start() },
        organisations: Object.fromEntries(organisations) as Network["organisations"],
      },
      options,
    );
  }

  /** The member with this name: "directory", "manager-provider", "inway", "outway" (the consumer's), "stranger", … */
  member(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`no process "${name}" runs`);
    return member;
  }

  get inway(): Member {
    return this.member("inway");
  }

  get outway(): Member {
    return this.member("outway");
  }

  /** A URL at the consumer's outway that addresses the provider's service by path. */
  url(path = "/", service = "echo", outway = "outway"): string {
    const { port } = this.member(outway);
    return `http://127.0.0.1:${String(port)}/${PEERS.provider.peerId}/${service}${path}`;
  }

  /** The names of the provider's services. */
  get services(): readonly string[] {
    return ["echo", ...Object.keys(this.options.services ?? {})];
  }

  /** Somebody of an organisation, at its manager. */
  administrator(name: OrganisationName): ReturnType<NetworkOrganisation["administrator"]> {
    return this.organisations[name].administrator();
  }

  async startDirectory(): Promise<Member> {
    return this.#start("directory", "directory", [
      ...["--listen", `127.0.0.1:${String(this.directoryPort)}`],
      ...["--probe-interval", "1s"],
    ]);
  }

  async startManager(name: OrganisationName): Promise<Member> {
    const { ports } = this.organisations[name];
    return this.#start(`manager-${name}`, "manager", [
      ...["--listen", `127.0.0.1:${String(ports.fsc)}`],
      ...["--address", `manager.${name}.test:${String(ports.fsc)}`],
      ...["--internal-listen", `127.0.0.1:${String(ports.internal)}`],
      ...["--announce-interval", "300ms", "--stop-timeout", "3s"],
    ]);
  }

  /** @param flags more flags, after all others: the last one of a kind counts */
  async startInway(name = "inway", port?: number, flags: readonly string[] = []): Promise<Member> {
    const chosen = port ?? (this.inwayPort ||= await freePort());
    return this.#start(
      name,
      "inway",
      [
        ...["--name", name, "--listen", `127.0.0.1:${String(chosen)}`],
        ...["--address", `${PEERS.provider.host}:${String(chosen)}`, "--allow-volatile-log"],
        ...["--identity", await this.organisations.provider.identity("inway", name)],
      ],
      flags,
    );
  }

  /** Stops the managers of some organisations, or kills them. */
  async stopManagers(...names: readonly OrganisationName[]): Promise<void> {
    await Promise.all(names.map((name) => this.member(`manager-${name}`).running.stop()));
  }

  /** @param flags more flags, after all others: the last one of a kind counts */
  async startOutway(name = "outway", port = 0, flags: readonly string[] = []): Promise<Member> {
    const own = this.organisations[organisationOf(name)];
    return this.#start(
      name,
      "outway",
      [
        ...["--name", name, "--listen", `127.0.0.1:${String(port)}`, "--allow-volatile-log"],
        ...["--identity", await own.identity("outway", name)],
      ],
      flags,
    );
  }

  /** Makes a contract in force that gives the consumer some services; with all of them it is `contract` from then on. */
  async grant(services = this.services): Promise<Contract> {
    const identity = await certified(this.peers.consumer);
    const grants = services.map((name) => ({
      type: "GRANT_TYPE_SERVICE_CONNECTION",
      outway: {
        peer_id: identity.peerId,
        identification: {
          type: "OUTWAY_IDENTIFICATION_TYPE_PUBLIC_KEY_THUMBPRINT",
          public_key_thumbprint: identity.publicKeyThumbprint,
        },
      },
      service: { type: "SERVICE_TYPE_SERVICE", peer_id: PEERS.provider.peerId, name },
    }));
    const consumer = await this.administrator("consumer");
    const content = contentBytes(this.group.content.group_id, grants as unknown as GrantData[]);
    const { contract } = await consumer.call("proposeContract", { content });
    if (contract === undefined) throw new Error("the manager answered without a contract");
    const accepted = await until(
      "the contract to be accepted by both",
      async () => {
        const found = await consumer.call("getContract", { hash: contract.hash });
        const isValid = found.contract?.state === ContractStateName.CONTRACT_STATE_NAME_VALID;
        return isValid && found.contract;
      },
      KNOWN_MS,
    );
    if (services.length === this.services.length) this.contract = accepted;
    return accepted;
  }

  /** Revokes the contract that gives the consumer the services, at one party's manager. */
  async revoke(by: "provider" | "consumer" = "provider"): Promise<void> {
    if (this.contract === undefined) throw new Error("there is no contract");
    const kind = SignatureKind.SIGNATURE_KIND_REVOKE;
    const administrator = await this.administrator(by);
    await administrator.call("signContract", { hash: this.contract.hash, kind });
  }

  /** The hash of the grant that gives the consumer a service. */
  grantHash(service = "echo"): string {
    const hash = this.contract?.grantHashes[this.services.indexOf(service)];
    if (hash === undefined) throw new Error(`there is no grant for ${service}`);
    return hash;
  }

  /** A token that the provider's manager gives the consumer for a service. */
  async token(service = "echo"): Promise<string> {
    const { files, peerId } = this.peers.consumer;
    const asked = { port: this.organisations.provider.ports.fsc, files, peerId };
    const answer = await askToken({ ...asked, grantHash: this.grantHash(service) });
    if (answer.status !== 200) throw new Error(`no token: ${answer.text}`);
    return String(answer.json()["access_token"]);
  }

  /** The services that the directory's catalogue shows, asked as a peer without a contract does. */
  async listed(): Promise<readonly Message[]> {
    const { host } = PEERS.directory;
    const stranger = new Stranger(this.group, this.peers.stranger, host, this.directoryPort);
    try {
      const answer = await stranger.call("ListServices", { group_id: this.group.content.group_id });
      return (answer["services"] ?? []) as readonly Message[];
    } finally {
      stranger.close();
    }
  }

  /** Waits until an outway's call for a service is answered by its source. */
  async untilKnown(name = "outway", service = "echo"): Promise<void> {
    await until(
      `the ${name} to reach the service ${service}`,
      async () => {
        const response = await fetch(this.url("/known", service, name), { method: "OPTIONS" });
        await response.arrayBuffer();
        return response.headers.get("fsc-error-code") === null;
      },
      KNOWN_MS,
    );
    this.source.requests.length = 0;
  }

  async stop(): Promise<void> {
    await this.processes.stopAll();
    await this.source.stop();
    for (const each of Object.values(this.organisations)) await each.remove();
    await this.group.remove();
  }

  async #startAll(): Promise<void> {
    const { stranger = false } = this.options;
    await Promise.all([
      this.startDirectory(),
      this.startManager("provider").then(() => this.#offer()),
      this.startManager("consumer"),
      this.startInway(),
      this.startOutway(),
      ...(stranger ? [this.startManager("stranger"), this.startOutway("stranger")] : []),
    ]);
    await this.#untilConsumerKnowsProvider();
    await this.grant();
    await this.#untilShown();
    await this.untilKnown();
  }

  /** Makes the provider's services, publishes them, and lets the consumer have access to them. */
  async #offer(): Promise<void> {
    const provider = await this.administrator("provider");
    const protocol = "PROTOCOL_TCP_HTTP_1.1";
    const urls = { echo: this.options.sourceUrl ?? this.source.url, ...this.options.services };
    await Promise.all(
      Object.entries(urls).map(([name, sourceUrl]) =>
        provider.call("putService", {
          service: {
            ...{ name, sourceUrl, protocol, openapiPath: "", contact: "" },
            ...{ inways: [], publishedIn: [] },
            visibility: ServiceVisibility.SERVICE_VISIBILITY_GROUP,
          },
        }),
      ),
    );
    const rule = { peerId: PEERS.consumer.peerId, serviceName: "", id: "" };
    await provider.call("addAccessRule", { rule: { ...rule, validitySecondsMax: 1_000_000n } });
    const grants = this.services.map((name) => ({
      type: "GRANT_TYPE_SERVICE_PUBLICATION",
      directory: { peer_id: DIRECTORY_ID },
      service: { peer_id: PEERS.provider.peerId, name, protocol },
    }));
    const content = contentBytes(this.group.content.group_id, grants as unknown as GrantData[]);
    await provider.call("proposeContract", { content });
  }

  async #untilConsumerKnowsProvider(): Promise<void> {
    const consumer = await this.administrator("consumer");
    const request = { nameContains: "", pageSize: 0, pageToken: "" };
    await until(
      "the consumer's manager to know the provider's",
      async () => {
        const { peers } = await consumer.call("listPeers", request);
        return peers.some(({ id }) => id === PEERS.provider.peerId);
      },
      KNOWN_MS,
    );
  }

  /** The provider's manager has the inway's stream, and the directory shows the services at it. */
  async #untilShown(): Promise<void> {
    const provider = await this.administrator("provider");
    await until(
      "the services to be published and the inway to be connected",
      async () => {
        const [{ services }, { components }] = await Promise.all([
          provider.call("listServices", {}),
          provider.call("listComponents", {}),
        ]);
        const isConnected = components.some(({ role, connected }) => role === "inway" && connected);
        const isPublished = services.every(({ publishedIn }) => publishedIn.length > 0);
        return isConnected && isPublished && (await this.listed()).length === services.length;
      },
      KNOWN_MS,
    );
  }

  async #start(
    name: string,
    command: Command,
    flags: readonly string[],
    last: readonly string[] = [],
  ): Promise<Member> {
    const role = command === "directory" ? "directory" : organisationOf(name);
    const { cert, key } = this.peers[role].files;
    const { dir, groupFile } = this.group;
    const data =
      command === "manager" && role !== "directory"
        ? this.organisations[role].data
        : join(dir, `data-${name}`);
    await mkdir(data, { recursive: true });
    const running = await this.processes.start(
      name,
      [
        ...(this.options.nodeFlags?.(name) ?? []),
        ...[CLI, command, "--group", groupFile, "--cert", cert, "--key", key, "--data", data],
        ...["--health-listen", "127.0.0.1:0", "--resolve", RESOLVE, "--log-format", "json"],
        ...["--allow-private-addresses", "--allow-any-port"],
        ...flags,
        ...(this.options.flags?.[command] ?? []),
        ...last,
      ],
      { env: this.options.env ?? {} },
    );
    const portOf = async (message: string): Promise<number> => {
      const line = await running.waitForLine(({ fields }) => fields["msg"] === message, READY_MS);
      return Number(String(line.fields["address"]).split(":").at(-1));
    };
    const member: Member = {
      running,
      port: await portOf("listening"),
      healthPort: await portOf("health listening"),
      log: join(data, "log"),
    };
    this.#members.set(name, member);
    return member;
  }
}
