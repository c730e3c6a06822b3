// What a relay does when a target or a client fails in the middle of an exchange: who is told, who is cut
// off, and what is never sent twice.
import { expect } from "chai";
import type { ForwardError } from "../../relay/exchange.js";
import { until } from "../support/until.js";
import { answering, Bench, RawTarget, type BenchOptions, type Wire } from "./bench.js";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const H = "Host: a\r\n";
const GET = `GET / HTTP/1.1\r\n${H}\r\n`;
const POST = `POST / HTTP/1.1\r\n${H}Content-Length: 1\r\n\r\nx`;
const lengths = (...values: string[]): string =>
  values.map((value) => `Content-Length: ${value}\r\n`).join("");
const ok = (lines: string, body = ""): string => `HTTP/1.1 200 OK\r\n${lines}\r\n${body}`;

const MALFORMED: readonly (readonly [name: string, answer: string])[] = [
  ["unequal lengths", ok(lengths("1", "2"), "ab")],
  ["equal lengths", ok(lengths("1", "1"), "a")],
  ["a list of lengths", ok(lengths("1, 1"), "a")],
  ["a signed length", ok(lengths("+1"), "a")],
  ["a length beyond 2^53", ok(lengths("9007199254740993"), "a")],
  ["a length and chunked", ok(`${lengths("5")}Transfer-Encoding: chunked\r\n`, "0\r\n\r\n")],
  ["gzip before chunked", ok("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")],
  ["chunked twice", ok("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n")],
  ["chunked before gzip", ok("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n")],
  [
    "chunked with HTTP/1.0",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
  ],
  ["Content_Length", ok(`Content_Length: 1\r\n${lengths("2")}`, "ab")],
  ["a fold", ok(`X: a\r\n b\r\n${lengths("0")}`)],
  ["NUL in a value", ok(`X: a\0b\r\n${lengths("0")}`)],
  ["a control character in a value", ok(`X: a\x01b\r\n${lengths("0")}`)],
  ["a control character in the reason", `HTTP/1.1 200 O\x01K\r\n${lengths("0")}\r\n`],
  ["a bare CR in a value", ok(`X: a\rb\r\n${lengths("0")}`)],
  ["a bare LF after a header", ok(`X: a\n${lengths("0")}`)],
  ["a bare LF after the status line", `HTTP/1.1 200 OK\n${lengths("0")}\r\n`],
  ["a space before the colon", ok(`X : a\r\n${lengths("0")}`)],
  ["an empty name", ok(`: a\r\n${lengths("0")}`)],
  ["a name that is no token", ok(`X(a): a\r\n${lengths("0")}`)],
  ["a status of two digits", `HTTP/1.1 99 No\r\n${lengths("0")}\r\n`],
  ["a status of four digits", `HTTP/1.1 2000 No\r\n${lengths("0")}\r\n`],
  ["status 600", `HTTP/1.1 600 No\r\n${lengths("0")}\r\n`],
  ["status 000", `HTTP/1.1 000 No\r\n${lengths("0")}\r\n`],
  [
    "status 101 that was not asked for",
    "HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
  ],
  ["HTTP/2.0", `HTTP/2.0 200 OK\r\n${lengths("0")}\r\n`],
  ["HTTP/1.2", `HTTP/1.2 200 OK\r\n${lengths("0")}\r\n`],
  ["what is not HTTP", "SSH-2.0-OpenSSH\r\n"],
  ["101 header lines", ok("X: 1\r\n".repeat(101))],
  ["a head of 70 000 octets", ok(`X: ${"x".repeat(70_000)}\r\n`)],
  ["17 interim responses", "HTTP/1.1 103 Hints\r\n\r\n".repeat(17) + OK],
  ["a control character in an interim response", `HTTP/1.1 103 Hints\r\nX: \x01\r\n\r\n${OK}`],
];

