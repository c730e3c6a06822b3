// Many exchanges at once over the link between two relays, while clients, targets and the link itself break at
// random: each has one end on both sides, nothing is left, and no POST arrives twice.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect } from "chai";
import { growthDuring } from "../support/held-memory.js";
import { pseudoRandomBytes, pseudoRandomSha256 } from "../support/random-stream.js";
import { randomFrom } from "../support/random.js";
import { long, seed } from "../support/scale.js";
import { until } from "../support/until.js";
import { Bench, RawTarget, targetAt } from "./bench.js";

const EXCHANGES = long ? 1_000 : 300;
const AT_ONCE = 30;
const WAIT_MS = 60_000;
const MIB = 1024 * 1024;
const BODY = "0123456789abcdef".repeat(64);
const ANSWER = `HTTP/1.1 200 OK\r\nContent-Length: ${String(BODY.length)}\r\n\r\n${BODY}`;
const request = (n: number): string =>
  `POST /${String(n)} HTTP/1.1\r\nHost: a\r\nContent-Length: ${String(BODY.length)}\r\n\r\n${BODY}`;

interface Storm {
  readonly near: Bench;
  readonly far: Bench;
  readonly target: RawTarget;
  /** The connections of the link, as they were made. */
  readonly links: Socket[];
}

const storms: Storm[] = [];

const start = async (target: RawTarget): Promise<Storm> => {
  await target.listen();
  const far = await Bench.start(target, { link: true });
  const links: Socket[] = [];
  const near = await Bench.start(far.port, {
    target: {
      ...targetAt(far.port),
      isLink: () => true,
      connect: async () => {
        const socket = connect(far.port, "127.0.0.1");
        await once(socket, "connect");
        links.push(socket);
        return socket;
      },
    },
  });
  const storm = { near, far, target, links };
  storms.push(storm);
  return storm;
};

/** Nothing runs any more, and as many ends were told as exchanges begun, on both sides. */
const settle = async ({ near, far, target }: Storm): Promise<void> => {
  await until(
    "the end of all exchanges",
    () => near.relay.exchanges + far.relay.exchanges === 0,
    WAIT_MS,
  );
  for (const { outcomes, failures, seen } of [near, far]) {
    expect(outcomes.length + failures.length).to.equal(seen.length);
  }
  await near.close();
  await far.close();
  expect(far.relay.connections).to.equal(0);
  await until(
    "no connection to the target",
    () => target.wires.every(({ closed }) => closed),
    WAIT_MS,
  );
  await target.close();
};

const timesSeen = ({ target }: Storm): ReadonlyMap<string, number> => {
  const times = new Map<string, number>();
  for (const [, path = ""] of target.received.matchAll(/POST (\/\d+) HTTP/g)) {
    times.set(path, (times.get(path) ?? 0) + 1);
  }
  return times;
};

