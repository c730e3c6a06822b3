// The listener itself, against clients that connect and never finish a handshake.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { expect } from "chai";
import { internalServerTls } from "../../certs/internal-tls.js";
import { serveTls, type TlsListener } from "../../core/tls-server.js";
import { InternalPki } from "../support/internal-pki.js";
import { recordedLog } from "../support/recorded-log.js";
import { until } from "../support/until.js";

describe("core/tls-server", () => {
  let pki: InternalPki;
  let listener: TlsListener;
  let lines: readonly string[];
  const sockets: Socket[] = [];

  before(async () => {
    pki = await InternalPki.create("Ours");
  });
  after(() => pki.remove());
  beforeEach(async () => {
    const bundle = await pki.bundle("manager", "manager");
    const recorded = recordedLog();
    lines = recorded.lines;
    listener = await serveTls({
      address: { host: "127.0.0.1", port: 0 },
      tls: () => internalServerTls(bundle, ["h2"]),
      admit: () => undefined,
      connected: (socket) => sockets.push(socket.on("error", () => undefined)),
      connectionsMax: 40,
      log: recorded.log,
    });
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await listener.close();
  });

  const silent = async (): Promise<Socket> => {
    const socket = connect(listener.address.port, "127.0.0.1").on("error", () => undefined);
    sockets.push(socket);
    await once(socket, "connect");
    return socket;
  };
  const client = async () => {
    const { port } = listener.address;
    const socket = connectTls({
      port,
      ca: pki.ca.root.toString(),
      ALPNProtocols: ["h2"],
      checkServerIdentity: () => undefined,
    });
    sockets.push(socket.on("error", () => undefined));
    await once(socket, "secureConnect");
    return socket;
  };

  it("lets a client in while others hold as many connections as they can without a handshake", async () => {
    const idle: Socket[] = [];
    for (let count = 0; count < 60; count++) idle.push(await silent());
    await client();
    await until("the oldest to be ended", () => idle.slice(0, 44).every(({ closed }) => closed));
    expect(idle.slice(-10).some(({ closed }) => closed)).to.equal(false);
    expect(lines.join("")).not.to.contain("too many are open");
  });

  it("ends nobody whose handshake is done to make room for those who come", async () => {
    const done = await Promise.all(Array.from({ length: 20 }, () => client()));
    for (let count = 0; count < 16; count++) await silent();
    expect(done.some(({ closed, destroyed }) => closed || destroyed)).to.equal(false);
    await client();
  });

  it("logs so many failed handshakes and the number of the others", async () => {
    for (let count = 0; count < 80; count++) {
      const socket = await silent();
      socket.end("this is no handshake\r\n");
      await once(socket.resume(), "close");
    }
    await listener.close();
    expect(lines.filter((line) => line.includes('"handshake failed"'))).to.have.length(60);
    expect(lines.at(-1)).to.contain('"leftOut":20');
  });
});
