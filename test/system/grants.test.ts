// Permission is read again while the inway runs, and is asked for on every exchange.
import { expect } from "chai";
import { writeFile } from "node:fs/promises";
import { Agent, request as httpRequest } from "node:http";
import { call } from "../support/call.js";
import { Network } from "../support/network.js";
import { until } from "../support/until.js";

const LINE = "the changed grants are wrong; the old ones stay in force";

describe("system/grants", function () {
  this.timeout(60_000);
  let network: Network;
  before(async () => {
    network = await Network.start();
  });
  after(() => network.stop());

  const status = async (): Promise<number> => (await call(network.url("/"))).status;

  it("refuses the next exchange on an open connection once the grant is gone, and lets it pass when it is back", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const onOneConnection = (): Promise<number> =>
      new Promise((resolve, reject) => {
        httpRequest(network.url("/"), { agent }, (response) => {
          response.resume().once("end", () => resolve(response.statusCode ?? 0));
        })
          .once("error", reject)
          .end();
      });
    expect(await onOneConnection()).to.equal(200);
    await network.writeGrants(false);
    await until("the grant to be gone", async () => (await onOneConnection()) === 403, 5_000);
    await network.writeGrants();
    await until("the grant to be back", async () => (await onOneConnection()) === 200, 5_000);
    agent.destroy();
  });

  const wrong = [
    ["no YAML", "services: ["],
    ["an unknown field", "services: []\nwho: me\n"],
    ["a service without URL", "services: [{ name: echo }]\n"],
    ["a source that is no URL", "services: [{ name: echo, url: nowhere }]\n"],
    [
      "a grant for a service that is not there",
      'services: []\ngrants: [{ peer: "00000000000000000003", public_key: "00", service: x }]\n',
    ],
  ] as const;
  for (const [what, content] of wrong) {
    it(`keeps the old grants and says why when the file has ${what}`, async () => {
      const { running } = network.inway;
      const before = running.lines.at(-1)?.number ?? 0;
      await writeFile(network.grantsFile, content);
      await running.waitForLine(
        ({ number, fields }) => number > before && fields["msg"] === LINE,
        5_000,
      );
      expect(await status()).to.equal(200);
    });
  }

  it("takes a right file again after a wrong one", async () => {
    await network.writeGrants(false);
    await until("the new content to be in force", async () => (await status()) === 403, 5_000);
  });
});
