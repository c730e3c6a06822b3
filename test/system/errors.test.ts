// Every error that inway and outway answer with, provoked through real processes.
import { expect } from "chai";
import { readFileSync } from "node:fs";
import {
  createServer as createTlsServer,
  type Server as TlsServer,
  type TLSSocket,
} from "node:tls";
import { once } from "node:events";
import { v4 } from "uuid";
import { newTransactionId } from "../../core/names.js";
import type { BundleFiles } from "../../certs/bundle.js";
import { expectError, fromCall, fromRaw, type Answered } from "../support/answered.js";
import { connectAsOutway, exchangeRaw } from "../support/as-outway.js";
import { call, sendRaw } from "../support/call.js";
import { Network, PEERS, freePort } from "../support/network.js";
import { until } from "../support/until.js";

describe("system/errors", function () {
  this.timeout(60_000);
  let network: Network;
  let outway = 0;
  before(async () => {
    const closed = await freePort();
    network = await Network.start({
      stranger: true,
      services: {
        unreachable: `http://127.0.0.1:${String(closed)}`,
        based: "http://127.0.0.1:1/base/",
        ended: "http://127.0.0.1:1",
      },
      flags: {
        outway: ["--head-timeout", "1s", "--exchanges-max", "2"],
        inway: ["--answer-timeout", "1s"],
      },
    });
    outway = network.outway.port;
  });
  after(() => network.stop());

  const raw = async (bytes: string): Promise<Answered> =>
    fromRaw((await sendRaw(outway, bytes, 3_000)).text);

  describe("of the outway, towards its client", () => {
    for (const path of ["/", "/only-one", "/not-an-id/echo/x", "//echo", "/1/2/3"]) {
      it(`answers 400 with valid addresses to ${path}`, async () => {
        const body = expectError(
          await fromCall(`http://127.0.0.1:${String(outway)}${path}`),
          "ERROR_CODE_ADDRESS_INVALID",
          "outway",
        );
        expect(body["choices"]).to.include(`/${PEERS.provider.peerId}/echo`);
      });
    }

    for (const host of [
      "attacker.example",
      `echo.${PEERS.provider.peerId}.other.suffix`,
      ".schakel.localhost",
      "schakel.localhost",
    ]) {
      it(`answers 400 to the host ${host}`, async () => {
        const url = `http://127.0.0.1:${String(outway)}/${PEERS.provider.peerId}/echo/`;
        expectError(
          await fromCall(url, { headers: [["Host", host]] }),
          "ERROR_CODE_ADDRESS_INVALID",
          "outway",
        );
      });
    }

    it("answers 404 with the peers that there are to an unknown one", async () => {
      const url = `http://127.0.0.1:${String(outway)}/00000000000000009999/echo/`;
      const body = expectError(await fromCall(url), "ERROR_CODE_PEER_NOT_FOUND", "outway");
      expect(body["choices"]).to.include(PEERS.provider.peerId);
    });

    it("answers 404 with the services that there are to an unknown one", async () => {
      const body = expectError(
        await fromCall(network.url("/", "nope")),
        "ERROR_CODE_SERVICE_NOT_FOUND",
        "outway",
      );
      expect(body["choices"]).to.include("echo");
    });

    const malformed = [
      [
        "two lengths",
        "POST PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
      ],
      [
        "a length with chunked",
        "POST PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      ],
      ["a space before the colon", "GET PATH HTTP/1.1\r\nHost: localhost\r\nX-A : 1\r\n\r\n"],
      ["two hosts", "GET PATH HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"],
      ["no host", "GET PATH HTTP/1.1\r\nX-A: 1\r\n\r\n"],
      [
        "a length spelt with _",
        "POST PATH HTTP/1.1\r\nHost: localhost\r\nContent_Length: 5\r\n\r\n",
      ],
    ] as const;
    for (const [what, request] of malformed) {
      it(`answers 400 to ${what} and forwards nothing`, async () => {
        const before = network.source.requests.length;
        const answered = await raw(request.replace("PATH", `/${PEERS.provider.peerId}/echo/m`));
        expectError(answered, "ERROR_CODE_REQUEST_MALFORMED", "outway");
        expect(network.source.requests).to.have.length(before);
      });
    }

    it("answers 431 to a head that is too large", async () => {
      const answered = await raw(
        `GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: ${"x".repeat(70_000)}\r\n\r\n`,
      );
      expectError(answered, "ERROR_CODE_REQUEST_HEAD_TOO_LARGE", "outway");
    });

    it("answers 414 to a target that is too long", async () => {
      const answered = await raw(
        `GET /${"x".repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      );
      expectError(answered, "ERROR_CODE_TARGET_TOO_LONG", "outway");
    });

    it("answers 501 to a transfer coding that it does not know", async () => {
      const answered = await raw(
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
      );
      expectError(answered, "ERROR_CODE_TRANSFER_CODING_UNSUPPORTED", "outway");
    });

    it("answers 408 to a head that does not come", async () => {
      expectError(await raw("GET / HTTP/1.1\r\nHost: loc"), "ERROR_CODE_REQUEST_TIMEOUT", "outway");
    });

    it("answers 505 to another HTTP version", async () => {
      expectError(
        await raw("GET / HTTP/2.0\r\nHost: localhost\r\n\r\n"),
        "ERROR_CODE_HTTP_VERSION_UNSUPPORTED",
        "outway",
      );
    });

    it("answers 405 to CONNECT", async () => {
      const { text } = await sendRaw(
        outway,
        "CONNECT example.nl:443 HTTP/1.1\r\nHost: example.nl:443\r\n\r\n",
      );
      expectError(fromRaw(text), "ERROR_CODE_METHOD_UNSUPPORTED", "outway");
      expect(text).to.match(/^Allow: GET/im);
    });

    const crossSite = [
      ["Sec-Fetch-Site", "cross-site"],
      ["Sec-Fetch-Site", "same-site"],
      ["Origin", "https://attacker.example"],
      ["Origin", "null"],
    ] as const;
    for (const header of crossSite) {
      it(`answers 403 to what a browser sends with ${header.join(": ")}`, async () => {
        expectError(
          await fromCall(network.url("/"), { headers: [header] }),
          "ERROR_CODE_CROSS_SITE_REQUEST",
          "outway",
        );
      });
    }

    it("answers 400 to a wrong data subject or too many, without repeating it", async () => {
      const name = "X-NLX-Request-Data-Subject";
      const many = Array.from({ length: 21 }, (_, index) => `bsn=${String(index)}`).join(",");
      for (const value of ["bsn=999993653;DROP", "", many, `bsn=${"9".repeat(101)}`, "bsn"]) {
        const body = expectError(
          await fromCall(network.url("/subject"), { headers: [[name, value]] }),
          "ERROR_CODE_DATA_SUBJECT_INVALID",
          "outway",
        );
        expect(JSON.stringify(body)).not.to.contain("999993653");
      }
      expect(network.source.requests.filter(({ target }) => target === "/subject")).to.be.empty;
    });

    it("answers 503 when more exchanges run than allowed", async () => {
      const held = [1, 2].map(() => call(network.url("/hold")).catch(() => undefined));
      await until(
        "both to be held",
        () => network.source.requests.filter(({ target }) => target === "/hold").length === 2,
      );
      expectError(await fromCall(network.url("/")), "ERROR_CODE_OVERLOADED", "outway");
      network.source.release();
      await Promise.all(held);
    });

    it("answers 403 to a peer without a contract, naming its id and its key", async () => {
      const answered = await until("the stranger to know the service", async () => {
        const answer = await fromCall(network.url("/denied", "echo", "stranger"));
        return answer.status === 403 && answer;
      });
      const body = expectError(answered, "ERROR_CODE_NO_CONTRACT", "outway");
      expect(body["message"])
        .to.contain(PEERS.stranger.peerId)
        .and.to.match(/[0-9a-f]{64}/);
      expect(network.source.requests.filter(({ target }) => target === "/denied")).to.be.empty;
    });

    it("answers 503 when it has no catalogue yet", async () => {
      // Nothing listens where this outway looks for the directory.
      const nowhere = ["--resolve", `${PEERS.directory.host}=127.0.0.66`];
      const fresh = await network.startOutway("fresh", 0, nowhere);
      // No contract names the service: only a catalogue could know it, whenever the manager's word comes.
      const url = `http://127.0.0.1:${String(fresh.port)}/${PEERS.provider.peerId}/unnamed/`;
      const answered = await fromCall(url);
      await fresh.running.stop();
      expectError(answered, "ERROR_CODE_CATALOGUE_UNAVAILABLE", "outway");
    });
  });

  describe("of the inway, towards the outway", () => {
    const ask = async (
      request: string,
      files: BundleFiles = network.peers.consumer.files,
    ): Promise<Answered> => {
      const socket = await connectAsOutway({
        port: network.inway.port,
        servername: PEERS.provider.host,
        files,
      });
      return fromRaw(await exchangeRaw(socket, request));
    };
    const head = (lines: readonly string[]): string =>
      ["GET /x HTTP/1.1", "Host: inway", "Connection: close", ...lines, "", ""].join("\r\n");

    const authorized = (token: string): readonly string[] => [
      `Fsc-Authorization: Bearer ${token}`,
      `Fsc-Transaction-Id: ${newTransactionId()}`,
    ];

    it("answers 400 when the transaction id is missing", async () => {
      expectError(await ask(head([])), "MISSING_LOG_RECORD_ID", "inway");
    });

    const wrongIds = [
      ["not a UUID"],
      [v4()],
      ["00000000-0000-0000-0000-000000000000"],
      [newTransactionId(), newTransactionId()],
    ];
    for (const ids of wrongIds) {
      it(`answers 400 to the transaction id ${ids.length > 1 ? "sent twice" : String(ids[0])}`, async () => {
        const lines = ids.map((id) => `Fsc-Transaction-Id: ${id}`);
        expectError(await ask(head(lines)), "INVALID_LOG_RECORD_ID", "inway");
      });
    }

    it("answers 400 to a wrong data subject or too many, however it is spelt, and the source sees nothing", async () => {
      const token = await network.token("echo");
      const before = network.source.requests.length;
      const many = Array.from({ length: 21 }, (_, index) => `bsn=${String(index)}`).join(",");
      const name = "X-NLX-Request-Data-Subject";
      for (const lines of [
        [`${name}: bsn=999993653;DROP`],
        [`${name}: `],
        [`X_NLX_Request_Data_Subject: BSN=999993653`],
        [`${name}: bsn=999993653`, `${name}: bsn=999993653`],
        [`${name}: ${many}`],
        [`${name}: bsn=${"9".repeat(101)}`],
      ]) {
        const answered = await ask(head([...authorized(token), ...lines]));
        const body = expectError(answered, "ERROR_CODE_DATA_SUBJECT_INVALID", "inway");
        expect(JSON.stringify(body)).not.to.contain("999993653");
      }
      expect(network.source.requests).to.have.length(before);
    });

    it("answers 404 to a token for a service that has ended", async () => {
      const token = await network.token("ended");
      const provider = await network.administrator("provider");
      await provider.call("removeService", { name: "ended" });
      const body = await until("the inway to hear of it", async () => {
        const answered = await ask(head([...authorized(token)]));
        return answered.status === 404 && answered;
      });
      expectError(body, "ERROR_CODE_SERVICE_NOT_FOUND", "inway");
    });

    it("answers 400 to a dot segment where the source has a path of its own", async () => {
      const lines = authorized(await network.token("based")).join("\r\n");
      const answered = await ask(
        `GET /a/%2e%2e/b HTTP/1.1\r\nHost: inway\r\nConnection: close\r\n${lines}\r\n\r\n`,
      );
      expectError(answered, "ERROR_CODE_REQUEST_MALFORMED", "inway");
    });

    it("answers 502 when the source cannot be reached, without its address", async () => {
      const body = expectError(
        await fromCall(network.url("/", "unreachable")),
        "ERROR_CODE_SERVICE_UNREACHABLE",
        "inway",
      );
      expect(JSON.stringify(body)).not.to.contain("127.0.0.1");
    });

    it("answers 504 when the source does not answer", async () => {
      expectError(await fromCall(network.url("/hold")), "ERROR_CODE_SERVICE_TIMEOUT", "inway");
      network.source.release();
    });

    it("answers 502 when the source does not speak HTTP", async () => {
      expectError(
        await fromCall(network.url("/garbage")),
        "ERROR_CODE_SERVICE_ANSWER_INVALID",
        "inway",
      );
    });
  });
});

describe("system/errors between outway and inway", function () {
  this.timeout(60_000);
  let network: Network;
  before(async () => {
    network = await Network.start({
      flags: { outway: ["--answer-timeout", "1s", "--connect-timeout", "1s"] },
    });
  });
  after(() => network.stop());

  /** A server in the inway's place, since the directory is away and the outway goes on with what it knows. */
  const inItsPlace = async (
    files: BundleFiles,
    act: (socket: TLSSocket) => void,
  ): Promise<TlsServer> => {
    const server = createTlsServer(
      { cert: readFileSync(files.cert), key: readFileSync(files.key), ALPNProtocols: ["http/1.1"] },
      (socket) => {
        socket.on("error", () => undefined);
        act(socket);
      },
    );
    server.on("tlsClientError", () => undefined);
    server.listen(network.inwayPort, "127.0.0.1");
    await once(server, "listening");
    return server;
  };
  const stop = async (server: TlsServer): Promise<void> => {
    server.close();
    await once(server, "close");
  };

  it("answers 502 when the inway cannot be reached", async () => {
    // An inway that the directory has found down already gets another code.
    await until("the inway to be up", async () =>
      JSON.stringify(await network.listed()).includes('"HEALTH_UP"'),
    );
    await network.member("directory").running.stop();
    network.inway.running.kill("SIGKILL");
    await network.inway.running.exited;
    expectError(await fromCall(network.url("/")), "ERROR_CODE_INWAY_UNREACHABLE", "outway");
  });

  it("answers 502 and sends nothing when another peer answers at the inway's address", async () => {
    const { peerId, name } = PEERS.stranger;
    const impostor = await network.group.peer({ peerId, name, names: [PEERS.provider.host] });
    let received = 0;
    const server = await inItsPlace(impostor.files, (socket) =>
      socket.on("data", (chunk: Buffer) => (received += chunk.length)),
    );
    expectError(await fromCall(network.url("/")), "ERROR_CODE_INWAY_IDENTITY_MISMATCH", "outway");
    expect(received).to.equal(0);
    await stop(server);
  });

  it("answers 504 when the inway does not answer", async () => {
    const sockets: TLSSocket[] = [];
    const server = await inItsPlace(network.peers.provider.files, (socket) => sockets.push(socket));
    expectError(await fromCall(network.url("/")), "ERROR_CODE_INWAY_TIMEOUT", "outway");
    sockets.forEach((socket) => socket.destroy());
    await stop(server);
  });

  it("answers 502 when the inway does not speak HTTP", async () => {
    const server = await inItsPlace(network.peers.provider.files, (socket) =>
      socket.once("data", () => socket.end("SSH-2.0-nonsense\r\n")),
    );
    expectError(await fromCall(network.url("/")), "ERROR_CODE_INWAY_ANSWER_INVALID", "outway");
    await stop(server);
  });

  it("answers 503 when the directory sees every inway down", async () => {
    await network.startDirectory();
    await network.startInway();
    await network.untilKnown();
    network.inway.running.kill("SIGKILL");
    await network.inway.running.exited;
    const answered = await until("the inway to be seen down", async () => {
      const answer = await fromCall(network.url("/"));
      return answer.status === 503 ? answer : undefined;
    });
    expectError(answered, "ERROR_CODE_NO_HEALTHY_INWAY", "outway");
  });
});
