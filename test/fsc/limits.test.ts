// What one peer may take of the FSC server at once and in time, and how the server ends.
import { expect } from "chai";
import { once } from "node:events";
import type { TLSSocket } from "node:tls";
import { errorRow, type ErrorCode } from "../../core/errors.js";
import type { FscLimits } from "../../fsc/fsc-limits.js";
import { contentOf, publication } from "../support/fsc-contracts.js";
import {
  askAsOther,
  connectTo,
  readAnswer,
  readToEnd,
  requestText,
  TestManager,
  type RawAnswer,
} from "../support/fsc-manager.js";
import { Members } from "../support/members.js";
import { until } from "../support/until.js";

const ANNOUNCE = requestText("PUT /v1/announce", {
  "Fsc-Manager-Address": "https://other.test:8443",
  "Content-Length": "0",
  Connection: "keep-alive",
});
const LAST = requestText("GET /v1/peer");
const MORE = requestText("GET /v1/peer", { Connection: "keep-alive" });

const messageOf = (answer: RawAnswer, code: ErrorCode): string => {
  expect(answer.status, answer.text).to.equal(errorRow(code).status);
  expect(answer.headers.get("fsc-error-code")).to.equal(code);
  expect(answer.headers.get("connection")).to.equal("close");
  return String((JSON.parse(answer.text) as Record<string, unknown>)["message"]);
};

