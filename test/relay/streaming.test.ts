// Bodies in both directions: unchanged, at the pace of the slower side, in bounded memory; and nothing is
// left behind when connections break at random.
import { expect } from "chai";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { growthDuring } from "../support/held-memory.js";
import { RecordingSource } from "../support/source.js";
import { pseudoRandomBytes, pseudoRandomSha256 } from "../support/random-stream.js";
import { randomFrom } from "../support/random.js";
import { long, seed } from "../support/scale.js";
import { until } from "../support/until.js";
import { Bench, RawTarget } from "./bench.js";

const MEBI = 1024 * 1024;
const BODY = (long ? 2048 : 48) * MEBI;
/** What both ends in this process and the relay between them may hold of a body. */
const HELD_MAX = 16 * MEBI;
/** What may be under way between both ends, socket buffers of the system included. */
const AHEAD_MAX = 32 * MEBI;

const write = async (socket: Socket, chunk: Buffer): Promise<void> => {
  if (!socket.write(chunk)) await once(socket, "drain");
};

describe("relay/streaming", function () {
  this.timeout(long ? 600_000 : 180_000);
  let bench: Bench;
  let target: RawTarget;
  afterEach(async () => {
    await bench.close();
    await target.close();
  });

  for (const framing of ["length", "chunked"] as const) {
    it(`streams ${BODY / MEBI} MiB of a request by ${framing} to a slow target (seed ${seed})`, async () => {
      const hash = createHash("sha256");
      let bytes = 0;
      let sent = 0;
      let ahead = 0;
      target = await new RawTarget((wire) => {
        wire.socket.removeAllListeners("data");
        let pending = Buffer.alloc(0);
        let inBody = false;
        let reads = 0;
        wire.socket.on("data", (chunk: Buffer) => {
          // Now and then this side takes nothing for a while.
          if (++reads % 50 === 0) {
            wire.socket.pause();
            setTimeout(() => wire.socket.resume(), 10);
          }
          let body = chunk;
          if (!inBody) {
            pending = Buffer.concat([pending, chunk]);
            const end = pending.indexOf("\r\n\r\n");
            if (end < 0) return;
            inBody = true;
            body = pending.subarray(end + 4);
          }
          if (framing === "length") hash.update(body);
          bytes += body.length;
          ahead = Math.max(ahead, sent - bytes);
          const last =
            framing === "length" ? bytes === BODY : body.subarray(-5).toString() === "0\r\n\r\n";
          if (last) wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        });
      }).listen();
      bench = await Bench.start(target, { target: { idleTimeoutMs: 20_000 } });
      const client = await bench.client();
      const growth = await growthDuring(async () => {
        const head =
          framing === "length" ? `Content-Length: ${BODY}` : "Transfer-Encoding: chunked";
        client.send(`POST / HTTP/1.1\r\nHost: a\r\n${head}\r\n\r\n`);
        for (const chunk of pseudoRandomBytes(BODY, seed)) {
          if (framing === "chunked") client.send(`${chunk.length.toString(16)}\r\n`);
          sent += chunk.length;
          await write(client.socket, chunk);
          if (framing === "chunked") client.send("\r\n");
        }
        if (framing === "chunked") client.send("0\r\n\r\n");
        await until("the answer", () => client.received.includes("ok"), 300_000);
      });
      if (framing === "length") expect(hash.digest("hex")).to.equal(pseudoRandomSha256(BODY, seed));
      expect(bench.outcomes[0]).to.include({ result: "complete", requestBytes: BODY });
      expect(growth).to.be.below(HELD_MAX);
      expect(ahead).to.be.below(AHEAD_MAX);
    });
  }

  it(`streams ${BODY / MEBI} MiB of a response to a slow client (seed ${seed})`, async () => {
    let sent = 0;
    target = await new RawTarget((wire) => {
      wire.socket.once("data", () => {
        void (async () => {
          wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${BODY}\r\n\r\n`);
          for (const chunk of pseudoRandomBytes(BODY, seed)) {
            await write(wire.socket, chunk);
            sent += chunk.length;
          }
        })();
      });
    }).listen();
    bench = await Bench.start(target, { target: { idleTimeoutMs: 20_000 } });
    const socket = connect(bench.port, "127.0.0.1");
    const hash = createHash("sha256");
    let taken = 0;
    let ahead = 0;
    const growth = await growthDuring(async () => {
      let inBody = false;
      let reads = 0;
      socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      socket.on("data", (chunk: Buffer) => {
        let body = chunk;
        if (!inBody) {
          inBody = true;
          body = chunk.subarray(chunk.indexOf("\r\n\r\n") + 4);
        }
        hash.update(body);
        taken += body.length;
        ahead = Math.max(ahead, sent - taken);
        if (++reads % 50 === 0) {
          socket.pause();
          setTimeout(() => socket.resume(), 10);
        }
      });
      await until("the whole body", () => taken === BODY, 300_000);
    });
    socket.destroy();
    expect(hash.digest("hex")).to.equal(pseudoRandomSha256(BODY, seed));
    expect(growth).to.be.below(HELD_MAX);
    expect(ahead).to.be.below(AHEAD_MAX);
  });

  it("passes each piece of a body on as it comes, both ways at once", async () => {
    target = await new RawTarget(() => undefined).listen();
    bench = await Bench.start(target);
    const client = await bench.client(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    const wire = await target.wire();
    await wire.has("\r\n\r\n");
    wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    await client.has("\r\n\r\n");
    for (const piece of ["a", "b", "c"]) {
      client.send(`1\r\n${piece}\r\n`);
      await wire.has(`1\r\n${piece}\r\n`);
      wire.send(`1\r\n${piece}\r\n`);
      await client.has(`1\r\n${piece}\r\n`);
    }
    client.send("0\r\n\r\n");
    await wire.has("0\r\n\r\n");
    wire.send("0\r\n\r\n");
    await client.has("0\r\n\r\n");
    expect(bench.outcomes[0]).to.include({ requestBytes: 3, responseBytes: 3, result: "complete" });
  });

  const count = long ? 5_000 : 400;
  it(`leaves nothing behind after ${count} exchanges cut at random on either side (seed ${seed})`, async () => {
    const random = randomFrom(seed);
    const body = "x".repeat(20_000);
    let posts = 0;
    target = await new RawTarget((wire) => {
      wire.socket.on("data", () => {
        const heads = wire.received.match(/\r\n\r\n/g)?.length ?? 0;
        if (heads === 0) return;
        posts += wire.received.match(/POST/g)?.length ?? 0;
        wire.received = "";
        const reply = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
        const cut = random() < 0.3 ? Math.floor(random() * reply.length) : reply.length;
        wire.send(reply.slice(0, cut));
        if (cut < reply.length) setTimeout(() => wire.socket.resetAndDestroy(), random() * 5);
      });
    }).listen();
    bench = await Bench.start(target, { target: { answerTimeoutMs: 500, idleTimeoutMs: 500 } });

    let sentPosts = 0;
    const one = async (): Promise<void> => {
      const post = random() < 0.5;
      sentPosts += post ? 1 : 0;
      const request = post
        ? `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
        : "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
      const socket = connect(bench.port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.resume();
      await once(socket, "connect");
      const cut = random() < 0.5 ? Math.floor(random() * request.length) : request.length;
      socket.write(request.slice(0, cut));
      const timer = setTimeout(() => socket.resetAndDestroy(), random() * 15);
      await once(socket, "close");
      clearTimeout(timer);
    };
    for (let done = 0; done < count; done += 8) await Promise.all(Array.from({ length: 8 }, one));

    await until("every exchange to end", () => bench.relay.exchanges === 0);
    await until("every connection to end", () => bench.relay.connections === 0);
    expect(bench.outcomes.length + bench.failures.length).to.equal(bench.seen.length);
    expect(posts).to.be.at.most(sentPosts);
    expect(new Set(bench.outcomes.map(({ result }) => result))).to.have.length.above(1);
    bench.relay.dropTargets(() => true);
    await until("every connection to the target to end", () =>
      target.wires.every(({ closed }) => closed),
    );
  });

  it("serves an ordinary client and an ordinary server through their own libraries", async () => {
    target = await new RawTarget(() => undefined).listen();
    const source = await RecordingSource.start();
    try {
      bench = await Bench.start(source.port);
      const response = await fetch(`http://127.0.0.1:${bench.port}/echo`, {
        method: "POST",
        body: "hello",
      });
      expect(response.status).to.be.a("number");
      await response.arrayBuffer();
      expect(source.requests[0]).to.include({ method: "POST", target: "/echo" });
      expect((await source.requests[0]?.ended)?.bytes).to.equal(5);
    } finally {
      await source.stop();
    }
  });
});
