// The header table of docs/headers.md, seen from both ends.
import { expect } from "chai";
import { call } from "../support/call.js";
import { Network, PEERS } from "../support/network.js";

type Pairs = readonly (readonly [string, string])[];

describe("system/headers", function () {
  this.timeout(60_000);
  let network: Network;
  before(async () => {
    network = await Network.start();
  });
  after(() => network.stop());

  const send = async (headers: Pairs): Promise<Awaited<ReturnType<typeof call>>> =>
    call(network.url("/x"), { headers });

  const removed: Pairs = [
    ["Fsc-Authorization", "Bearer forged"],
    ["fsc-authorization", "Bearer forged"],
    ["Fsc_Authorization", "Bearer forged"],
    ["Fsc-Error-Code", "FORGED"],
    ["Schakel-Receipt", "forged"],
    ["SCHAKEL_RECEIPT", "forged"],
    ["Proxy-Authorization", "Basic Zm9v"],
    ["X-NLX-Authorization", "Bearer x"],
    ["X-NLX-Requester-User", "jan"],
    ["X_NLX_Requester_User", "jan"],
    ["X-NLX-Requester-Claims", "{}"],
    ["X-NLX-Request-User-Id", "7"],
    ["X-NLX-Request-Application-Id", "7"],
    ["X-NLX-Request-Subject-Identifier", "7"],
    ["X-Forwarded-For", "10.0.0.1"],
    ["X_Forwarded_For", "10.0.0.1"],
    ["X-Forwarded-Anything", "x"],
    ["Forwarded", "for=10.0.0.1"],
    ["Via", "1.1 proxy"],
    ["Keep-Alive", "timeout=5"],
    ["Proxy-Connection", "keep-alive"],
    ["TE", "trailers"],
    ["Upgrade", "websocket"],
  ];
  for (const [name, value] of removed) {
    it(`does not let a client's ${name} reach the source`, async () => {
      expect((await send([[name, value]])).status).to.equal(200);
      const { rawHeaders } = network.source.last;
      const pairs = rawHeaders.flatMap((text, index) =>
        index % 2 === 0 ? [[text, rawHeaders[index + 1]]] : [],
      );
      expect(pairs).not.to.deep.include([name, value]);
    });
  }

  it("does not let a client's Fsc-Grant-Hash reach the source", async () => {
    expect((await send([["Fsc-Grant-Hash", network.grantHash()]])).status).to.equal(200);
    expect(network.source.last.header("Fsc-Grant-Hash")).to.deep.equal([]);
  });

  for (const name of [
    "Fsc-Transaction-Id",
    "fsc_transaction_id",
    "X-NLX-Request-Organization",
    "x_nlx_request_organization",
  ]) {
    it(`replaces a client's ${name} by our own`, async () => {
      const answer = await send([[name, "forged"]]);
      const seen = network.source.last;
      expect(seen.rawHeaders).not.to.include("forged");
      expect(seen.header("X-NLX-Request-Organization")).to.deep.equal([PEERS.consumer.peerId]);
      expect(seen.header("Fsc-Transaction-Id")).to.deep.equal([
        answer.headers["fsc-transaction-id"],
      ]);
    });
  }

  it("removes headers that Connection names", async () => {
    await send([
      ["Connection", "close, X-Secret"],
      ["X-Secret", "1"],
      ["X-Public", "2"],
    ]);
    expect(network.source.last.header("X-Secret")).to.deep.equal([]);
    expect(network.source.last.header("X-Public")).to.deep.equal(["2"]);
  });

  const passed: Pairs = [
    ["Authorization", "Bearer for the source"],
    ["Cookie", "a=b"],
    ["X-NLX-Request-Process-Id", "proces-7"],
    ["X-NLX-Request-Data-Elements", "naam,adres"],
    ["X-NLX-Request-Data-Subject", "bsn=999993653"],
    ["traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
    ["tracestate", "a=1"],
    ["X-lower-MIXED", "Kept As It Is"],
  ];
  for (const [name, value] of passed) {
    it(`passes ${name} as it came`, async () => {
      await send([[name, value]]);
      const { rawHeaders } = network.source.last;
      expect(rawHeaders[rawHeaders.indexOf(name) + 1]).to.equal(value);
    });
  }

  it("keeps the order of headers and of repeated ones", async () => {
    await send([
      ["X-B", "1"],
      ["X-A", "2"],
      ["x-b", "3"],
    ]);
    const names = network.source.last.rawHeaders.filter((_, index) => index % 2 === 0);
    expect(names.filter((name) => /^x-[ab]$/i.test(name))).to.deep.equal(["X-B", "X-A", "x-b"]);
  });

  it("makes a traceparent when the client sends none", async () => {
    await send([]);
    expect(network.source.last.header("traceparent")).to.have.length(1);
    expect(network.source.last.header("traceparent")[0]).to.match(
      /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/,
    );
  });

  it("shows the source its own host name", async () => {
    await send([]);
    expect(network.source.last.header("Host")).to.deep.equal([
      `127.0.0.1:${String(network.source.port)}`,
    ]);
  });

  it("removes what a source may not set, and passes the rest", async () => {
    const answer = await call(network.url("/forge"));
    expect(answer.rawHeaders).not.to.include("forged");
    expect(answer.headers).not.to.have.property("fsc-error-code");
    expect(answer.headers).not.to.have.property("schakel-receipt");
    expect(answer.headers["x-source"]).to.equal("yes");
  });
});
