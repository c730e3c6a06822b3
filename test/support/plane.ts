// The data plane of two organisations in one process: a real outway and a real inway with everything that they say
// over real sockets, a recording source, and a stand-in for each manager.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseGroup, type Group } from "../../certs/group.js";
import { loadBundle, type Bundle } from "../../certs/bundle.js";
import { Lifecycle } from "../../core/lifecycle.js";
import { readSettings } from "../../core/settings.js";
import { startInway, type Started } from "../../inway/main.js";
import { INWAY_SETTINGS } from "../../inway/settings.js";
import { startOutway } from "../../outway/main.js";
import { OUTWAY_SETTINGS } from "../../outway/settings.js";
import { call, type CallAnswer, type CallOptions } from "./call.js";
import { MovedClock } from "./moved-clock.js";
import {
  contractBetween,
  Organisation,
  type GrantOptions,
  type ToldContract,
} from "./organisation.js";
import { TestGroup, type TestGroupOptions, type TestPeer } from "./pki.js";
import { recordedLog } from "./recorded-log.js";
import { RecordingSource } from "./source.js";
import { temporaryFolder } from "./temporary.js";
import { until } from "./until.js";

export const CONSUMER = "00000000000000000003";
export const PROVIDER = "00000000000000000002";
export const STRANGER = "00000000000000000004";

const NAMES = ["directory", "inway", "manager.provider", "manager.consumer", "other"];
const RESOLVE = NAMES.map((name) => `${name}.test=127.0.0.1`).join(",");
const ANY = "127.0.0.1:0";

/** How many contracts a part says that it knows. */
export const contractsOf = async ({ healthAddress }: Started): Promise<number> => {
  const page = await call(`http://127.0.0.1:${String(healthAddress.port)}/metrics`);
  return Number(/^schakel_state_contracts ([0-9]+)$/m.exec(page.text)?.[1]);
};

/** A process of the data plane that runs within this one. */
export interface RunningPart extends Started {
  readonly lifecycle: Lifecycle;
  readonly lines: readonly string[];
  /** Its data folder. */
  readonly data: string;
}

/** What both processes are started with, in flags. */
type Flags = Readonly<Record<string, string | boolean>>;

/** Both organisations. Whoever makes them closes them. */
export class Plane {
  readonly clock = new MovedClock();
  inway!: RunningPart;
  outway!: RunningPart;
  source!: RecordingSource;
  provider!: Organisation;
  consumer!: Organisation;
  inwayPeer!: TestPeer;
  outwayPeer!: TestPeer;
  inwayBundle!: Bundle;
  outwayBundle!: Bundle;
  readonly #parts: RunningPart[] = [];

  private constructor(
    readonly test: TestGroup,
    readonly group: Group,
  ) {}

  /** Starts everything; there is a service "echo" and no contract. */
  static async start(options: TestGroupOptions = {}): Promise<Plane> {
    const test = await TestGroup.create(options);
    const group = parseGroup(await readFile(test.groupFile, "utf8"));
    const plane = new Plane(test, group);
    const { clock } = plane;
    plane.source = await RecordingSource.start();
    plane.provider = await Organisation.start(test, group, {
      ...{ peerId: PROVIDER, name: "provider", clock },
    });
    plane.consumer = await Organisation.start(test, group, {
      ...{ peerId: CONSUMER, name: "consumer", clock },
    });
    plane.inwayPeer = await test.peer({
      peerId: PROVIDER,
      name: "Provider",
      names: ["inway.test"],
    });
    plane.outwayPeer = await test.peer({
      ...{ peerId: CONSUMER, name: "Consumer", names: ["outway.test"] },
    });
    plane.inwayBundle = await loadBundle(plane.inwayPeer.files, group);
    plane.outwayBundle = await loadBundle(plane.outwayPeer.files, group);
    plane.provider.services = [plane.service("echo")];
    plane.consumer.managers.set(PROVIDER, plane.provider.managerAddress);
    plane.inway = await plane.startInway();
    plane.provider.inways = [{ host: "inway.test", port: plane.inway.address.port }];
    plane.outway = await plane.startOutway();
    return plane;
  }

