// A client of one organisation asks a service of another, through outway and inway.
import { expect } from "chai";
import { parseTransactionId } from "../../core/names.js";
import { call, sendRaw } from "../support/call.js";
import { Network, PEERS } from "../support/network.js";

describe("system/call", function () {
  this.timeout(60_000);
  let network: Network;
  before(async () => {
    network = await Network.start({
      services: { "Mixed.Case": "http://127.0.0.1:1", based: "http://127.0.0.1:1" },
      flags: { outway: ["--idle-timeout", "5s"] },
    });
  });
  after(() => network.stop());

  it("answers with the source's status, headers and bytes", async () => {
    const answer = await call(network.url("/status/201"));
    expect(answer.status).to.equal(201);
    expect(answer.text).to.equal("body of the source");
    expect(answer.headers["x-source"]).to.equal("yes");
    expect(parseTransactionId(String(answer.headers["fsc-transaction-id"]))).to.be.a("string");
  });

  it("passes a source's error untouched, without an error code of ours", async () => {
    const answer = await call(network.url("/status/404"));
    expect(answer.status).to.equal(404);
    expect(answer.text).to.equal("body of the source");
    expect(answer.headers).not.to.have.property("fsc-error-code");
  });

  const targets = [
    "/",
    "/a%2Fb",
    "//double//slashes",
    "/a%20b/%C3%A9?q=a%2Bb&q=%2f",
    "/?",
    "/?only=query",
    "/a/../b",
    "/%2e%2e/c",
    "/semi;colon=1",
    "/UPPER%aB",
  ];
  for (const target of targets) {
    it(`brings the target ${target} to the source byte for byte`, async () => {
      const path = `/${PEERS.provider.peerId}/echo${target}`;
      await sendRaw(
        network.outway.port,
        `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      );
      expect(network.source.last.target).to.equal(target);
    });
  }

  const bare = [
    ["", "/"],
    ["?x=1", "/?x=1"],
  ] as const;
  for (const [rest, expected] of bare) {
    it(`takes the service's address followed by "${rest}" for ${expected}`, async () => {
      await call(network.url(rest));
      expect(network.source.last.target).to.equal(expected);
    });
  }

  const hosts = [
    `echo.${PEERS.provider.peerId}.schakel.localhost`,
    `ECHO.${PEERS.provider.peerId}.Schakel.LocalHost`,
    `echo.${PEERS.provider.peerId}.schakel.localhost:8080`,
  ];
  for (const host of hosts) {
    it(`finds the service by the host name ${host}`, async () => {
      const answer = await call(`http://127.0.0.1:${String(network.outway.port)}/by/host`, {
        headers: [["Host", host]],
      });
      expect(answer.status).to.equal(200);
      expect(network.source.last.target).to.equal("/by/host");
    });
  }

  it("finds a service with capitals and dots in its name by a host name in small letters", async () => {
    const host = `mixed.case.${PEERS.provider.peerId}.schakel.localhost`;
    const answer = await call(`http://127.0.0.1:${String(network.outway.port)}/`, {
      headers: [["Host", host]],
    });
    expect(answer.headers["fsc-error-code"]).to.equal("ERROR_CODE_SERVICE_UNREACHABLE");
  });

  it("passes methods it does not know", async () => {
    const answer = await call(network.url("/x"), { method: "PROPFIND" });
    expect(answer.text).to.equal("PROPFIND /x\n");
  });

  it("answers HEAD without a body and with the source's length", async () => {
    const answer = await call(network.url("/bytes/1234"), { method: "HEAD" });
    expect(answer.headers["content-length"]).to.equal("1234");
    expect(answer.body).to.have.length(0);
  });

  for (const status of [204, 304]) {
    it(`passes ${String(status)} without a body`, async () => {
      const answer = await call(network.url(`/status/${String(status)}`));
      expect(answer.status).to.equal(status);
      expect(answer.body).to.have.length(0);
    });
  }

  it("passes trailers but for those that are ours", async () => {
    const answer = await call(network.url("/trailers"));
    expect(answer.trailers).to.deep.equal(["X-Checksum", "abc", "X-Other", "kept"]);
  });

  it("asks the source before it tells the client to go on with 100 Continue", async () => {
    const port = network.outway.port;
    const head = (path: string): string =>
      `POST /${PEERS.provider.peerId}/echo${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`;
    expect((await sendRaw(port, `${head("/echo")}hello`)).statuses).to.deep.equal([100, 200]);
    expect((await sendRaw(port, head("/refuse-continue"))).statuses).to.deep.equal([417]);
  });

  it("passes an early answer while the request is still being sent", async () => {
    const path = `/${PEERS.provider.peerId}/echo/early`;
    const started = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nonly the beginning`;
    const answer = await sendRaw(network.outway.port, started);
    expect(answer.statuses).to.deep.equal([403]);
    expect(answer.text).to.contain("enough");
  });

  for (const path of ["/cut", "/cut-chunked"]) {
    it(`never lets a cut answer look complete: ${path}`, async () => {
      const outcome = await call(network.url(path)).then(
        () => "complete",
        () => "broken",
      );
      expect(outcome).to.equal("broken");
    });
  }

  it("aborts the source's request when the client goes", async () => {
    const before = network.source.requests.length;
    const path = `/${PEERS.provider.peerId}/echo/sink`;
    await sendRaw(
      network.outway.port,
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf`,
      300,
    );
    expect(network.source.requests.length).to.equal(before + 1);
    expect((await network.source.last.ended).aborted).to.equal(true);
  });
});
