// Organisations of a test group in processes of their own: a directory, and for each organisation `schakel peer`, or its
// manager alone. Keys and internal CAs are shared within the test process, so that an organisation costs a process.
import { Metadata } from "@grpc/grpc-js";
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadBundle, type Bundle, type BundleFiles } from "../../certs/bundle.js";
import { loadGroup, type Group } from "../../certs/group.js";
import type { InternalBundle } from "../../certs/internal-bundle.js";
import { callManager, ManagerError } from "../../component/manager-call.js";
import { openManager } from "../../component/manager-channel.js";
import { canonical } from "../../contracts/jcs.js";
import type { ContractContent } from "../../contracts/content.js";
import type { PeerId } from "../../core/names.js";
import { Processes, type Running } from "../../demo/processes.js";
import type { ManagerEndpoint } from "../../fsc/manager-interface.js";
import {
  AdministrationServiceClient,
  type AdministrationServiceService,
  type Contract,
} from "../../proto/gen/schakel/manager/v1/administration.js";
import { InternalPki } from "./internal-pki.js";
import { freePort } from "./network.js";
import { TestGroup } from "./pki.js";
import { until } from "./until.js";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const READY_MS = 60_000;
const CALL_MS = 30_000;
const DIRECTORY = { peerId: "00000000000000000001", name: "Directory", host: "directory.test" };

type Definitions = typeof AdministrationServiceService;
type Method = keyof Definitions;
type RequestOf<K extends Method> = ReturnType<Definitions[K]["requestDeserialize"]>;
type ResponseOf<K extends Method> = ReturnType<Definitions[K]["responseDeserialize"]>;

/** What may differ from test to test. */
export interface PeerProcessOptions {
  /** How many organisations there are beside the directory's. */
  readonly count: number;
  /** What runs for each: manager, inway and outway, or the manager alone. */
  readonly command: "peer" | "manager";
  /** More environment for all processes. */
  readonly env?: Readonly<Record<string, string>>;
  /** The port at which the others reach a manager that listens at `port`: that one, unless something stands between. */
  readonly reachedAt?: (index: number, port: number) => Promise<number>;
}

interface Around {
  readonly processes: Processes;
  readonly test: TestGroup;
  readonly pki: InternalPki;
  readonly options: PeerProcessOptions;
  readonly directoryPort: number;
  readonly resolve: string;
}

interface Ports {
  readonly manager: number;
  /** Where other managers reach it. */
  readonly reached: number;
  readonly internal: number;
  readonly inway: number;
  readonly outway: number;
}

interface Prepared {
  readonly bundle: Bundle;
  readonly files: BundleFiles;
  readonly ports: Ports;
  readonly cli: InternalBundle;
  readonly folder: string;
}

const local = (port: number): string => `127.0.0.1:${String(port)}`;

const isListening = (name: string) => (line: { fields: Readonly<Record<string, unknown>> }) =>
  line.fields["msg"] === "listening" && line.fields["name"] === name;

/** The host of an organisation's manager and inway. */
const hostOf = (index: number): string => `peer${String(index + 1)}.test`;

/** One organisation. */
export class PeerProcess {
  #running: Running | undefined;
  #client: AdministrationServiceClient | undefined;

  private constructor(
    readonly index: number,
    private readonly made: Prepared,
    private readonly around: Around,
  ) {}

