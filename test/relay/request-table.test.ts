// A table of raw requests through a relay on real sockets, to a source that takes whatever it can make sense
// of: nothing ambiguous reaches it, and it sees as many requests as are answered.
import { expect } from "chai";
import { Bench, type RawTarget } from "./bench.js";
import { lenientSource } from "./lenient-source.js";
import { REQUEST_ROWS } from "./request-rows.js";
import { until } from "../support/until.js";

const NEXT = "GET /behind HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

describe("relay/scan-request", () => {
  let target: RawTarget;
  let starts: string[];
  let bench: Bench;
  before(async () => {
    ({ target, starts } = await lenientSource());
    bench = await Bench.start(target);
  });
  after(async () => {
    await bench.close();
    await target.close();
  });

  it("has a table of at least 300 rows, refusals in the majority", () => {
    const different = new Set(REQUEST_ROWS.map(({ bytes }) => bytes));
    expect(different.size).to.be.at.least(300);
    const refused = REQUEST_ROWS.filter(({ status }) => status !== 200);
    expect(refused.length).to.be.above(REQUEST_ROWS.length / 2);
  });

  for (const { name, bytes, status } of REQUEST_ROWS) {
    it(`${status === 200 ? "passes" : `refuses with ${status}`} ${name}`, async () => {
      starts.length = 0;
      const client = await bench.client(bytes + NEXT);
      const received = await client.finished();
      client.socket.destroy();
      const statuses = [...received.matchAll(/^HTTP\/1\.1 (\d+) /gm)].map((match) =>
        Number(match[1]),
      );
      await until("the end of the exchanges", () => bench.relay.exchanges === 0);
      if (status !== 200) {
        expect(statuses).to.deep.equal([status]);
        expect(received).to.include("Connection: close\r\n");
        expect(starts).to.deep.equal([]);
        return;
      }
      const last = /HTTP\/1\.0|Connection: close/.test(bytes);
      expect(statuses).to.deep.equal(last ? [200] : [200, 200]);
      expect(starts).to.have.length(statuses.length);
      expect(starts.join()).to.not.include("/hidden");
    });
  }
});
