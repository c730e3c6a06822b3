// Many exchanges at once through a relay while clients and targets reset at random: every one comes to an
// end, and nothing is left open.
import { expect } from "chai";
import { pseudoRandomBytes } from "../support/random-stream.js";
import { long, seed } from "../support/scale.js";
import { until } from "../support/until.js";
import { Bench, RawTarget, type Wire } from "./bench.js";

const EXCHANGES = long ? 1000 : 200;
const AT_ONCE = 20;
const ANSWER =
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
  `${"10\r\n0123456789abcdef\r\n".repeat(8)}0\r\nX: 1\r\n\r\n`;
const HEAD = ANSWER.indexOf("\r\n\r\n") + 4;
const requestTo = (path: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n` +
  `${"10\r\n0123456789abcdef\r\n".repeat(8)}0\r\n\r\n`;

describe("relay/relay under resets", () => {
  it(`ends ${EXCHANGES} exchanges with resets at random offsets and leaves no socket (seed ${seed})`, async () => {
    const random = Buffer.concat([...pseudoRandomBytes(EXCHANGES * 16, seed)]);
    let at = 0;
    const below = (bound: number): number => {
      at = (at + 2) % (random.length - 1);
      return random.readUInt16BE(at) % bound;
    };
    const resetAfter = (wire: Wire, text: string): void => {
      const offset = below(text.length + 1);
      const stop = (): void => void wire.socket.resetAndDestroy();
      wire.socket.write(text.slice(0, offset), "latin1", stop);
    };
    const target = await new RawTarget((wire) => {
      let seen = 0;
      wire.socket.on("data", () => {
        const requests = wire.received.split("0\r\n\r\n").slice(0, -1);
        for (; seen < requests.length; seen++) {
          const part = /POST \/part-(\d+)/.exec(requests[seen] ?? "")?.[1];
          if (part !== undefined) wire.send(ANSWER.slice(0, Number(part)));
          else if (below(3) === 0) resetAfter(wire, ANSWER);
          else wire.send(ANSWER);
        }
      });
    }).listen();
    const bench = await Bench.start(target);
    const one = async (): Promise<void> => {
      const client = await bench.client();
      if (below(3) === 0) {
        resetAfter(client, requestTo("/"));
      } else if (below(3) === 0) {
        // The target keeps the rest back: the answer is never complete before the client resets.
        client.send(requestTo(`/part-${HEAD + below(ANSWER.length - HEAD)}`));
        await client.has("\r\n\r\n");
        client.socket.resetAndDestroy();
      } else {
        client.send(requestTo("/"));
        await until(
          "an end",
          () =>
            client.received.includes("\r\n0\r\n") ||
            client.received.includes("HTTP/1.1 502") ||
            client.ended ||
            client.closed ||
            undefined,
        );
        client.socket.destroy();
      }
      await until("the client's end", () => client.closed || undefined);
    };
    for (let done = 0; done < EXCHANGES; done += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, one));
    }
    await until(
      "no exchange and no client",
      () => (bench.relay.exchanges === 0 && bench.relay.connections === 0) || undefined,
    );
    expect(bench.outcomes.length + bench.failures.length).to.equal(bench.seen.length);
    expect(bench.outcomes.map(({ result }) => result)).to.include.members([
      "complete",
      "client-aborted",
      "target-aborted",
    ]);
    await bench.close();
    await until(
      "no connection to the target",
      () => target.wires.every(({ closed }) => closed) || undefined,
    );
    await target.close();
  });
});
