// `--log-durability store`: an exchange waits until the managers of both sides have its records.
import { expect } from "chai";
import { call } from "../support/call.js";
import { expectEnded, intentsOf, recordsOf } from "../support/logs.js";
import { Network, type Member } from "../support/network.js";
import { expectStored, storedRecordsOfComponent } from "../support/stored-log.js";
import { until } from "../support/until.js";

const CODE = "TRANSACTION_LOG_WRITE_ERROR";

describe("system/a log that waits for the store", function () {
  this.timeout(90_000);
  let network: Network;
  before(async () => {
    const flags = ["--log-durability", "store"];
    network = await Network.start({ flags: { inway: flags, outway: flags } });
  });
  after(() => network.stop());

  const ready = ({ healthPort }: Member): ReturnType<typeof call> =>
    call(`http://127.0.0.1:${String(healthPort)}/health/ready`);

  it("has both intents with the managers before the source is called", async () => {
    const { provider, consumer } = network.organisations;
    const { status, headers } = await call(network.url("/stored"));
    expect(status).to.equal(200);
    const id = String(headers["fsc-transaction-id"]);
    const ours = storedRecordsOfComponent(consumer.data, "outway/outway");
    const theirs = storedRecordsOfComponent(provider.data, "inway/inway");
    expect(intentsOf(ours).has(id)).to.equal(true);
    expect(intentsOf(theirs).has(id)).to.equal(true);
    expect(ours[0]).to.include({ kind: "writer-start", durability: "store" });
  });

  for (const side of ["provider", "consumer"] as const) {
    it(`refuses while the manager of the ${side} stands still, and goes on by itself`, async () => {
      const manager = network.member(`manager-${side}`);
      const member = side === "provider" ? network.inway : network.outway;
      const seen = network.source.requests.length;
      manager.running.kill("SIGSTOP");
      try {
        const { status, headers } = await call(network.url("/refused"));
        expect(status).to.equal(500);
        expect(headers["fsc-error-code"]).to.equal(CODE);
        expect((await ready(member)).json()["problems"]).to.have.property("transaction log");
        const at = performance.now();
        expect((await call(network.url("/refused"))).status).to.equal(500);
        expect(performance.now() - at, "refused at once").to.be.below(4_000);
        expect(network.source.requests).to.have.length(seen);
      } finally {
        manager.running.kill("SIGCONT");
      }
      await until("all to be well", async () => (await ready(member)).status === 200, 30_000);
      await until(
        "a call to be answered",
        async () => (await call(network.url("/after"))).status === 200,
        30_000,
      );
    });
  }

  it("leaves every record with the managers, and an end of each intent", async () => {
    await network.outway.running.stop();
    await network.inway.running.stop();
    const { provider, consumer } = network.organisations;
    const outgoing = await recordsOf(network.outway.log);
    const incoming = await recordsOf(network.inway.log);
    expectEnded(outgoing);
    expectEnded(incoming);
    expectStored(consumer.data, "outway/outway", outgoing);
    expectStored(provider.data, "inway/inway", incoming);
  });
});
