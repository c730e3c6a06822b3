// What a relay does with heads and bodies that come over a link from a side that may be hostile: the same as over
// HTTP/1.1, on the exchange alone.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect } from "chai";
import { LINK_CODE } from "../../relay/link-codes.js";
import { FRAME } from "../../relay/link-frames.js";
import { until } from "../support/until.js";
import { answering, Bench, RawTarget, type BenchOptions } from "./bench.js";
import { frame, headFrame, hello, RawSide, u16, u32 } from "./link-bench.js";

const H = "Host: a\r\n";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const END = Buffer.from([0]);
const get = (lines: string): string => `GET / HTTP/1.1\r\n${lines}\r\n`;
const post = (lines: string): string => `POST / HTTP/1.1\r\n${H}${lines}\r\n`;

const BAD_HEADS: readonly (readonly [name: string, head: string, status: number])[] = [
  ["an empty head", "", 400],
  ["a line break alone", "\r\n", 400],
  ["half a head", "GET / HTTP/1.1\r\nHost: a\r\n", 400],
  ["octets behind the head", `${get(H)}x`, 400],
  ["a second head behind the first", get(H) + get(H), 400],
  ["an empty line in front", `\r\n${get(H)}`, 400],
  ["a bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400],
  ["a bare LF after a header", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400],
  ["a bare CR in a value", get(`${H}X: a\rb\r\n`), 400],
  ["a NUL in a value", get(`${H}X: a\0b\r\n`), 400],
  ["a fold", get(`${H}X: a\r\n b\r\n`), 400],
  ["a space before the colon", get("Host : a\r\n"), 400],
  ["a name that is not a token", get(`${H}X(y): a\r\n`), 400],
  ["an empty name", get(`${H}: a\r\n`), 400],
  ["no Host", get(""), 400],
  ["two Hosts", get(H + H), 400],
  ["a Host that disagrees with the target", `GET http://b/ HTTP/1.1\r\n${H}\r\n`, 400],
  ["pseudo-headers instead of a request line", `:method: GET\r\n:path: /\r\n${H}\r\n`, 400],
  ["a pseudo-header among the lines", get(`${H}:path: /admin\r\n`), 400],
  ["a line break in what would be a value of HTTP/2", get(`${H}X: a\r\nX-Forged\r\n`), 400],
  ["a target with a space", `GET /a b HTTP/1.1\r\n${H}\r\n`, 400],
  ["a fragment in the target", `GET /#a HTTP/1.1\r\n${H}\r\n`, 400],
  ["an authority as target", `GET a:80 HTTP/1.1\r\n${H}\r\n`, 400],
  ["an asterisk as target", `GET * HTTP/1.1\r\n${H}\r\n`, 400],
  ["a method that is none", `GE(T / HTTP/1.1\r\n${H}\r\n`, 400],
  ["HTTP/1.0", `GET / HTTP/1.0\r\n${H}\r\n`, 505],
  ["HTTP/2.0", `GET / HTTP/2.0\r\n${H}\r\n`, 505],
  ["HTTP/0.9", "GET /\r\n\r\n", 505],
  ["CONNECT", `CONNECT a:80 HTTP/1.1\r\n${H}\r\n`, 405],
  ["two lengths", post("Content-Length: 1\r\nContent-Length: 2\r\n"), 400],
  ["a length with chunked", post("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400],
  ["a coding before chunked", post("Transfer-Encoding: gzip, chunked\r\n"), 501],
  ["chunked twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400],
  ["identity", post("Transfer-Encoding: identity\r\n"), 400],
  ["a length that is no number", post("Content-Length: 0x1\r\n"), 400],
  ["a negative length", post("Content-Length: -1\r\n"), 400],
  ["Content_Length", post("Content_Length: 1\r\n"), 400],
  ["Transfer_Encoding", post("Transfer_Encoding: chunked\r\n"), 400],
  ["too many lines", get(H + "X: 1\r\n".repeat(200)), 431],
  ["a head that is too large", get(`${H}X: ${"x".repeat(66_000)}\r\n`), 431],
];

interface BadBody {
  readonly name: string;
  readonly head: string;
  readonly frames: readonly Buffer[];
}

const data = (text: string): Buffer => frame(FRAME.data, 1, Buffer.from(text));
const end = (trailers = ""): Buffer =>
  frame(FRAME.end, 1, Buffer.concat([END, Buffer.from(trailers, "latin1")]));
const counted = post("Content-Length: 5\r\n");
const chunked = post("Transfer-Encoding: chunked\r\n");

const BAD_BODIES: readonly BadBody[] = [
  { name: "data without a length", head: get(H), frames: [data("a"), end()] },
  { name: "more than the length", head: counted, frames: [data("hello!"), end()] },
  {
    name: "more than the length in a second frame",
    head: counted,
    frames: [data("hello"), data("!"), end()],
  },
  { name: "less than the length", head: counted, frames: [data("hell"), end()] },
  { name: "nothing of the length", head: counted, frames: [end()] },
  { name: "trailers after a length", head: counted, frames: [data("hello"), end("X: 1\r\n")] },
  { name: "trailers after nothing", head: get(H), frames: [end("X: 1\r\n")] },
  { name: "a trailer without its line break", head: chunked, frames: [data("a"), end("X: 1")] },
  { name: "a trailer with a bare LF", head: chunked, frames: [data("a"), end("X: 1\n")] },
  { name: "trailers and more", head: chunked, frames: [data("a"), end("X: 1\r\n\r\nGET /")] },
  { name: "an empty line as trailers", head: chunked, frames: [data("a"), end("\r\n")] },
  { name: "a length as trailer", head: chunked, frames: [data("a"), end("Content-Length: 1\r\n")] },
  {
    name: "a coding as trailer",
    head: chunked,
    frames: [data("a"), end("Transfer-Encoding: chunked\r\n")],
  },
  { name: "Host as trailer", head: chunked, frames: [data("a"), end("Host: b\r\n")] },
  { name: "too many trailers", head: chunked, frames: [data("a"), end("X: 1\r\n".repeat(200))] },
];

describe("relay/link-server", () => {
  let target: RawTarget;
  let bench: Bench;
  let socket: Socket;
  let raw: RawSide;

  const set = async (
    answer: string | RawTarget = OK,
    options: BenchOptions = {},
  ): Promise<void> => {
    target = typeof answer === "string" ? await answering(answer) : await answer.listen();
    bench = await Bench.start(target, { ...options, link: true });
    socket = connect(bench.port, "127.0.0.1");
    await once(socket, "connect");
    raw = new RawSide(socket);
    raw.send(hello({ exchangesMax: 0 }));
    await raw.has(FRAME.hello);
  };
  afterEach(async () => {
    socket.destroy();
    await bench.close();
    await target.close();
  });

  const headOf = async (exchange: number): Promise<string> => {
    const read = await until(
      `an answer on exchange ${String(exchange)}`,
      () => raw.of(FRAME.head).find((found) => found.exchange === exchange),
      15_000,
    );
    return read.payload.subarray(4).toString("latin1");
  };
  /** Another exchange on the same connection is served. */
  const goesOn = async (exchange = 2): Promise<void> => {
    raw.send(headFrame(exchange, Buffer.from(`GET /next HTTP/1.1\r\n${H}\r\n`), 2));
    expect(await headOf(exchange)).to.match(/^HTTP\/1\.1 200 OK\r\n/);
    expect(raw.of(FRAME.goaway)).to.have.length(0);
  };

  for (const [name, head, status] of BAD_HEADS) {
    it(`answers ${name} with ${String(status)}, and goes on with the others`, async () => {
      await set();
      raw.send(headFrame(1, Buffer.from(head, "latin1"), 2));
      expect(await headOf(1)).to.match(new RegExp(`^HTTP/1\\.1 ${String(status)} `));
      expect(target.received).to.equal("");
      expect(bench.refusals).to.have.length(1);
      await goesOn();
      expect(target.received).to.equal(`GET /next HTTP/1.1\r\n${H}\r\n`);
    });
  }

  for (const { name, head, frames } of BAD_BODIES) {
    it(`never passes a request with ${name} as complete`, async () => {
      await set(new RawTarget(() => undefined));
      raw.send(headFrame(1, Buffer.from(head, "latin1")), ...frames);
      expect(await headOf(1)).to.match(/^HTTP\/1\.1 400 /);
      // What went out of it is cut off.
      for (const wire of target.wires) await wire.finished();
      expect(target.received).to.not.match(/\r\n\r\nhello$|\r\n0\r\n/);
      raw.send(headFrame(2, Buffer.from(get(H)), 2));
      await until("the next", () => target.received.endsWith(get(H)));
      expect(raw.of(FRAME.goaway)).to.have.length(0);
    });
  }

  it("takes a token that goes beside the head for the last of its lines", async () => {
    await set();
    const token = Buffer.concat([u32(7), Buffer.from("Bearer a.b.c")]);
    raw.send(frame(FRAME.token, 0, token), headFrame(1, Buffer.from(get(`${H}X: 1\r\n`)), 2, 7));
    await headOf(1);
    expect(bench.seen[0]?.headers).to.deep.equal([
      ["Host", "a"],
      ["X", "1"],
      ["Fsc-Authorization", "Bearer a.b.c"],
    ]);
  });

  it("resets the rest of a request that was answered before its end", async () => {
    await set(
      new RawTarget((wire, index) => {
        const early = "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno";
        wire.socket.once("data", () => wire.send(index === 0 ? early : OK));
      }),
    );
    raw.send(headFrame(1, Buffer.from(post("Content-Length: 1000000\r\n"))), data("begin"));
    expect(await headOf(1)).to.match(/^HTTP\/1\.1 413 /);
    expect((await raw.has(FRAME.reset)).payload.readUInt16BE(0)).to.equal(LINK_CODE.none);
    await goesOn();
  });

  it("cuts the source's exchange when its request is reset, and lets go of it", async () => {
    await set(new RawTarget(() => undefined));
    raw.send(headFrame(1, Buffer.from(get(H)), 2));
    const wire = await target.wire();
    await wire.has(get(H));
    raw.send(frame(FRAME.reset, 1, u16(LINK_CODE.cancelled)));
    await wire.finished();
    await raw.has(FRAME.reset);
    await until("the end of it", () => bench.relay.exchanges === 0);
    const [failure] = bench.failures as { kind?: string }[];
    expect(failure?.kind).to.equal("client-aborted");
  });

  it("runs exchanges of one connection at once", async () => {
    await set(new RawTarget(() => undefined));
    for (let n = 1; n <= 20; n++) raw.send(headFrame(n, Buffer.from(get(H)), 2));
    await until(
      "all of them",
      () => target.wires.filter(({ received }) => received !== "").length === 20,
    );
    expect(bench.relay.exchanges).to.equal(20);
    expect(bench.relay.connections).to.equal(1);
    raw.stream.destroy();
    await until("their end", () => bench.relay.exchanges === 0);
    expect(bench.failures).to.have.length(20);
  });

  it("holds no more of a body than window and piece while the source does not read", async () => {
    await set(new RawTarget((wire) => wire.socket.pause()));
    raw.send(headFrame(1, Buffer.from(post("Content-Length: 100000000\r\n"))));
    const piece = frame(FRAME.data, 1, Buffer.alloc(32_768));
    let sent = 0;
    let allowed = 65_536;
    const granted = (): number =>
      raw
        .of(FRAME.window)
        .reduce(
          (sum, { exchange, payload }) => sum + (exchange === 1 ? payload.readUInt32BE(0) : 0),
          65_536,
        );
    let quiet = 0;
    // Sends whatever it may until the relay lets nothing more come.
    while (quiet < 20) {
      allowed = granted();
      quiet = sent + 32_768 <= allowed ? 0 : quiet + 1;
      while (sent + 32_768 <= allowed) {
        raw.send(piece);
        sent += 32_768;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(sent).to.be.below(16 * 1024 * 1024);
    expect(raw.of(FRAME.goaway)).to.have.length(0);
  }).timeout(30_000);

  it("drains: answers what runs, takes nothing new, and closes", async () => {
    let answer = (): void => undefined;
    await set(
      new RawTarget((wire) => {
        wire.socket.on("data", () => (answer = () => wire.send(OK)));
      }),
    );
    raw.send(headFrame(1, Buffer.from(get(H)), 2));
    await until("the request", () => target.received !== "");
    const closed = bench.relay.close(10_000);
    const { payload } = await raw.has(FRAME.goaway);
    expect([payload.readUInt32BE(0), payload.readUInt16BE(4)]).to.deep.equal([1, LINK_CODE.none]);
    raw.send(headFrame(2, Buffer.from(get(H)), 2));
    answer();
    await headOf(1);
    await raw.has(FRAME.end);
    await until("the end", () => raw.ended);
    raw.stream.end();
    await closed;
    expect(raw.of(FRAME.head)).to.have.length(1);
  });

  it("ends the connection of a client that may not go on", async () => {
    await set(new RawTarget(() => undefined));
    raw.send(headFrame(1, Buffer.from(get(H)), 2));
    await until("the request", () => target.received !== "");
    bench.relay.endConnections((context) => context === "client");
    await until("the end", () => raw.ended || raw.stream.destroyed);
    await until("the exchange's end", () => bench.relay.exchanges === 0);
  });
});