  /** A service of the source, as the manager tells of it. */
  service(name: string, published = true) {
    return { name, sourceUrl: this.source.url, openapiPath: "", protocol: "", published };
  }

  /** A contract between the two for "echo", that both managers tell of. */
  agree(options: GrantOptions = {}): ReturnType<typeof contractBetween> {
    const { outwayBundle, inwayBundle, group } = this;
    const contract = contractBetween(group, outwayBundle.identity, inwayBundle.identity, options);
    this.provider.tell(contract);
    this.consumer.tell(contract);
    return contract;
  }

  /** Both managers tell of a decision. */
  decide(contract: ToldContract, decision: ToldContract["decision"]): void {
    for (const organisation of [this.provider, this.consumer]) {
      organisation.tell({ ...contract, decision });
    }
  }

  /** Forgets every contract and token, and resolves when both sides have. */
  async reset(): Promise<void> {
    for (const organisation of [this.provider, this.consumer]) organisation.forget();
    this.provider.answerToken = undefined;
    this.provider.tokensAsked = 0;
    this.provider.tokenLifetimeSeconds = 600;
    await until("no contracts are known", async () => {
      const counts = await Promise.all([this.inway, this.outway].map((part) => contractsOf(part)));
      return counts.every((count) => count === 0);
    });
  }

  /** Resolves when both sides know as many contracts as their managers. */
  async settled(): Promise<void> {
    const sides = [
      [this.inway, this.provider],
      [this.outway, this.consumer],
    ] as const;
    await until("the contracts are known", async () => {
      const counts = await Promise.all(sides.map(([part]) => contractsOf(part)));
      return sides.every(([, { contracts }], index) => counts[index] === contracts.size);
    });
  }

  /** Starts an inway of the provider. */
  async startInway(flags: Flags = {}): Promise<RunningPart> {
    const identity = await this.provider.identity("inway");
    return await this.#start(flags, async (common, running) => {
      const own = { ...this.inwayPeer.files, identity, address: "inway.test:443", listen: ANY };
      return await startInway(readSettings("inway", INWAY_SETTINGS, { ...own, ...common }, {}), {
        ...running,
      });
    });
  }

  /** Starts an outway of the consumer. */
  async startOutway(flags: Flags = {}): Promise<RunningPart> {
    const identity = await this.consumer.identity("outway");
    return await this.#start(flags, async (common, running) => {
      const own = { ...this.outwayPeer.files, identity, listen: ANY };
      return await startOutway(readSettings("outway", OUTWAY_SETTINGS, { ...own, ...common }, {}), {
        ...running,
      });
    });
  }

  /** Ends one part. */
  async stop(part: RunningPart): Promise<void> {
    await part.lifecycle.stop();
  }

  /** Calls through the outway. */
  call(path = `/${PROVIDER}/echo/`, options: CallOptions = {}): Promise<CallAnswer> {
    return call(`http://127.0.0.1:${String(this.outway.address.port)}${path}`, options);
  }

  /** Ends everything. */
  async close(): Promise<void> {
    for (const part of this.#parts.toReversed()) await part.lifecycle.stop();
    await this.provider.close();
    await this.consumer.close();
    await this.source.stop();
    await this.test.remove();
  }

  async #start(
    flags: Flags,
    start: (common: Flags, running: Parameters<typeof startInway>[1]) => Promise<Started>,
  ): Promise<RunningPart> {
    const { log, lines } = recordedLog();
    const lifecycle = new Lifecycle(log);
    const data = join(temporaryFolder(), "data");
    const common: Flags = {
      ...{ group: this.test.groupFile, data, resolve: RESOLVE, healthListen: ANY },
      ...{ allowPrivateAddresses: true, allowAnyPort: true, allowVolatileLog: true },
      stopTimeout: "100ms",
      ...flags,
    };
    const started = await start(common, { log, lifecycle, clock: this.clock });
    const part = { ...started, lifecycle, lines, data };
    this.#parts.push(part);
    return part;
  }
}
