// The data plane while the managers of the components are away: it goes on with what it has, also after a restart.
import { expect } from "chai";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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

  const restartOutway = async (): Promise<void> => {
    await plane.stop(plane.outway);
    plane.outway = await plane.startOutway({ data: plane.outway.data });
  };

  it("goes on after a restart of both, also where the inway has another address then", async () => {
    await plane.stop(plane.inway);
    plane.inway = await plane.startInway({ data: plane.inway.data });
    plane.provider.inways = [{ host: "inway.test", port: plane.inway.address.port }];
    await restartOutway();
    plane.clock.advance(2_000);
    await until("the outway to know the inway's address", async () => {
      return (await plane.call()).status === 200;
    });
  });

  describe("with the provider's manager gone for outways too", () => {
    const tokens = (): string => join(plane.outway.data, "tokens");

    beforeEach(async () => {
      await until("the token is on disk", () => existsSync(tokens()));
      await plane.provider.stopAnswering();
    });

    it("goes on after a restart with the token that it had", async () => {
      expect(statSync(tokens()).mode & 0o777).to.equal(0o600);
      await restartOutway();
      expect((await plane.call()).status).to.equal(200);
    });

    const refused = async (): Promise<void> => {
      await restartOutway();
      const answer = await plane.call();
      expect(answer.json()["code"]).to.equal("ERROR_CODE_TOKEN_UNAVAILABLE");
    };

    it("does not use a token that has ended meanwhile", async () => {
      plane.clock.advance(601_000);
      await refused();
    });

    const SPOILT: readonly (readonly [string, (text: string) => string])[] = [
      ["is no JSON", () => "{"],
      ["is of another format", (text) => text.replace("access-tokens/v1", "access-tokens/v9")],
      ["names another grant", (text) => text.replace(/"grant":"\$1\$3\$./, '"grant":"$1$3$_')],
      ["names another certificate", (text) => text.replace(/"certificate":"./, '"certificate":"_')],
      ["has a token of another shape", (text) => text.replace(/"text":"./, '"text":"_')],
    ];
    for (const [what, spoil] of SPOILT) {
      it(`does not use a file that ${what}`, async () => {
        await plane.stop(plane.outway);
        writeFileSync(tokens(), spoil(readFileSync(tokens(), "utf8")));
        await refused();
        expect(plane.outway.lines.join("\n")).not.to.match(/eyJ[A-Za-z0-9_-]{20}/);
      });
    }
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
