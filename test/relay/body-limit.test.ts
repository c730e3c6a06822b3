// A request's body larger than its limit: refused before anything is forwarded when its length says so, cut when
// it turns out on the way; the target never has the end of it. Over HTTP/1.1 and over the link.
import { expect } from "chai";
import { until } from "../support/until.js";
import { RawTarget, answering, type BenchOptions } from "./bench.js";
import { Chain, type Between } from "./link-chain.js";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const START = "POST / HTTP/1.1\r\nHost: a\r\n";
const LIMIT: BenchOptions = { limits: { bodyBytesMax: 10 } };
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

describe("relay/body-limit", () => {
  let target: RawTarget;
  let chain: Chain;
  afterEach(async () => {
    await chain.close();
    await target.close();
  });

  for (const between of ["http1", "schakel"] as readonly Between[]) {
    describe(`with ${between} between the relays`, () => {
      const refused = [
        ["a length above it", "Content-Length: 11\r\n\r\nhello world"],
        [
          "a length above it whose body waits for 100",
          "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n",
        ],
        ["the largest length", "Content-Length: 999999999999999\r\n\r\n"],
      ] as const;
      for (const [what, rest] of refused) {
        for (const side of ["near", "far"] as const) {
          it(`refuses ${what} with 413 at the ${side} side and forwards nothing`, async () => {
            target = await answering(OK);
            chain = await Chain.start(between, target, { [side]: LIMIT });
            const client = await chain.client(START + rest);
            await client.has("HTTP/1.1 413 ");
            expect(client.received).to.include("Fsc-Error-Code: ERROR_CODE_BODY_TOO_LARGE");
            expect(client.received).to.not.include("100 Continue");
            expect(target.received).to.equal("");
          });
        }
      }

      for (const side of ["near", "far"] as const) {
        it(`cuts chunks beyond it at the ${side} side, and the target has no end of them`, async () => {
          target = await new RawTarget(() => undefined).listen();
          chain = await Chain.start(between, target, { [side]: LIMIT });
          const client = await chain.client(
            `${START}Transfer-Encoding: chunked\r\n\r\n${chunk("hello")}`,
          );
          const wire = await target.wire();
          await wire.has("hello");
          client.send(`${chunk(" world")}0\r\n\r\n`);
          await until("the end of the target's connection", () => wire.closed || wire.ended);
          expect(wire.received).to.not.include("world");
          expect(wire.received).to.not.include("\r\n0\r\n");
          expect(chain[side].outcomes.map(({ result }) => result)).to.not.include("complete");
          await until("the end of all", () => chain.near.relay.exchanges === 0);
          if (side === "near") await client.has("HTTP/1.1 413 ");
          expect(client.received).to.not.include("HTTP/1.1 200 ");
        });
      }

      for (const [what, rest] of [
        ["a length of exactly the limit", "Content-Length: 10\r\n\r\n0123456789"],
        [
          "chunks of exactly the limit",
          `Transfer-Encoding: chunked\r\n\r\n${chunk("01234")}${chunk("56789")}0\r\n\r\n`,
        ],
      ] as const) {
        it(`passes ${what}`, async () => {
          target = await answering(OK);
          chain = await Chain.start(between, target, { near: LIMIT, far: LIMIT });
          const client = await chain.client(START + rest);
          await client.has("ok");
          expect(client.received).to.match(/^HTTP\/1\.1 200 /);
        });
      }
    });
  }
});
