// Two link connections over real sockets under load: a thousand exchanges at once, slow readers, large bodies,
// resets at random moments.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect } from "chai";
import { LINK_CODE } from "../../relay/link-codes.js";
import type { LinkLimits } from "../../relay/link-limits.js";
import { pseudoRandomBytes, pseudoRandomSha256 } from "../support/random-stream.js";
import { randomFrom } from "../support/random.js";
import { long, seed } from "../support/scale.js";
import { until } from "../support/until.js";
import { GET, OK, POST, Told, type Came } from "./link-bench.js";

const MIB = 1024 * 1024;
const WAIT_MS = 60_000;

/** Sends all of a generator's pieces at the pace of the link, then the end. */
const sendAll = (came: Came, pieces: Generator<Buffer>): void => {
  const more = (): void => {
    for (let next = pieces.next(); next.done !== true; next = pieces.next()) {
      if (came.exchange?.send(next.value) === false) return;
    }
    came.exchange?.end();
  };
  came.onWritable = more;
  more();
};

const hashing = (came: Came): (() => string) => {
  const hash = createHash("sha256");
  came.keeps = false;
  came.onData = (piece) => {
    hash.update(piece);
    came.exchange?.taken(piece.length);
  };
  return () => hash.copy().digest("hex");
};

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const heldMb = (): number => {
  collect();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return (heapUsed + Math.max(external, arrayBuffers)) / MIB;
};

describe("relay/link-connection under load", function () {
  this.timeout(120_000);
  let server: Server;
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server.close();
  });

  const pairOf = async (
    limits: Partial<LinkLimits> = {},
  ): Promise<{ opening: Told; answering: Told }> => {
    server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const one = connect((server.address() as AddressInfo).port, "127.0.0.1");
    const [other] = (await once(server, "connection")) as [Socket];
    sockets.push(one, other);
    const opening = new Told(one, true, limits);
    const answering = new Told(other, false, limits);
    await until("HELLO both ways", () => opening.isReady && answering.isReady);
    return { opening, answering };
  };

  it("carries 1 000 exchanges at once, each with its own bodies", async () => {
    const { opening, answering } = await pairOf();
    const bytes = (number: number): number => 100 + ((number * 7919) % 20_000);
    const hashes = new Map<number, () => string>();
    answering.onOpened = (came) => {
      const { exchange } = came;
      const hash = hashing(came);
      came.onEnd = () => {
        exchange?.sendHead(Buffer.from(hash()));
        sendAll(came, pseudoRandomBytes(bytes(exchange?.number ?? 0), 2));
      };
    };
    const asked = Array.from({ length: 1_000 }, () => opening.open(POST, { ends: false }));
    expect(opening.connection.room).to.equal(0);
    for (const came of asked) {
      hashes.set(came.exchange?.number ?? 0, hashing(came));
      sendAll(came, pseudoRandomBytes(bytes(came.exchange?.number ?? 0), 1));
    }
    await until("all answers", () => asked.every(({ ended }) => ended !== undefined), WAIT_MS);
    for (const { exchange, events } of asked) {
      const number = exchange?.number ?? 0;
      expect(events).to.deep.equal([`head ${pseudoRandomSha256(bytes(number), 1)}`]);
      expect(hashes.get(number)?.()).to.equal(pseudoRandomSha256(bytes(number), 2));
    }
    expect(opening.connection.room).to.equal(1_000);
  });

  it("keeps memory flat while many readers do not read, and the others go on", async () => {
    const { opening, answering } = await pairOf();
    answering.onOpened = (came) => {
      came.keeps = false;
      came.exchange?.sendHead(OK);
      const wanted = came.requestHead.toString().includes("/slow") ? 32 * MIB : MIB;
      sendAll(came, pseudoRandomBytes(wanted));
    };
    const before = heldMb();
    const slow = Array.from({ length: 100 }, () =>
      opening.open(Buffer.from("GET /slow HTTP/1.1\r\n\r\n")),
    );
    for (const came of slow) came.onData = () => undefined;
    await until("the windows", () => slow.every(({ bytes }) => bytes === 65_536), WAIT_MS);
    const quick = opening.open(GET);
    const hash = hashing(quick);
    await until("the quick one", () => quick.ended, WAIT_MS);
    expect(hash()).to.equal(pseudoRandomSha256(MIB));
    for (const came of slow) expect(came.bytes).to.equal(65_536);
    // What waits is a window and a piece for each slow one, and batches of both sides.
    expect(heldMb() - before).to.be.below(100 * 0.25 + 40);
    for (const { exchange } of slow) exchange?.reset(LINK_CODE.cancelled);
    await until("the end of all", () => opening.connection.exchanges === 0, WAIT_MS);
    expect(answering.connection.exchanges).to.equal(0);
  });

  it("carries a large body each way at once, unchanged", async () => {
    const bytes = (long ? 256 : 32) * MIB;
    const { opening, answering } = await pairOf();
    let requestHash = (): string => "";
    answering.onOpened = (came) => {
      requestHash = hashing(came);
      came.exchange?.sendHead(OK);
      sendAll(came, pseudoRandomBytes(bytes, 2));
    };
    const asked = opening.open(POST, { ends: false });
    const answerHash = hashing(asked);
    sendAll(asked, pseudoRandomBytes(bytes, 1));
    const ends = (): boolean => asked.ended !== undefined && opening.connection.exchanges === 0;
    await until("both ends", ends, WAIT_MS);
    expect(requestHash()).to.equal(pseudoRandomSha256(bytes, 1));
    expect(answerHash()).to.equal(pseudoRandomSha256(bytes, 2));
  });

  it(`gives each of 1 000 exchanges one end on both sides, with resets at random moments (seed ${String(seed)})`, async () => {
    const random = randomFrom(seed);
    const { opening, answering } = await pairOf({
      exchangeWindow: 4_096,
      connectionWindow: 65_536,
    });
    const ends = new Map<Came, number>();
    const counted = (came: Came): void => {
      const count = (): void => void ends.set(came, (ends.get(came) ?? 0) + 1);
      const { onReset } = came;
      came.keeps = false;
      came.onReset = () => {
        count();
        onReset();
      };
      came.onEnd = count;
    };
    const perhapsReset = (came: Came): void => {
      if (random() < 0.4)
        setTimeout(() => came.exchange?.reset(LINK_CODE.cancelled), random() * 50);
    };
    answering.onOpened = (came) => {
      counted(came);
      came.exchange?.sendHead(OK);
      sendAll(came, pseudoRandomBytes(Math.floor(random() * 30_000), 2));
      perhapsReset(came);
    };
    const asked: Came[] = [];
    for (let n = 0; n < 1_000; n += 50) {
      for (let m = 0; m < 50; m++) {
        const came = opening.open(POST, { ends: false });
        asked.push(came);
        counted(came);
        sendAll(came, pseudoRandomBytes(Math.floor(random() * 30_000), 1));
        perhapsReset(came);
      }
      await new Promise(setImmediate);
    }
    const done = (): boolean =>
      opening.connection.exchanges === 0 && answering.connection.exchanges === 0;
    await until("all ends", done, WAIT_MS);
    expect(opening.isClosed || answering.isClosed).to.equal(false);
    for (const came of [...asked, ...answering.opened]) {
      // An end, then perhaps a reset of the half that still ran; nothing after one's own reset.
      expect(ends.get(came) ?? 0).to.be.at.most(2);
    }
    const again = opening.open(GET);
    await until("another", () => again.ended, WAIT_MS);
  });
});
