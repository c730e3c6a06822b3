// Our own pairs: a group of two organisations and a directory as real processes, with managers, contract, tokens and
// log as in earnest. Every way to run a pair has an inway, an outway and a service of its own.
import { fileURLToPath } from "node:url";
import { freePort, Network, PEERS } from "../../test/support/network.js";
import { ServiceVisibility } from "../../proto/gen/schakel/manager/v1/administration.js";
import { until } from "../../test/support/until.js";
import { VERSION } from "../../core/version.js";
import type { Pair } from "./pair.js";
import type { ClientTls } from "./load.js";
import { wayName, type Way } from "./ways.js";

const WITHOUT_LOG = fileURLToPath(new URL("without-log.ts", import.meta.url));
const PROFILE = fileURLToPath(new URL("profile.ts", import.meta.url));
const KNOWN_MS = 60_000;

/** Our running pairs and the group that they live in. */
export class Schakel {
  private constructor(
    readonly network: Network,
    readonly ways: readonly Way[],
  ) {}

  /** Makes certificates and folders; no process runs yet. */
  static async prepare(
    sourcePort: number,
    ways: readonly Way[],
    profiles: string | undefined,
  ): Promise<Schakel> {
    const url = `http://127.0.0.1:${sourcePort}`;
    const network = await Network.prepare({
      sourceUrl: url,
      services: Object.fromEntries(ways.map((way) => [wayName(way), url])),
      nodeFlags: (name) => [
        ...(/^(in|out)way-.*-log-off$/.test(name) ? ["--import", WITHOUT_LOG] : []),
        ...(/^(in|out)way-/.test(name) && profiles !== undefined ? ["--import", PROFILE] : []),
      ],
      // Those of the tests are shorter than anybody has them, and would be counted as work of managers.
      flags: { directory: ["--probe-interval", "10s"], manager: ["--announce-interval", "10s"] },
      env: profiles === undefined ? {} : { BENCH_PROFILE: profiles },
    });
    return new Schakel(network, ways);
  }

  /** The certificates of the two sides, which the other pairs use as well. */
  get files(): Readonly<
    Record<"outway" | "inway", { readonly cert: string; readonly key: string }>
  > {
    const { consumer, provider } = this.network.peers;
    return { outway: consumer.files, inway: provider.files };
  }

  /** The name in the inway's certificate. */
  get inwayName(): string {
    return PEERS.provider.host;
  }

  /** Starts everything and waits until a call passes each pair. */
  async start(tls: ClientTls): Promise<readonly Pair[]> {
    const { network, ways } = this;
    await Promise.all([
      network.startDirectory(),
      network.startManager("provider"),
      network.startManager("consumer"),
    ]);
    await this.#offer();
    for (const way of ways) await network.startInway(`inway-${wayName(way)}`, await freePort());
    const consumer = await network.administrator("consumer");
    await until(
      "the managers to know each other",
      async () => {
        const { peers } = await consumer.call("listPeers", {
          ...{ nameContains: "", pageSize: 0, pageToken: "" },
        });
        return peers.some(({ id }) => id === PEERS.provider.peerId);
      },
      KNOWN_MS,
    );
    await network.grant();
    const pairs: Pair[] = [];
    for (const way of ways) pairs.push(await this.#pair(way, tls));
    return pairs;
  }

  async stop(): Promise<void> {
    await this.network.stop();
  }

  async #pair(way: Way, tls: ClientTls): Promise<Pair> {
    const { network } = this;
    const service = wayName(way);
    const link = way.link === "schakel" ? "require" : "off";
    const name = `outway-${service}`;
    const outway = await network.startOutway(name, 0, ["--link", link]);
    await network.untilKnown(name, service);
    const inway = network.member(`inway-${service}`);
    const direct = async (): ReturnType<NonNullable<Pair["direct"]>> => ({
      ...{ url: `https://127.0.0.1:${inway.port}`, tls },
      authorization: `Bearer ${await network.token(service)}`,
    });
    return {
      ...{ pair: "schakel", version: `schakel ${VERSION}`, ...way },
      url: network.url("", service, name),
      // Its client speaks HTTP/1.1; the handshake is the same for both.
      ...(way.link === "http1" ? { direct } : {}),
      outway: [outway.running.pid],
      inway: [inway.running.pid],
      managers: (["manager-provider", "manager-consumer"] as const).map(
        (manager) => network.member(manager).running.pid,
      ),
    };
  }

  /** Makes a service for each way, at its inway alone, which the consumer may have access to. */
  async #offer(): Promise<void> {
    const { network } = this;
    const provider = await network.administrator("provider");
    for (const name of network.services) {
      const sourceUrl = network.options.sourceUrl ?? "";
      const inways = name === "echo" ? [] : [`inway-${name}`];
      await provider.call("putService", {
        service: {
          ...{ name, sourceUrl, protocol: "PROTOCOL_TCP_HTTP_1.1", openapiPath: "", contact: "" },
          ...{ inways, publishedIn: [] },
          visibility: ServiceVisibility.SERVICE_VISIBILITY_GROUP,
        },
      });
    }
    const rule = { peerId: PEERS.consumer.peerId, serviceName: "", id: "" };
    await provider.call("addAccessRule", { rule: { ...rule, validitySecondsMax: 1_000_000n } });
  }
}
