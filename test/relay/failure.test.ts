// How a relay deals with what goes wrong on either side of an exchange.
import { expect } from "chai";
import { ForwardError } from "../../relay/exchange.js";
import { SchakelError } from "../../core/errors.js";
import { until } from "../support/until.js";
import { answering, Bench, RawTarget, type BenchOptions, type Wire } from "./bench.js";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

const BAD_RESPONSES: readonly (readonly [name: string, response: string])[] = [
  ["HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"],
  ["HTTP/1.2", "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n"],
  ["status 999", "HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n"],
  ["status 600", "HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n"],
  ["status 099", "HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n"],
  ["status 20", "HTTP/1.1 20 X\r\nContent-Length: 0\r\n\r\n"],
  ["a switch of protocols", "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"],
  ["unequal lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
  ["equal lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"],
  ["a signed length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\na"],
  [
    "a length with chunked",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ],
  ["gzip coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx"],
  ["gzip before chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
  ["chunked with HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["Content_Length", "HTTP/1.1 200 OK\r\nContent_Length: 1\r\nContent-Length: 0\r\n\r\n"],
  ["a bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"],
  ["a bare LF after a header", "HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n"],
  ["a fold", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"],
  ["NUL in a value", "HTTP/1.1 200 OK\r\nX: a\0\r\nContent-Length: 0\r\n\r\n"],
  ["a space before the colon", "HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n"],
  ["an empty name", "HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 0\r\n\r\n"],
  ["a control character in the reason", "HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n"],
  ["101 header lines", `HTTP/1.1 200 OK\r\n${"X: 1\r\n".repeat(101)}\r\n`],
  ["a head of 70 000 octets", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(70_000)}\r\n\r\n`],
  ["17 interim responses", "HTTP/1.1 102 X\r\n\r\n".repeat(17) + OK],
  ["something that is not HTTP", "SSH-2.0-OpenSSH\r\n"],
];

describe("relay/attempt", () => {
  let target: RawTarget;
  let bench: Bench;
  const set = async (
    answer: string | ((wire: Wire, index: number) => void),
    options: BenchOptions = {},
  ): Promise<void> => {
    target =
      typeof answer === "string" ? await answering(answer) : await new RawTarget(answer).listen();
    bench = await Bench.start(target, options);
  };
  afterEach(async () => {
    await bench.close();
    await target.close();
  });
  const failure = (index = 0): Promise<ForwardError> =>
    until("a failed forwarding", () => bench.failures[index] as ForwardError | undefined);

  for (const [name, response] of BAD_RESPONSES) {
    it(`refuses a response with ${name} and does not use the connection again`, async () => {
      await set(response);
      const client = await bench.client(GET);
      await client.has("ERROR_CODE_SERVICE_ANSWER_INVALID");
      expect(client.received.replaceAll("HTTP/1.1 102 Processing\r\n\r\n", "")).to.match(
        /^HTTP\/1.1 502 /,
      );
      expect(await failure()).to.include({ kind: "malformed", nothingSent: false });
      await (await target.wire()).finished();
      client.send(GET);
      await target.wire(1);
    });
  }

  it("does not use a connection again on which more came than was asked for", async () => {
    await set((wire) => wire.socket.on("data", () => wire.send(OK + OK)));
    const client = await bench.client(GET);
    await client.has(OK);
    await (await target.wire()).finished();
    expect(client.received).to.equal(OK);
  });

  it("does not use a connection again on which something came while it was idle", async () => {
    await set((wire) => wire.socket.on("data", () => wire.send(OK)));
    const client = await bench.client(GET);
    await client.has(OK);
    const wire = await target.wire();
    wire.send(OK);
    await wire.finished();
    client.send(GET);
    await (await target.wire(1)).has("GET");
    await client.has(OK + OK);
  });

  it("aborts the target's request at once when the client leaves before the answer", async () => {
    await set(() => undefined);
    const client = await bench.client(GET);
    const wire = await target.wire();
    await wire.has("\r\n\r\n");
    client.socket.destroy();
    await wire.finished();
    const error = await failure();
    expect(error).to.include({ kind: "client-aborted", nothingSent: false });
    expect(error.targetUs).to.be.above(0);
  });

  it("aborts the target's request when the client resets in the middle of its body", async () => {
    await set(() => undefined);
    const client = await bench.client(`${POST}a`);
    const wire = await target.wire();
    await wire.has("\r\n\r\na");
    client.socket.resetAndDestroy();
    await wire.finished();
    expect(await failure()).to.include({ kind: "client-aborted", requestBytes: 1 });
  });

  it("aborts the target's request when the client leaves in the middle of the answer", async () => {
    await set("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
    const client = await bench.client(GET);
    await client.has("some");
    client.socket.destroy();
    await (await target.wire()).finished();
    const outcome = await until("an outcome", () => bench.outcomes[0]);
    expect(outcome).to.deep.include({ result: "client-aborted", status: 200, responseBytes: 4 });
  });

  it("aborts the signal when the client leaves, and never starts what waited behind", async () => {
    let aborted = 0;
    await set(OK, {
      exchange: (exchange) =>
        new Promise((resolve) => {
          exchange.signal.addEventListener("abort", () => {
            aborted += 1;
            resolve();
          });
        }),
    });
    const client = await bench.client(GET + GET);
    await until("an exchange", () => bench.seen.length > 0);
    client.socket.destroy();
    await until("the abort", () => aborted > 0);
    await until("the end", () => bench.relay.connections === 0);
    expect(bench.seen).to.have.length(1);
    expect(bench.refusals).to.have.length(0);
  });

  for (const [name, response, request, ended] of [
    ["a counted body", "Content-Length: 100\r\n\r\nsome", GET, /\r\n\r\nsome$/],
    ["a chunked body", "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n", GET, /4\r\nsome\r\n$/],
    ["a bad chunk", "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\nzz\r\n", GET, /4\r\nsome\r\n$/],
    ["a body without end", "\r\nsome", GET, /4\r\nsome\r\n$/],
    [
      "a forbidden trailer",
      "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n0\r\nHost: b\r\n\r\n",
      GET,
      /4\r\nsome\r\n$/,
    ],
  ] as const) {
    it(`breaks the client's answer off when the target does so in ${name}`, async () => {
      await set((wire) => {
        wire.socket.once("data", () => wire.send(`HTTP/1.1 200 OK\r\n${response}`));
      });
      const client = await bench.client(request);
      await client.has("some");
      (await target.wire()).socket.resetAndDestroy();
      expect(await client.finished()).to.match(ended);
      const outcome = await until("an outcome", () => bench.outcomes[0]);
      expect(outcome).to.include({ result: "target-aborted", status: 200, responseBytes: 4 });
    });
  }

  it("resets the connection of an HTTP/1.0 client whose answer only its end delimits", async () => {
    await set((wire) => {
      wire.socket.once("data", () =>
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n"),
      );
    });
    const client = await bench.client("GET / HTTP/1.0\r\n\r\n");
    await client.has("some");
    (await target.wire()).socket.destroy();
    await until("the end", () => client.closed);
    expect(client.error).to.equal("ECONNRESET");
    expect(client.ended).to.equal(false);
  });

  it("sends a body at most once: a kept connection that dies under a POST is an error", async () => {
    let count = 0;
    await set((wire, index) => {
      wire.socket.on("data", () => {
        count += 1;
        if (index === 0 && count === 2) wire.socket.resetAndDestroy();
        else wire.send(OK);
      });
    });
    const client = await bench.client(GET);
    await client.has(OK);
    client.send(`${POST}abc`);
    await client.has("ERROR_CODE_SERVICE_UNREACHABLE");
    expect(await failure()).to.include({ kind: "broken", nothingSent: false });
    expect(target.received.match(/POST/g)).to.have.length(1);
  });

  for (const [name, request, times] of [
    ["sends a GET once more when a kept connection dies under it", GET, 2],
    ["sends a DELETE without body once more", GET.replace("GET", "DELETE"), 2],
    ["sends a POST without body only once", GET.replace("GET", "POST"), 1],
    ["sends a PUT with a body only once", `${POST.replace("POST", "PUT")}abc`, 1],
  ] as const) {
    it(name, async () => {
      const method = request.split(" ")[0] ?? "";
      await set((wire, index) => {
        wire.socket.on("data", () => {
          if (index === 0 && wire.received.includes("Host: a\r\n\r\n" + method))
            wire.socket.resetAndDestroy();
          else if (index === 0 && wire.received.includes("Content-Length"))
            wire.socket.resetAndDestroy();
          else wire.send(OK);
        });
      });
      const client = await bench.client("GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
      await client.has(OK);
      client.send(request);
      await client.has(times === 2 ? OK + OK : "ERROR_CODE_SERVICE_UNREACHABLE");
      expect(target.received.match(new RegExp(`${method} / `, "g"))).to.have.length(times);
    });
  }

  it("does not send a GET again when it dies on a new connection, or after a byte of an answer", async () => {
    await set((wire) => {
      wire.socket.on("data", () => {
        if (wire.received.includes("partial")) wire.socket.end("HTTP/1.");
        else if (wire.received.includes("first")) wire.send(OK);
        else wire.socket.destroy();
      });
    });
    const fresh = await bench.client(GET);
    await fresh.has("ERROR_CODE_SERVICE_UNREACHABLE");
    expect(target.wires).to.have.length(1);
    const kept = await bench.client(GET.replace("/", "/first"));
    await kept.has(OK);
    kept.send(GET.replace("/", "/partial"));
    await kept.has("ERROR_CODE_SERVICE_UNREACHABLE");
    expect(target.wires).to.have.length(2);
  });

  it("says that nothing was sent when there is no connection, with the original error", async () => {
    await set(OK, { target: { connect: () => Promise.reject(new Error("the reason")) } });
    const client = await bench.client(`${POST}abc`);
    await client.has("ERROR_CODE_SERVICE_UNREACHABLE");
    const error = await failure();
    expect(error).to.include({ kind: "connect", nothingSent: true, requestBytes: 0 });
    expect(error.cause).to.include({ message: "the reason" });
    expect(error.targetUs).to.equal(undefined);
  });

  it("lets the handler try another target after nothing was sent, body included", async () => {
    await set(() => undefined, {
      exchange: async (exchange, order) => {
        const dead = { ...order.target, key: "dead", connect: () => Promise.reject(new Error()) };
        const error = await exchange.forward({ ...order, target: dead }).catch((e: unknown) => e);
        expect(error).to.be.instanceOf(ForwardError);
        const outcome = await exchange.forward(order);
        expect(outcome).to.include({ result: "complete", requestBytes: 3, responseBytes: 2 });
        expect(outcome.durationUs.target).to.be.at.most(outcome.durationUs.total);
        const again = await exchange.forward(order).catch((e: unknown) => e);
        expect(again).to.be.instanceOf(Error).and.not.instanceOf(ForwardError);
        bench.outcomes.push(outcome);
      },
    });
    const client = await bench.client(`${POST}abc`);
    const wire = await target.wire();
    await wire.has("\r\n\r\nabc");
    wire.send(OK);
    await client.has(OK);
    await until("the handler's end", () => bench.outcomes.length > 0);
  });

  it("gives up connecting in time, and ends a connection that comes too late", async () => {
    let late: ((wire: Wire) => void) | undefined;
    await set(OK, {
      target: {
        connectTimeoutMs: 50,
        connect: () =>
          new Promise((resolve) => {
            late = (wire) => resolve(wire.socket);
          }),
      },
    });
    const client = await bench.client(GET);
    await client.has("ERROR_CODE_SERVICE_TIMEOUT");
    expect(await failure()).to.include({ kind: "connect-timeout", nothingSent: true });
    const unused = await bench.client();
    late?.(unused);
    await until("the late connection's end", () => unused.closed);
  });

  it("stops connecting when the client leaves", async () => {
    let stopped = false;
    await set(OK, {
      target: {
        connect: (signal) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener("abort", () => {
              stopped = true;
              reject(new Error("stopped"));
            });
          }),
      },
    });
    const client = await bench.client(GET);
    await until("an exchange", () => bench.seen.length > 0);
    client.socket.destroy();
    await until("the stop", () => stopped);
    expect(await failure()).to.include({ kind: "client-aborted", nothingSent: true });
  });

  it("gives up waiting for the answer in time, also when interim responses came", async () => {
    await set("HTTP/1.1 103 X\r\n\r\n", { target: { answerTimeoutMs: 100 } });
    const client = await bench.client(`${POST}abc`);
    await client.has("ERROR_CODE_SERVICE_TIMEOUT");
    expect(await failure()).to.include({ kind: "answer-timeout", nothingSent: false });
    await (await target.wire()).finished();
  });

  it("refuses a client that stops in the middle of its body", async () => {
    await set("", { limits: { bodyIdleTimeoutMs: 100 }, target: { answerTimeoutMs: 5000 } });
    const client = await bench.client(`${POST}a`);
    expect(await client.finished()).to.match(/^HTTP\/1.1 408 /);
    const error = await failure();
    expect(error).to.include({ kind: "client-aborted", requestBytes: 1 });
    expect((error.cause as SchakelError).code).to.equal("ERROR_CODE_REQUEST_TIMEOUT");
    await (await target.wire()).finished();
  });

  it("does not blame a client that waits for the target's 100", async () => {
    await set("", { limits: { bodyIdleTimeoutMs: 50 }, target: { answerTimeoutMs: 200 } });
    const client = await bench.client(POST.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n"));
    await client.has("ERROR_CODE_SERVICE_TIMEOUT");
    expect(await failure()).to.include({ kind: "answer-timeout" });
  });

  it("breaks off an answer that stops for too long", async () => {
    await set("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome", {
      target: { idleTimeoutMs: 100 },
    });
    const client = await bench.client(GET);
    expect(await client.finished()).to.match(/\r\n\r\nsome$/);
    await (await target.wire()).finished();
    const outcome = await until("an outcome", () => bench.outcomes[0]);
    expect(outcome.result).to.equal("target-aborted");
  });

  it("breaks off an answer that the client does not take", async () => {
    await set(`HTTP/1.1 200 OK\r\nContent-Length: 30000000\r\n\r\n${"x".repeat(30_000_000)}`, {
      target: { idleTimeoutMs: 150 },
    });
    const client = await bench.client();
    client.socket.pause();
    client.send(GET);
    const outcome = await until("an outcome", () => bench.outcomes[0]);
    expect(outcome.result).to.equal("client-aborted");
    await (await target.wire()).finished();
  });

  it("gives the handler what rewriteResponse throws, and nothing of the response to the client", async () => {
    const thrown = new SchakelError("ERROR_CODE_ACCESS_DENIED");
    await set(OK, {
      order: {
        rewriteResponse: () => {
          throw thrown;
        },
      },
    });
    const client = await bench.client(GET);
    await client.has("ERROR_CODE_ACCESS_DENIED");
    expect(bench.failures).to.deep.equal([thrown]);
    expect(client.received).to.match(/^HTTP\/1.1 403 /);
    await (await target.wire()).finished();
  });

  it("sends the response as rewritten, without framing or hop-by-hop headers to rewrite", async () => {
    await set("HTTP/1.1 200 OK\r\nA: 1\r\nConnection: B\r\nB: 2\r\nContent-Length: 2\r\n\r\nok", {
      order: {
        rewriteResponse: (head) => {
          expect(head.headers).to.deep.equal([["A", "1"]]);
          return { status: 201, reason: "Made", headers: [...head.headers, ["C", "3"]] };
        },
      },
    });
    const client = await bench.client(GET);
    expect(await client.has("ok")).to.equal(
      "HTTP/1.1 201 Made\r\nA: 1\r\nC: 3\r\nContent-Length: 2\r\n\r\nok",
    );
  });

  it("rejects a head that cannot be sent, and sends nothing of it", async () => {
    await set(OK, {
      order: { head: { method: "GET", target: "/", headers: [["X", "a\r\nInjected: 1"]] } },
    });
    const client = await bench.client(GET);
    await client.has("ERROR_CODE_INTERNAL");
    expect(target.received).to.equal("");
  });
});
