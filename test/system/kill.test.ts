// kill -9 at any moment: no request reaches the source without a record on both sides.
import { expect } from "chai";
import { expectBothLogs, Load } from "../support/load.js";
import { Network } from "../support/network.js";
import { randomFrom } from "../support/random.js";
import { long, seed } from "../support/scale.js";

const ROUNDS = long ? 100 : 20;
const CLIENTS = 8;

describe(`system/kill -9 under load, ${String(ROUNDS)} times (seed ${String(seed)})`, function () {
  this.timeout(ROUNDS * 15_000);
  let network: Network;
  before(async () => {
    network = await Network.start();
  });
  after(() => network.stop());

  it("leaves a record on both sides of each request that the source saw, an end of each intent, and all of it with the managers", async () => {
    const next = randomFrom(seed);
    const killManager = async (name: "provider" | "consumer"): Promise<void> => {
      const { running } = network.member(`manager-${name}`);
      running.kill("SIGKILL");
      await running.exited;
      await network.startManager(name);
    };
    const outwayPort = network.outway.port;
    const load = new Load(network, CLIENTS);
    for (let round = 0; round < ROUNDS; round++) {
      await load.more(Math.ceil(next() * 60));
      // Every fifth time a manager too, in the middle of taking records.
      if (round % 5 === 4) await killManager(round % 2 === 0 ? "provider" : "consumer");
      const victim = round % 2 === 0 ? network.inway : network.outway;
      victim.running.kill("SIGKILL");
      await victim.running.exited;
      if (round % 2 === 0) await network.startInway();
      else await network.startOutway("outway", outwayPort);
    }
    await load.more(10);
    await load.stop();

    const { outgoing, incoming, seen } = await expectBothLogs(network, load.answered);
    expect(seen.length).to.be.above(ROUNDS);
    expect(new Set(seen).size, "a POST is never sent twice").to.equal(seen.length);
    expect([...incoming].filter((id) => !outgoing.has(id))).to.deep.equal([]);
  });
});