/** What the target says and then does, and a sign that the client must not see. */
const CUTS: readonly (readonly [name: string, request: string, answer: string])[] = [
  ["a chunked answer", GET, ok("Transfer-Encoding: chunked\r\n", "2\r\nab\r\n")],
  ["an answer of a length", GET, ok(lengths("5"), "ab")],
  ["an answer of a length for HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", ok(lengths("5"), "ab")],
  [
    "a chunked answer for HTTP/1.0",
    "GET / HTTP/1.0\r\n\r\n",
    ok("Transfer-Encoding: chunked\r\n", "2\r\nab\r\n"),
  ],
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
  const failure = (): Partial<ForwardError> => bench.failures[0] as ForwardError;
  afterEach(async () => {
    await bench.close();
    await target.close();
  });

  for (const [name, answer] of MALFORMED) {
    it(`rejects as malformed an answer with ${name}, and passes nothing of it`, async () => {
      await set(answer);
      const client = await bench.client(GET);
      await client.has("ERROR_CODE_SERVICE_ANSWER_INVALID");
      expect(client.received.replaceAll(/HTTP\/1.1 103 [^]*?\r\n\r\n/g, "")).to.match(
        /^HTTP\/1.1 502 /,
      );
      expect(failure()).to.include({ kind: "malformed", nothingSent: false });
      await (await target.wire()).finished();
      expect(target.wires).to.have.length(1);
    });
  }

  for (const [name, tail] of [
    ["a bad chunk size", "zz\r\n"],
    ["a chunk longer than its size", "1\r\nab\r\n"],
    ["Content-Length in a trailer", "0\r\nContent-Length: 1\r\n\r\n"],
    ["Host in a trailer", "0\r\nHost: b\r\n\r\n"],
    ["a fold in a trailer", "0\r\nX: a\r\n b\r\n\r\n"],
  ] as const) {
    it(`breaks off an answer whose body comes to ${name}`, async () => {
      await set(() => undefined);
      const client = await bench.client(GET);
      const wire = await target.wire();
      await wire.has(GET);
      wire.send(ok("Transfer-Encoding: chunked\r\n", "2\r\nab\r\n"));
      await client.has("ab");
      wire.send(tail);
      await client.finished();
      expect(client.received).to.not.match(/0\r\n\r\n$/);
      expect(bench.outcomes[0]).to.include({ result: "target-aborted", status: 200 });
    });
  }

  for (const [name, request, answer] of CUTS) {
    for (const how of ["ends", "resets"] as const) {
      it(`breaks off towards the client ${name} when the target ${how} in mid-body`, async () => {
        await set(() => undefined);
        const client = await bench.client(request);
        const wire = await target.wire();
        await wire.has("\r\n\r\n");
        wire.send(answer);
        await client.has("ab");
        if (how === "ends") wire.socket.end();
        else wire.socket.resetAndDestroy();
        await until(
          "the end of the client's connection",
          () => client.closed || client.ended || undefined,
        );
        expect(client.received).to.not.include("0\r\n\r\n");
        // Without a length or chunks only a reset tells a broken answer from a whole one.
        if (name === "a chunked answer for HTTP/1.0") {
          expect(client).to.include({ error: "ECONNRESET", ended: false });
        }
        expect(bench.outcomes[0]).to.include({ result: "target-aborted", responseBytes: 2 });
      });
    }
  }

  it("breaks off an answer that only the end delimits when the target resets", async () => {
    await set(() => undefined);
    const client = await bench.client(GET);
    const wire = await target.wire();
    await wire.has(GET);
    wire.send("HTTP/1.1 200 OK\r\n\r\nab");
    await client.has("ab");
    wire.socket.resetAndDestroy();
    await client.finished();
    expect(client.received).to.not.include("0\r\n\r\n");
    expect(bench.outcomes[0]).to.include({ result: "target-aborted" });
  });

  for (const [name, answer] of [
    ["without a byte", ""],
    ["in mid-head", "HTTP/1.1 200 OK\r\nConte"],
    ["after an interim response", "HTTP/1.1 103 Hints\r\n\r\n"],
  ] as const) {
    it(`rejects as broken when the target ends ${name}`, async () => {
      await set((wire) => {
        wire.socket.once("data", () => {
          wire.send(answer);
          wire.socket.end();
        });
      });
      const client = await bench.client(POST);
      await client.has("HTTP/1.1 502 ");
      expect(failure()).to.include({ kind: "broken", nothingSent: false });
      expect(target.wires).to.have.length(1);
    });
  }

  for (const [name, request, again] of [
    ["POST with a body", POST, false],
    ["POST without a body", `POST / HTTP/1.1\r\n${H}Content-Length: 0\r\n\r\n`, false],
    ["PUT with a body", POST.replace("POST", "PUT"), false],
    ["PATCH", `PATCH / HTTP/1.1\r\n${H}Content-Length: 0\r\n\r\n`, false],
    ["chunked POST", `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, false],
    ["GET", GET, true],
    ["DELETE", GET.replace("GET", "DELETE"), true],
  ] as const) {
    it(`sends ${name} ${again ? "once more" : "never twice"} when a kept connection dies`, async () => {
      await set((wire, index) => {
        let count = 0;
        wire.socket.on("data", () => {
          count += 1;
          if (index === 0 && count === 2) wire.socket.resetAndDestroy();
          else wire.send(OK);
        });
      });
      const client = await bench.client(GET.replace("/", "/first"));
      await client.has("ok");
      client.send(request);
      await client.has(again ? "okHTTP/1.1 200 OK" : "HTTP/1.1 502 ");
      expect(target.wires).to.have.length(again ? 2 : 1);
      expect(bench.failures).to.have.length(again ? 0 : 1);
    });
  }

  it("sends GET once when a new connection dies", async () => {
    await set((wire) => wire.socket.once("data", () => wire.socket.resetAndDestroy()));
    await (await bench.client(GET)).has("HTTP/1.1 502 ");
    expect(target.wires).to.have.length(1);
  });

  it("gives up a kept connection on which the target says something unasked", async () => {
    await set(OK);
    const client = await bench.client(GET);
    await client.has("ok");
    const first = await target.wire();
    first.send(OK.replace("ok", "no"));
    await first.finished();
    client.send(GET);
    await client.has("okHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    expect(target.wires).to.have.length(2);
  });

  it("never gives a second answer that came with the first to the next request", async () => {
    await set(OK + OK.replace("ok", "no"));
    const client = await bench.client(GET + GET);
    await client.has("okHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    expect(client.received).to.not.include("no");
    expect(target.wires).to.have.length(2);
  });

  for (const how of ["ends", "resets"] as const) {
    it(`aborts the target's request when the client ${how} before there is an answer`, async () => {
      await set(() => undefined);
      const client = await bench.client(POST.replace("Length: 1", "Length: 9"));
      const wire = await target.wire();
      await wire.has("\r\n\r\nx");
      if (how === "ends") client.socket.end();
      else client.socket.resetAndDestroy();
      await wire.finished();
      await until("the failure", () => bench.failures[0]);
      expect(failure()).to.include({ kind: "client-aborted", nothingSent: false, requestBytes: 1 });
    });

    it(`aborts the target's answer when the client ${how} in its middle`, async () => {
      await set(() => undefined);
      const client = await bench.client(GET);
      const wire = await target.wire();
      await wire.has(GET);
      wire.send(ok(lengths("9"), "ab"));
      await client.has("ab");
      if (how === "ends") client.socket.end();
      else client.socket.resetAndDestroy();
      await wire.finished();
      const outcome = await until("the outcome", () => bench.outcomes[0]);
      expect(outcome).to.include({ result: "client-aborted", status: 200, responseBytes: 2 });
    });
  }

  it("gives up connecting when the client goes", async () => {
    let given: AbortSignal | undefined;
    await set(OK, {
      target: {
        connect: (signal) => {
          given = signal;
          return new Promise(() => undefined);
        },
      },
    });
    const client = await bench.client(GET);
    const signal = await until("the attempt to connect", () => given);
    client.socket.resetAndDestroy();
    await until("the abort", () => signal.aborted || undefined);
    await until("the failure", () => bench.failures[0]);
    expect(failure()).to.include({ kind: "client-aborted", nothingSent: true });
  });

  it("gives up connecting after its time, and takes no connection that comes later", async () => {
    let given: AbortSignal | undefined;
    await set(OK, {
      target: {
        connectTimeoutMs: 60,
        connect: (signal) => {
          given = signal;
          return new Promise(() => undefined);
        },
      },
    });
    await (await bench.client(POST)).has("HTTP/1.1 504 ");
    expect(failure()).to.include({ kind: "connect-timeout", nothingSent: true });
    expect(given?.aborted).to.equal(true);
  });

  it("says that nothing was sent when no connection can be made", async () => {
    await set(OK, { target: { connect: () => Promise.reject(new Error("10.0.0.7 refused")) } });
    const client = await bench.client(POST);
    await client.has("HTTP/1.1 502 ");
    expect(client.received).to.not.include("10.0.0.7");
    expect(failure()).to.include({ kind: "connect", nothingSent: true, requestBytes: 0 });
  });

  it("gives up on a target that does not answer in time", async () => {
    await set(() => undefined, { target: { answerTimeoutMs: 80 } });
    await (await bench.client(POST)).has("HTTP/1.1 504 ");
    expect(failure()).to.include({ kind: "answer-timeout", nothingSent: false, requestBytes: 1 });
    await (await target.wire()).finished();
  });

  it("refuses with 408 a body that stops coming, and aborts the target's request", async () => {
    await set(() => undefined, { limits: { bodyIdleTimeoutMs: 80 } });
    const client = await bench.client(POST.replace("Length: 1", "Length: 9"));
    expect(await client.finished()).to.match(/^HTTP\/1.1 408 /);
    await (await target.wire()).finished();
    expect(failure()).to.include({ kind: "client-aborted", requestBytes: 1 });
  });

  it("breaks off an answer that stops coming", async () => {
    await set(ok(lengths("9"), "ab"), { target: { idleTimeoutMs: 80 } });
    const client = await bench.client(GET);
    expect(await client.finished()).to.match(/ab$/);
    expect(bench.outcomes[0]).to.include({ result: "target-aborted", responseBytes: 2 });
  });

  it("holds a target back while the client takes nothing, and in time gives the client up", async () => {
    const endless = 256 * 1024 * 1024;
    await set(
      (wire) => {
        const more = (): void => {
          while (!wire.socket.destroyed && wire.socket.write(Buffer.alloc(1 << 20)));
        };
        wire.socket.once("data", () => {
          wire.send(ok(lengths(String(endless))));
          more();
        });
        wire.socket.on("drain", more);
      },
      { target: { idleTimeoutMs: 300 } },
    );
    const client = await bench.client();
    client.socket.pause();
    client.send(GET);
    const outcome = await until("the outcome", () => bench.outcomes[0]);
    expect(outcome.result).to.equal("client-aborted");
    expect(outcome.responseBytes).to.be.lessThan(endless / 8);
  });
});
