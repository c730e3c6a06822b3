// The tables of raw requests and responses, with the link between two relays, and straight over a link.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect } from "chai";
import { FRAME } from "../../relay/link-frames.js";
import { until } from "../support/until.js";
import { Bench, RawTarget } from "./bench.js";
import { headFrame, hello, RawSide } from "./link-bench.js";
import { Chain } from "./link-chain.js";
import { lenientSource } from "./lenient-source.js";
import { REQUEST_ROWS } from "./request-rows.js";
import { RESPONSE_ROWS } from "./response-rows.js";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const NEXT = "GET /behind HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

describe("relay/link-tables", () => {
  describe("requests, with the link between two relays", () => {
    let target: RawTarget;
    let starts: string[];
    let chain: Chain;
    before(async () => {
      ({ target, starts } = await lenientSource());
      chain = await Chain.start("schakel", target);
    });
    after(async () => {
      await chain.close();
      await target.close();
    });

    for (const { name, bytes, status } of REQUEST_ROWS) {
      // These relays forward what they get, and between them a Host is missing then.
      if (status === 200 && !/^host:/im.test(bytes)) continue;
      it(`${status === 200 ? "passes" : `refuses with ${status}`} ${name}`, async () => {
        starts.length = 0;
        const client = await chain.client(bytes + NEXT);
        const received = await client.finished();
        client.socket.destroy();
        const statuses = [...received.matchAll(/^HTTP\/1\.1 (\d+) /gm)].map(([, found]) =>
          Number(found),
        );
        const { near, far } = chain;
        await until("the end", () => near.relay.exchanges + far.relay.exchanges === 0);
        const last = /HTTP\/1\.0|Connection: close/.test(bytes);
        if (status !== 200) expect(statuses).to.deep.equal([status]);
        else expect(statuses).to.deep.equal(last ? [200] : [200, 200]);
        expect(starts).to.have.length(status === 200 ? statuses.length : 0);
        expect(starts.join()).to.not.include("/hidden");
        expect(far.relay.connections).to.be.at.most(1);
      });
    }
  });

  describe("requests as heads of the link", () => {
    let target: RawTarget;
    let starts: string[];
    let bench: Bench;
    let socket: Socket;
    let raw: RawSide;
    let number = 0;
    before(async () => {
      ({ target, starts } = await lenientSource());
      bench = await Bench.start(target, { link: true });
      socket = connect(bench.port, "127.0.0.1");
      await once(socket, "connect");
      raw = new RawSide(socket);
      raw.send(hello({ exchangesMax: 0 }));
      await raw.has(FRAME.hello);
    });
    after(async () => {
      socket.destroy();
      await bench.close();
      await target.close();
    });

    for (const { name, bytes, status } of REQUEST_ROWS) {
      if (status === 200 || bytes.length > 80_000) continue;
      it(`refuses ${name}`, async () => {
        number += 1;
        raw.send(headFrame(number, Buffer.from(bytes, "latin1"), 2));
        const answer = await until("the answer", () =>
          raw.of(FRAME.head).find(({ exchange }) => exchange === number),
        );
        expect(answer.payload.toString("latin1")).to.match(/HTTP\/1\.1 [45]/);
        expect(starts).to.deep.equal([]);
        expect(raw.of(FRAME.goaway)).to.have.length(0);
      });
    }
  });

  describe("responses, with the link between two relays", () => {
    let target: RawTarget;
    let chain: Chain;
    let answer = "";
    before(async () => {
      target = await new RawTarget((wire) => {
        wire.socket.on("data", () => {
          wire.received = "";
          wire.send(answer);
        });
      }).listen();
      chain = await Chain.start("schakel", target);
    });
    after(async () => {
      await chain.close();
      await target.close();
    });

    for (const { name, bytes, becomes } of RESPONSE_ROWS) {
      it(`has ${name} ${becomes}`, async () => {
        answer = bytes;
        const { near, far } = chain;
        for (const bench of [near, far]) bench.outcomes.length = 0;
        far.failures.length = 0;
        const client = await chain.client(GET);
        const ended = (bench: Bench): boolean => bench.outcomes.length + bench.failures.length > 0;
        await until("the end of the exchange", () => ended(far) && near.outcomes.length > 0);
        if (becomes === "refused") {
          const received = await client.has("ERROR_CODE_SERVICE_ANSWER_INVALID");
          expect(received.replaceAll(/HTTP\/1\.1 10[03] [^]*?\r\n\r\n/g, "")).to.match(
            /^HTTP\/1\.1 502 /,
          );
          expect(far.failures[0]).to.include({ kind: "malformed" });
        } else if (becomes === "cut") {
          expect(await client.finished())
            .to.match(/^HTTP\/1\.1 200 /)
            .and.not.match(/0\r\n\r\n$/);
          expect(far.outcomes[0]).to.include({ result: "target-aborted", status: 200 });
          expect(near.outcomes[0]).to.include({ result: "target-aborted", status: 200 });
        } else {
          await client.has("\r\n\r\n");
          expect(near.outcomes[0]).to.include({ result: "complete", link: "schakel" });
        }
        client.socket.destroy();
        expect(far.relay.connections).to.be.at.most(1);
      });
    }
  });
});
