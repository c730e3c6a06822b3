// With the directory away, known peers go on; with it back, news arrives.
import { expect } from "chai";
import { call } from "../support/call.js";
import { Stranger, type Message } from "../support/stranger.js";
import { freePort, Network, PEERS } from "../support/network.js";
import { until } from "../support/until.js";

describe("system/directory away", function () {
  this.timeout(60_000);
  let network: Network;
  before(async () => {
    network = await Network.start();
  });
  after(() => network.stop());

  /** What the directory lists, asked as a peer without a contract does. */
  const listed = async (): Promise<readonly Message[]> => {
    const { group, peers, directoryPort } = network;
    const stranger = new Stranger(group, peers.stranger, PEERS.directory.host, directoryPort);
    try {
      const answer = await stranger.call("ListServices", { group_id: group.content.group_id });
      return (answer["services"] ?? []) as readonly Message[];
    } finally {
      stranger.close();
    }
  };

  it("goes on, also after a restart of the outway", async () => {
    await network.member("directory").running.stop();
    expect((await call(network.url("/one"))).status).to.equal(200);
    await network.outway.running.stop();
    await network.startOutway();
    expect((await call(network.url("/two"))).status).to.equal(200);
    expect(network.source.last.target).to.equal("/two");
  });

  it("starts an inway that can be called at once where it was before", async () => {
    await network.inway.running.stop();
    await network.startInway();
    expect((await call(network.url("/three"))).status).to.equal(200);
  });

  it("forgets no service over a restart of the directory, and hears of new ones", async () => {
    await network.startDirectory();
    expect(await listed()).to.have.length(1);
    const fresh = await network.startOutway("fresh");
    await network.untilKnown("fresh");
    const url = `http://127.0.0.1:${String(fresh.port)}/${PEERS.provider.peerId}/echo/four`;
    expect((await call(url)).status).to.equal(200);
    await fresh.running.stop();
  });

  it("takes an inway out of the catalogue when it stops in good order", async () => {
    const second = await network.startInway("inway-2", await freePort());
    expect(second.port).to.be.above(0);
    await network.inway.running.stop();
    await second.running.stop();
    await until("the service to be gone", async () => (await listed()).length === 0);
  });
});
