// What ends an exchange from outside: the signal of its order, and the end of its client's connection.
import { expect } from "chai";
import { getEventListeners } from "node:events";
import { SchakelError } from "../../core/errors.js";
import type { ForwardError, Outcome } from "../../relay/exchange.js";
import { until } from "../support/until.js";
import { answering, Bench, RawTarget, type BenchOptions, type Wire } from "./bench.js";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const GET_1_0 = "GET / HTTP/1.0\r\n\r\n";
const POST = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx";
const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n";
const COUNTED = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab";
const ENDLESS = 64 * 1024 * 1024;

describe("relay/served-exchange", () => {
  let target: RawTarget;
  let bench: Bench;
  let cutter: AbortController;
  const revoked = new SchakelError("ERROR_CODE_ACCESS_DENIED");
  const set = async (
    answer: string | ((wire: Wire, index: number) => void),
    options: BenchOptions = {},
  ): Promise<void> => {
    cutter = new AbortController();
    target =
      typeof answer === "string" ? await answering(answer) : await new RawTarget(answer).listen();
    bench = await Bench.start(target, {
      ...options,
      order: { signal: cutter.signal, ...options.order },
    });
  };
  const outcome = (index = 0): Promise<Outcome> => until("an outcome", () => bench.outcomes[index]);
  const failure = (index = 0): Promise<ForwardError> =>
    until("a failure", () => bench.failures[index] as ForwardError | undefined);
  afterEach(async () => {
    await bench.close();
    await target.close();
  });

  describe("with the signal of its order", () => {
    afterEach(() => {
      expect(getEventListeners(cutter.signal, "abort")).to.have.length(0);
    });

    for (const [name, request] of [
      ["a request without a body", GET],
      ["a request in the middle of its body", POST],
      ["a chunked request", POST.replace("Content-Length: 9", "Transfer-Encoding: chunked")],
    ] as const) {
      it(`rejects with the signal's reason, and destroys the connection to the target, after ${name}`, async () => {
        await set(() => undefined);
        const client = await bench.client(request.replace(/\r\nx$/, "\r\n"));
        const wire = await target.wire();
        await wire.has("\r\n\r\n");
        cutter.abort(revoked);
        await wire.finished();
        expect(await client.has("ERROR_CODE_ACCESS_DENIED")).to.match(/^HTTP\/1.1 403 /);
        expect(await failure()).to.equal(revoked);
        expect(target.wires).to.have.length(1);
      });
    }

    it("never sends a request once more that was cut on a kept connection", async () => {
      await set((wire) => wire.socket.once("data", () => wire.send(OK)));
      const client = await bench.client(GET);
      await client.has("ok");
      client.send(GET);
      const wire = await target.wire();
      await wire.has(GET + GET);
      cutter.abort(revoked);
      await client.has("ERROR_CODE_ACCESS_DENIED");
      await wire.finished();
      expect(target.wires).to.have.length(1);
    });

    it("stops connecting when it aborts", async () => {
      let stopped = false;
      await set(OK, {
        target: {
          connect: (signal) =>
            new Promise((_resolve, reject) => {
              signal.addEventListener("abort", () => {
                stopped = true;
                reject(new Error("stopped"));
              });
            }),
        },
      });
      const client = await bench.client(GET);
      await until("an exchange", () => bench.seen.length > 0);
      cutter.abort(revoked);
      await client.has("ERROR_CODE_ACCESS_DENIED");
      expect(stopped).to.equal(true);
      expect(await failure()).to.equal(revoked);
    });

    it("connects to nobody when it has aborted before", async () => {
      await set(OK);
      cutter.abort(revoked);
      const client = await bench.client(GET);
      await client.has("ERROR_CODE_ACCESS_DENIED");
      expect(await failure()).to.equal(revoked);
      expect(target.wires).to.have.length(0);
    });

    it("is the client's failure when the client went first", async () => {
      await set(OK, { target: { connect: () => new Promise(() => undefined) } });
      const client = await bench.client(GET);
      await until("an exchange", () => bench.seen.length > 0);
      client.socket.resetAndDestroy();
      expect(await failure()).to.include({ kind: "client-aborted", nothingSent: true });
      cutter.abort(revoked);
      expect(bench.failures).to.have.length(1);
    });

    it("is the client's failure when both go at once while it connects", async () => {
      await set(OK, {
        target: { connect: () => new Promise(() => undefined) },
        exchange: async (exchange, order) => {
          exchange.signal.addEventListener("abort", () => cutter.abort(revoked));
          await exchange.forward(order).catch((error: unknown) => bench.failures.push(error));
        },
      });
      const client = await bench.client(GET);
      await until("an exchange", () => bench.seen.length > 0);
      client.socket.resetAndDestroy();
      expect(await failure()).to.include({ kind: "client-aborted", nothingSent: true });
      expect(cutter.signal.aborted).to.equal(true);
    });

    for (const [name, request, answer] of [
      ["a counted answer", GET, COUNTED],
      ["a chunked answer", GET, CHUNKED],
      ["an answer that only its end delimits", GET, "HTTP/1.1 200 OK\r\n\r\nab"],
      ["a chunked answer for HTTP/1.0", GET_1_0, CHUNKED],
      ["an early answer to a body that is still coming", POST, COUNTED],
    ] as const) {
      it(`breaks off ${name}`, async () => {
        await set(() => undefined);
        const client = await bench.client(request);
        const wire = await target.wire();
        await wire.has("\r\n\r\n");
        wire.send(answer);
        await client.has("ab");
        cutter.abort(revoked);
        await client.finished();
        await wire.finished();
        expect(client.received)
          .to.match(/ab(?:\r\n)?$/)
          .and.not.include("0\r\n\r\n");
        // Without a length or chunks only a reset tells a broken answer from a whole one.
        if (request === GET_1_0) expect(client).to.include({ error: "ECONNRESET", ended: false });
        expect(await outcome()).to.include({
          result: "target-aborted",
          status: 200,
          responseBytes: 2,
        });
        expect(bench.failures).to.have.length(0);
      });
    }

    it("breaks off an answer that the client does not take", async () => {
      await set((wire) => {
        wire.socket.once("data", () => {
          wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${ENDLESS}\r\n\r\n`);
          wire.socket.write(Buffer.alloc(ENDLESS));
        });
      });
      const client = await bench.client();
      client.socket.once("data", () => client.socket.pause());
      client.send(GET);
      await client.has("\r\n\r\n");
      cutter.abort(revoked);
      expect((await outcome()).responseBytes).to.be.lessThan(ENDLESS);
      client.socket.resume();
      await client.finished();
      expect(client.received.length).to.be.lessThan(ENDLESS);
      expect(await outcome()).to.include({ result: "target-aborted" });
    });

    it("cuts every exchange of its own and none of another order", async () => {
      const other = new AbortController();
      await set((wire) => wire.socket.on("data", () => wire.send(COUNTED)), {
        exchange: async (exchange, order) => {
          const { signal } = exchange.request.target === "/other" ? other : cutter;
          bench.outcomes.push(await exchange.forward({ ...order, signal }));
        },
      });
      const others = await bench.client(GET.replace("/", "/other"));
      await others.has("ab");
      const clients = await Promise.all(Array.from({ length: 30 }, () => bench.client(GET)));
      for (const client of clients) await client.has("ab");
      cutter.abort(revoked);
      for (const client of clients) await client.finished();
      await until("every outcome", () => bench.outcomes.length === clients.length);
      (await target.wire()).send("cdefghi");
      await others.has("abcdefghi");
      await until("the other outcome", () => bench.outcomes.length > clients.length);
      expect(bench.outcomes.at(-1)).to.include({ result: "complete" });
    });

    it("means nothing to an exchange that is over", async () => {
      const first = new AbortController();
      let signal = first.signal;
      await set(OK, {
        exchange: async (exchange, order) => {
          bench.outcomes.push(await exchange.forward({ ...order, signal }));
        },
      });
      const client = await bench.client(GET);
      await client.has(OK);
      await outcome();
      expect(getEventListeners(signal, "abort")).to.have.length(0);
      signal = cutter.signal;
      first.abort(revoked);
      client.send(GET);
      await client.has(OK + OK);
      expect(await outcome(1)).to.include({ result: "complete" });
      expect(target.wires).to.have.length(1);
    });
  });

  describe("on a connection that the relay ends", () => {
    const contexts: Pick<BenchOptions, "context"> = { context: (index) => `client ${index}` };
    const end = (index: number): void =>
      bench.relay.endConnections((context) => context === `client ${index}`);

    it("ends the connections that match, idle or in use, and no other", async () => {
      await set(OK, contexts);
      const clients = [await bench.client(GET), await bench.client(GET), await bench.client(GET)];
      for (const client of clients) await client.has("ok");
      end(1);
      await clients[1]?.finished();
      await until("the end", () => bench.relay.connections === 2);
      for (const client of [clients[0], clients[2]]) {
        client?.send(GET);
        await client?.has(OK + OK);
      }
    });

    it("ends no connection when none matches", async () => {
      await set(OK, contexts);
      const client = await bench.client(GET);
      await client.has("ok");
      end(1);
      client.send(GET);
      await client.has(OK + OK);
      expect(bench.relay.connections).to.equal(1);
    });

    for (const [name, request, answer] of [
      ["a counted answer", GET, COUNTED],
      ["a chunked answer", GET, CHUNKED],
    ] as const) {
      it(`breaks off ${name} as the client's doing, and aborts the target's`, async () => {
        await set(() => undefined, contexts);
        const client = await bench.client(request);
        const wire = await target.wire();
        await wire.has(GET);
        wire.send(answer);
        await client.has("ab");
        end(0);
        await client.finished();
        await wire.finished();
        expect(client.received).to.not.include("0\r\n\r\n");
        expect(await outcome()).to.include({ result: "client-aborted", responseBytes: 2 });
      });
    }

    for (const [name, request] of [
      ["before there is an answer", GET],
      ["in the middle of the request's body", POST],
    ] as const) {
      it(`rejects as client-aborted ${name}, and aborts the target's request`, async () => {
        await set(() => undefined, contexts);
        const client = await bench.client(request);
        const wire = await target.wire();
        await wire.has("\r\n\r\n");
        end(0);
        await client.finished();
        await wire.finished();
        expect(client.received).to.equal("");
        expect(await failure()).to.include({ kind: "client-aborted", nothingSent: false });
      });
    }

    it("lets an exchange that was not yet forwarded neither be forwarded nor answered", async () => {
      let answered: Outcome | undefined;
      let signal: AbortSignal | undefined;
      await set(OK, {
        ...contexts,
        exchange: async (exchange, order) => {
          signal = exchange.signal;
          await until("the end", () => exchange.signal.aborted);
          await exchange.forward(order).catch((error: unknown) => bench.failures.push(error));
          answered = await exchange.answer({ status: 200, headers: [], body: Buffer.from("no") });
        },
      });
      const client = await bench.client(GET);
      await until("an exchange", () => signal);
      end(0);
      // At once, not when the socket has told that it is closed.
      expect(signal?.aborted).to.equal(true);
      await client.finished();
      await until("the answer's outcome", () => answered);
      expect(answered).to.include({ result: "client-aborted", responseBytes: 0 });
      expect(await failure()).to.include({ kind: "client-aborted", nothingSent: true });
      expect(target.wires).to.have.length(0);
      expect(client.received).to.equal("");
    });

    it("never starts what waited behind on the same connection", async () => {
      let go: () => void = () => undefined;
      await set(OK, {
        ...contexts,
        exchange: async (exchange) => {
          await new Promise<void>((resolve) => (go = resolve));
          await exchange.answer({ status: 200, headers: [], body: Buffer.alloc(0) });
        },
      });
      const client = await bench.client(GET + GET + GET);
      await until("an exchange", () => bench.seen.length > 0);
      end(0);
      go();
      await client.finished();
      await until("the end", () => bench.relay.exchanges === 0 && bench.relay.connections === 0);
      expect(bench.seen).to.have.length(1);
      expect(bench.refusals).to.have.length(0);
    });
  });
});
