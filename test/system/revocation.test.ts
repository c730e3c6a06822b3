// What is revoked counts no more within 5 s, on connections that were open all the time: a contract that either
// side revokes while the other's manager is away, and a certificate that the CA revokes.
import { expect } from "chai";
import { once } from "node:events";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { newTransactionId } from "../../core/names.js";
import { expectError, fromCall } from "../support/answered.js";
import { askToken } from "../support/as-manager.js";
import { connectAsOutway } from "../support/as-outway.js";
import { call } from "../support/call.js";
import { KeptConnection, type KeptAnswer } from "../support/kept-connection.js";
import { Network, PEERS } from "../support/network.js";
import type { TestPeer } from "../support/pki.js";
import { schakel } from "../support/schakel.js";
import { Stranger } from "../support/stranger.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";

const WITHIN_MS = 5_000;

/** The first answer on a connection that is no 200, at most 5 s from now. */
const firstRefusal = (kept: KeptConnection): Promise<KeptAnswer> =>
  until(
    "a refusal within 5 s",
    async () => {
      const answer = await kept.call();
      return answer.status !== 200 && answer;
    },
    WITHIN_MS,
  );

describe("system/a contract that is revoked", function () {
  this.timeout(60_000);
  let network: Network;
  const opened: KeptConnection[] = [];
  before(async () => {
    network = await Network.start();
  });
  after(() => network.stop());
  afterEach(() => opened.splice(0).forEach((kept) => kept.close()));

  /** A connection on which a call has been answered. */
  const open = async (): Promise<KeptConnection> => {
    const kept = new KeptConnection(network.url("/kept"));
    opened.push(kept);
    await until("a call to be answered", async () => (await kept.call()).status === 200);
    return kept;
  };

  it("is refused by the provider's inway on an open connection, the consumer's manager away", async () => {
    const kept = await open();
    const held = call(network.url("/hold")).catch(() => undefined);
    await until("the request to be held", () => network.source.last.target === "/hold");
    await network.stopManagers("consumer");
    expect((await kept.call()).status).to.equal(200);
    await network.revoke("provider");
    const refused = await firstRefusal(kept);
    expect(refused).to.deep.equal({ status: 403, code: "ERROR_CODE_ACCESS_DENIED", same: true });
    expectError(await fromCall(network.url("/new")), "ERROR_CODE_ACCESS_DENIED", "inway");
    expect((await held)?.status, "what was running is cut").not.to.equal(200);
  });

  it("is refused by the consumer's outway as soon as the consumer's manager hears of it", async () => {
    await network.startManager("consumer");
    const answered = await until(
      "the outway to refuse",
      async () => {
        const answer = await fromCall(network.url("/later"));
        return answer.code === "ERROR_CODE_NO_CONTRACT" && answer;
      },
      30_000,
    );
    expectError(answered, "ERROR_CODE_NO_CONTRACT", "outway");
    await network.grant();
  });

  it("is refused by the consumer's outway on an open connection, the provider's manager away", async () => {
    const kept = await open();
    const held = call(network.url("/hold")).catch(() => undefined);
    await until("the request to be held", () => network.source.last.target === "/hold");
    await network.stopManagers("provider");
    expect((await kept.call()).status).to.equal(200);
    await network.revoke("consumer");
    const seen = network.source.requests.length;
    const refused = await firstRefusal(kept);
    expect(refused).to.deep.equal({ status: 403, code: "ERROR_CODE_NO_CONTRACT", same: true });
    expect((await held)?.status, "what was running is cut").not.to.equal(200);
    const before = network.source.requests.length;
    expectError(await fromCall(network.url("/new")), "ERROR_CODE_NO_CONTRACT", "outway");
    expect(network.source.requests).to.have.length(before);
    expect(before).to.be.at.least(seen);
  });
});

/** The answer to a request on an open connection to an inway. */
const askOn = (socket: TLSSocket, token: string): Promise<string> =>
  new Promise((resolve) => {
    const lines = [
      ...["GET /raw HTTP/1.1", "Host: inway", `Fsc-Authorization: Bearer ${token}`],
      ...[`Fsc-Transaction-Id: ${newTransactionId()}`, "", ""],
    ];
    const done = (text: string): void => {
      socket.removeAllListeners();
      socket.on("error", () => undefined);
      resolve(text);
    };
    socket.once("data", (bytes: Buffer) => done(bytes.toString("latin1")));
    socket.once("error", () => done(""));
    socket.once("close", () => done(""));
    socket.write(lines.join("\r\n"));
  });