  /** Makes the folder as `schakel init` does, with its signed certificate. */
  static async prepare(index: number, group: Group, around: Around): Promise<PeerProcess> {
    const { test, pki, options } = around;
    const peerId = String(index + 2).padStart(20, "0");
    const name = `Organisation ${String(index + 1)}`;
    const { files } = await test.peer({ peerId, name, names: [hostOf(index)] });
    const [manager, internal, inway, outway] = await Promise.all([
      ...[freePort(), freePort(), freePort(), freePort()],
    ]);
    if (!manager || !internal || !inway || !outway) throw new Error("no port is free");
    const reached = (await options.reachedAt?.(index, manager)) ?? manager;
    const folder = join(test.dir, `organisation-${String(index)}`);
    await mkdir(join(folder, "identities"), { recursive: true });
    await cp(test.groupFile, join(folder, "group.json"));
    await cp(files.cert, join(folder, "certificate.pem"));
    await cp(files.key, join(folder, "private.key"));
    await cp(pki.caDir, join(folder, "manager", "internal-ca"), { recursive: true });
    const place = (from: string, ...to: readonly string[]): Promise<void> =>
      cp(from, join(folder, ...to), { recursive: true });
    const at = { manager: { host: "127.0.0.1", port: internal } };
    await place(await pki.identity("manager", "manager"), "manager", "identity");
    for (const role of ["inway", "outway"] as const)
      await place(await pki.identity(role, role, at), "identities", role);
    const ports = { manager, reached, internal, inway, outway };
    const cli = await pki.bundle("cli", "cli", at);
    const bundle = await loadBundle(files, group);
    return new PeerProcess(index, { bundle, files, ports, cli, folder }, around);
  }

  /** Its certificate of the group. */
  get bundle(): Bundle {
    return this.made.bundle;
  }

  get files(): BundleFiles {
    return this.made.files;
  }

  get ports(): Ports {
    return this.made.ports;
  }

  get peerId(): PeerId {
    return this.bundle.identity.peerId;
  }

  /** Where other managers reach the manager. */
  get endpoint(): ManagerEndpoint {
    const address = { host: hostOf(this.index), port: this.ports.reached };
    return { peerId: this.peerId, address };
  }

  /** The certificate's name, for whoever dials it. */
  get host(): string {
    return hostOf(this.index);
  }

  get running(): Running {
    if (this.#running === undefined) throw new Error(`${this.host} does not run`);
    return this.#running;
  }

  /** Starts it, or starts it again on what its folder holds, and waits until it listens. */
  async start(): Promise<void> {
    const { processes, options } = this.around;
    const { command, env = {} } = options;
    const flags = command === "peer" ? this.#peerFlags() : this.#managerFlags();
    const running = await processes.start(this.host, [CLI, command, ...flags], { env });
    this.#running = running;
    const parts = command === "peer" ? ["manager", "inway", "outway"] : ["manager"];
    for (const part of parts) await running.waitForLine(isListening(part), READY_MS);
  }

  /** Ends it as a power cut does. */
  async kill(): Promise<void> {
    this.running.kill("SIGKILL");
    await this.running.exited;
    this.close();
  }

  /** Asks the manager as its people do. Rejects with a ManagerError. */
  async ask<K extends Method>(method: K, request: RequestOf<K>): Promise<ResponseOf<K>> {
    this.#client ??= await openManager(AdministrationServiceClient, { bundle: this.made.cli });
    const client = this.#client;
    const start = client[method].bind(client) as (...args: unknown[]) => { cancel(): void };
    return callManager((...rest) => start(request, ...rest), {
      metadata: new Metadata(),
      timeoutMs: CALL_MS,
    });
  }

  /** Proposes a contract to all its parties, as soon as they have announced themselves to the directory. */
  propose(content: ContractContent): Promise<Contract> {
    const bytes = Buffer.from(canonical(content));
    return until(
      "the parties to be known",
      async () => {
        try {
          return (await this.ask("proposeContract", { content: bytes })).contract;
        } catch (error) {
          if (error instanceof ManagerError && error.code === "ERROR_CODE_PEER_NOT_FOUND")
            return undefined;
          throw error;
        }
      },
      READY_MS,
    );
  }

  /** All contracts that the manager knows, by hash. */
  async contracts(): Promise<ReadonlyMap<string, Contract>> {
    const found = new Map<string, Contract>();
    let pageToken = "";
    do {
      const page = await this.ask("listContracts", {
        ...{ state: 0, peerId: "", serviceName: "", grantType: "", waitingForUs: false },
        ...{ pageSize: 1000, pageToken },
      });
      for (const contract of page.contracts) found.set(contract.hash, contract);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    return found;
  }

  close(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  #managerAddressFlags(): string[] {
    const { manager, reached, internal } = this.ports;
    return [
      ...["--listen", local(manager), "--address", `${this.host}:${String(reached)}`],
      ...["--internal-listen", local(internal), "--health-listen", local(0)],
      ...["--resolve", this.around.resolve, "--log-format", "json", "--stop-timeout", "2s"],
      ...["--allow-private-addresses", "--allow-any-port"],
    ];
  }

  #managerFlags(): string[] {
    const at = (file: string): string => join(this.made.folder, file);
    return [
      ...["--group", at("group.json"), "--cert", at("certificate.pem")],
      ...["--key", at("private.key"), "--data", at("manager"), "--announce-interval", "1s"],
      ...this.#managerAddressFlags(),
    ];
  }

  #peerFlags(): string[] {
    const { inway, outway } = this.ports;
    return [
      ...["--folder", this.made.folder, ...this.#managerAddressFlags(), "--allow-volatile-log"],
      ...["--inway-address", `${this.host}:${String(inway)}`, "--inway-listen", local(inway)],
      ...["--outway-listen", local(outway), "--inway-health-listen", local(0)],
      ...["--outway-health-listen", local(0)],
    ];
  }
}

/** A directory and organisations that run. `stop` ends every process and removes every file. */
export class PeerProcesses {
  private constructor(
    private readonly around: Around,
    readonly group: Group,
    readonly peers: readonly PeerProcess[],
  ) {}

