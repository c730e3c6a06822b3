// Load on a network while its processes are killed or fail, and what must be true of its logs afterwards.
import { expect } from "chai";
import { call } from "./call.js";
import { expectEnded, intentsOf, recordsOf } from "./logs.js";
import type { Network } from "./network.js";
import { expectStored } from "./stored-log.js";
import { until } from "./until.js";

const PATIENCE_MS = 30_000;

/** Clients that post all the time, and go on when they get no answer. */
export class Load {
  /** The transaction ids of the requests that were answered with 200. */
  readonly answered: string[] = [];
  readonly #clients: readonly Promise<void>[];
  #running = true;

  constructor(
    private readonly network: Network,
    clients: number,
  ) {
    this.#clients = Array.from({ length: clients }, () => this.#client());
  }

  /** Resolves when more than so many further requests were answered. */
  async more(count: number): Promise<void> {
    const enough = this.answered.length + count;
    await until("the load to be answered", () => this.answered.length > enough, PATIENCE_MS);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#clients);
  }

  async #client(): Promise<void> {
    while (this.#running) {
      const answer = await call(this.network.url("/load"), { method: "POST", body: "x" }).catch(
        () => undefined,
      );
      if (answer?.status === 200) this.answered.push(String(answer.headers["fsc-transaction-id"]));
      // A refused connection fails at once; the others must get a turn.
      else await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** What the logs of both sides say, and what the source saw. */
export interface BothLogs {
  readonly outgoing: ReadonlySet<string>;
  readonly incoming: ReadonlySet<string>;
  readonly seen: readonly string[];
}

/**
 * Ends outway and inway, and expects of their logs that every request which the source saw has its record on both sides
 * and with both managers, that every intent has an end, and that what was answered was seen.
 */
export const expectBothLogs = async (
  network: Network,
  answered: readonly string[],
): Promise<BothLogs> => {
  for (const { healthPort } of [network.inway, network.outway]) {
    await until(
      "the managers to have the records",
      async () => {
        const page = await call(`http://127.0.0.1:${String(healthPort)}/metrics`);
        return /^schakel_log_shipping 1$/m.test(page.text);
      },
      PATIENCE_MS,
    );
  }
  await network.outway.running.stop();
  await network.inway.running.stop();
  const outgoing = await recordsOf(network.outway.log);
  const incoming = await recordsOf(network.inway.log);
  expectEnded(outgoing);
  expectEnded(incoming);
  const { provider, consumer } = network.organisations;
  expectStored(consumer.data, "outway/outway", outgoing);
  expectStored(provider.data, "inway/inway", incoming);
  const [outIntents, inIntents] = [intentsOf(outgoing), intentsOf(incoming)];
  const seen = network.source.requests.map(
    (request) => request.header("Fsc-Transaction-Id")[0] ?? "",
  );
  expect(seen.filter((id) => !outIntents.has(id) || !inIntents.has(id))).to.deep.equal([]);
  const atSource = new Set(seen);
  expect(answered.filter((id) => !atSource.has(id))).to.deep.equal([]);
  return { outgoing: new Set(outIntents.keys()), incoming: new Set(inIntents.keys()), seen };
};
