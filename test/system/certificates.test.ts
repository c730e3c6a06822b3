// Who may connect at all: the inway's one port, seen by strangers.
import { expect } from "chai";
import { readFileSync } from "node:fs";
import { connect } from "node:tls";
import type { BundleFiles } from "../../certs/bundle.js";
import { newTransactionId } from "../../core/names.js";
import { connectAsOutway, exchangeRaw } from "../support/as-outway.js";
import { call } from "../support/call.js";
import { Network, PEERS } from "../support/network.js";
import { peerExtensions } from "../support/openssl.js";
import { TestGroup } from "../support/pki.js";

const NAMES = ["outway.test"];

describe("system/certificates", function () {
  this.timeout(60_000);
  let network: Network;
  let other: TestGroup;
  before(async () => {
    network = await Network.start();
    other = await TestGroup.create({ groupId: "other" });
  });
  after(async () => {
    await network.stop();
    await other.remove();
  });

  const request = (): string =>
    `GET /refused HTTP/1.1\r\nHost: inway\r\nFsc-Transaction-Id: ${newTransactionId()}\r\n\r\n`;

  /** Sends a request with a certificate and gives the reason that the inway logged. */
  const refusedWith = async (files?: BundleFiles): Promise<string> => {
    const { running, port } = network.inway;
    const before = running.lines.at(-1)?.number ?? -1;
    const socket = await connectAsOutway({
      port,
      servername: PEERS.provider.host,
      ...(files === undefined ? {} : { files }),
    });
    expect(await exchangeRaw(socket, request())).to.equal("");
    const line = await running.waitForLine(
      ({ number, fields }) => number > before && fields["msg"] === "connection refused",
      5_000,
    );
    return String(line.fields["reason"]);
  };
  afterEach(() => {
    expect(network.source.requests.filter(({ target }) => target === "/refused")).to.deep.equal([]);
  });

  it("refuses a connection without a certificate", async () => {
    expect(await refusedWith()).to.match(/no certificate/i);
  });

  const consumer = { peerId: PEERS.consumer.peerId, name: PEERS.consumer.name, names: NAMES };
  it("refuses an expired certificate", async () => {
    const peer = await network.group.peer({
      ...consumer,
      notAfter: new Date(Date.now() - 3_600_000),
    });
    expect(await refusedWith(peer.files)).to.match(/expired/i);
  });

  it("refuses a certificate that is not valid yet", async () => {
    const peer = await network.group.peer({
      ...consumer,
      notBefore: new Date(Date.now() + 3_600_000),
    });
    expect(await refusedWith(peer.files)).to.match(/not valid/i);
  });

  it("refuses a certificate for servers alone", async () => {
    const peer = await network.group.peer({ ...consumer, purposes: ["server authentication"] });
    expect(await refusedWith(peer.files)).to.match(/purpose/i);
  });

  it("refuses a certificate of another anchor, though it names a known peer", async () => {
    const peer = await other.peer(consumer);
    expect(await refusedWith(peer.files)).to.match(/anchor/i);
  });

  it("refuses TLS 1.2, since the group does not allow it", async () => {
    const { files } = network.peers.consumer;
    const outcome = await new Promise<string>((resolve) => {
      const socket = connect({
        host: "127.0.0.1",
        port: network.inway.port,
        rejectUnauthorized: false,
        maxVersion: "TLSv1.2",
        cert: readFileSync(files.cert),
        key: readFileSync(files.key),
      });
      socket.once("secureConnect", () => resolve("connected"));
      socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
    expect(outcome).to.match(/PROTOCOL_VERSION|ECONNRESET/);
  });

  const subjects = [
    ["no organisation", "/serialNumber=00000000000000000003", /organi[sz]ation|\bO\b/],
    ["no serial number", "/O=Gemeente", /serialNumber/],
    [
      "two serial numbers",
      "/O=Gemeente/serialNumber=00000000000000000003/serialNumber=00000000000000000004",
      /serialNumber/,
    ],
    ["a peer id that the group does not allow", "/O=Gemeente/serialNumber=123", /serialNumber/],
  ] as const;
  for (const [what, subject, reason] of subjects) {
    it(`refuses a certificate of the group's anchors with ${what}`, async () => {
      const { files } = await network.group.oddPeer({
        subject,
        extensions: peerExtensions(...NAMES),
      });
      expect(await refusedWith(files)).to.match(reason);
    });
  }

  it("lets an EC certificate of the group's anchors in, and answers it as any other", async () => {
    const { files } = await network.group.oddPeer({
      subject: "/O=Gemeente/serialNumber=00000000000000000003",
      extensions: peerExtensions(...NAMES),
      key: "P-256",
    });
    const socket = await connectAsOutway({
      port: network.inway.port,
      servername: PEERS.provider.host,
      files,
    });
    expect(await exchangeRaw(socket, request())).to.contain("ERROR_CODE_ACCESS_TOKEN_MISSING");
  });

  it("goes on serving the right ones meanwhile", async () => {
    expect((await call(network.url("/"))).status).to.equal(200);
  });

  it("answers the directory's probe and forwards nothing on it", async () => {
    const socket = await connectAsOutway({
      port: network.inway.port,
      servername: PEERS.provider.host,
      files: network.peers.directory.files,
      alpn: ["schakel-probe/1"],
    });
    expect(await exchangeRaw(socket, request())).to.equal("ready\n");
  });
});
