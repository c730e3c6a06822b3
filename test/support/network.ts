// A whole group in processes of their own: a directory, a provider with its inway and source, a
// consumer and a stranger with an outway each. One line starts it, one line ends it.
import { createServer } from "node:net";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { Processes, type Running } from "../../demo/processes.js";
import { identityOf } from "../../certs/identity.js";
import { peerIdRule, PEER_ID_PATTERN_DEFAULT } from "../../core/names.js";
import { TestGroup, type TestPeer } from "./pki.js";
import { RecordingSource } from "./source.js";
import { until } from "./until.js";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const READY_MS = 20_000;

export const PEERS = {
  directory: {
    peerId: "00000000000000000001",
    name: "Beheerder van de directory",
    host: "directory.test",
  },
  provider: {
    peerId: "00000000000000000002",
    name: "Register van Gemeenten",
    host: "inway.provider.test",
  },
  consumer: {
    peerId: "00000000000000000003",
    name: "Gemeente Ütrecht aan Zee",
    host: "outway.consumer.test",
  },
  stranger: {
    peerId: "00000000000000000004",
    name: "Adviesbureau Zonder Recht",
    host: "outway.stranger.test",
  },
} as const;

const RESOLVE = Object.values(PEERS)
  .map(({ host }) => `${host}=127.0.0.1`)
  .join(",");

/** A port that was free a moment ago. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  server.close();
  await once(server, "close");
  return port;
};

/** One started process with what a test needs of it. */
export interface Member {
  readonly running: Running;
  /** Where it listens. */
  readonly port: number;
  readonly healthPort: number;
  /** Its transaction log's folder. */
  readonly log: string;
}

/** What may differ from test to test. */
export interface NetworkOptions {
  /** More flags for a process. */
  readonly flags?: Partial<Record<"directory" | "inway" | "outway", readonly string[]>>;
  /** More environment for all processes. */
  readonly env?: Readonly<Record<string, string>>;
  /** The source's URL in grants.yaml instead of the recording source's. */
  readonly sourceUrl?: string;
  /** Further services of the provider, name to URL, granted to the consumer. */
  readonly services?: Readonly<Record<string, string>>;
}

/** A running group. `stop` ends every process and removes every file. */
export class Network {
  readonly processes = new Processes();
  readonly #members = new Map<string, Member>();
  inwayPort = 0;

  readonly group: TestGroup;
  readonly source: RecordingSource;
  readonly peers: Readonly<Record<keyof typeof PEERS, TestPeer>>;
  readonly directoryPort: number;

  private constructor(
    parts: Pick<Network, "group" | "source" | "peers" | "directoryPort">,
    readonly options: NetworkOptions,
  ) {
    this.group = parts.group;
    this.source = parts.source;
    this.peers = parts.peers;
    this.directoryPort = parts.directoryPort;
  }

  /** Starts everything and waits until the consumer's outway knows the service. */
  static async start(options: NetworkOptions = {}): Promise<Network> {
    const directoryPort = await freePort();
    const group = await TestGroup.create({
      directories: [
        {
          peer_id: PEERS.directory.peerId,
          address: `${PEERS.directory.host}:${String(directoryPort)}`,
        },
      ],
    });
    const entries = Object.entries(PEERS).map(async ([role, { peerId, name, host }]) => {
      const peer = await group.peer({ peerId, name, names: [host, "localhost"] });
      return [role, peer] as const;
    });
    const peers = Object.fromEntries(await Promise.all(entries)) as Network["peers"];
    const network = new Network(
      { group, source: await RecordingSource.start(), peers, directoryPort },
      options,
    );
    try {
      await network.#startAll();
    } catch (error) {
      await network.stop();
      throw error;
    }
    return network;
  }

  /** The member with this name: "directory", "inway", "outway" (the consumer's) or "stranger". */
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
  url(path = "/", service = "echo"): string {
    return `http://127.0.0.1:${String(this.outway.port)}/${PEERS.provider.peerId}/${service}${path}`;
  }

