// Health and metrics of each process, on a loopback port of their own.
import { expect } from "chai";
import { call } from "../support/call.js";
import { Network } from "../support/network.js";

const PROCESSES = ["directory", "manager-provider", "inway", "outway"] as const;

describe("system/health", function () {
  this.timeout(60_000);
  let network: Network;
  before(async () => {
    network = await Network.start();
    await call(network.url("/"));
    await call(network.url("/", "nope"));
  });
  after(() => network.stop());

  const ask = (name: string, path: string, method = "GET"): ReturnType<typeof call> =>
    call(`http://127.0.0.1:${String(network.member(name).healthPort)}${path}`, { method });

  for (const name of PROCESSES) {
    for (const path of ["/health/live", "/health/ready"]) {
      it(`answers 200 at ${path} of the ${name}`, async () => {
        expect((await ask(name, path)).status).to.equal(200);
      });
    }

    it(`serves no exchange on the health port of the ${name}`, async () => {
      expect((await ask(name, "/00000000000000000002/echo/")).status).to.equal(404);
      expect((await ask(name, "/health/live", "POST")).status).to.equal(405);
    });
  }

  const counted: readonly (readonly [string, RegExp])[] = [
    ["outway", /^schakel_exchanges_total\{result="complete"\} [1-9]/m],
    ["outway", /^schakel_errors_total\{code="ERROR_CODE_SERVICE_NOT_FOUND"\} [1-9]/m],
    ["outway", /^schakel_log_records_total [1-9]/m],
    ["outway", /^schakel_log_writable 1$/m],
    ["inway", /^schakel_exchanges_total\{result="complete"\} [1-9]/m],
    ["inway", /^schakel_log_batches_total [1-9]/m],
    ["outway", /^schakel_state_stale 0$/m],
    ["inway", /^schakel_state_contracts 1$/m],
    ["inway", /^process_resident_memory_bytes [1-9]/m],
  ];
  for (const [name, line] of counted) {
    it(`counts in the metrics of the ${name}: ${String(line)}`, async () => {
      expect((await ask(name, "/metrics")).text).to.match(line);
    });
  }

  it("says that an outway without a catalogue is alive and not ready", async () => {
    const fresh = await network.startOutway("fresh", 0, ["--resolve", "directory.test=127.0.0.66"]);
    const ready = await ask("fresh", "/health/ready");
    expect(ready.status).to.equal(503);
    expect(ready.json()["problems"]).to.have.property("catalogue");
    expect((await ask("fresh", "/health/live")).status).to.equal(200);
    await fresh.running.stop();
  });
});