describe("system/a certificate that is revoked", function () {
  this.timeout(60_000);
  let network: Network;
  let second: TestPeer;
  let list = "";
  /** Of a stream that was opened with the certificate before it was revoked. */
  let streamEnded: Promise<unknown> = Promise.resolve();
  before(async () => {
    list = join(temporaryFolder(), "group.crl");
    const flags = ["--revocation-lists", list];
    network = await Network.start({ flags: { manager: flags, directory: flags } });
    const { peerId, name, host } = PEERS.consumer;
    second = await network.group.peer({ peerId, name, names: [host, "localhost"] });
    const { cert, key } = second.files;
    await network.startOutway("second", 0, ["--cert", cert, "--key", key]);
    await network.untilKnown("second");
  });
  after(async () => {
    await network.stop();
    removeTemporaryFolders();
  });

  const revoke = async (certificate: string): Promise<void> => {
    const ca = ["--ca", network.group.caDir];
    const revoked = await schakel(["ca", "revoke", ...ca, "--cert", certificate]);
    expect(revoked.code, revoked.stderr).to.equal(0);
    const made = await schakel(["ca", "crl", ...ca, "--out", list]);
    expect(made.code, made.stderr).to.equal(0);
  };
  const connect = (): Promise<TLSSocket> => {
    const { files } = second;
    return connectAsOutway({ port: network.inway.port, servername: PEERS.provider.host, files });
  };
  const askedToken = (): ReturnType<typeof askToken> =>
    askToken({
      ...{ port: network.organisations.provider.ports.fsc, files: second.files },
      ...{ peerId: PEERS.consumer.peerId, grantHash: network.grantHash() },
    });

  it("ends an outway's connections to inway and manager, open and new ones, and no others", async () => {
    const token = String((await askedToken()).json()["access_token"]);
    const socket = await connect();
    expect(await askOn(socket, token)).to.match(/^HTTP\/1\.1 200/);
    const kept = new KeptConnection(network.url("/kept", "echo", "second"));
    expect((await kept.call()).status).to.equal(200);
    const ended = new Promise((resolve) => socket.once("close", resolve));
    const seen = network.source.requests.length;
    const { host } = PEERS.directory;
    const watcher = new Stranger(network.group, second, host, network.directoryPort);
    const watched = watcher.watch({ group_id: "test" });
    await once(watched, "data");
    streamEnded = new Promise((resolve) => watched.once("error", resolve)).finally(() => {
      watcher.close();
    });
    await revoke(second.files.cert);
    const refused = await firstRefusal(kept);
    expect(refused).to.include({ status: 502, same: true });
    await ended;
    kept.close();
    const before = network.source.requests.length;
    expect(await askOn(await connect(), token)).to.equal("");
    await askedToken().then(
      () => expect.fail("the manager answered"),
      (error: unknown) => expect(error).to.have.property("code"),
    );
    expect(network.source.requests).to.have.length(before);
    expect(before).to.be.at.least(seen);
    expect((await call(network.url("/first"))).status).to.equal(200);
  });

  it("ends an outway's streams at the directory, and lets it in there no more", async () => {
    await streamEnded;
    const { running } = network.member("directory");
    const says = (message: string) =>
      running.waitForLine(
        ({ fields }) => fields["msg"] === message && String(fields["reason"]).includes("revoked"),
        WITHIN_MS,
      );
    await says("connection ended");
    await says("connection refused");
  });

  it("keeps an outway from calling an inway whose certificate is revoked, on a connection that was open", async () => {
    // The inway's own, so that the manager's is not meant, which signs the tokens.
    const { peerId, name, host } = PEERS.provider;
    const { files } = await network.group.peer({ peerId, name, names: [host] });
    await network.inway.running.stop();
    await network.startInway("inway", undefined, ["--cert", files.cert, "--key", files.key]);
    await network.untilKnown();
    const kept = new KeptConnection(network.url("/kept"));
    expect((await kept.call()).status).to.equal(200);
    await revoke(files.cert);
    const refused = await firstRefusal(kept);
    expect(refused).to.include({ status: 502, same: true });
    kept.close();
    const before = network.source.requests.length;
    const answered = await fromCall(network.url("/new"));
    expectError(answered, "ERROR_CODE_INWAY_IDENTITY_MISMATCH", "outway");
    expect(network.source.requests).to.have.length(before);
  });
});