describe("fsc/fsc-server within its limits", function () {
  this.timeout(60_000);
  let members: Members;
  let slow: TestManager;

  before(async () => {
    members = await Members.create();
  });

  const start = async (limits: Partial<FscLimits> = {}): Promise<void> => {
    slow = await TestManager.start(members, {
      limits: { connectionsPerPeerMax: 4, requestsPerPeerMax: 2, lingerMs: 5_000, ...limits },
    });
  };

  const restart = async (limits: Partial<FscLimits>): Promise<void> => {
    await slow.close();
    await start(limits);
  };

  beforeEach(() => start());
  afterEach(() => slow.close());
  after(() => members.remove());

  const open = (): Promise<TLSSocket> => connectTo(slow, members.bundles.other, members);

  const ask = (request: Buffer): Promise<RawAnswer> => askAsOther(slow, request, members);

  const endAll = async (sockets: readonly TLSSocket[]): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await until("no connection is left", () => slow.server.connections === 0);
  };

  it("refuses a body that does not come with 408", async () => {
    await restart({ bodyTimeoutMs: 300 });
    const answer = await ask(
      requestText(
        "POST /v1/contracts",
        {
          "Fsc-Manager-Address": "https://other.test:8443",
          "Content-Type": "application/json",
          "Content-Length": "10",
        },
        "{",
      ),
    );
    messageOf(answer, "ERROR_CODE_REQUEST_TIMEOUT");
    expect(answer.headers.get("connection")).to.equal("close");
  });

  it("refuses a head that does not come with 408", async () => {
    await restart({ headTimeoutMs: 1_000 });
    const answer = await ask(Buffer.from("GET /v1/peer HTTP/1.1\r\nHost: a"));
    messageOf(answer, "ERROR_CODE_REQUEST_TIMEOUT");
  });

  it("ends a connection on which nothing comes, without an answer", async () => {
    await restart({ headTimeoutMs: 300 });
    const socket = await open();
    expect(String(await readToEnd(socket))).to.equal("");
  });

  it("refuses a second head that trickles on an open connection", async () => {
    await restart({ headTimeoutMs: 1_500 });
    const socket = await open();
    socket.write(MORE);
    socket.write("GET /v1/peer HTTP/1.1\r\nX-Slow: ");
    const timer = setInterval(() => socket.write("X"), 50);
    const all = String(await readToEnd(socket));
    clearInterval(timer);
    expect(all)
      .to.match(/^HTTP\/1\.1 200 /)
      .and.to.contain("HTTP/1.1 408 ");
  });

  it("refuses a fifth connection of one peer, while another peer comes in", async () => {
    await endAll([]);
    let free: () => void = () => undefined;
    slow.handlers.work = () => new Promise((resolve) => (free = resolve));
    const sockets = await Promise.all([open(), open(), open(), open()]);
    await until("four connections are open", () => slow.server.connections === 4);
    const fifth = await open();
    const answer = readAnswer(await readToEnd(fifth));
    expect(messageOf(answer, "ERROR_CODE_LIMIT_EXCEEDED")).to.contain("4 connections");
    const stranger = await connectTo(slow, members.bundles.directory, members);
    stranger.write(LAST);
    expect(readAnswer(await readToEnd(stranger)).status).to.equal(200);
    free();
    await endAll(sockets);
  });

  it("lets others in when one peer has taken half of all connections, and ends the oldest idle ones of it", async () => {
    await restart({ connectionsMax: 16, connectionsPerPeerMax: 100 });
    const open = (as = members.bundles.other) => connectTo(slow, as, members);
    const many: TLSSocket[] = [];
    for (let count = 0; count < 8; count++) {
      many.push((await open()).resume());
      await until("it is there", () => slow.server.connections === count + 1);
    }
    const ended = (): number => many.filter(({ closed }) => closed).length;
    const strangers: TLSSocket[] = [];
    for (let count = 1; count <= 4; count++) {
      strangers.push(await open(members.bundles.directory));
      await until("one to make room", () => ended() === count);
    }
    expect(many.map(({ closed }) => closed)).to.deep.equal([
      ...[true, true, true, true, false, false, false, false],
    ]);
    for (const socket of strangers) {
      socket.write(LAST);
      expect(readAnswer(await readToEnd(socket)).status).to.equal(200);
    }
    await endAll(many);
  });

  it("refuses a third request of one peer at once, and takes more when one is done", async () => {
    const waiting: (() => void)[] = [];
    slow.handlers.work = () => new Promise((resolve) => waiting.push(resolve));
    const sockets = await Promise.all([open(), open()]);
    const answers = sockets.map((socket) => {
      socket.write(String(ANNOUNCE).replace("keep-alive", "close"));
      return readToEnd(socket);
    });
    await until("two requests are running", () => waiting.length === 2);
    const third = await ask(LAST);
    expect(messageOf(third, "ERROR_CODE_LIMIT_EXCEEDED")).to.contain("2 requests");
    for (const resolve of waiting) resolve();
    for (const answer of await Promise.all(answers)) {
      expect(readAnswer(answer).status).to.equal(200);
    }
    expect((await ask(LAST)).status).to.equal(200);
    await endAll([]);
  });

  it("answers requests that came before the answers to others, in their order", async () => {
    const socket = await open();
    const queries = requestText("GET /v1/peers", { Connection: "keep-alive" });
    socket.write(Buffer.concat([queries, LAST]));
    const all = String(await readToEnd(socket));
    expect(all.indexOf('"peers"')).to.be.greaterThan(0).and.lessThan(all.indexOf('"peer_id"'));
  });

  it("tells a client that waits for it to send its body", async () => {
    const socket = await open();
    const form = "grant_type=client_credentials&scope=a&client_id=b";
    socket.write(
      requestText("POST /v1/token", {
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": String(form.length),
        Expect: "100-continue",
      }),
    );
    const [first] = (await once(socket, "data")) as [Buffer];
    expect(String(first)).to.equal("HTTP/1.1 100 Continue\r\n\r\n");
    socket.write(form);
    expect(readAnswer(await readToEnd(socket)).status).to.equal(200);
  });

  it("asks for no body that is over its limit", async () => {
    const answer = await ask(
      requestText("POST /v1/token", {
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": "100000",
        Expect: "100-continue",
      }),
    );
    messageOf(answer, "ERROR_CODE_BODY_TOO_LARGE");
  });

  it("lets a running request finish when it closes, and takes no other", async () => {
    let free: () => void = () => undefined;
    slow.handlers.work = () => new Promise((resolve) => (free = resolve));
    const [busy, idle] = await Promise.all([open(), open()]);
    const [answer, nothing] = [readToEnd(busy), readToEnd(idle)];
    busy.write(ANNOUNCE);
    await until("the request is running", () => slow.handlers.announced.length === 1);
    const closed = slow.close();
    expect(String(await nothing)).to.equal("");
    free();
    const { status, headers } = readAnswer(await answer);
    expect([status, headers.get("connection")]).to.deep.equal([200, "close"]);
    await closed;
    expect(slow.server.connections).to.equal(0);
  });

  it("reads no further request after one that is malformed", async () => {
    const socket = await open();
    const odd = requestText("GET /v1/peer", { Connection: "keep-alive", Host: ["a", "b"] });
    socket.write(Buffer.concat([odd, MORE]));
    const all = String(await readToEnd(socket));
    expect(all.match(/HTTP\/1\.1 [0-9]{3}/g)).to.deep.equal(["HTTP/1.1 400"]);
  });

  it("ends a connection on which a body is to come that nobody wants", async () => {
    const socket = await open();
    const headers = { "Content-Length": "1000", Connection: "keep-alive" };
    socket.write(requestText("PUT /v1/announce", headers, "x"));
    messageOf(readAnswer(await readToEnd(socket)), "ERROR_CODE_ADDRESS_NOT_ALLOWED");
  });

  it("lets a peer that sends too much read why, when it has sent it all", async () => {
    await restart({ lingerMs: 30_000 });
    const socket = await open();
    const form = { "Content-Type": "application/x-www-form-urlencoded" };
    const request = requestText("POST /v1/token", form, Buffer.alloc(16 * 1024 * 1024));
    await new Promise<void>((resolve, reject) => {
      socket.write(request, (error) => (error ? reject(error) : resolve()));
    });
    messageOf(readAnswer(await readToEnd(socket)), "ERROR_CODE_BODY_TOO_LARGE");
  });

  it("counts more header lines than node:http keeps by itself", async () => {
    await restart({ headersMax: 1500 });
    const lines = { "X-Many": Array<string>(1600).fill("") };
    const answer = await ask(requestText("GET /v1/peer", lines));
    expect(messageOf(answer, "ERROR_CODE_REQUEST_HEAD_TOO_LARGE")).to.contain("1500");
  });

  const answerAtLength = (): void => {
    const { provider, other } = members.bundles;
    const grant = publication({
      ...{ directory: provider.identity.peerId, service: other.identity.peerId, name: "echo" },
      properties: { note: "x".repeat(900_000) },
    });
    const none = { accept: new Map(), reject: new Map(), revoke: new Map() };
    const contract = { content: contentOf(members.group, [grant]), signatures: none };
    slow.handlers.contracts = () => ({ items: Array(20).fill(contract), nextCursor: undefined });
  };

  const askAtLength = async (): Promise<TLSSocket> => {
    const socket = await open();
    socket.write(requestText("GET /v1/contracts"));
    return socket;
  };

  it("ends a connection on which an answer is not read", async () => {
    await restart({ pageBytesMax: 1e8, sendTimeoutMs: 300 });
    answerAtLength();
    const socket = await askAtLength();
    await until("it was asked", () => slow.handlers.queries.length === 1);
    await until("the connection is gone", () => slow.server.connections === 0);
    socket.destroy();
  });

  it("counts a request until its answer has been read, or its connection has gone", async () => {
    await restart({ pageBytesMax: 1e8 });
    answerAtLength();
    const sockets = [await askAtLength(), await askAtLength()];
    await until("both were asked", () => slow.handlers.queries.length === 2);
    messageOf(await ask(LAST), "ERROR_CODE_LIMIT_EXCEEDED");
    const [first, second] = sockets as [TLSSocket, TLSSocket];
    expect((await readToEnd(first)).length).to.be.greaterThan(18_000_000);
    second.destroy();
    await until("another is answered", async () => (await ask(LAST)).status === 200);
  });

  it("ends a connection that is older than allowed, with the answer that is due", async () => {
    await restart({ connectionAgeMs: 0, lingerMs: 200 });
    const socket = await open();
    socket.write(MORE);
    const { status, headers } = readAnswer(await readToEnd(socket));
    expect([status, headers.get("connection")]).to.deep.equal([200, "close"]);
  });

  it("goes on when a peer leaves in the middle of a body", async () => {
    const socket = await open();
    socket.write(
      requestText("POST /v1/contracts", {
        "Fsc-Manager-Address": "https://other.test:8443",
        "Content-Type": "application/json",
        "Content-Length": "100",
      }),
    );
    await until("the connection is there", () => slow.server.connections === 1);
    socket.destroy();
    await until("the connection is gone", () => slow.server.connections === 0);
    expect((await ask(LAST)).status).to.equal(200);
    expect(slow.handlers.received).to.deep.equal([]);
  });
});
