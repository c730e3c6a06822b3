// With the managers away, inways and outways go on with what they have, also after a restart, until the offline
// limit; their health says so.
import { expect } from "chai";
import { expectError, fromCall, fromRaw } from "../support/answered.js";
import { connectAsOutway, exchangeRaw } from "../support/as-outway.js";
import { call } from "../support/call.js";
import { Network, PEERS } from "../support/network.js";
import { newTransactionId } from "../../core/names.js";
import { until } from "../support/until.js";

/** How long a process may take to see that its manager is silent, which it says after 3 s. */
const STALE_WITHIN_MS = 15_000;

describe("system/manager away", function () {
  this.timeout(90_000);
  let network: Network;
  before(async () => {
    network = await Network.start();
  });
  after(() => network.stop());

  const page = (name: string, path: string): ReturnType<typeof call> =>
    call(`http://127.0.0.1:${String(network.member(name).healthPort)}${path}`);
  const isStale = async (name: string): Promise<boolean> => {
    const { text } = await page(name, "/metrics");
    return /^schakel_state_stale 1$/m.test(text);
  };
  const answered = async (path: string): Promise<void> => {
    const answer = await call(network.url(path));
    expect(answer.status, answer.text).to.equal(200);
    expect(network.source.last.target).to.equal(path);
  };

  it("goes on when the consumer's manager is away, also after a restart of the outway", async () => {
    await network.stopManagers("consumer");
    await answered("/one");
    await network.outway.running.stop();
    await network.startOutway();
    await answered("/two");
  });

  it("goes on when both are away, also after a restart of the inway and after a kill of it", async () => {
    await network.stopManagers("provider");
    await answered("/three");
    await network.inway.running.stop();
    await network.startInway();
    await answered("/four");
    network.inway.running.kill("SIGKILL");
    await network.inway.running.exited;
    await network.startInway();
    await answered("/five");
  });

  for (const name of ["inway", "outway"]) {
    it(`shows in health and metrics that the state of the ${name} is stale, and that it is ready all the same`, async () => {
      await until("the state to be stale", () => isStale(name), STALE_WITHIN_MS);
      const ready = await page(name, "/health/ready");
      expect(ready.status, ready.text).to.equal(200);
      expect(ready.json()["warnings"]).to.have.property("contracts").that.contains("stale");
    });
  }

  it("answers 502 to an outway that has no token when the provider's manager is away", async () => {
    await network.startManager("consumer");
    await network.startOutway("fresh");
    const answer = await until("the fresh outway to know the contract", async () => {
      const found = await fromCall(network.url("/fresh", "echo", "fresh"));
      return found.code === "ERROR_CODE_TOKEN_UNAVAILABLE" && found;
    });
    const body = expectError(answer, "ERROR_CODE_TOKEN_UNAVAILABLE", "outway");
    expect(JSON.stringify(body)).not.to.contain("127.0.0.1");
  });

  it("is up to date again when the managers are back", async () => {
    await network.startManager("provider");
    for (const name of ["inway", "outway"]) {
      await until("the state to be fresh", async () => !(await isStale(name)), STALE_WITHIN_MS);
    }
    await network.untilKnown("fresh");
    await answered("/six");
  });
});

describe("system/manager away for longer than the offline limit", function () {
  this.timeout(60_000);
  let network: Network;
  before(async () => {
    const flags = ["--offline-limit", "5s"];
    network = await Network.start({ flags: { inway: flags, outway: flags } });
  });
  after(() => network.stop());

  it("answers 503 at the inway, and at the outway, and recovers", async () => {
    const token = await network.token();
    await network.stopManagers("provider", "consumer");
    const ask = async () => {
      const { files } = network.peers.consumer;
      const about = { port: network.inway.port, servername: PEERS.provider.host, files };
      const lines = [
        ...["GET /x HTTP/1.1", "Host: inway", "Connection: close"],
        ...[`Fsc-Authorization: Bearer ${token}`, `Fsc-Transaction-Id: ${newTransactionId()}`],
      ];
      return exchangeRaw(await connectAsOutway(about), `${lines.join("\r\n")}\r\n\r\n`);
    };
    const text = await until(
      "the limit to pass at the inway",
      async () => {
        const found = await ask();
        return !found.startsWith("HTTP/1.1 200") && found;
      },
      20_000,
    );
    expectError(fromRaw(text), "ERROR_CODE_STATE_UNAVAILABLE", "inway");
    // Until then the inway's refusal is what comes.
    const refused = await until(
      "the limit to pass at the outway",
      async () => {
        const answer = await fromCall(network.url("/"));
        return answer.body["domain"] === "ERROR_DOMAIN_OUTWAY" && answer;
      },
      20_000,
    );
    expectError(refused, "ERROR_CODE_STATE_UNAVAILABLE", "outway");
    await Promise.all([network.startManager("provider"), network.startManager("consumer")]);
    await network.untilKnown();
  });
});