  /** The grants file of the provider. */
  get grantsFile(): string {
    return join(this.group.dir, "grants.yaml");
  }

  /** Writes grants.yaml: the services of the options, granted to the consumer. */
  async writeGrants(granted = true): Promise<void> {
    const services = { echo: this.options.sourceUrl ?? this.source.url, ...this.options.services };
    const cert = new X509Certificate(readFileSync(this.peers.consumer.files.cert));
    const { publicKeyThumbprint } = identityOf(cert, peerIdRule(PEER_ID_PATTERN_DEFAULT));
    const rows = Object.keys(services).map(
      (service) =>
        `  - { peer: "${PEERS.consumer.peerId}", public_key: ${publicKeyThumbprint}, service: ${service} }`,
    );
    const offered = Object.entries(services).map(
      ([name, url]) => `  - { name: ${name}, url: "${url}" }`,
    );
    const grants = granted ? ["grants:", ...rows] : [];
    await writeFile(this.grantsFile, ["services:", ...offered, ...grants, ""].join("\n"));
  }

  async startDirectory(): Promise<Member> {
    return this.#start("directory", "directory", [
      ...["--listen", `127.0.0.1:${String(this.directoryPort)}`],
      ...["--probe-interval", "1s"],
      ...(this.options.flags?.directory ?? []),
    ]);
  }

  async startInway(name = "inway", port?: number): Promise<Member> {
    const chosen = port ?? (this.inwayPort ||= await freePort());
    return this.#start(name, "inway", [
      ...["--name", name, "--grants", this.grantsFile],
      ...[
        "--listen",
        `127.0.0.1:${String(chosen)}`,
        "--address",
        `${PEERS.provider.host}:${String(chosen)}`,
      ],
      ...["--allow-volatile-log", ...(this.options.flags?.inway ?? [])],
    ]);
  }

  /** @param flags more flags, after all others: the last one of a kind counts */
  async startOutway(name = "outway", port = 0, flags: readonly string[] = []): Promise<Member> {
    return this.#start(name, "outway", [
      ...["--name", name, "--listen", `127.0.0.1:${String(port)}`],
      ...["--allow-volatile-log", ...(this.options.flags?.outway ?? []), ...flags],
    ]);
  }

  /** Waits until an outway answers something else than "unknown" for the provider's service. */
  async untilKnown(name = "outway", service = "echo"): Promise<void> {
    const { port } = this.member(name);
    await until(`the ${name} to know the service ${service}`, async () => {
      const path = `/${PEERS.provider.peerId}/${service}/known`;
      const response = await fetch(`http://127.0.0.1:${String(port)}${path}`, {
        method: "OPTIONS",
      });
      await response.arrayBuffer();
      return ![404, 503].includes(response.status) ? true : undefined;
    });
    this.source.requests.length = 0;
  }

  async stop(): Promise<void> {
    await this.processes.stopAll();
    await this.source.stop();
    await this.group.remove();
  }

  async #startAll(): Promise<void> {
    await this.writeGrants();
    await this.startDirectory();
    await Promise.all([this.startInway(), this.startOutway(), this.startOutway("stranger")]);
    await this.untilKnown();
  }

  async #start(
    name: string,
    command: "directory" | "inway" | "outway",
    flags: readonly string[],
  ): Promise<Member> {
    const role =
      name === "stranger"
        ? "stranger"
        : command === "directory"
          ? "directory"
          : command === "inway"
            ? "provider"
            : "consumer";
    const { files } = this.peers[role];
    const data = join(this.group.dir, `data-${name}`);
    await mkdir(data, { recursive: true });
    const running = await this.processes.start(
      name,
      [
        CLI,
        command,
        ...[
          "--group",
          this.group.groupFile,
          "--cert",
          files.cert,
          "--key",
          files.key,
          "--data",
          data,
        ],
        ...["--health-listen", "127.0.0.1:0", "--resolve", RESOLVE, "--log-format", "json"],
        ...["--allow-private-addresses", "--allow-any-port"],
        ...flags,
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
