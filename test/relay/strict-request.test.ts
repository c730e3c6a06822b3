// What a relay refuses of a client: everything on which two parsers could differ, as far as node:http
// lets it be seen, and nothing of it reaches the target.
import { expect } from "chai";
import type { ErrorCode } from "../../core/errors.js";
import { until } from "../support/until.js";
import { answering, Bench, type BenchOptions, type RawTarget } from "./bench.js";

const H = "Host: a\r\n";
const get = (lines: string): string => `GET / HTTP/1.1\r\n${lines}\r\n`;
const post = (lines: string, body = ""): string => `POST / HTTP/1.1\r\n${H}${lines}\r\n${body}`;
const chunked = (body: string): string => post("Transfer-Encoding: chunked\r\n", body);

const MALFORMED: readonly (readonly [name: string, request: string])[] = [
  ["unequal lengths", post("Content-Length: 1\r\nContent-Length: 2\r\n", "ab")],
  ["equal lengths", post("Content-Length: 1\r\ncontent-length: 1\r\n", "a")],
  ["a list of lengths", post("Content-Length: 1, 1\r\n", "a")],
  ["a signed length", post("Content-Length: +1\r\n", "a")],
  ["a negative length", post("Content-Length: -1\r\n", "a")],
  ["a hexadecimal length", post("Content-Length: 0x1\r\n", "a")],
  ["an empty length", post("Content-Length: \r\n", "a")],
  ["a length beyond 2^64", post("Content-Length: 99999999999999999999\r\n", "a")],
  ["a length of sixteen digits", post("Content-Length: 9999999999999999\r\n", "a")],
  [
    "a length before chunked",
    post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
  ],
  [
    "a length after chunked",
    post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
  ],
  ["identity coding", post("Transfer-Encoding: identity\r\n")],
  ["chunked before gzip", post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n")],
  [
    "two codings in two lines",
    post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
  ],
  [
    "chunked twice",
    post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
  ],
  ["an unknown coding", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")],
  ["a quoted coding", post('Transfer-Encoding: "chunked"\r\n', "0\r\n\r\n")],
  ["an empty list element before chunked", post("Transfer-Encoding: ,chunked\r\n", "0\r\n\r\n")],
  ["a vertical tab before chunked", post("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n")],
  ["chunked with HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["Content_Length", post("Content_Length: 5\r\n")],
  ["Transfer_Encoding", post("Transfer_Encoding: chunked\r\n")],
  [
    "transfer_encoding beside a length",
    post("transfer_encoding: chunked\r\nContent-Length: 1\r\n", "a"),
  ],
  ["a bare LF after the start line", `GET / HTTP/1.1\n${H}\r\n`],
  ["a bare LF after a header", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"],
  ["a bare LF as the end of the head", "GET / HTTP/1.1\r\nHost: a\r\n\n"],
  ["a bare CR in a value", get(`${H}X: a\rb\r\n`)],
  ["a fold with a space", get(`${H}X: a\r\n b\r\n`)],
  ["a fold with a tab", get(`${H}X: a\r\n\tb\r\n`)],
  ["a fold after an empty value", get(`${H}X:\r\n b\r\n`)],
  ["a space before the first header", get(` ${H}`)],
  ["NUL in a value", get(`${H}X: a\0b\r\n`)],
  ["a control character in a value", get(`${H}X: a\x01b\r\n`)],
  ["DEL in a value", get(`${H}X: a\x7fb\r\n`)],
  ["a space before the colon", get(`${H}X : a\r\n`)],
  ["a tab before the colon", get(`${H}X\t: a\r\n`)],
  ["an empty name", get(`${H}: a\r\n`)],
  ["a name that is no token", get(`${H}X(a): a\r\n`)],
  ["a name with an octet above 127", get(`${H}X\xe9: a\r\n`)],
  ["a line without a colon", get(`${H}X\r\n`)],
  ["two Hosts", get(`${H}Host: b\r\n`)],
  ["two equal Hosts", get(`${H}host: a\r\n`)],
  ["two Hosts with HTTP/1.0", `GET / HTTP/1.0\r\n${H}${H}\r\n`],
  ["no Host", get("")],
  ["an empty Host", get("Host: \r\n")],
  ["a Host with a path", get("Host: a/b\r\n")],
  ["a Host with userinfo", get("Host: b@a\r\n")],
  ["a Host that is a list", get("Host: a, b\r\n")],
  ["a Host with two ports", get("Host: a:1:2\r\n")],
  ["a Host that disagrees with the target", `GET http://b/ HTTP/1.1\r\n${H}\r\n`],
  ["a port that disagrees with the target", `GET http://a:80/ HTTP/1.1\r\n${H}\r\n`],
  ["userinfo in the target", `GET http://a@a/ HTTP/1.1\r\n${H}\r\n`],
  ["a target without authority", "GET http:///x HTTP/1.1\r\nHost: \r\n\r\n"],
  ["a target of another scheme", `GET ftp://a/ HTTP/1.1\r\n${H}\r\n`],
  ["a target that is a word", `GET x HTTP/1.1\r\n${H}\r\n`],
  ["GET *", `GET * HTTP/1.1\r\n${H}\r\n`],
  ["OPTIONS *", `OPTIONS * HTTP/1.1\r\n${H}\r\n`],
  ["a fragment", `GET /a#b HTTP/1.1\r\n${H}\r\n`],
  ["a space in the target", `GET /a b HTTP/1.1\r\n${H}\r\n`],
  ["a tab in the target", `GET /a\tb HTTP/1.1\r\n${H}\r\n`],
  ["an octet above 127 in the target", `GET /\xe9 HTTP/1.1\r\n${H}\r\n`],
  ["an unknown method", `FROB / HTTP/1.1\r\n${H}\r\n`],
  ["a method in lower case", `get / HTTP/1.1\r\n${H}\r\n`],
  ["a method of RTSP", "DESCRIBE / RTSP/1.0\r\n\r\n"],
  ["a method of ICE", "SOURCE / ICE/1.0\r\n\r\n"],
  ["a space after the version", `GET / HTTP/1.1 \r\n${H}\r\n`],
  ["a protocol in lower case", `GET / http/1.1\r\n${H}\r\n`],
  ["something that is not HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ["a chunk size with 0x", chunked("0x1\r\na\r\n0\r\n\r\n")],
  ["a signed chunk size", chunked("+1\r\na\r\n0\r\n\r\n")],
  ["an empty chunk size", chunked("\r\na\r\n0\r\n\r\n")],
  ["a chunk size beyond 2^64", chunked("11111111111111111\r\na\r\n0\r\n\r\n")],
  ["a space after the chunk size", chunked("1 \r\na\r\n0\r\n\r\n")],
  ["a bare LF after the chunk size", chunked("1\na\r\n0\r\n\r\n")],
  ["a bare LF after the chunk", chunked("1\r\na\n0\r\n\r\n")],
  ["a chunk longer than its size", chunked("1\r\nab\r\n0\r\n\r\n")],
  ["a bare LF in a chunk extension", chunked("1;a\nb\r\na\r\n0\r\n\r\n")],
  ["Host in a trailer", chunked("0\r\nHost: b\r\n\r\n")],
  ["Content-Length in a trailer", chunked("0\r\nContent-Length: 1\r\n\r\n")],
  ["Transfer-Encoding in a trailer", chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n")],
  ["Content_Length in a trailer", chunked("0\r\nContent_Length: 1\r\n\r\n")],
  ["a fold in a trailer", chunked("0\r\nX: a\r\n b\r\n\r\n")],
  ["101 trailers", chunked(`0\r\n${"X: 1\r\n".repeat(101)}\r\n`)],
];

const OTHERS: readonly (readonly [name: string, request: string, code: ErrorCode])[] = [
  ["HTTP/2.0", `GET / HTTP/2.0\r\n${H}\r\n`, "ERROR_CODE_HTTP_VERSION_UNSUPPORTED"],
  ["HTTP/1.2", `GET / HTTP/1.2\r\n${H}\r\n`, "ERROR_CODE_HTTP_VERSION_UNSUPPORTED"],
  ["HTTP/0.9", `GET / HTTP/0.9\r\n${H}\r\n`, "ERROR_CODE_HTTP_VERSION_UNSUPPORTED"],
  ["a request without a version", "GET /\r\n\r\n", "ERROR_CODE_HTTP_VERSION_UNSUPPORTED"],
  [
    "the preface of HTTP/2",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "ERROR_CODE_HTTP_VERSION_UNSUPPORTED",
  ],
  ["CONNECT", `CONNECT a:443 HTTP/1.1\r\n${H}\r\n`, "ERROR_CODE_METHOD_UNSUPPORTED"],
  [
    "gzip before chunked",
    post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
    "ERROR_CODE_TRANSFER_CODING_UNSUPPORTED",
  ],
  ["101 header lines", get(H + "X: 1\r\n".repeat(100)), "ERROR_CODE_REQUEST_HEAD_TOO_LARGE"],
  ["3000 header lines", get(H + "X: 1\r\n".repeat(3000)), "ERROR_CODE_REQUEST_HEAD_TOO_LARGE"],
  [
    "a value of 70 000 octets",
    get(`${H}X: ${"x".repeat(70_000)}\r\n`),
    "ERROR_CODE_REQUEST_HEAD_TOO_LARGE",
  ],
  [
    "a target of 70 000 octets",
    `GET /${"x".repeat(70_000)} HTTP/1.1\r\n${H}\r\n`,
    "ERROR_CODE_TARGET_TOO_LONG",
  ],
];

const STATUSES: Partial<Record<ErrorCode, number>> = {
  ERROR_CODE_REQUEST_MALFORMED: 400,
  ERROR_CODE_HTTP_VERSION_UNSUPPORTED: 505,
  ERROR_CODE_METHOD_UNSUPPORTED: 405,
  ERROR_CODE_REQUEST_HEAD_TOO_LARGE: 431,
  ERROR_CODE_REQUEST_TIMEOUT: 408,
  ERROR_CODE_TARGET_TOO_LONG: 414,
  ERROR_CODE_TRANSFER_CODING_UNSUPPORTED: 501,
};

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const NEXT = `GET /smuggled HTTP/1.1\r\n${H}\r\n`;

describe("relay/strict-request", () => {
  let target: RawTarget;
  let bench: Bench;
  const set = async (options: BenchOptions = {}): Promise<void> => {
    target = await answering(OK);
    bench = await Bench.start(target, options);
  };
  afterEach(async () => {
    await bench.close();
    await target.close();
  });

  const CASES = [
    ...MALFORMED.map(([name, request]) => [name, request, "ERROR_CODE_REQUEST_MALFORMED"] as const),
    ...OTHERS,
  ];
  for (const [name, request, code] of CASES) {
    it(`refuses ${name}, closes, and lets nothing behind it through`, async () => {
      await set();
      const client = await bench.client(request + NEXT);
      const answer = await client.finished();
      expect(answer).to.match(new RegExp(`^HTTP/1.1 ${STATUSES[code] ?? 0} `));
      expect(answer).to.include("Connection: close\r\n").and.to.include(`Fsc-Error-Code: ${code}`);
      expect(answer.match(/HTTP\/1.1 \d/g)).to.have.length(1);
      expect(client.error).to.equal(undefined);
      expect(bench.refusals.map((problem) => problem.code)).to.deep.equal([code]);
      expect(target.received).to.equal("");
    });
  }

  it("gives the handler as much of the head as was read", async () => {
    await set();
    const client = await bench.client(`GET /x HTTP/1.1\r\n${H}X_y: 1\r\nHost: b\r\n\r\n`);
    await client.finished();
    expect(bench.refusedHeads).to.deep.equal([
      {
        method: "GET",
        target: "/x",
        version: "1.1",
        headers: [
          ["Host", "a"],
          ["X_y", "1"],
          ["Host", "b"],
        ],
      },
    ]);
  });

  it("tells the handler of CONNECT what was asked", async () => {
    await set();
    const client = await bench.client(`CONNECT a:443 HTTP/1.1\r\n${H}\r\n`);
    await client.finished();
    expect(bench.refusedHeads[0]).to.include({ method: "CONNECT", target: "a:443" });
  });

  it("outlives a client that resets its connection after a CONNECT", async () => {
    await set();
    const client = await bench.client(`CONNECT a:443 HTTP/1.1\r\n${H}\r\n`);
    await client.has("HTTP/1.1 4");
    client.socket.resetAndDestroy();
    // The reset has been seen when the relay knows of no connection; unheard it would have ended the process.
    await until("the connection is gone", () => bench.relay.connections === 0);
    const next = await bench.client(NEXT);
    await next.has("200 OK");
  });

  for (const [name, refused] of [
    ["malformed for the parser", get("X : 1\r\n")],
    ["malformed for the relay", get(`${H}${H}`)],
    ["CONNECT", `CONNECT a:443 HTTP/1.1\r\n${H}\r\n`],
  ] as const) {
    it(`answers what came before a request that is ${name}, then refuses it and all behind`, async () => {
      await set();
      const good = (n: number): string => `GET /${n} HTTP/1.1\r\n${H}\r\n`;
      const client = await bench.client(good(1) + good(2) + refused + NEXT);
      await client.finished();
      expect([...client.received.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => status))
        .to.have.length(3)
        .and.to.satisfy(([a, b, c]: string[]) => a === "200" && b === "200" && (c ?? "") > "399");
      expect(target.received.match(/GET \S+/g)).to.deep.equal(["GET /1", "GET /2"]);
    });
  }

  it("refuses a malformed body that follows its head later, and aborts the target's request", async () => {
    await set();
    target.wires.length = 0;
    const client = await bench.client(chunked("1\r\na\r\n").replace("POST", "PUT"));
    const wire = await target.wire();
    await wire.has("1\r\na\r\n");
    client.send("zz\r\n");
    await wire.finished();
    expect(wire.received).to.not.include("0\r\n\r\n");
  });

  it("refuses a malformed body before there is an answer", async () => {
    target = await answering("");
    bench = await Bench.start(target);
    const client = await bench.client(chunked("1\r\na\r\n"));
    const wire = await target.wire();
    await wire.has("1\r\na\r\n");
    client.send("zz\r\n");
    expect(await client.finished()).to.include("400 Bad Request");
    await wire.finished();
    expect(bench.failures).to.have.length(1);
    expect(bench.failures[0]).to.deep.include({
      kind: "client-aborted",
      nothingSent: false,
      requestBytes: 1,
    });
  });

  it("refuses a forbidden trailer that comes later, and the target never gets the end of the body", async () => {
    target = await answering("");
    bench = await Bench.start(target);
    const client = await bench.client(chunked("1\r\na\r\n"));
    const wire = await target.wire();
    await wire.has("1\r\na\r\n");
    client.send("0\r\nHost: b\r\n\r\n");
    expect(await client.finished()).to.include("400 Bad Request");
    await wire.finished();
    expect(wire.received).to.match(/1\r\na\r\n$/);
  });

  for (const [name, sent] of [
    ["a head that stops", "GET / HTTP/1.1\r\nHo"],
    ["a start line that stops", "G"],
  ] as const) {
    it(`refuses ${name} once its time is over`, async () => {
      await set({ limits: { headTimeoutMs: 150 } });
      const client = await bench.client(sent);
      const answer = await client.finished();
      expect(answer).to.match(/^HTTP\/1.1 408 /);
      expect(bench.refusals.map(({ code }) => code)).to.deep.equal(["ERROR_CODE_REQUEST_TIMEOUT"]);
    });
  }

  it("refuses a second head that comes drop by drop", async () => {
    await set({ limits: { headTimeoutMs: 200 } });
    const client = await bench.client(get(H));
    await client.has("ok");
    const drip = setInterval(() => client.send("X"), 30);
    try {
      client.send(`GET / HTTP/1.1\r\n`);
      await client.has("HTTP/1.1 408 ");
    } finally {
      clearInterval(drip);
    }
  });

  it("ends a connection without a request quietly after the time to keep it", async () => {
    await set({ limits: { headTimeoutMs: 100, keepAliveTimeoutMs: 150 } });
    const [fresh, used] = [await bench.client(), await bench.client(get(H))];
    expect(await fresh.finished()).to.equal("");
    expect(await used.finished()).to.equal(OK);
    expect(bench.refusals).to.have.length(0);
  });

  it("accepts a head of exactly the limits", async () => {
    await set({ limits: { headBytesMax: 2000, headersMax: 4 } });
    const request = (octets: number): string => {
      const head = `GET / HTTP/1.1\r\n${H}A: 1\r\nB: 2\r\nX: \r\n\r\n`;
      return head.replace("X: ", `X: ${"x".repeat(octets - (head.length - 2))}`);
    };
    const fits = await bench.client(request(2000));
    expect(await fits.has("\r\n\r\n")).to.equal(OK);
    const over = await bench.client(request(2001));
    expect(await over.finished()).to.match(/^HTTP\/1.1 431 /);
  });
});