  /** Starts everything. The organisations come to know each other when they look. */
  static async start(options: PeerProcessOptions): Promise<PeerProcesses> {
    const directoryPort = await freePort();
    const address = `${DIRECTORY.host}:${String(directoryPort)}`;
    const directories = [{ peer_id: DIRECTORY.peerId, address }];
    const test = await TestGroup.create({ directories });
    const hosts = [DIRECTORY.host, ...Array.from({ length: options.count }, (_, at) => hostOf(at))];
    const resolve = hosts.map((host) => `${host}=127.0.0.1`).join(",");
    const [processes, pki] = [new Processes(), await InternalPki.create()];
    const around: Around = { processes, test, pki, options, directoryPort, resolve };
    const group = await loadGroup(test.groupFile);
    const peers: PeerProcess[] = [];
    for (let index = 0; index < options.count; index++)
      peers.push(await PeerProcess.prepare(index, group, around));
    const all = new PeerProcesses(around, group, peers);
    try {
      await all.#startDirectory();
      await Promise.all(peers.map((peer) => peer.start()));
    } catch (error) {
      await all.stop();
      throw error;
    }
    return all;
  }

  peer(index: number): PeerProcess {
    const found = this.peers[index];
    if (found === undefined) throw new Error(`there is no organisation ${String(index)}`);
    return found;
  }

  /** What the organisations' names resolve to. */
  get hosts(): ReadonlyMap<string, string> {
    return new Map(this.peers.map(({ host }) => [host, "127.0.0.1"]));
  }

  async stop(): Promise<void> {
    for (const peer of this.peers) peer.close();
    await this.around.processes.stopAll();
    await this.around.pki.remove();
    await this.around.test.remove();
  }

  async #startDirectory(): Promise<void> {
    const { test, processes, options, directoryPort, resolve } = this.around;
    const { peerId, name, host } = DIRECTORY;
    const { files, dir } = await test.peer({ peerId, name, names: [host] });
    const running = await processes.start(
      "directory",
      [
        ...[CLI, "directory", "--group", test.groupFile, "--cert", files.cert, "--key", files.key],
        ...["--data", join(dir, "data"), "--listen", local(directoryPort)],
        ...["--health-listen", local(0), "--resolve", resolve, "--log-format", "json"],
        ...["--allow-private-addresses", "--allow-any-port"],
      ],
      { env: options.env ?? {} },
    );
    await running.waitForLine(({ fields }) => fields["msg"] === "listening", READY_MS);
  }
}
