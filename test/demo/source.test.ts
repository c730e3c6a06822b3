// The demo's source API over a real socket: its facts, its description, and what it refuses.
import { expect } from "chai";
import { once } from "node:events";
import { request, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createLog } from "../../core/log.js";
import { MUNICIPALITIES, PROVINCES } from "../../demo/municipalities.js";
import { OPENAPI } from "../../demo/openapi.js";
import { createSource } from "../../demo/source.js";

interface Received {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

describe("demo/source", () => {
  let server: Server;
  before(async () => {
    server = createSource(createLog("source", "error", "json")).listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  after(() => new Promise((resolve) => server.close(resolve)));

  const ask = (
    path: string,
    method = "GET",
    headers: Record<string, string> = {},
  ): Promise<Received> =>
    new Promise((resolve, reject) => {
      const { port } = server.address() as AddressInfo;
      const sent = request({ host: "127.0.0.1", port, path, method, headers, agent: false });
      sent.once("error", reject);
      sent.once("response", (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.once("end", () =>
          resolve({
            status: response.statusCode,
            headers: response.headers,
            text: Buffer.concat(parts).toString(),
          }),
        );
      });
      sent.end();
    });
  const body = (received: Received): Record<string, unknown> =>
    JSON.parse(received.text) as Record<string, unknown>;

  it("knows each municipality once, each in one of the twelve provinces", () => {
    expect(new Set(MUNICIPALITIES.map((m) => m.code)).size).to.equal(342);
    expect(new Set(MUNICIPALITIES.map((m) => m.name)).size).to.equal(342);
    for (const { code, province } of MUNICIPALITIES) {
      expect(code).to.match(/^GM[0-9]{4}$/);
      expect(PROVINCES.map((p) => p.name)).to.include(province);
    }
  });

  const lists = [
    { path: "/municipalities", count: 342 },
    { path: "/municipalities?province=Flevoland", count: 6 },
    { path: "/municipalities?province=pv24", count: 6 },
    { path: "/municipalities?name=dam&province=Zuid-Holland", count: 5 },
    { path: "/municipalities?province=Frysl%C3%A2n&name=s%C3%9Adwest", count: 1 },
    { path: "/municipalities?name=nowhere", count: 0 },
    { path: "/provinces", count: 12 },
  ];
  for (const { path, count } of lists) {
    it(`lists ${String(count)} for ${path}`, async () => {
      const received = await ask(path);
      expect(received.status).to.equal(200);
      expect(body(received)["count"]).to.equal(count);
      expect(body(received)["origin"]).to.have.property("licence", "CC BY 4.0");
    });
  }

  it("gives one municipality by its code", async () => {
    const utrecht = { code: "GM0344", name: "Utrecht", province: "Utrecht" };
    expect(body(await ask("/municipalities/GM0344"))).to.deep.equal(utrecht);
  });

  it("answers HEAD as GET without the body", async () => {
    const [head, get] = [await ask("/provinces", "HEAD"), await ask("/provinces")];
    expect(head.text).to.equal("");
    expect(head.headers["content-length"]).to.equal(String(Buffer.byteLength(get.text)));
    expect(head.headers.etag).to.equal(get.headers.etag);
  });

  it("answers 304 for the answer a client already has, and only for that one", async () => {
    const { etag = "" } = (await ask("/provinces")).headers;
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const received = await ask("/provinces", "GET", { "if-none-match": known });
      expect([received.status, received.text], known).to.deep.equal([304, ""]);
    }
    expect((await ask("/provinces", "GET", { "if-none-match": '"other"' })).status).to.equal(200);
  });

  const refusals = [
    { path: "/municipalities/GM9999", status: 404 },
    { path: "/municipalities/gm0344", status: 404 },
    { path: "/municipalities/", status: 404 },
    { path: "/municipalities/GM0344/", status: 404 },
    { path: "/municipalities/%ff", status: 404 },
    { path: "/", status: 404 },
    { path: "//provinces", status: 404 },
    { path: "/municipalities?province=Atlantis", status: 400 },
    { path: "/municipalities?province=", status: 400 },
    { path: "/municipalities?naam=x", status: 400 },
    { path: `/municipalities?name=${"x".repeat(101)}`, status: 400 },
    { path: "/municipalities", method: "POST", status: 405 },
    { path: "/municipalities/GM0344", method: "DELETE", status: 405 },
  ];
  for (const { path, method = "GET", status } of refusals) {
    it(`refuses ${method} ${path.slice(0, 40)} with ${String(status)} and a hint`, async () => {
      const received = await ask(path, method);
      expect(received.status).to.equal(status);
      expect(body(received)).to.have.all.keys("error", "hint");
      expect(received.headers.etag).to.equal(undefined);
    });
  }

  it("describes every path it answers, with references that lead somewhere", async () => {
    expect(body(await ask("/openapi.json"))).to.deep.equal(JSON.parse(JSON.stringify(OPENAPI)));
    expect(Object.keys(OPENAPI.paths)).to.deep.equal([
      "/municipalities",
      "/municipalities/{code}",
      "/provinces",
    ]);
    const references = JSON.stringify(OPENAPI).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g);
    for (const [, name] of references) expect(OPENAPI.components.schemas).to.have.property(name!);
  });
});
