// The same exchanges over the link and over HTTP/1.1: client and target see the same octets, and both sides
// record the same.
import { expect } from "chai";
import { until } from "../support/until.js";
import { RawTarget, type BenchOptions, type Wire } from "./bench.js";
import { Chain, type Between } from "./link-chain.js";

const WAIT_MS = 15_000;
const H = "Host: a\r\n";

interface Case {
  readonly title: string;
  /** What the client sends, one text after the other has been answered; each is one request. */
  readonly requests: readonly string[];
  /** What the target answers to each. */
  readonly answers: readonly string[];
  /** Whether the answer is cut off by the target after what it sent. */
  readonly cut?: boolean;
  readonly options?: { readonly near?: BenchOptions; readonly far?: BenchOptions };
}

const length = (body: string): string => `Content-Length: ${String(body.length)}\r\n\r\n${body}`;
const chunks = (...pieces: readonly string[]): string =>
  pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join("");
const OK = `HTTP/1.1 200 OK\r\n${length("ok")}`;
const LARGE = "x".repeat(300_000);

const CASES: readonly Case[] = [
  { title: "a GET", requests: [`GET /a?b=c HTTP/1.1\r\n${H}\r\n`], answers: [OK] },
  {
    title: "order, case, duplicates and octets of header lines",
    requests: [`GET //%2F HTTP/1.1\r\nx-B: 1\r\n${H}X-a: \xe9\r\nx-b: 2\r\nX-Empty: \r\n\r\n`],
    answers: [`HTTP/1.1 299 Quite \xe9\r\nset-Cookie: b\r\nSet-Cookie: a\xff\r\n${length("ok")}`],
  },
  {
    title: "a POST with a length",
    requests: [`POST / HTTP/1.1\r\n${H}${length("hello")}`],
    answers: [OK],
  },
  {
    title: "a POST of no octets",
    requests: [`POST / HTTP/1.1\r\n${H}${length("")}`],
    answers: [OK],
  },
  {
    title: "a POST in chunks with trailers that pass",
    requests: [
      `POST / HTTP/1.1\r\n${H}Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n${chunks("hel", "lo")}0\r\nX-Sum: 1\r\n\r\n`,
    ],
    answers: [OK],
  },
  {
    title: "an answer in chunks with trailers",
    requests: [`GET / HTTP/1.1\r\n${H}TE: trailers\r\nConnection: TE\r\n\r\n`],
    answers: [
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks("a", "bc")}0\r\nX-Sum: 2\r\n\r\n`,
    ],
  },
  {
    title: "a large body each way",
    requests: [`POST / HTTP/1.1\r\n${H}${length(LARGE)}`],
    answers: [`HTTP/1.1 200 OK\r\n${length(LARGE)}`],
  },
  {
    title: "HEAD, which says a length and has no body",
    requests: [`HEAD / HTTP/1.1\r\n${H}\r\n`, `GET / HTTP/1.1\r\n${H}\r\n`],
    answers: ["HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", OK],
  },
  {
    title: "204 and 304",
    requests: [`GET /1 HTTP/1.1\r\n${H}\r\n`, `GET /2 HTTP/1.1\r\n${H}\r\n`],
    answers: [
      "HTTP/1.1 204 No Content\r\n\r\n",
      "HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n",
    ],
  },
  {
    title: "interim answers",
    requests: [`GET / HTTP/1.1\r\n${H}\r\n`],
    answers: [`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}`],
  },
  {
    title: "an answer without a length to a client of HTTP/1.1",
    requests: [`GET / HTTP/1.1\r\n${H}\r\n`],
    answers: ["HTTP/1.1 200 OK\r\n\r\nto the end"],
    cut: true,
  },
  {
    title: "a client of HTTP/1.0",
    requests: [`GET / HTTP/1.0\r\n${H}\r\n`],
    answers: [`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks("abc")}0\r\n\r\n`],
  },
  {
    title: "requests one after the other",
    requests: [1, 2, 3].map((n) => `POST /${String(n)} HTTP/1.1\r\n${H}${length("x")}`),
    answers: [OK, OK, OK],
  },
  {
    title: "an answer that is cut off",
    requests: [`GET / HTTP/1.1\r\n${H}\r\n`],
    answers: ["HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"],
    cut: true,
  },
  {
    title: "an answer in chunks that is cut off",
    requests: [`GET / HTTP/1.1\r\n${H}\r\n`],
    answers: [`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks("half")}`],
    cut: true,
  },
  {
    title: "a bad chunk in an answer",
    requests: [`GET / HTTP/1.1\r\n${H}\r\n`],
    answers: [`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks("good")}bad\n`],
  },
  {
    title: "an answer that is no HTTP",
    requests: [`GET / HTTP/1.1\r\n${H}\r\n`],
    answers: ["hello\r\n\r\n"],
  },
  {
    title: "no answer",
    requests: [`GET / HTTP/1.1\r\n${H}\r\n`],
    answers: [""],
    cut: true,
  },
  {
    title: "a request with a bad chunk",
    requests: [`POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n${chunks("a")}x\r\n`],
    answers: [],
  },
  {
    title: "a request with two lengths",
    requests: [`POST / HTTP/1.1\r\n${H}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`],
    answers: [],
  },
  {
    title: "a head that is too large for the far side",
    requests: [`GET / HTTP/1.1\r\n${H}X: ${"x".repeat(5_000)}\r\n\r\n`],
    answers: [],
    options: { far: { limits: { headBytesMax: 4_096 } } },
  },
  {
    title: "a target that is too long for the far side",
    requests: [`GET /${"x".repeat(5_000)} HTTP/1.1\r\n${H}\r\n`],
    answers: [],
    options: { far: { limits: { targetBytesMax: 4_096 } } },
  },
  {
    title: "a transfer coding that is not known",
    requests: [`POST / HTTP/1.1\r\n${H}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    answers: [],
  },
  {
    title: "more header lines than the far side takes",
    requests: [`GET / HTTP/1.1\r\n${H}${"X: 1\r\n".repeat(50)}\r\n`],
    answers: [],
    options: { far: { limits: { headersMax: 20 } } },
  },
];

