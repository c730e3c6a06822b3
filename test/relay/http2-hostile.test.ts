// HTTP/2 requests of a client that may be hostile, written frame by frame: what could be read in two ways reaches no
// source, whoever refuses it, and the connection goes on or ends.
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { expect } from "chai";
import { until } from "../support/until.js";
import { answering, Bench, type RawTarget } from "./bench.js";

type Field = readonly [name: string, value: string];

const DATA = 0;
const HEADERS = 1;
const RST = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const CONTINUATION = 9;
const END_STREAM = 1;
const END_HEADERS = 4;

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

const frame = (
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
};

const length = (octets: number): Buffer => {
  if (octets < 127) return Buffer.of(octets);
  const bytes = [127];
  let left = octets - 127;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
  return Buffer.from([...bytes, left]);
};
const text = (value: string): Buffer => {
  const octets = Buffer.from(value, "latin1");
  return Buffer.concat([length(octets.length), octets]);
};
/** Literals that are never indexed nor compressed (RFC 7541, section 6.2.2). */
const block = (fields: readonly Field[]): Buffer =>
  Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]));

const START: readonly Field[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":authority", "a"],
  [":path", "/"],
];
const with_ = (...fields: readonly Field[]): readonly Field[] => [...START, ...fields];
const instead = (name: string, value: string): readonly Field[] =>
  START.map((field) => (field[0] === name ? ([name, value] as const) : field));
const without = (name: string): readonly Field[] => START.filter(([other]) => other !== name);

/** Requests that may not reach the source at all. */
const REFUSED: readonly (readonly [name: string, fields: readonly Field[]])[] = [
  ["no :method", without(":method")],
  ["no :scheme", without(":scheme")],
  ["no :path", without(":path")],
  ["no :authority nor Host", without(":authority")],
  ["two :method", [...START, [":method", "POST"]]],
  ["two :path", [...START, [":path", "/admin"]]],
  ["an unknown pseudo-header", [[":proto", "x"], ...START]],
  [":protocol", [...START, [":protocol", "websocket"]]],
  ["a pseudo-header of responses", [...START, [":status", "200"]]],
  ["a pseudo-header after a header", [...without(":path"), ["x", "1"], [":path", "/"]]],
  [":path without a slash", instead(":path", "a")],
  ["an asterisk", instead(":path", "*")],
  ["an absolute :path", instead(":path", "http://b/")],
  ["an empty :path", instead(":path", "")],
  ["a space in :path", instead(":path", "/a HTTP/1.1")],
  ["a line break in :path", instead(":path", "/ HTTP/1.1\r\nHost: b\r\n\r\nGET /b")],
  ["a fragment in :path", instead(":path", "/#a")],
  ["a :scheme that is none", instead(":scheme", "ht tp")],
  ["another :scheme", instead(":scheme", "ftp")],
  ["a line break in :method", instead(":method", "GET / HTTP/1.1\r\nX:")],
  ["a method that is none", instead(":method", "GE(T")],
  ["an unknown method", instead(":method", "GOT")],
  ["user and host in :authority", instead(":authority", "u@a")],
  ["a line break in :authority", instead(":authority", "a\r\nX: 1")],
  [
    "CONNECT",
    [
      [":method", "CONNECT"],
      [":authority", "a:80"],
    ],
  ],
  ["Host that disagrees", with_(["host", "b"])],
  ["two Hosts", with_(["host", "a"], ["host", "a"])],
  ["two lengths", with_(["content-length", "0"], ["content-length", "0"])],
  ["a length that is no number", with_(["content-length", "0x0"])],
  ["content_length", with_(["content_length", "1"])],
  ["transfer_encoding", with_(["transfer_encoding", "chunked"])],
  ["Connection", with_(["connection", "close"])],
  ["Keep-Alive", with_(["keep-alive", "1"])],
  ["Proxy-Connection", with_(["proxy-connection", "close"])],
  ["Transfer-Encoding", with_(["transfer-encoding", "chunked"])],
  ["Upgrade", with_(["upgrade", "h2c"])],
  ["TE with more than trailers", with_(["te", "trailers, gzip"])],
  ["too many headers", with_(...Array.from({ length: 101 }, (): Field => ["x", "1"]))],
  [
    "a head that is too large",
    with_(...Array.from({ length: 9 }, (): Field => ["x", "y".repeat(8_000)])),
  ],
];

/** What Node.js leaves out of a request, so that it never reaches us: it may not reach the source either. */
const LEFT_OUT: readonly (readonly [name: string, field: Field])[] = [
  ["a line break in a value", ["x-bad", "a\r\nX-Forged: 1"]],
  ["a bare LF in a value", ["x-bad", "a\nX-Forged: 1"]],
  ["a bare CR in a value", ["x-bad", "a\rb"]],
  ["a NUL in a value", ["x-bad", "a\0b"]],
  ["an upper-case name", ["X-Bad", "1"]],
  ["a line break in a name", ["x-bad\r\nX-Forged", "1"]],
  ["a space in a name", ["x-bad ", "1"]],
  ["a colon in a name", ["x-bad:a", "1"]],
  ["an empty name", ["", "x-bad"]],
];

/** Bodies that disagree with their length. */
const LENGTHS: readonly (readonly [name: string, stated: string, frames: readonly string[]])[] = [
  ["less than its length", "5", ["hell"]],
  ["nothing of its length", "5", [""]],
  ["more than its length", "5", ["hello!"]],
  ["more than its length in a second frame", "5", ["hello", "!"]],
  ["something where its length is 0", "0", ["a"]],
];

