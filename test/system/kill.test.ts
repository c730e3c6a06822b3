// kill -9 at any moment: no request reaches the source without a record on both sides.
import { expect } from "chai";
import { call } from "../support/call.js";
import { expectEnded, intentsOf, recordsOf } from "../support/logs.js";
import { Network } from "../support/network.js";
import { long, seed } from "../support/scale.js";
import { expectStored } from "../support/stored-log.js";
import { until } from "../support/until.js";

const ROUNDS = long ? 100 : 12;
const CLIENTS = 8;

/** Small and seeded, so that a failing run can be done again. */
const random = (start: number): (() => number) => {
  let state = start >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
};

const isShipped = async (healthPort: number): Promise<boolean> => {
  const page = await call(`http://127.0.0.1:${String(healthPort)}/metrics`);
  return /^schakel_log_shipping 1$/m.test(page.text);
};

describe(`system/kill -9 under load, ${String(ROUNDS)} times (seed ${String(seed)})`, function () {
  this.timeout(ROUNDS * 15_000);
  let network: Network;
  before(async () => {
    network = await Network.start();
  });
  after(() => network.stop());

  it("leaves a record on both sides of each request that the source saw, an end of each intent, and all of it with the managers", async () => {
    const next = random(seed);
    const killManager = async (name: "provider" | "consumer"): Promise<void> => {
      const { running } = network.member(`manager-${name}`);
      running.kill("SIGKILL");
      await running.exited;
      await network.startManager(name);
    };
    const outwayPort = network.outway.port;
    const answered: string[] = [];
    let running = true;
    const client = async (): Promise<void> => {
      while (running) {
        const answer = await call(network.url("/load"), { method: "POST", body: "x" }).catch(
          () => undefined,
        );
        if (answer?.status === 200) answered.push(String(answer.headers["fsc-transaction-id"]));
        // A refused connection fails at once; the others must get a turn.
        else await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    const clients = Array.from({ length: CLIENTS }, client);

    for (let round = 0; round < ROUNDS; round++) {
      const before = answered.length;
      const enough = Math.ceil(next() * 60);
      await until("the load to be answered", () => answered.length > before + enough, 30_000);
      // Every fifth time a manager too, in the middle of taking records.
      if (round % 5 === 4) await killManager(round % 2 === 0 ? "provider" : "consumer");
      const victim = round % 2 === 0 ? network.inway : network.outway;
      victim.running.kill("SIGKILL");
      await victim.running.exited;
      if (round % 2 === 0) await network.startInway();
      else await network.startOutway("outway", outwayPort);
    }
    const last = answered.length;
    await until("the load to be answered at the end", () => answered.length > last + 10, 30_000);
    running = false;
    await Promise.all(clients);

    for (const { healthPort } of [network.inway, network.outway]) {
      await until("the managers to have the records", () => isShipped(healthPort), 30_000);
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
    expect(seen.length).to.be.above(ROUNDS);
    expect(seen.filter((id) => !outIntents.has(id))).to.deep.equal([]);
    expect(seen.filter((id) => !inIntents.has(id))).to.deep.equal([]);
    expect(new Set(seen).size, "a POST is never sent twice").to.equal(seen.length);
    const atSource = new Set(seen);
    expect(answered.filter((id) => !atSource.has(id))).to.deep.equal([]);
    expect([...inIntents.keys()].filter((id) => !outIntents.has(id))).to.deep.equal([]);
  });
});
