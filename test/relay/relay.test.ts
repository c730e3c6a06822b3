// What passes through a relay, byte for byte.
import { expect } from "chai";
import { until } from "../support/until.js";
import { answering, Bench, RawTarget } from "./bench.js";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

describe("relay/relay", () => {
  let target: RawTarget;
  let bench: Bench;
  afterEach(async () => {
    await bench.close();
    await target.close();
  });
  const set = async (
    answer: string | ((wire: RawTarget["wires"][number], index: number) => void),
    options: Parameters<typeof Bench.start>[1] = {},
  ): Promise<void> => {
    target =
      typeof answer === "string" ? await answering(answer) : await new RawTarget(answer).listen();
    bench = await Bench.start(target, options);
  };

  for (const path of [
    "/",
    "//",
    "/a//b/../c/./d",
    "/%2F%2e%2E/%zz",
    "/?",
    "/a?b=c?d&e=%20+;/",
    "/~!$&'()*+,;=:@|{}\\^`\"<>[]",
  ]) {
    it(`passes the target ${path} byte for byte`, async () => {
      await set(OK);
      const client = await bench.client(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      await client.has("\r\n\r\nok");
      expect(target.received).to.equal(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    });
  }

  it("keeps order, case, duplicates and octets of header lines, and adds none, both ways", async () => {
    const odd =
      "x-LOWER: 1\r\nX-Dup: a\r\nCookie: c=1\r\nx-dup: b\r\nCookie: c=2\r\nX-Empty: \r\n" +
      'Content-Disposition: attachment; filename="\xe9\xff"\r\nX-Octets: caf\xe9 \xc3\xa9\t;\r\nX-Dup: a\r\n';
    await set(
      `HTTP/1.1 299 Quite \xe9 Good\r\nSet-Cookie: a\r\n${odd}set-cookie: b\r\nContent-Length: 2\r\n\r\nok`,
    );
    const client = await bench.client(
      `POST /x HTTP/1.1\r\nUser-Agent: t\r\nHost: A:1\r\n${odd}Content-Length: 3\r\n\r\nabc`,
    );
    await client.has("\r\n\r\nok");
    expect(target.received).to.equal(
      `POST /x HTTP/1.1\r\nUser-Agent: t\r\nHost: A:1\r\n${odd}Content-Length: 3\r\n\r\nabc`,
    );
    expect(client.received).to.equal(
      `HTTP/1.1 299 Quite \xe9 Good\r\nSet-Cookie: a\r\n${odd}set-cookie: b\r\nContent-Length: 2\r\n\r\nok`,
    );
  });

  it("keeps the octets of the head when the client expects 100-continue", async () => {
    await set((wire) => {
      wire.socket.on("data", () => {
        if (wire.received.endsWith("\r\n\r\n")) wire.send("HTTP/1.1 417 No\r\nX: \xe9\r\n\r\n");
      });
    });
    const head = "POST / HTTP/1.1\r\nHost: a\r\nX: \xe9\r\nExpect: 100-continue\r\n";
    const client = await bench.client(`${head}Content-Length: 5\r\n\r\n`);
    await client.has("HTTP/1.1 417 No\r\nX: \xe9\r\n");
    expect(target.received).to.equal(`${head}Content-Length: 5\r\n\r\n`);
  });

  it("passes a response without a reason phrase", async () => {
    await set("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n");
    const client = await bench.client("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await client.has("\r\n\r\n")).to.equal("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n");
  });

  it("removes hop-by-hop headers and those that Connection names, both ways", async () => {
    const hop =
      "Connection: X-Mine, keep-alive\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n" +
      "Proxy-Authorization: x\r\nUpgrade: websocket\r\nTE: gzip\r\n";
    await set(`HTTP/1.1 200 OK\r\n${hop}X: 2\r\nContent-Length: 2\r\n\r\nok`);
    const client = await bench.client(`GET / HTTP/1.1\r\nHost: a\r\n${hop}X: 1\r\n\r\n`);
    await client.has("\r\n\r\nok");
    expect(target.received).to.equal("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n");
    expect(client.received).to.equal("HTTP/1.1 200 OK\r\nX: 2\r\nContent-Length: 2\r\n\r\nok");
  });

  it("handles a request to upgrade as an ordinary one", async () => {
    await set(OK);
    const client = await bench.client(
      "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    await client.has("\r\n\r\nok");
    client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.has("okHTTP/1.1 200 OK");
    expect(target.received).to.equal(
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
    );
  });

  it("turns an absolute-form target into its path, with the authority in Host", async () => {
    await set(OK);
    const client = await bench.client("GET HTTP://A.example:80?q=//x HTTP/1.0\r\nX: 1\r\n\r\n");
    await client.has("\r\n\r\nok");
    expect(target.received).to.equal("GET /?q=//x HTTP/1.1\r\nHost: A.example:80\r\nX: 1\r\n\r\n");
  });

  it("reuses connections on both sides", async () => {
    await set(OK);
    const client = await bench.client();
    for (let n = 1; n <= 3; n++) {
      client.send(`POST /${n} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx`);
      await client.has(OK.repeat(n));
    }
    expect(target.wires).to.have.length(1);
    expect(client.closed).to.equal(false);
  });

  it("answers pipelined requests in order, each to the target only after the one before", async () => {
    let open = 0;
    let most = 0;
    await set((wire) => {
      let done = 0;
      wire.socket.on("data", () => {
        const paths = [...wire.received.matchAll(/GET \/(\d)/g)].map((match) => match[1]);
        for (const path of paths.slice(done)) {
          done += 1;
          most = Math.max(most, ++open);
          setTimeout(() => {
            open -= 1;
            wire.send(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${path ?? ""}`);
          }, 10);
        }
      });
    });
    const one = (n: number): string => `GET /${n} HTTP/1.1\r\nHost: a\r\n\r\n`;
    const client = await bench.client([1, 2, 3, 4, 5].map(one).join(""));
    await client.has("\r\n\r\n5");
    expect(client.received.replaceAll(/HTTP[^]*?\r\n\r\n/g, "")).to.equal("12345");
    expect(most).to.equal(1);
  });

  it("stops looking at pipelined requests beyond the limit and closes", async () => {
    await set(OK, { limits: { pipelinedMax: 3 } });
    const client = await bench.client("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20));
    await client.finished();
    expect(client.received.match(/200 OK/g)).to.have.length(4);
    expect(target.received.match(/GET/g)).to.have.length(4);
    expect(client.received).to.match(/Connection: close\r\nContent-Length: 2\r\n\r\nok$/);
  });

  it("ends a connection that floods it with requests which it does not look at", async () => {
    await set("", { limits: { pipelinedMax: 3 } });
    const client = await bench.client("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(400));
    await client.finished();
    expect(client.received).to.equal("");
    await until("no connection is left", () => bench.relay.connections === 0);
    expect(target.received.match(/GET/g)?.length ?? 0).to.be.at.most(1);
  });

  it("closes after a request that says so", async () => {
    await set(OK);
    const client = await bench.client("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect(await client.finished()).to.equal(
      "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    );
  });

  it("passes a chunked response to a client of HTTP/1.0 delimited by the end of the connection", async () => {
    await set(
      "HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nX: 1\r\n\r\n",
    );
    const client = await bench.client("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect(await client.finished()).to.equal("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");
    expect(bench.outcomes[0]).to.deep.include({ result: "complete", responseBytes: 3 });
  });

  it("passes a response delimited by the end of the connection as chunks", async () => {
    await set((wire) => {
      wire.socket.once("data", () => wire.socket.end("HTTP/1.0 200 OK\r\nX: 1\r\n\r\nabc"));
    });
    const client = await bench.client("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await client.has("0\r\n\r\n")).to.equal(
      "HTTP/1.1 200 OK\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
  });

  for (const [what, request, answer, expected] of [
    ["HEAD", "HEAD", "200 OK\r\nContent-Length: 5\r\n", "200 OK\r\nContent-Length: 5\r\n"],
    ["HEAD of a chunked answer", "HEAD", "200 OK\r\nTransfer-Encoding: chunked\r\n", "200 OK\r\n"],
    ["HEAD without a length", "HEAD", "200 OK\r\nX: 1\r\n", "200 OK\r\nX: 1\r\n"],
    ["304", "GET", "304 Same\r\nContent-Length: 5\r\n", "304 Same\r\nContent-Length: 5\r\n"],
    ["204", "GET", "204 None\r\nX: 1\r\n", "204 None\r\nX: 1\r\n"],
    ["204 with a length", "GET", "204 None\r\nContent-Length: 0\r\n", "204 None\r\n"],
  ] as const) {
    it(`passes ${what} without a body and goes on`, async () => {
      await set(`HTTP/1.1 ${answer}\r\n`);
      const client = await bench.client();
      for (let n = 1; n <= 2; n++) {
        client.send(`${request} / HTTP/1.1\r\nHost: a\r\n\r\n`);
        await client.has(`HTTP/1.1 ${expected}\r\n`.repeat(n));
      }
      expect(client.received).to.equal(`HTTP/1.1 ${expected}\r\n`.repeat(2));
    });
  }

  it("passes the target's 100 and then the body, and says no 100 of its own", async () => {
    await set(() => undefined);
    const client = await bench.client(
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
    );
    const wire = await target.wire();
    await wire.has("\r\n\r\n");
    expect(wire.received).to.include("Expect: 100-continue");
    expect(client.received).to.equal("");
    wire.send("HTTP/1.1 100 Continue\r\n\r\n");
    expect(await client.has("\r\n\r\n")).to.equal("HTTP/1.1 100 Continue\r\n\r\n");
    client.send("abc");
    await wire.has("\r\n\r\nabc");
    wire.send(OK);
    await client.has("\r\n\r\nok");
    client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    await wire.has("GET /2");
  });

  it("passes a final answer to Expect without a 100, and closes", async () => {
    await set("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
    const client = await bench.client(
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
    );
    expect(await client.finished()).to.equal(
      "HTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
  });

  it("passes other interim responses with the headers that may pass, to HTTP/1.1 alone", async () => {
    const hints =
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX-No: 1\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n";
    await set(hints + OK, { order: { keepTrailer: (name) => name !== "x-no" } });
    const client = await bench.client("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await client.has("ok")).to.equal(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}`);
    const old = await bench.client("GET / HTTP/1.0\r\n\r\n");
    expect(await old.finished()).to.match(/^HTTP\/1.1 200 OK/);
  });

  it("passes trailers both ways, filtered, and tells the target that they are taken", async () => {
    await set(
      "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n" +
        "1\r\na\r\n0\r\nX-Sum: \xe9\r\nX-No: 1\r\nConnection: x\r\n\r\n",
      { order: { keepTrailer: (name) => name !== "x-no" } },
    );
    const client = await bench.client(
      "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n" +
        "1;ext=1\r\na\r\n0\r\nX-Sum: 1\r\nX-No: 1\r\nx-sum: 2\r\n\r\n",
    );
    await client.has("0\r\nX-Sum: \xe9\r\n\r\n");
    expect(await target.wires[0]?.has("0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n")).to.equal(
      "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTE: trailers\r\nConnection: TE\r\nTransfer-Encoding: chunked\r\n\r\n" +
        "1\r\na\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n",
    );
    expect(client.received).to.not.include("X-No");
    expect(client.received).to.include("Trailer: X-Sum");
  });

  it("passes an early answer at once and closes in good order while the client still sends", async () => {
    await set((wire) => {
      wire.socket.once("data", () => wire.send("HTTP/1.1 413 Big\r\nContent-Length: 3\r\n\r\nbig"));
    });
    const client = await bench.client(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\nstart",
    );
    await client.has("big");
    client.send("x".repeat(1_000_000));
    await client.finished();
    client.socket.end();
    expect(client.received).to.equal(
      "HTTP/1.1 413 Big\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig",
    );
    expect(client.error).to.equal(undefined);
    await (await target.wire()).finished();
    expect(bench.outcomes[0]).to.deep.include({ result: "complete", status: 413 });
  });

  it("answers itself, keeps the connection when the body has arrived, and closes it when not", async () => {
    const body = Buffer.from("no");
    await set(OK, {
      exchange: async (exchange) => {
        const outcome = await exchange.answer({
          status: 403,
          headers: [
            ["X-A", "1"],
            ["Content-Length", "99"],
          ],
          body,
        });
        expect(outcome).to.deep.include({ result: "complete", status: 403, responseBytes: 2 });
      },
    });
    const client = await bench.client("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    await client.has("no");
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    const answer = "HTTP/1.1 403 Forbidden\r\nX-A: 1\r\nContent-Length: 2\r\n\r\n";
    await client.has(`${answer}no${answer}`);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
    expect(await client.finished()).to.match(/Connection: close\r\nContent-Length: 2\r\n\r\nno$/);
    expect(target.wires).to.have.length(0);
  });

  it("refuses through the handler what the handler leaves unanswered or throws", async () => {
    let count = 0;
    await set(OK, {
      exchange: () => {
        count += 1;
        return count === 1 ? Promise.resolve() : Promise.reject(new Error("internal detail"));
      },
    });
    const client = await bench.client("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2));
    await client.has("ERROR_CODE_INTERNAL\r\n");
    expect(bench.refusals.map(({ code }) => code)).to.include("ERROR_CODE_INTERNAL");
    expect(client.received).to.not.include("internal detail");
  });

  it("ends idle connections to targets that are dropped, and busy ones after their exchange", async () => {
    await set(() => undefined);
    const client = await bench.client("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    const first = await target.wire();
    await first.has("GET /1");
    bench.relay.dropTargets((key) => key === String(target.port));
    first.send(OK);
    await client.has("ok");
    await first.finished();
    client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    const second = await target.wire(1);
    await second.has("GET /2");
    second.send(OK);
    await client.has("okHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    bench.relay.dropTargets(() => true);
    await second.finished();
  });

  it("closes: running exchanges finish, new ones and idle connections end", async () => {
    await set(() => undefined);
    const idle = await bench.client();
    const busy = await bench.client("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    const wire = await target.wire();
    await wire.has("GET /1");
    expect(bench.relay.exchanges).to.equal(1);
    const closing = bench.relay.close(5000);
    await idle.finished();
    idle.socket.end();
    busy.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    wire.send(OK);
    expect(await busy.finished()).to.match(/Connection: close\r\nContent-Length: 2\r\n\r\nok$/);
    busy.socket.end();
    await closing;
    expect(bench.relay.connections).to.equal(0);
    expect(target.received).to.not.include("GET /2");
  });

  it("cuts what has not finished when the time to drain is over", async () => {
    await set(() => undefined);
    const busy = await bench.client("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    const wire = await target.wire();
    await bench.relay.close(50);
    await busy.finished();
    await wire.finished();
    expect(bench.relay.connections).to.equal(0);
  });
});
