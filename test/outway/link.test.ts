// What stands between an outway and an inway: the link where both speak it, HTTP/1.1 where it may be fallen back
// to, and the record that says which it was.
import { createServer, type Server, type TLSSocket } from "node:tls";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { CONSUMER, Plane, PROVIDER, type RunningPart } from "../support/plane.js";
import { call } from "../support/call.js";
import { recordsOf } from "../support/logs.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

describe("outway/link", function () {
  this.timeout(60_000);
  let plane: Plane;
  let foreign: Server;
  const foreignSockets: TLSSocket[] = [];
  let foreignReceived = "";

  /** An inway of other make: it speaks HTTP/1.1 alone, and has the provider's certificate. */
  const startForeign = async (): Promise<void> => {
    const { cert, key } = plane.inwayPeer.files;
    const options = { cert: readFileSync(cert), key: readFileSync(key), requestCert: true };
    foreign = createServer(
      { ...options, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] },
      (socket) => {
        foreignSockets.push(socket);
        socket.on("error", () => undefined);
        socket.on("data", (chunk: Buffer) => {
          foreignReceived += chunk.toString("latin1");
          if (foreignReceived.endsWith("\r\n\r\n"))
            socket.write("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nforeign");
        });
      },
    );
    foreign.listen(0, "127.0.0.1");
    await once(foreign, "listening");
  };

  before(async () => {
    plane = await Plane.start();
    await startForeign();
    await until(
      "both are connected",
      () => plane.provider.connected + plane.consumer.connected === 2,
    );
    plane.agree();
    await plane.settled();
  });
  after(async () => {
    for (const socket of foreignSockets) socket.destroy();
    foreign.close();
    await plane.close();
    removeTemporaryFolders();
  });
  beforeEach(() => {
    foreignReceived = "";
    plane.provider.inways = [{ host: "inway.test", port: plane.inway.address.port }];
  });

  const toForeign = (): void => {
    const { port } = foreign.address() as AddressInfo;
    plane.provider.inways = [{ host: "inway.test", port }];
  };
  const through = ({ address }: RunningPart, path = `/${PROVIDER}/echo/`) =>
    call(`http://127.0.0.1:${String(address.port)}${path}`);
  /** An outway with a token of its own, which names the inways of the moment. */
  const startOutway = async (
    flags: Parameters<Plane["startOutway"]>[0] = {},
  ): Promise<RunningPart> => {
    const outway = await plane.startOutway(flags);
    await until("the contract", async () => (await through(outway)).status !== 400);
    return outway;
  };
  const linksOf = async ({ data, lifecycle }: RunningPart): Promise<readonly string[]> => {
    await lifecycle.stop();
    const records = await recordsOf(join(data, "log"));
    return records.flatMap((record) => (record.kind === "outcome" ? [record.outcome.link] : []));
  };

  it("is the link with an inway of ours, and the record says so", async () => {
    const outway = await startOutway();
    const answer = await through(outway);
    expect(answer.status).to.equal(200);
    const [authorization = ""] = plane.source.last.header("Fsc-Authorization");
    expect(authorization).to.match(/^Bearer [\w-]+\.[\w-]+\.[\w-]+$/);
    expect(new Set(await linksOf(outway))).to.deep.equal(new Set(["schakel"]));
  });

  it("is HTTP/1.1 with --link off, and the same reaches the source", async () => {
    await plane.call();
    const overLink = plane.source.last;
    const outway = await startOutway({ link: "off" });
    expect((await through(outway)).status).to.equal(200);
    const namesOf = ({ rawHeaders }: typeof overLink): readonly string[] =>
      rawHeaders.filter((_, index) => index % 2 === 0);
    expect(namesOf(plane.source.last)).to.deep.equal(namesOf(overLink));
    expect(new Set(await linksOf(outway))).to.deep.equal(new Set(["http1"]));
  });

  it("falls back to HTTP/1.1 with an inway of other make, says so once, and records it", async () => {
    toForeign();
    const outway = await startOutway();
    for (let n = 0; n < 3; n++) expect((await through(outway)).text).to.equal("foreign");
    expect(foreignReceived).to.match(/\r\nFsc-Authorization: Bearer [\w.-]+\r\n/);
    expect(outway.lines.filter((line) => line.includes("does not speak the link"))).to.have.length(
      1,
    );
    expect(new Set(await linksOf(outway))).to.deep.equal(new Set(["http1"]));
  });

  for (const [name, flags] of [
    ["--link require", { link: "require" }],
    ["--link-require and the peer", { linkRequire: `${CONSUMER},${PROVIDER}` }],
    ["--link-require and the peer, whatever --link says", { link: "off", linkRequire: PROVIDER }],
  ] as const) {
    it(`does not fall back with ${name}: 502, and nothing was sent`, async () => {
      toForeign();
      const outway = await startOutway(flags);
      const answer = await through(outway);
      expect(answer.status).to.equal(502);
      expect(answer.json()["code"]).to.equal("ERROR_CODE_INWAY_UNREACHABLE");
      expect(foreignReceived).to.equal("");
    });
  }

  it("is the link with --link require where the inway speaks it", async () => {
    const outway = await startOutway({ link: "require" });
    expect((await through(outway)).status).to.equal(200);
    expect(new Set(await linksOf(outway))).to.deep.equal(new Set(["schakel"]));
  });

  it("falls back where only other peers are required to speak the link", async () => {
    toForeign();
    const outway = await startOutway({ linkRequire: CONSUMER });
    expect((await through(outway)).text).to.equal("foreign");
  });

  it("carries many exchanges at once", async () => {
    const answers = await Promise.all(Array.from({ length: 200 }, () => plane.call()));
    expect(answers.filter(({ status }) => status === 200)).to.have.length(200);
  });
});
