// What a link connection does for exchanges: heads, bodies, ends, windows, tokens, resets, drain and silence.
import { expect } from "chai";
import { LINK_CODE } from "../../relay/link-codes.js";
import { FRAME } from "../../relay/link-frames.js";
import { until } from "../support/until.js";
import {
  type Came,
  frame,
  GET,
  headFrame,
  hello,
  linkAndRaw,
  linkPair,
  memoryPair,
  OK,
  POST,
  Told,
  u16,
  u32,
} from "./link-bench.js";

const turn = (): Promise<void> => new Promise(setImmediate);

describe("relay/link-connection", () => {
  it("passes a request and its answer, octet for octet", async () => {
    const { opening, answering } = await linkPair();
    answering.onOpened = (came) => {
      came.onEnd = () => {
        came.exchange?.sendHead(Buffer.from("HTTP/1.1 100 C\r\n\r\n"), { interim: true });
        came.exchange?.sendHead(OK);
        came.exchange?.send(came.body);
        came.exchange?.end({ trailers: Buffer.from("X: 1\r\n"), hash: Buffer.alloc(32, 7) });
      };
    };
    const asked = opening.open(POST, { ends: false });
    asked.exchange?.send(Buffer.from("he"));
    asked.exchange?.send(Buffer.from("llo"));
    asked.exchange?.end();
    await until("the answer", () => asked.ended);
    expect(answering.opened[0]?.requestHead.equals(POST)).to.equal(true);
    expect(asked.events).to.deep.equal(["interim HTTP/1.1 100 C\r\n\r\n", `head ${OK.toString()}`]);
    expect(asked.body.toString()).to.equal("hello");
    expect(asked.ended?.trailers?.toString()).to.equal("X: 1\r\n");
    expect(asked.ended?.hash?.equals(Buffer.alloc(32, 7))).to.equal(true);
    expect(opening.connection.exchanges).to.equal(0);
    expect(answering.connection.exchanges).to.equal(0);
  });

  it("writes once a turn for all exchanges", async () => {
    const [one, other] = memoryPair();
    const opening = new Told(one, true);
    const chunks: Buffer[] = [];
    other.on("data", (chunk: Buffer) => chunks.push(chunk));
    other.write(hello());
    await until("HELLO", () => opening.isReady && chunks.length > 0);
    chunks.length = 0;
    for (let n = 0; n < 100; n++) opening.open(GET);
    await until("the heads", () => chunks.length > 0);
    await turn();
    expect(chunks).to.have.length(1);
    expect(chunks[0]?.length).to.equal(100 * (8 + 4 + GET.length));
  });

  it("opens nothing before HELLO, and no more than the other side takes", async () => {
    const { ours, raw } = linkAndRaw(true);
    expect(ours.connection.room).to.equal(0);
    raw.send(hello({ exchangesMax: 2 }));
    await until("HELLO", () => ours.isReady);
    ours.open(GET);
    ours.open(GET);
    expect(() => ours.open(GET)).to.throw("no room");
    await raw.has(FRAME.head, 2);
    raw.send(headFrame(1, OK, 2));
    await until("room", () => ours.connection.room === 1);
    ours.open(GET);
    await raw.has(FRAME.head, 3);
    expect(raw.of(FRAME.head).map(({ exchange }) => exchange)).to.deep.equal([1, 2, 3]);
  });

  it("keeps places for exchanges that are led to it", async () => {
    const { ours, raw } = linkAndRaw(true);
    raw.send(hello({ exchangesMax: 2 }));
    await until("HELLO", () => ours.isReady);
    ours.connection.keepPlace();
    expect(ours.connection.room).to.equal(1);
    ours.open(GET);
    expect(() => ours.open(GET)).to.throw("no room");
    ours.connection.giveUp();
    expect(ours.connection.room).to.equal(1);
  });

  it("counts an exchange until the other side has ended it too, also when it was reset", async () => {
    const { ours, raw } = linkAndRaw(true);
    raw.send(hello({ exchangesMax: 1 }));
    await until("HELLO", () => ours.isReady);
    ours.open(GET).exchange?.reset(LINK_CODE.cancelled);
    const { payload } = await raw.has(FRAME.reset);
    expect(payload.readUInt16BE(0)).to.equal(LINK_CODE.cancelled);
    expect(ours.connection.room).to.equal(0);
    raw.send(
      headFrame(1, OK),
      frame(FRAME.data, 1, Buffer.from("late")),
      frame(FRAME.reset, 1, u16(0)),
    );
    await until("room", () => ours.connection.room === 1);
  });

  it("sends a token once, names it by number, and gives its number to another when there is no more room", async () => {
    const { opening, answering } = await linkPair({ answering: { tokensMax: 2 } });
    const order = ["a", "b", "a", "c", "a", "b"];
    for (const token of order) opening.open(GET, { token: `Bearer ${token}` });
    await until("all", () => answering.opened.length === order.length);
    expect(answering.opened.map(({ token }) => token)).to.deep.equal(
      order.map((token) => `Bearer ${token}`),
    );
  });

  for (const [name, token] of [
    ["with a line break", "a\r\nX: 1"],
    ["beyond ASCII", "caf\xe9"],
    ["that is empty", ""],
    ["that is too long", "a".repeat(9_000)],
  ] as const) {
    it(`does not name a token ${name}`, async () => {
      const { opening, answering } = await linkPair();
      expect(opening.connection.takesToken(token)).to.equal(false);
      opening.open(GET, { token });
      await until("the head", () => answering.opened.length === 1);
      expect(answering.opened[0]?.token).to.equal(undefined);
    });
  }

  it("holds data back at the end of the window, tells when there is room, and sends the end after the data", async () => {
    const { ours, raw } = linkAndRaw(true);
    raw.send(hello({ exchangeWindow: 10_000 }));
    await until("HELLO", () => ours.isReady);
    const asked = ours.open(POST, { ends: false });
    let writable = 0;
    asked.onWritable = () => (writable += 1);
    expect(asked.exchange?.send(Buffer.alloc(25_000, 1))).to.equal(false);
    const sent = (): number =>
      raw.of(FRAME.data).reduce((sum, { payload }) => sum + payload.length, 0);
    await until("the window", () => sent() === 10_000);
    raw.send(frame(FRAME.window, 1, u32(5_000)));
    await until("more", () => sent() === 15_000);
    expect(writable).to.equal(0);
    raw.send(frame(FRAME.window, 1, u32(10_000)));
    await until("the rest", () => writable === 1);
    expect(asked.exchange?.send(Buffer.alloc(1))).to.equal(false);
    asked.exchange?.end();
    await turn();
    expect(raw.of(FRAME.end)).to.have.length(0);
    raw.send(frame(FRAME.window, 1, u32(1)));
    await raw.has(FRAME.end);
    expect(sent()).to.equal(25_001);
  });

  it("keeps all exchanges within the connection's window", async () => {
    const { ours, raw } = linkAndRaw(true);
    raw.send(hello({ connectionWindow: 10_000 }));
    await until("HELLO", () => ours.isReady);
    for (let n = 0; n < 4; n++)
      ours.open(POST, { ends: false }).exchange?.send(Buffer.alloc(4_000));
    const sent = (): number =>
      raw.of(FRAME.data).reduce((sum, { payload }) => sum + payload.length, 0);
    await until("the window", () => sent() === 10_000);
    raw.send(frame(FRAME.window, 0, u32(6_000)));
    await until("all", () => sent() === 16_000);
  });

  it("opens windows as its owner takes what came, and wider for a fast one", async () => {
    const { ours, raw } = linkAndRaw(false, { exchangeWindow: 8_192, exchangeWindowMax: 65_536 });
    ours.onOpened = (came) => (came.onData = () => undefined);
    raw.send(hello(), headFrame(1, POST), frame(FRAME.data, 1, Buffer.alloc(8_192)));
    await until("data", () => ours.opened[0]?.bytes === 8_192);
    await turn();
    expect(raw.of(FRAME.window)).to.have.length(0);
    ours.opened[0]?.exchange?.taken(8_192);
    const { exchange, payload } = await raw.has(FRAME.window);
    expect([exchange, payload.readUInt32BE(0)]).to.deep.equal([1, 16_384]);
  });

  it("gives the connection's window back for what is thrown away", async () => {
    const { ours, raw } = linkAndRaw(false, { connectionWindow: 8_192 });
    ours.onOpened = (came) => (came.onData = () => undefined);
    const data = frame(FRAME.data, 1, Buffer.alloc(4_000));
    raw.send(hello(), headFrame(1, POST), data);
    await until("data", () => ours.opened[0]?.bytes === 4_000);
    ours.opened[0]?.exchange?.reset(LINK_CODE.none);
    raw.send(data);
    const { exchange, payload } = await raw.has(FRAME.window);
    expect([exchange, payload.readUInt32BE(0)]).to.deep.equal([0, 8_000]);
  });

  it("lets many small bodies pass beside a large one", async () => {
    const { opening, answering } = await linkPair();
    const order: string[] = [];
    answering.onOpened = (came) => {
      came.onEnd = () => {
        const large = came.requestHead.toString().includes("/large");
        came.exchange?.sendHead(OK);
        const chunk = Buffer.alloc(65_536);
        let left = large ? 400 : 1;
        const more = (): void => {
          while (left > 0) {
            left -= 1;
            if (came.exchange?.send(large ? chunk : chunk.subarray(0, 100)) === false) break;
          }
          if (left === 0) came.exchange?.end();
        };
        came.onWritable = more;
        more();
      };
    };
    const large = opening.open(Buffer.from("GET /large HTTP/1.1\r\n\r\n"));
    large.onEnd = () => order.push("large");
    await until("the beginning of the large one", () => large.bytes > 0);
    for (let n = 0; n < 50; n++) opening.open(GET).onEnd = () => order.push("small");
    await until("all", () => order.length === 51);
    expect(order.at(-1)).to.equal("large");
    expect(large.bytes).to.equal(400 * 65_536);
  });

  it("ends an answer early: the rest of the request is not wanted", async () => {
    const { opening, answering } = await linkPair();
    answering.onOpened = ({ exchange }) => {
      exchange?.sendHead(OK, { ends: true });
      exchange?.reset(LINK_CODE.none);
    };
    const asked = opening.open(POST, { ends: false });
    await until("the reset", () => asked.resetWith !== undefined);
    expect(asked.ended).to.not.equal(undefined);
    expect(asked.resetWith).to.equal(LINK_CODE.none);
    await until("both ends", () => answering.connection.exchanges === 0);
    expect(opening.connection.exchanges).to.equal(0);
  });

  it("passes over a reset that crossed the end of the exchange", async () => {
    const { ours, raw } = linkAndRaw(false);
    ours.onOpened = ({ exchange }) => exchange?.sendHead(OK, { ends: true });
    raw.send(hello(), headFrame(1, GET, 2));
    await raw.has(FRAME.head);
    raw.send(frame(FRAME.reset, 1, u16(10)), frame(FRAME.window, 1, u32(10)), headFrame(2, GET, 2));
    await raw.has(FRAME.head, 2);
    expect(raw.of(FRAME.goaway)).to.have.length(0);
  });

  it("drains: what runs comes to its end, what comes later was not looked at, and the connection closes", async () => {
    const { opening, answering } = await linkPair();
    const first = opening.open(GET);
    await until("the first", () => answering.opened.length === 1);
    answering.connection.drain();
    const second = opening.open(GET);
    await until("the refusal", () => second.resetWith !== undefined);
    expect([second.resetWith, second.untouched]).to.deep.equal([LINK_CODE.refused, true]);
    expect(first.resetWith).to.equal(undefined);
    expect(opening.isDraining).to.equal(true);
    expect(opening.connection.room).to.equal(0);
    expect(answering.opened).to.have.length(1);
    answering.opened[0]?.exchange?.sendHead(OK, { ends: true });
    await until("the end", () => opening.isClosed && answering.isClosed);
    expect(first.ended).to.not.equal(undefined);
    expect([opening.reason, answering.reason]).to.deep.equal([undefined, undefined]);
  });

  it("drains from the side that opens", async () => {
    const { opening, answering } = await linkPair();
    const asked = opening.open(GET);
    opening.connection.drain();
    expect(() => opening.open(GET)).to.throw("no room");
    await until("the request", () => answering.opened.length === 1);
    answering.opened[0]?.exchange?.sendHead(OK, { ends: true });
    await until("the end", () => opening.isClosed && answering.isClosed);
    expect(asked.ended).to.not.equal(undefined);
  });

  it("tells each exchange once when the connection is lost, and which of them cannot have been seen", async () => {
    const { ours, raw } = linkAndRaw(true);
    raw.send(hello());
    await until("HELLO", () => ours.isReady);
    const sent = ours.open(GET);
    await raw.has(FRAME.head);
    const unsent = ours.open(GET);
    ours.connection.destroy();
    expect([sent.resetWith, sent.untouched]).to.deep.equal([LINK_CODE.broken, false]);
    expect([unsent.resetWith, unsent.untouched]).to.deep.equal([LINK_CODE.broken, true]);
    await until("the end", () => ours.isClosed);
  });

  it("takes the end of the stream for the loss of what runs", async () => {
    const { ours, raw } = linkAndRaw(true);
    raw.send(hello());
    await until("HELLO", () => ours.isReady);
    const asked = ours.open(GET);
    await raw.has(FRAME.head);
    raw.stream.end();
    await until("the loss", () => asked.resetWith !== undefined);
    expect([asked.resetWith, asked.untouched]).to.deep.equal([LINK_CODE.broken, false]);
    await until("the end", () => ours.isClosed);
  });

  it("goes on after a reset of one exchange with all the others", async () => {
    const { opening, answering } = await linkPair();
    const asked = Array.from({ length: 10 }, () => opening.open(POST, { ends: false }));
    await until("all", () => answering.opened.length === 10);
    asked[3]?.exchange?.reset(LINK_CODE.cancelled);
    await until("the reset", () => answering.opened[3]?.resetWith === LINK_CODE.cancelled);
    for (const came of answering.opened) came.exchange?.sendHead(OK, { ends: true });
    for (const { exchange } of asked) exchange?.end();
    await until("all", () => opening.connection.exchanges === 0);
    expect(asked.filter(({ ended }) => ended !== undefined)).to.have.length(9);
    expect(answering.connection.exchanges).to.equal(0);
  });

  describe("with a moved clock", () => {
    it("gives up on a side that does not say HELLO", async () => {
      const start = performance.now();
      const { ours, raw } = linkAndRaw(false, { frameTimeoutMs: 1_000 });
      ours.connection.sweep(start + 500);
      ours.connection.sweep(performance.now() + 2_000);
      expect(await raw.goaway()).to.equal(LINK_CODE.timeout);
    });

    it("gives up on a frame that does not come to its end, however slowly it comes", async () => {
      const { ours, raw } = linkAndRaw(false, { frameTimeoutMs: 1_000 });
      raw.send(hello(), headFrame(1, GET, 2).subarray(0, 20));
      await until("HELLO", () => ours.isReady);
      const at = performance.now();
      ours.connection.sweep(at);
      raw.send(headFrame(1, GET, 2).subarray(20, 21));
      ours.connection.sweep(at + 900);
      await turn();
      ours.connection.sweep(at + 1_100);
      expect(await raw.goaway()).to.equal(LINK_CODE.timeout);
    });

    it("asks after a silence, and goes on when there is an answer", async () => {
      const { ours, raw } = linkAndRaw(true, { pingAfterMs: 1_000, pongWithinMs: 500 });
      raw.send(hello());
      await until("HELLO", () => ours.isReady);
      const at = performance.now();
      ours.connection.sweep(at);
      ours.connection.sweep(at + 1_100);
      const { payload } = await raw.has(FRAME.ping);
      raw.send(frame(FRAME.pong, 0, payload));
      await turn();
      ours.connection.sweep(at + 1_600);
      ours.connection.sweep(at + 2_700);
      await raw.has(FRAME.ping, 2);
      expect(raw.of(FRAME.goaway)).to.have.length(0);
      ours.connection.sweep(at + 3_200);
      expect(await raw.goaway()).to.equal(LINK_CODE.timeout);
    });

    it("answers the questions of the other side", async () => {
      const { ours, raw } = linkAndRaw(false);
      raw.send(hello(), frame(FRAME.ping, 0, Buffer.from("12345678")));
      expect((await raw.has(FRAME.pong)).payload.toString()).to.equal("12345678");
      expect(ours.isReady).to.equal(true);
    });

    it("gives up on a side that takes nothing, although it sends", async () => {
      const { ours, raw } = linkAndRaw(true, { pingAfterMs: 1_000, pongWithinMs: 500 });
      raw.send(hello());
      await until("HELLO", () => ours.isReady);
      raw.stream.pause();
      const asked = ours.open(POST, { ends: false });
      asked.exchange?.send(Buffer.alloc(60_000));
      ours.open(POST, { ends: false }).exchange?.send(Buffer.alloc(60_000));
      await turn();
      const at = performance.now();
      for (let ms = 0; ms <= 1_800; ms += 300) {
        raw.send(frame(FRAME.window, 0, u32(1)));
        await turn();
        ours.connection.sweep(at + ms);
      }
      expect(asked.resetWith).to.equal(LINK_CODE.timeout);
      ours.connection.sweep(at + 3_000);
      ours.connection.sweep(at + 9_000);
      await until("the end", () => ours.isClosed);
    });
  });

  it("keeps an owner that lets go late counted as open", async () => {
    const { ours, raw } = linkAndRaw(false);
    ours.onOpened = (came: Came) => (came.onReset = () => undefined);
    raw.send(hello(), headFrame(1, POST), frame(FRAME.reset, 1, u16(10)));
    await until("the reset", () => ours.opened[0]?.resetWith !== undefined);
    expect(ours.connection.exchanges).to.equal(1);
    ours.opened[0]?.exchange?.reset(LINK_CODE.none);
    await raw.has(FRAME.reset);
    expect(ours.connection.exchanges).to.equal(0);
  });
});
