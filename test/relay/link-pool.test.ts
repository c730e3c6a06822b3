// How a relay reaches targets that speak the link: few connections for many, and what happens when one of them
// breaks, drains or is of another kind than before.
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { expect } from "chai";
import { ForwardError } from "../../relay/exchange.js";
import { LINK_CODE } from "../../relay/link-codes.js";
import { FRAME } from "../../relay/link-frames.js";
import { until } from "../support/until.js";
import { answering, Bench, type BenchOptions, type RawTarget, type Wire } from "./bench.js";
import { frame, headFrame, hello, RawSide, u16, u32 } from "./link-bench.js";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
const OK = Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
const WAIT_MS = 15_000;

const BAD_ANSWERS: readonly (readonly [name: string, frames: readonly Buffer[]])[] = [
  ["an empty head", [headFrame(1, Buffer.alloc(0), 2)]],
  ["octets behind the head", [headFrame(1, Buffer.concat([OK, Buffer.from("x")]), 2)]],
  ["half a head", [headFrame(1, OK.subarray(0, 20), 2)]],
  ["a bare LF", [headFrame(1, Buffer.from("HTTP/1.1 200 OK\nX: 1\n\n"), 2)]],
  [
    "two lengths",
    [
      headFrame(
        1,
        Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
      ),
    ],
  ],
  ["status 101", [headFrame(1, Buffer.from("HTTP/1.1 101 Switching\r\n\r\n"), 2)]],
  ["status 600", [headFrame(1, Buffer.from("HTTP/1.1 600 No\r\nContent-Length: 0\r\n\r\n"), 2)]],
  ["a final answer that is said to be interim", [headFrame(1, OK, 1)]],
  [
    "an interim answer that is said to be final",
    [headFrame(1, Buffer.from("HTTP/1.1 103 E\r\n\r\n"))],
  ],
  ["no word on how the body is framed", [headFrame(1, Buffer.from("HTTP/1.1 200 OK\r\n\r\n"))]],
  [
    "too many interim answers",
    Array.from({ length: 20 }, () => headFrame(1, Buffer.from("HTTP/1.1 103 E\r\n\r\n"), 1)),
  ],
  [
    "a head that is too large",
    [headFrame(1, Buffer.from(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(66_000)}\r\n\r\n`))],
  ],
];

describe("relay/link-pool", () => {
  const sides: RawSide[] = [];
  const benches: Bench[] = [];
  const sockets: Socket[] = [];
  const targets: RawTarget[] = [];
  let server: Server;
  let isLink = true;
  /** What a raw inway does with a connection; says HELLO unless told otherwise. */
  let greet = (side: RawSide): void => side.send(hello());

  const set = async (options: BenchOptions = {}): Promise<Bench> => {
    const { port } = server.address() as AddressInfo;
    const target = { isLink: () => isLink, ...options.target };
    const bench = await Bench.start(port, { ...options, target });
    benches.push(bench);
    return bench;
  };
  beforeEach(async () => {
    isLink = true;
    greet = (side) => side.send(hello());
    server = createServer((socket) => {
      sockets.push(socket);
      const side = new RawSide(socket);
      sides.push(side);
      greet(side);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const bench of benches.splice(0)) await bench.close();
    for (const target of targets.splice(0)) await target.close();
    sides.length = 0;
    server.close();
  });

  /** The n-th link, once it has been asked so often. */
  const asked = async (link: number, count: number): Promise<RawSide> => {
    const side = await until(`link ${String(link)}`, () => sides[link], WAIT_MS);
    await side.has(FRAME.head, count);
    return side;
  };
  const clients = (bench: Bench, count: number, text = GET): Promise<readonly Wire[]> =>
    Promise.all(Array.from({ length: count }, () => bench.client(text)));

  it("makes one connection for all who come at once", async () => {
    const bench = await set();
    const wires = await clients(bench, 50);
    const side = await asked(0, 50);
    for (let n = 1; n <= 50; n++) side.send(headFrame(n, OK, 2));
    for (const wire of wires) await wire.has("200 OK");
    expect(sides).to.have.length(1);
  });

  it("makes another when all are full", async () => {
    greet = (side) => side.send(hello({ exchangesMax: 10 }));
    const bench = await set();
    const wires = await clients(bench, 25);
    await asked(2, 5);
    expect(sides.map((side) => side.of(FRAME.head).length)).to.deep.equal([10, 10, 5]);
    for (const side of sides) {
      for (const { exchange } of side.of(FRAME.head)) side.send(headFrame(exchange, OK, 2));
    }
    for (const wire of wires) await wire.has("200 OK");
  });

  it("makes another when bodies that nobody takes fill the window of the first", async () => {
    greet = (side) => side.send(hello({ connectionWindow: 300_000 }));
    const bench = await set();
    const text = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";
    await clients(bench, 1, text + "x".repeat(60_000));
    const first = await asked(0, 1);
    await first.has(FRAME.data);
    // The window of the first has become narrow: whoever comes next still goes over it, and has another made.
    await clients(bench, 1);
    await first.has(FRAME.head, 2);
    await until("another link", () => sides[1], WAIT_MS);
    await until("its HELLO", () => sides[1]?.of(FRAME.hello)[0], WAIT_MS);
    await until("an exchange over it", async () => {
      await clients(bench, 1);
      return sides[1]?.of(FRAME.head)[0];
    });
  });

  it("uses a target that does not speak the link over HTTP/1.1, and the link once it does", async () => {
    const plain = await answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    targets.push(plain);
    const bench = await set({
      target: {
        connect: async () => {
          const port = isLink ? (server.address() as AddressInfo).port : plain.port;
          const socket = connect(port, "127.0.0.1");
          await once(socket, "connect");
          return socket;
        },
      },
    });
    isLink = false;
    for (const wire of await clients(bench, 5)) await wire.has("ok");
    expect(bench.outcomes.map(({ link }) => link)).to.deep.equal(Array(5).fill("http1"));
    isLink = true;
    bench.relay.dropTargets(() => true);
    const [next] = await clients(bench, 1);
    const side = await asked(0, 1);
    side.send(headFrame(1, OK, 2));
    await next?.has("200 OK");
    await until("the outcome", () => bench.outcomes.some(({ link }) => link === "schakel"));
  });

  it("tells all who wait when no connection can be made, and tries again for the next", async () => {
    let tries = 0;
    const bench = await set({
      target: { connect: () => Promise.reject(new Error(`no ${String((tries += 1))}`)) },
    });
    for (const wire of await clients(bench, 20)) await wire.has("HTTP/1.1 5");
    expect(bench.failures).to.have.length(20);
    expect(
      bench.failures.every((failure) => failure instanceof ForwardError && failure.nothingSent),
    ).to.equal(true);
    const before = tries;
    await (await bench.client(GET)).has("HTTP/1.1 5");
    expect(tries).to.equal(before + 1);
  });

  it("fails when the other side says no HELLO but something else", async () => {
    greet = (side) => side.send(frame(FRAME.ping, 0, Buffer.alloc(8)));
    const bench = await set();
    await (await bench.client(GET)).has("HTTP/1.1 5");
    const [failure] = bench.failures as ForwardError[];
    expect([failure?.kind, failure?.nothingSent]).to.deep.equal(["connect", true]);
  });

  it("lets one who waits for a connection leave, and the others have it", async () => {
    let open = (): void => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const { port } = server.address() as AddressInfo;
    const bench = await set({
      target: {
        connect: async () => {
          await opened;
          const socket = connect(port, "127.0.0.1");
          await once(socket, "connect");
          return socket;
        },
      },
    });
    const [first, second] = await clients(bench, 2);
    await until("both", () => bench.seen.length === 2);
    first?.socket.destroy();
    await until("the leaving", () => bench.failures.length === 1);
    open();
    const side = await asked(0, 1);
    side.send(headFrame(1, OK, 2));
    await second?.has("200 OK");
  });

  for (const [name, frames] of BAD_ANSWERS) {
    it(`refuses an answer with ${name}, and goes on with the link`, async () => {
      const bench = await set();
      const wire = await bench.client(GET);
      const side = await asked(0, 1);
      side.send(...frames);
      await wire.has("HTTP/1.1 502");
      const [failure] = bench.failures as ForwardError[];
      expect(failure?.kind).to.equal("malformed");
      const next = await bench.client(GET);
      await side.has(FRAME.head, 2);
      side.send(headFrame(2, OK, 2));
      await next.has("200 OK");
      expect(sides).to.have.length(1);
    });
  }

  for (const [name, frames] of [
    ["more than its length", [frame(FRAME.data, 1, Buffer.from("abc"))]],
    [
      "less than its length",
      [frame(FRAME.data, 1, Buffer.from("a")), frame(FRAME.end, 1, Buffer.from([0]))],
    ],
    [
      "a reset in the middle",
      [frame(FRAME.data, 1, Buffer.from("a")), frame(FRAME.reset, 1, u16(11))],
    ],
    ["the loss of the link in the middle", [frame(FRAME.data, 1, Buffer.from("a")), frame(0, 0)]],
  ] as const) {
    it(`breaks an answer off that has ${name}`, async () => {
      const bench = await set();
      const wire = await bench.client(GET);
      const side = await asked(0, 1);
      side.send(
        headFrame(1, Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")),
        ...frames,
      );
      await wire.finished();
      expect(wire.received).to.not.match(/\r\n\r\n..$/);
      await until("the outcome", () => bench.outcomes[0]?.result === "target-aborted");
    });
  }

  it("sends a GET again that broke with a link which had served before, and never a POST", async () => {
    const bench = await set();
    const first = await bench.client(GET);
    const side = await asked(0, 1);
    side.send(headFrame(1, OK, 2));
    await first.has("200 OK");
    const [get] = await clients(bench, 1);
    const [post] = await clients(bench, 1, POST);
    await side.has(FRAME.head, 3);
    side.stream.destroy();
    await post?.has("HTTP/1.1 502");
    const other = await asked(1, 1);
    other.send(headFrame(1, OK, 2));
    await get?.has("200 OK");
    expect(other.of(FRAME.head)).to.have.length(1);
  });

  it("says that nothing was sent of what a GOAWAY was not looked at", async () => {
    const bench = await set({
      exchange: async (exchange, order) => {
        try {
          await exchange.forward(order);
        } catch (error) {
          bench.failures.push(error);
        }
      },
    });
    await clients(bench, 2, "PATCH / HTTP/1.1\r\nHost: a\r\n\r\n");
    const side = await asked(0, 2);
    side.send(frame(FRAME.goaway, 0, Buffer.concat([u32(1), u16(LINK_CODE.none)])));
    await until("the refusal", () => bench.failures.length === 1);
    const [failure] = bench.failures as ForwardError[];
    expect([failure?.kind, failure?.nothingSent]).to.deep.equal(["broken", true]);
    side.send(headFrame(1, OK, 2));
    await until("the end of the link", () => side.ended);
  });

  it("lets what runs finish on a link whose target is dropped, and makes another for the next", async () => {
    const bench = await set();
    const [running] = await clients(bench, 1);
    const side = await asked(0, 1);
    bench.relay.dropTargets(() => true);
    await clients(bench, 1);
    await asked(1, 1);
    side.send(headFrame(1, OK, 2));
    await running?.has("200 OK");
    await until("the end of the first", () => side.ended);
  });

  it("resets an exchange whose client has left, and keeps the link", async () => {
    const bench = await set();
    const [gone] = await clients(bench, 1);
    const side = await asked(0, 1);
    gone?.socket.destroy();
    expect((await side.has(FRAME.reset)).payload.readUInt16BE(0)).to.equal(LINK_CODE.cancelled);
    side.send(frame(FRAME.reset, 1, u16(0)));
    const [next] = await clients(bench, 1);
    await side.has(FRAME.head, 2);
    side.send(headFrame(2, OK, 2));
    await next?.has("200 OK");
  });

  it("opens the window of an answer only as its client takes it", async () => {
    const bench = await set();
    const [slow] = await clients(bench, 1);
    const side = await asked(0, 1);
    slow?.socket.pause();
    side.send(headFrame(1, Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")));
    const granted = (): number =>
      side
        .of(FRAME.window)
        .reduce(
          (sum, { exchange, payload }) => sum + (exchange === 1 ? payload.readUInt32BE(0) : 0),
          65_536,
        );
    const piece = frame(FRAME.data, 1, Buffer.alloc(32_768));
    let sent = 0;
    let quiet = 0;
    while (quiet < 20) {
      quiet = sent + 32_768 <= granted() ? 0 : quiet + 1;
      while (sent + 32_768 <= granted()) {
        side.send(piece);
        sent += 32_768;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(sent).to.be.below(16 * 1024 * 1024);
    expect(bench.relay.exchanges).to.equal(1);
  }).timeout(30_000);

  it("gives up on a target that does not answer, and on that exchange alone", async () => {
    const bench = await set({ target: { answerTimeoutMs: 200 } });
    const [slow] = await clients(bench, 1);
    const side = await asked(0, 1);
    await slow?.has("HTTP/1.1 504");
    await side.has(FRAME.reset);
    expect(side.ended).to.equal(false);
  });

  it("answers a head that the other side would not take with 431", async () => {
    greet = (side) => side.send(hello({ headBytesMax: 1_024 }));
    const bench = await set();
    const wire = await bench.client(`GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(2_000)}\r\n\r\n`);
    await wire.has("HTTP/1.1 431");
  });
});
