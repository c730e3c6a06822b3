// Where an outway goes: to the inways that the token names and to no others, with no directory at all.
import { expect } from "chai";
import { freePort } from "../support/network-peers.js";
import { Plane } from "../support/plane.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

describe("outway, inways of a token", function () {
  this.timeout(60_000);
  let plane: Plane;
  const named = (port: number) => ({ host: "inway.test", port });

  before(async () => {
    plane = await Plane.start();
    await until(
      "both are connected",
      () => plane.provider.connected + plane.consumer.connected === 2,
    );
  });
  beforeEach(async () => {
    plane.agree();
    await plane.settled();
  });
  afterEach(() => plane.reset());
  after(async () => {
    await plane.close();
    removeTemporaryFolders();
  });

  it("answers 502 when the token names none that can be reached, and sends nothing to another", async () => {
    plane.provider.inways = [named(await freePort())];
    const answer = await plane.call();
    expect(answer.status).to.equal(502);
    expect(answer.json()["code"]).to.equal("ERROR_CODE_INWAY_UNREACHABLE");
    expect(plane.source.requests).to.have.length(0);
  });

  it("goes on to the next that the token names, its add.inways, when the first cannot be reached", async () => {
    plane.provider.inways = [named(await freePort()), named(plane.inway.address.port)];
    const answer = await plane.call();
    expect(answer.status).to.equal(200);
    const [authorization = ""] = plane.source.last.header("Fsc-Authorization");
    const claims = Buffer.from(authorization.split(".")[1] ?? "", "base64url").toString();
    expect(JSON.parse(claims)).to.deep.include({
      add: { inways: [`https://inway.test:${String(plane.inway.address.port)}`] },
    });
  });
});
