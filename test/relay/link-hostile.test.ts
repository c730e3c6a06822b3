// A link connection whose other side breaks the rules on purpose, or means harm within them.
import { expect } from "chai";
import fc from "fast-check";
import { LINK_CODE } from "../../relay/link-codes.js";
import { FRAME } from "../../relay/link-frames.js";
import { long } from "../support/scale.js";
import { until } from "../support/until.js";
import {
  frame,
  GET,
  headFrame,
  hello,
  linkAndRaw,
  linkPair,
  OK,
  POST,
  u16,
  u32,
  type Told,
} from "./link-bench.js";

const turn = (): Promise<void> => new Promise(setImmediate);

describe("relay/link-connection with a hostile side", () => {
  it("ends on data beyond the window of an exchange, before it is looked at", async () => {
    const { ours, raw } = linkAndRaw(false, { exchangeWindow: 1_024 });
    ours.onOpened = (came) => (came.onData = () => undefined);
    raw.send(hello(), headFrame(1, POST), frame(FRAME.data, 1, Buffer.alloc(1_024)));
    raw.send(frame(FRAME.data, 1, Buffer.alloc(1)));
    expect(await raw.goaway()).to.equal(LINK_CODE.window);
    expect(ours.opened[0]?.bytes).to.equal(1_024);
    expect(ours.opened[0]?.resetWith).to.equal(LINK_CODE.window);
  });

  it("ends on data beyond the window of the connection", async () => {
    const { ours, raw } = linkAndRaw(false, { connectionWindow: 1_500 });
    ours.onOpened = (came) => (came.onData = () => undefined);
    raw.send(hello(), headFrame(1, POST), headFrame(2, POST));
    raw.send(frame(FRAME.data, 1, Buffer.alloc(1_000)), frame(FRAME.data, 2, Buffer.alloc(501)));
    expect(await raw.goaway()).to.equal(LINK_CODE.window);
    expect(ours.opened.map(({ bytes }) => bytes)).to.deep.equal([1_000, 0]);
  });

  it("ends on one exchange more than it takes", async () => {
    const { ours, raw } = linkAndRaw(false, { exchangesMax: 3 });
    raw.send(hello(), ...[1, 2, 3, 4].map((n) => headFrame(n, GET, 2)));
    expect(await raw.goaway()).to.equal(LINK_CODE.exchanges);
    expect(ours.opened).to.have.length(3);
  });

  it("counts exchanges that were opened and reset at once until they are let go of", async () => {
    const { ours, raw } = linkAndRaw(false, { exchangesMax: 3 });
    ours.onOpened = (came) => (came.onReset = () => undefined);
    for (let n = 1; n <= 4; n++) {
      raw.send(
        n === 1 ? hello() : Buffer.alloc(0),
        headFrame(n, GET, 2),
        frame(FRAME.reset, n, u16(10)),
      );
    }
    expect(await raw.goaway()).to.equal(LINK_CODE.exchanges);
    expect(ours.opened).to.have.length(3);
  });

  it("ends on a second reset of an exchange that is still held", async () => {
    const { ours, raw } = linkAndRaw(false);
    ours.onOpened = (came) => (came.onReset = () => undefined);
    const reset = frame(FRAME.reset, 1, u16(10));
    raw.send(hello(), headFrame(1, GET, 2), reset, reset);
    expect(await raw.goaway()).to.equal(LINK_CODE.protocol);
  });

  it("refuses a head that is announced too large without waiting for it", async () => {
    const { raw } = linkAndRaw(false, { headBytesMax: 1_024 });
    raw.send(hello(), headFrame(1, Buffer.alloc(1_025, "a")).subarray(0, 8));
    expect(await raw.goaway()).to.equal(LINK_CODE.size);
  });

  const floods: readonly (readonly [name: string, flood: (n: number) => Buffer])[] = [
    ["PINGs", () => frame(FRAME.ping, 0, Buffer.alloc(8))],
    ["WINDOWs of one octet", () => frame(FRAME.window, 0, u32(1))],
    ["WINDOWs of an exchange that is over", () => frame(FRAME.window, 1, u32(1))],
    ["RESETs of an exchange that is over", () => frame(FRAME.reset, 1, u16(0))],
    ["tokens", (n) => frame(FRAME.token, 0, Buffer.concat([u32((n % 128) + 1), Buffer.from("a")]))],
  ];
  for (const [name, flood] of floods) {
    it(`ends on a flood of ${name}`, async () => {
      const { ours, raw } = linkAndRaw(false);
      ours.onOpened = ({ exchange }) => exchange?.sendHead(OK, { ends: true });
      raw.send(hello(), headFrame(1, GET, 2));
      await raw.has(FRAME.head);
      raw.send(...Array.from({ length: 5_000 }, (_, n) => flood(n)));
      expect(await raw.goaway()).to.equal(LINK_CODE.flood);
    });
  }

  it("bears 20 000 requests that are reset at once, and forgets them", async () => {
    const { ours, raw } = linkAndRaw(false);
    raw.send(hello());
    for (let n = 1; n <= 20_000; n += 500) {
      const frames: Buffer[] = [];
      for (let m = n; m < n + 500; m++) {
        frames.push(headFrame(m, POST), frame(FRAME.reset, m, u16(10)));
      }
      raw.send(...frames);
      await raw.has(FRAME.reset, n + 499);
    }
    expect(ours.connection.exchanges).to.equal(0);
    expect(raw.of(FRAME.goaway)).to.have.length(0);
  }).timeout(60_000);

  it("ends on heads that go on after it takes no more", async () => {
    const { ours, raw } = linkAndRaw(false);
    raw.send(hello(), headFrame(1, GET, 2));
    await until("the first", () => ours.opened.length === 1);
    ours.connection.drain();
    raw.send(...Array.from({ length: 5_000 }, (_, n) => headFrame(n + 2, GET, 2)));
    await raw.has(FRAME.goaway, 2);
    expect(raw.of(FRAME.goaway)[1]?.payload.readUInt16BE(4)).to.equal(LINK_CODE.flood);
    expect(ours.opened).to.have.length(1);
  });

  it("holds no more for a slow owner than the windows let come", async () => {
    const { ours, raw } = linkAndRaw(false, { exchangeWindow: 65_536, connectionWindow: 200_000 });
    ours.onOpened = (came) => (came.onData = () => undefined);
    raw.send(hello());
    for (let n = 1; n <= 3; n++)
      raw.send(headFrame(n, POST), frame(FRAME.data, n, Buffer.alloc(65_536)));
    await until("the data", () => ours.opened[2]?.bytes === 65_536);
    raw.send(headFrame(4, POST), frame(FRAME.data, 4, Buffer.alloc(65_536)));
    expect(await raw.goaway()).to.equal(LINK_CODE.window);
  });

  it("copies small pieces that wait, so that they hold nothing large", async () => {
    const { ours, raw } = linkAndRaw(false);
    const kept: Buffer[] = [];
    ours.onOpened = (came) => (came.onData = (piece) => kept.push(piece));
    const junk = frame(FRAME.data, 1, Buffer.alloc(25_000));
    const small = frame(FRAME.data, 2, Buffer.alloc(10, 5));
    raw.send(hello(), headFrame(1, POST), headFrame(2, POST));
    for (let n = 0; n < 2; n++) raw.send(Buffer.concat([junk, small]));
    await until("both", () => ours.opened[1]?.bytes === 20);
    const last = kept.at(-1);
    expect(last?.equals(Buffer.alloc(10, 5))).to.equal(true);
    // The piece before it came in the same octets.
    expect(kept.at(-2)?.length).to.equal(25_000);
    expect(last?.buffer).to.not.equal(kept.at(-2)?.buffer);
  });

  const anyFrame = fc.record({
    type: fc.integer({ min: 0, max: 11 }),
    exchange: fc.integer({ min: 0, max: 6 }),
    payload: fc.uint8Array({ maxLength: 64 }),
  });
  const likely = fc.oneof(
    fc
      .integer({ min: 1, max: 6 })
      .chain((n) =>
        fc.constantFrom(
          headFrame(n, POST),
          headFrame(n, GET, 2),
          frame(FRAME.data, n, Buffer.from("abc")),
          frame(FRAME.end, n, Buffer.from([0])),
          frame(FRAME.reset, n, u16(10)),
          frame(FRAME.window, n, u32(100)),
        ),
      ),
    anyFrame.map(({ type, exchange, payload }) => frame(type, exchange, Buffer.from(payload))),
  );

  /** After anything at all: no exchange is left without its end, and another connection works. */
  const bear = async (ours: Told): Promise<void> => {
    await turn();
    await turn();
    ours.connection.destroy();
    await until("the end", () => ours.isClosed);
    expect(ours.connection.exchanges).to.equal(0);
    for (const came of ours.opened) {
      expect(came.ended !== undefined || came.resetWith !== undefined).to.equal(true);
    }
  };

  it("bears random frames in random pieces", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(likely, { maxLength: 40 }),
        fc.integer({ min: 1, max: 50 }),
        async (frames, size) => {
          const { ours, raw } = linkAndRaw(false);
          const all = Buffer.concat([hello(), ...frames]);
          for (let at = 0; at < all.length; at += size)
            raw.stream.write(all.subarray(at, at + size));
          await bear(ours);
        },
      ),
      { numRuns: long ? 2_000 : 150 },
    );
  }).timeout(60_000);

  it("bears random octets", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (octets, greets) => {
        const { ours, raw } = linkAndRaw(false);
        raw.stream.write(Buffer.concat([greets ? hello() : Buffer.alloc(0), octets]));
        await bear(ours);
      }),
      { numRuns: long ? 2_000 : 150 },
    );
  }).timeout(60_000);

  it("harms no other connection", async () => {
    const { opening, answering } = await linkPair();
    const asked = opening.open(GET);
    const { raw } = linkAndRaw(false);
    raw.send(hello(), frame(0, 0));
    expect(await raw.goaway()).to.equal(LINK_CODE.frame);
    await until("the request", () => answering.opened.length === 1);
    answering.opened[0]?.exchange?.sendHead(OK, { ends: true });
    await until("the answer", () => asked.ended);
  });
});
