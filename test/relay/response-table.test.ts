// A table of raw responses through a relay on real sockets: a bad one is a 502, or is broken off once it has
// begun, and its connection is not used again.
import { expect } from "chai";
import { until } from "../support/until.js";
import { Bench, RawTarget } from "./bench.js";
import { RESPONSE_ROWS } from "./response-rows.js";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

describe("relay/scan-response", () => {
  let target: RawTarget;
  let bench: Bench;
  let answer = "";
  before(async () => {
    target = await new RawTarget((wire) => {
      wire.socket.on("data", () => {
        wire.received = "";
        wire.send(answer);
      });
    }).listen();
    bench = await Bench.start(target);
  });
  after(async () => {
    await bench.close();
    await target.close();
  });

  it("has a table of at least 100 rows, refusals in the majority", () => {
    expect(new Set(RESPONSE_ROWS.map(({ bytes }) => bytes)).size).to.be.at.least(100);
    const refused = RESPONSE_ROWS.filter(({ becomes }) => becomes !== "passed");
    expect(refused.length).to.be.above(RESPONSE_ROWS.length / 2);
  });

  for (const { name, bytes, becomes } of RESPONSE_ROWS) {
    it(`has ${name} ${becomes}`, async () => {
      answer = bytes;
      bench.outcomes.length = 0;
      bench.failures.length = 0;
      const connections = target.wires.length;
      const client = await bench.client(GET);
      await until(
        "the end of the exchange",
        () => bench.outcomes.length + bench.failures.length > 0,
      );
      if (becomes === "refused") {
        const received = await client.has("ERROR_CODE_SERVICE_ANSWER_INVALID");
        expect(received.replaceAll(/HTTP\/1\.1 10[03] [^]*?\r\n\r\n/g, "")).to.match(
          /^HTTP\/1\.1 502 /,
        );
        expect(bench.failures[0]).to.include({ kind: "malformed" });
      } else if (becomes === "cut") {
        expect(await client.finished())
          .to.match(/^HTTP\/1\.1 200 /)
          .and.not.match(/0\r\n\r\n$/);
        expect(bench.outcomes[0]).to.include({ result: "target-aborted", status: 200 });
      } else {
        await client.has("\r\n\r\n");
        expect(bench.outcomes[0]).to.include({ result: "complete" });
      }
      client.socket.destroy();
      if (becomes === "passed") return;
      const [wire = await target.wire(connections - 1)] = target.wires.slice(connections);
      await wire.finished();
    });
  }
});