describe("relay/link-relay under resets", function () {
  this.timeout(120_000);
  afterEach(async () => {
    for (const { near, far, target } of storms.splice(0)) {
      await near.close();
      await far.close();
      await target.close();
    }
  });

  for (const breaking of ["a client or target", "the link"] as const) {
    it(`ends ${String(EXCHANGES)} exchanges on both sides while ${breaking} breaks (seed ${String(seed)})`, async () => {
      const random = randomFrom(seed);
      const below = (bound: number): number => Math.floor(random() * bound);
      const ends = breaking === "a client or target";
      const storm = await start(
        new RawTarget((wire) => {
          let answered = 0;
          wire.socket.on("data", () => {
            const whole = wire.received.split(BODY).length - 1;
            for (; answered < whole; answered++) {
              if (!ends || below(3) > 0) wire.send(ANSWER);
              else {
                const part = ANSWER.slice(0, below(ANSWER.length + 1));
                wire.socket.write(part, "latin1", () => wire.socket.resetAndDestroy());
              }
            }
          });
        }),
      );
      const one = async (n: number): Promise<void> => {
        const client = await storm.near.client();
        const text = request(n);
        if (ends && below(3) === 0) {
          const part = text.slice(0, below(text.length + 1));
          client.socket.write(part, "latin1", () => client.socket.resetAndDestroy());
        } else {
          client.send(text);
          if (!ends && below(10) === 0) storm.links.at(-1)?.destroy();
          await until(
            "an end",
            () =>
              client.received.endsWith(BODY) ||
              client.received.includes("HTTP/1.1 50") ||
              client.ended ||
              client.closed,
            WAIT_MS,
          );
          client.socket.destroy();
        }
        await until("the client's end", () => client.closed, WAIT_MS);
      };
      for (let done = 0; done < EXCHANGES; done += AT_ONCE) {
        await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => one(done + index)));
      }
      for (const count of timesSeen(storm).values()) expect(count).to.equal(1);
      expect(storm.links.length).to.be.above(breaking === "the link" ? 3 : 0);
      expect(storm.near.outcomes.map(({ result }) => result)).to.include("complete");
      await settle(storm);
    });
  }

  const bytes = (long ? 256 : 64) * MIB;
  it(`passes ${String(bytes / MIB)} MiB each way at once over the link, with a slow reader at either end, in flat memory`, async () => {
    const sums: string[] = [];
    // An exchange is over with its answer, whatever is left of the request.
    const last = new LastPiece();
    const storm = await start(
      new RawTarget((wire) => {
        const hash = createHash("sha256");
        let got = 0;
        let head = "";
        wire.socket.removeAllListeners("data");
        wire.socket.on("data", (chunk: Buffer) => {
          let body = chunk;
          if (got === 0 && !head.includes("\r\n\r\n")) {
            head += chunk.toString("latin1");
            const end = head.indexOf("\r\n\r\n");
            if (end < 0) return;
            body = Buffer.from(head.slice(end + 4), "latin1");
            wire.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${String(bytes)}\r\n\r\n`);
            pour(wire.socket, last.holdBack(pseudoRandomBytes(bytes, 2), wire.socket));
          }
          got += body.length;
          hash.update(body);
          if (got === bytes) {
            sums.push(hash.digest("hex"));
            last.release();
          }
          pauseAtTimes(wire.socket, got);
        });
      }),
    );
    const client = connect(storm.near.port, "127.0.0.1");
    const hash = createHash("sha256");
    let head = "";
    let got = 0;
    client.on("data", (chunk: Buffer) => {
      let body = chunk;
      if (got === 0 && !head.includes("\r\n\r\n")) {
        head += chunk.toString("latin1");
        const end = head.indexOf("\r\n\r\n");
        if (end < 0) return;
        body = Buffer.from(head.slice(end + 4), "latin1");
      }
      got += body.length;
      hash.update(body);
      if (got === bytes) sums.push(hash.digest("hex"));
      pauseAtTimes(client, got);
    });
    const growth = await growthDuring(async () => {
      client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${String(bytes)}\r\n\r\n`);
      pour(client, pseudoRandomBytes(bytes, 1));
      await until("both bodies", () => sums.length === 2, WAIT_MS);
    });
    client.destroy();
    expect(sums.sort()).to.deep.equal(
      [pseudoRandomSha256(bytes, 1), pseudoRandomSha256(bytes, 2)].sort(),
    );
    expect(growth / MIB).to.be.below(64);
    expect(storm.near.outcomes[0]).to.include({
      requestBytes: bytes,
      responseBytes: bytes,
      link: "schakel",
    });
    await settle(storm);
  });
});

/** Writes all pieces at the pace of the other side. */
const pour = (socket: Socket, pieces: Generator<Buffer>): void => {
  const more = (): void => {
    for (let next = pieces.next(); next.done !== true; next = pieces.next()) {
      if (!socket.write(next.value)) {
        socket.once("drain", more);
        return;
      }
    }
  };
  more();
};

/** Holds the last piece of a body back until it is let go. */
class LastPiece {
  #send: (() => void) | undefined;
  #released = false;

  *holdBack(pieces: Iterable<Buffer>, socket: Socket): Generator<Buffer> {
    let held: Buffer | undefined;
    for (const piece of pieces) {
      if (held !== undefined) yield held;
      held = piece;
    }
    const last = held ?? Buffer.alloc(0);
    this.#send = () => void socket.write(last);
    if (this.#released) this.#send();
  }

  release(): void {
    this.#released = true;
    this.#send?.();
  }
}

/** A reader that stops for a while after each MiB. */
const pauseAtTimes = (socket: Socket, got: number): void => {
  if (got % MIB > 32_768 || socket.isPaused()) return;
  socket.pause();
  setTimeout(() => socket.resume(), 5);
};
