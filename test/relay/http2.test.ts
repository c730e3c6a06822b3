// A relay between HTTP/2 and HTTP/1.1 in every pairing: what goes in comes out, both ways, whole or broken off.
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  connect,
  constants,
  createServer,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type Http2Server,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { connect as connectTcp, createServer as createTcpServer, type AddressInfo } from "node:net";
import { expect } from "chai";
import { RELAY_LIMITS, Relay } from "../../relay/relay.js";
import { until } from "../support/until.js";
import { answering, Bench, type RawTarget } from "./bench.js";

const MIB = 1024 * 1024;

type Serve = (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void;

describe("relay over HTTP/2", () => {
  let source: Http2Server;
  let bench: Bench;
  let front: ReturnType<typeof createTcpServer>;
  let session: ClientHttp2Session;
  let raw: RawTarget | undefined;
  const sessions = new Set<ServerHttp2Session>();

  const listenFront = async (): Promise<void> => {
    front = createTcpServer((socket) => bench.relay.acceptEither(socket, "client"));
    front.listen(0, "127.0.0.1");
    await once(front, "listening");
    session = connect(`http://127.0.0.1:${(front.address() as AddressInfo).port}`);
    session.on("error", () => undefined);
  };
  const set = async (serve: Serve, order: Record<string, unknown> = {}): Promise<void> => {
    source = createServer();
    source.on("session", (one) => {
      sessions.add(one);
      one.on("close", () => sessions.delete(one));
    });
    source.on("stream", (stream, headers) => {
      stream.on("error", () => undefined);
      serve(stream, headers);
    });
    source.listen(0, "127.0.0.1");
    await once(source, "listening");
    const { port } = source.address() as AddressInfo;
    bench = await Bench.start(port, { target: { isHttp2: () => true }, order });
    await listenFront();
  };
  afterEach(async () => {
    session.destroy();
    front.close();
    await bench.close();
    for (const one of sessions) one.destroy();
    if (source.listening) await new Promise((resolve) => source.close(resolve));
    await raw?.close();
    raw = undefined;
  });

  interface Got {
    readonly headers: Record<string, unknown>;
    readonly trailers: Record<string, unknown>;
    readonly body: Buffer;
    readonly code: number;
  }
  const read = async (stream: ClientHttp2Stream): Promise<Got> => {
    let headers: Record<string, unknown> = {};
    let trailers: Record<string, unknown> = {};
    const pieces: Buffer[] = [];
    stream.on("error", () => undefined);
    stream.on("response", (came) => (headers = came));
    stream.on("trailers", (came: Record<string, unknown>) => (trailers = came));
    stream.on("data", (piece: Buffer) => pieces.push(piece));
    await new Promise((resolve) => stream.on("close", () => resolve(undefined)));
    return { headers, trailers, body: Buffer.concat(pieces), code: stream.rstCode };
  };
  const ask = (headers: OutgoingHttpHeaders, body?: Buffer): Promise<Got> => {
    const stream = session.request(headers, { endStream: body === undefined });
    if (body !== undefined) stream.end(body);
    return read(stream);
  };
  const hash = (body: Buffer): string => createHash("sha256").update(body).digest("hex");

  it("passes a request and its answer", async () => {
    let seen: Record<string, unknown> = {};
    await set((stream, headers) => {
      seen = headers;
      stream.respond({ ":status": 200, "x-a": "1", "set-cookie": ["a=1", "b=2"] });
      stream.end("hello");
    });
    const got = await ask({ ":path": "/a?b", "x-q": "2", cookie: ["c=1", "d=2"] });
    expect(got.headers[":status"]).to.equal(200);
    expect(got.headers["x-a"]).to.equal("1");
    expect(got.headers["set-cookie"]).to.deep.equal(["a=1", "b=2"]);
    expect(got.body.toString()).to.equal("hello");
    expect(seen).to.include({ ":method": "GET", ":path": "/a?b", "x-q": "2", cookie: "c=1; d=2" });
    expect(bench.outcomes[0]).to.include({ result: "complete", link: "http2", responseBytes: 5 });
  });

  it("passes 64 MiB each way whole, with trailers of both", async () => {
    const body = randomBytes(64 * MIB);
    const seen = createHash("sha256");
    let cameTrailers: Record<string, unknown> = {};
    await set((stream) => {
      stream.on("trailers", (came: Record<string, unknown>) => (cameTrailers = came));
      stream.on("data", (piece: Buffer) => seen.update(piece));
      stream.on("end", () => {
        stream.respond({ ":status": 200 }, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
        stream.end(body);
      });
    });
    const stream = session.request({ ":method": "POST" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "1" }));
    stream.end(body);
    const got = await read(stream);
    expect(seen.digest("hex")).to.equal(hash(body));
    expect(hash(got.body)).to.equal(hash(body));
    expect(got.trailers["grpc-status"]).to.equal("0");
    expect(cameTrailers["x-sum"]).to.equal("1");
    expect(bench.outcomes[0]).to.include({ requestBytes: 64 * MIB, responseBytes: 64 * MIB });
  }).timeout(60_000);

  it("lets both sides speak at the same time", async () => {
    await set((stream) => {
      stream.respond({ ":status": 200 });
      stream.on("data", (piece: Buffer) => stream.write(piece));
      stream.on("end", () => stream.end());
    });
    const stream = session.request({ ":method": "POST" });
    let got = "";
    stream.on("data", (piece: Buffer) => (got += piece.toString()));
    for (const word of ["a", "b", "c"]) {
      stream.write(word);
      await until(`the echo of ${word}`, () => got.endsWith(word));
    }
    stream.end();
    await once(stream, "close");
    expect(got).to.equal("abc");
  });

  it("passes an answer of trailers alone as such", async () => {
    await set((stream) => {
      const fields = { ":status": 200, "content-type": "application/grpc", "grpc-status": "12" };
      stream.respond(fields, { endStream: true });
    });
    const stream = session.request({ ":method": "POST" });
    stream.end("x");
    const [headers, flags] = (await once(stream, "response")) as [Record<string, unknown>, number];
    expect(headers["grpc-status"]).to.equal("12");
    expect(flags & constants.NGHTTP2_FLAG_END_STREAM).to.not.equal(0);
  });

  it("resets towards the source what the client resets", async () => {
    let code: number | undefined;
    let opened = false;
    await set((stream) => {
      opened = true;
      stream.on("close", () => (code = stream.rstCode));
    });
    const stream = session.request({ ":method": "POST" });
    stream.on("error", () => undefined);
    stream.write("begin");
    await until("the source's stream", () => opened);
    stream.close(constants.NGHTTP2_CANCEL);
    await until("its reset", () => code !== undefined);
    expect(code).to.equal(constants.NGHTTP2_CANCEL);
    await until("the end", () => bench.relay.exchanges === 0);
  });

  for (const code of [constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_CANCEL]) {
    it(`never passes as complete what the client resets with ${code} in the middle`, async () => {
      let ended = false;
      let closed = false;
      await set((stream) => {
        stream.resume();
        stream.on("close", () => {
          ended = stream.rstCode === constants.NGHTTP2_NO_ERROR;
          closed = true;
        });
      });
      // Node.js would end in good order what it then resets.
      const stream = session.request({ ":method": "POST" }, { waitForTrailers: true });
      stream.on("error", () => undefined);
      stream.write("begin");
      await until("the exchange", () => bench.relay.exchanges === 1);
      stream.close(code);
      await until("the end at the source", () => closed);
      expect(ended).to.equal(false);
    });

    it(`never passes as complete what the source resets with ${code} in the middle`, async () => {
      await set((stream) => {
        stream.respond({ ":status": 200 }, { waitForTrailers: true });
        stream.write("begin");
        setTimeout(() => stream.close(code), 50);
      });
      const got = await ask({ ":path": "/" });
      expect(got.code).to.equal(constants.NGHTTP2_INTERNAL_ERROR);
      expect(bench.outcomes[0]?.result).to.equal("target-aborted");
    });
  }

  it("cuts a running stream when its order is cut", async () => {
    const cutting = new AbortController();
    await set(
      (stream) => {
        stream.respond({ ":status": 200 });
        stream.write("begin");
      },
      { signal: cutting.signal },
    );
    const stream = session.request({ ":path": "/" });
    const got = read(stream);
    await once(stream, "data");
    cutting.abort();
    expect((await got).code).to.equal(constants.NGHTTP2_INTERNAL_ERROR);
    expect(bench.outcomes[0]?.result).to.equal("target-aborted");
  });

  it("holds little of a body that the client does not read", async () => {
    let written = 0;
    await set((stream) => {
      stream.respond({ ":status": 200 });
      const piece = Buffer.alloc(64 * 1024);
      const more = (): void => {
        while (!stream.destroyed && written < 512 * MIB) {
          written += piece.length;
          if (!stream.write(piece)) return void stream.once("drain", more);
        }
      };
      more();
    });
    const stream = session.request({ ":path": "/" });
    stream.on("error", () => undefined);
    stream.pause();
    let before = -1;
    await until(
      "no more progress",
      async () => {
        const isStill = written > 0 && written === before;
        before = written;
        await new Promise((resolve) => setTimeout(resolve, 300));
        return isStill && written === before;
      },
      20_000,
    );
    expect(written).to.be.below(16 * MIB);
  }).timeout(30_000);

  it("speaks HTTP/1.1 to a source that speaks it, and to a client that does", async () => {
    raw = await answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    await set(() => undefined);
    await bench.close();
    bench = await Bench.start(raw);
    const stream = session.request({ ":path": "/x", ":authority": "b", te: "trailers" });
    const got = await read(stream);
    expect(got.headers).to.not.have.property("connection");
    expect(got.body.toString()).to.equal("ok");
    expect(raw.received).to.equal(
      "GET /x HTTP/1.1\r\nhost: b\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
    );
    const plain = connectTcp((front.address() as AddressInfo).port, "127.0.0.1");
    let text = "";
    plain.on("data", (chunk: Buffer) => (text += chunk.toString()));
    plain.write("GET /y HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n");
    await once(plain, "close");
    expect(text).to.match(/^HTTP\/1\.1 200 OK\r\n/);
  });

  it("ends an idle connection, and one that says half of a preface", async () => {
    await set(() => undefined);
    const limits = { ...RELAY_LIMITS, headTimeoutMs: 100, keepAliveTimeoutMs: 100, lingerMs: 100 };
    const relay = new Relay(bench, limits);
    const server = createTcpServer((socket) => relay.acceptEither(socket, "client"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const half = connectTcp(port, "127.0.0.1");
    half.write("PRI * HT");
    const idle = connect(`http://127.0.0.1:${port}`);
    idle.on("error", () => undefined);
    await Promise.all([once(half, "close"), once(idle, "close")]);
    server.close();
    await relay.close(100);
  });
});