/** How the body of a message is cut into chunks is the way's affair. */
const joined = (text: string): string =>
  text.replaceAll(
    /(?<=chunked\r\n(?:.*\r\n)*?\r\n)(?:[0-9a-f]+\r\n[^]*?\r\n)+?(?=0\r\n)/g,
    (body) => body.replaceAll(/(?:^|\r\n)[0-9a-f]+\r\n/g, ""),
  );

interface Seen {
  readonly client: string;
  readonly target: string;
  readonly closed: boolean;
  readonly near: unknown;
  readonly far: unknown;
}

/** Runs a case, and tells what stood on both ends. */
const run = async (between: Between, { requests, answers, cut, options }: Case): Promise<Seen> => {
  let served = 0;
  const target = await new RawTarget((wire) => {
    let before = 0;
    wire.socket.on("data", () => {
      // Each request is one that the client sends only after the answer before.
      const complete = isComplete(wire.received.slice(before));
      if (!complete) return;
      before = wire.received.length;
      wire.send(answers[served++] ?? "");
      if (cut === true) wire.socket.end();
    });
  }).listen();
  const chain = await Chain.start(between, target, options);
  try {
    const client = await chain.client();
    for (const [index, request] of requests.entries()) {
      client.send(request);
      await answered(client, index + 1);
    }
    await until(
      "the end of all",
      () => chain.near.relay.exchanges + chain.far.relay.exchanges === 0,
      WAIT_MS,
    );
    const hasEnded = (): boolean => client.ended || client.closed;
    // The end that an answer speaks of comes a moment after the answer.
    if (/\r\nconnection: close\r\n/i.test(client.received)) {
      await until("the end that was told", hasEnded, WAIT_MS);
    }
    const outcomes = ({
      outcomes: all,
    }: {
      outcomes: readonly {
        result: string;
        status: number;
        requestBytes: number;
        responseBytes: number;
      }[];
    }): unknown =>
      all.map(({ result, status, requestBytes, responseBytes }) => ({
        result,
        status,
        requestBytes,
        responseBytes,
      }));
    if (chain.near.outcomes.length > 0) {
      expect(chain.near.outcomes.map(({ link }) => link)).to.satisfy((links: readonly string[]) =>
        links.every((link) => link === between),
      );
    }
    return {
      client: joined(client.received),
      target: joined(target.received),
      closed: hasEnded(),
      near: outcomes(chain.near),
      far: outcomes(chain.far),
    };
  } finally {
    await chain.close();
    await target.close();
  }
};

const isComplete = (text: string): boolean => {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const counted = /content-length: (\d+)/i.exec(text.slice(0, end))?.[1];
  if (counted !== undefined) return text.length >= end + 4 + Number(counted);
  return !/chunked/i.test(text.slice(0, end)) || /\r\n0\r\n(?:.+\r\n)*\r\n$/.test(text);
};

/** Waits until the client has got so many answers, or the end. */
const answered = async (client: Wire, count: number): Promise<void> => {
  await until(
    `${String(count)} answers in "${client.received.slice(0, 500)}"`,
    () => {
      if (client.ended || client.closed) return true;
      const finals = client.received.split(/(?=HTTP\/1\.1 (?!1))/).slice(-1)[0] ?? "";
      const all = client.received.match(/HTTP\/1\.1 (?!1)\d/g)?.length ?? 0;
      const noBody =
        /^HTTP\/1\.1 (?:204|304)/.test(finals) || finals.endsWith("Content-Length: 1000\r\n\r\n");
      return all >= count && (noBody ? finals.endsWith("\r\n\r\n") : isComplete(finals));
    },
    WAIT_MS,
  );
};

describe("relay/link-relay", function () {
  this.timeout(60_000);
  for (const example of CASES) {
    it(`passes ${example.title} over the link as over HTTP/1.1`, async () => {
      const http1 = await run("http1", example);
      const schakel = await run("schakel", example);
      expect(schakel).to.deep.equal(http1);
      expect(http1.client).to.not.equal("");
    });
  }
});
