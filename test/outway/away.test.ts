// The data plane while the managers of the components are away: it goes on with what it has, also after a restart.
import { expect } from "chai";
import { call } from "../support/call.js";
import { Plane, type RunningPart } from "../support/plane.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

const HOUR_MS = 3_600_000;

describe("outway/away", function () {
  this.timeout(60_000);
  let plane: Plane;

  beforeEach(async () => {
    plane = await Plane.start();
    plane.agree();
    await until(
      "both are connected",
      () => plane.provider.connected + plane.consumer.connected === 2,
    );
    await plane.settled();
    expect((await plane.call()).status).to.equal(200);
    await plane.provider.stopListening();
    await plane.consumer.stopListening();
  });
  afterEach(() => plane.close());
  after(removeTemporaryFolders);

  const ready = async ({ healthAddress }: RunningPart): Promise<Record<string, unknown>> =>
    (await call(`http://127.0.0.1:${String(healthAddress.port)}/health/ready`)).json();

  it("goes on, and says that it is stale", async () => {
    plane.clock.advance(4_000);
    expect((await plane.call()).status).to.equal(200);
    for (const part of [plane.inway, plane.outway]) {
      const { problems, warnings } = await ready(part);
      expect(problems).not.to.have.property("contracts");
      expect(warnings).to.have.property("contracts").that.includes("stale");
      const metrics = await call(`http://127.0.0.1:${String(part.healthAddress.port)}/metrics`);
      expect(metrics.text).to.match(/^schakel_state_stale 1$/m);
    }
  });

  it("goes on after a restart of both", async () => {
    await plane.stop(plane.outway);
    await plane.stop(plane.inway);
    plane.inway = await plane.startInway({ data: plane.inway.data });
    plane.provider.inways = [{ host: "inway.test", port: plane.inway.address.port }];
    plane.outway = await plane.startOutway({ data: plane.outway.data });
    expect((await plane.call()).status).to.equal(200);
  });

  it("passes nothing beyond the offline limit, and everything again when the manager is back", async () => {
    plane.clock.advance(73 * HOUR_MS);
    const answer = await plane.call();
    expect(answer.status).to.equal(503);
    expect(answer.json()["code"]).to.equal("ERROR_CODE_STATE_UNAVAILABLE");
    for (const part of [plane.inway, plane.outway]) {
      expect((await ready(part))["problems"])
        .to.have.property("contracts")
        .that.includes("silent");
    }
  });

  it("stops a contract at its end without being told", async () => {
    plane.clock.advance(25 * HOUR_MS);
    const answer = await plane.call();
    expect(answer.json()["code"]).to.equal("ERROR_CODE_NO_CONTRACT");
    expect(answer.json()["message"]).to.include("EXPIRED");
  });
});