describe("relay over HTTP/2 from a hostile client", () => {
  let target: RawTarget;
  let bench: Bench;
  let front: Server;
  let socket: Socket;
  let closed = false;
  let received: Buffer = Buffer.alloc(0);

  beforeEach(async () => {
    target = await answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    bench = await Bench.start(target);
    front = createServer((one) => bench.relay.acceptEither(one, "client"));
    front.listen(0, "127.0.0.1");
    await once(front, "listening");
    socket = connect((front.address() as AddressInfo).port, "127.0.0.1");
    closed = false;
    received = Buffer.alloc(0);
    socket.on("error", () => undefined);
    socket.on("close", () => (closed = true));
    socket.on("data", (chunk: Buffer) => (received = Buffer.concat([received, chunk])));
    socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0), frame(SETTINGS, 1, 0)]));
  });
  afterEach(async () => {
    socket.destroy();
    front.close();
    await bench.close();
    await target.close();
  });

  const came = (): readonly { type: number; stream: number }[] => {
    const found: { type: number; stream: number }[] = [];
    for (let at = 0; at + 9 <= received.length; at += 9 + received.readUIntBE(at, 3)) {
      found.push({ type: received[at + 3] ?? 0, stream: received.readUInt32BE(at + 5) });
    }
    return found;
  };
  const isAnswered = (stream: number): boolean =>
    came().some((one) => one.stream === stream && [HEADERS, RST].includes(one.type));
  const isOver = (): boolean => closed || came().some(({ type }) => type === GOAWAY);
  const send = (stream: number, fields: readonly Field[], flags = END_STREAM): void =>
    void socket.write(frame(HEADERS, flags | END_HEADERS, stream, block(fields)));

  it("passes the request that the others are made of", async () => {
    send(1, with_(["x", "1"]));
    await until("the answer", () => isAnswered(1));
    expect(target.received).to.equal("GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n\r\n");
  });

  for (const [name, fields] of REFUSED) {
    it(`passes nothing of a request with ${name}`, async () => {
      send(1, fields);
      await until("an end", () => isAnswered(1) || isOver());
      expect(target.received).to.equal("");
      if (isOver()) return;
      send(3, instead(":path", "/next"));
      await until("the next", () => isAnswered(3));
      expect(target.received).to.equal("GET /next HTTP/1.1\r\nhost: a\r\n\r\n");
      expect(bench.seen).to.have.length(1);
    });
  }

  for (const [name, field] of LEFT_OUT) {
    it(`never passes ${name}`, async () => {
      send(1, with_(field));
      await until("an end", () => isAnswered(1) || isOver());
      expect(["", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"]).to.include(target.received);
    });
  }

  for (const [name, stated, frames] of LENGTHS) {
    it(`never passes as complete a body of ${name}`, async () => {
      send(1, [...instead(":method", "POST"), ["content-length", stated]], 0);
      frames.forEach((piece, index) => {
        const flags = index === frames.length - 1 ? END_STREAM : 0;
        socket.write(frame(DATA, flags, 1, Buffer.from(piece)));
      });
      await until("an end", () => isAnswered(1) || isOver());
      await until("the end of the exchange", () => bench.relay.exchanges === 0);
      expect(target.received).to.not.match(/\r\n\r\nhello$|\r\n0\r\n|\r\n\r\na$/);
      expect(bench.outcomes.filter(({ result }) => result === "complete")).to.have.length(0);
    });
  }

  it("refuses a pseudo-header, framing and a connection's field among trailers", async () => {
    const bad: readonly Field[] = [
      [":path", "/x"],
      ["content-length", "1"],
      ["connection", "x"],
    ];
    for (const [index, field] of bad.entries()) {
      const stream = 1 + 2 * index;
      if (isOver()) break;
      send(stream, instead(":method", "POST"), 0);
      socket.write(frame(DATA, 0, stream, Buffer.from("hi")));
      send(stream, [field]);
      await until("an end", () => isAnswered(stream) || isOver());
    }
    await until("the end of the exchanges", () => bench.relay.exchanges === 0);
    expect(target.received).to.not.match(/path|content-length|connection: x/i);
  });

  const FLOODS: readonly (readonly [name: string, send: (round: number) => Buffer])[] = [
    [
      "streams that it resets",
      (round) =>
        Buffer.concat([
          frame(HEADERS, END_HEADERS, 1 + 2 * round, block(instead(":method", "POST"))),
          frame(RST, 0, 1 + 2 * round, Buffer.from([0, 0, 0, 8])),
        ]),
    ],
    ["pings", () => frame(PING, 0, 0, Buffer.alloc(8))],
    ["settings", () => Buffer.concat(Array<Buffer>(50).fill(frame(SETTINGS, 0, 0)))],
    [
      "continuations without end",
      (round) =>
        frame(round === 0 ? HEADERS : CONTINUATION, 0, 1, block([["x", "y".repeat(1_000)]])),
    ],
  ];
  for (const [name, piece] of FLOODS) {
    it(`ends the connection of one who floods it with ${name}, without reading`, async () => {
      socket.pause();
      for (let round = 0; round < 20_000 && !closed; round++) {
        socket.write(piece(round));
        if (round % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      socket.resume();
      await until("the end of the connection", () => isOver(), 15_000);
      await until("the end of the exchanges", () => bench.relay.exchanges === 0);
      expect(target.wires.length).to.be.below(1_500);
    }).timeout(30_000);
  }
});
