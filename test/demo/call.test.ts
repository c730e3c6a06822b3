// Calls of a client: one connection for each, or one for all.
import { expect } from "chai";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { call, jsonOf, openConnection } from "../../demo/call.js";

describe("demo/call", () => {
  let server: Server;
  let port: number;
  beforeEach(async () => {
    server = createServer((request, response) => {
      if (request.url === "/end") response.setHeader("connection", "close");
      response.end(JSON.stringify({ url: request.url }));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    ({ port } = server.address() as AddressInfo);
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it("makes each call over a connection of its own", async () => {
    const answers = await Promise.all([call(port, "/a"), call(port, "/b")]);
    expect(answers.map((answer) => jsonOf(answer)["url"])).to.deep.equal(["/a", "/b"]);
    expect(answers[0].clientPort).to.not.equal(answers[1].clientPort);
  });

  it("makes all calls of an open connection over that one, and tells when it was another", async () => {
    const connection = openConnection(port);
    const ports: number[] = [];
    for (const target of ["/a", "/b", "/end", "/c"])
      ports.push((await connection.call(target)).clientPort);
    connection.close();
    expect(ports.slice(0, 3)).to.deep.equal([ports[0], ports[0], ports[0]]);
    expect(ports[3]).to.not.equal(ports[0]);
  });

  it("fails when nobody listens", async () => {
    server.close();
    await once(server, "close");
    let failure: unknown;
    await call(port, "/").catch((error: unknown) => (failure = error));
    expect(failure).to.have.property("code", "ECONNREFUSED");
  });
});
