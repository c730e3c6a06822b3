// Checks that a revoked certificate ends connections: a TLS listener, a gRPC server and both kinds of client,
// on new, resumed and open connections, for a revoked certificate and for a revoked CA above it.
import { expect } from "chai";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { loadBundle, type Bundle } from "../../certs/bundle.js";
import { createLists, revokeCertificate } from "../../certs/ca-revocation.js";
import { openCa } from "../../certs/ca.js";
import { GroupSource } from "../../certs/group.js";
import { readListsPem } from "../../certs/pem.js";
import type { RevocationList } from "../../certs/revocation-list.js";
import { signBytes, verifySigned } from "../../certs/sign.js";
import { admit, checkOpenPeer, checkPeer, clientTls, serverTls } from "../../certs/tls.js";
import { dial } from "../../core/dial.js";
import { serveTls, type TlsListener } from "../../core/tls-server.js";
import { clientOf, errorOf, listPeers, serveCalls } from "../support/grpc.js";
import { LOCAL, Members } from "../support/members.js";
import { makeOdd } from "../support/openssl.js";
import { makeList } from "../support/revocation.js";
import { recordedLog, type RecordedLog } from "../support/recorded-log.js";
import { until } from "../support/until.js";

const ALPN = ["schakel-test"];
const nobody = { peers: [], nextPageToken: "" };

interface Stage {
  readonly members: Members;
  readonly groups: GroupSource;
  readonly recorded: RecordedLog;
  readonly end: (() => Promise<void> | void)[];
}

/** What is revoked: the certificate of the peer "other", or the CA that issued everybody's. */
const KINDS = ["certificate", "CA"] as const;
type Kind = (typeof KINDS)[number];

const listsAfter = async ({ members }: Stage, kind: Kind): Promise<readonly RevocationList[]> => {
  const ca = await openCa(members.test.caDir);
  const [leaf] = members.bundles.other.chain;
  if (leaf === undefined) throw new Error("the bundle has no certificate");
  await revokeCertificate(ca, kind === "CA" ? ca.issuing : leaf, "keyCompromise");
  const { root, issuing } = await createLists(ca, 7);
  if (root === undefined) throw new Error("there is no list of the root");
  return [
    { crl: root, issuerChain: [] },
    { crl: issuing, issuerChain: [ca.issuing] },
  ];
};

const setUp = async (): Promise<Stage> => {
  const members = await Members.create();
  const recorded = recordedLog();
  const groups = await GroupSource.open(members.test.groupFile, recorded.log);
  return { members, groups, recorded, end: [() => members.remove(), () => groups.close()] };
};

const logged = ({ recorded }: Stage, text: RegExp): Promise<string> =>
  until(`a line with ${String(text)}`, () => recorded.lines.find((line) => text.test(line)));

const listen = async (
  stage: Stage,
  bundle: Bundle,
  accepted: TLSSocket[],
): Promise<TlsListener> => {
  const { groups, recorded, end } = stage;
  const listener = await serveTls({
    address: { host: "127.0.0.1", port: 0 },
    tls: () => serverTls(bundle, groups.current, ALPN),
    admit: (socket) => admit(socket, groups.current),
    connected: (socket) => {
      socket.on("error", () => undefined).resume();
      socket.write("hello");
      accepted.push(socket);
    },
    connectionsMax: 100,
    log: recorded.log,
  });
  groups.onChange(() => listener.reload());
  end.push(
    () => listener.close(),
    () => accepted.forEach((socket) => socket.destroy()),
  );
  return listener;
};

/** Connects as a stranger's client would, and waits for the first byte or the end. */
const connectTo = async (
  stage: Stage,
  port: number,
  bundle: Bundle,
  options: ConnectionOptions = {},
): Promise<{ readonly socket: TLSSocket; readonly greeted: boolean }> => {
  const socket = connect({
    ...{ host: "127.0.0.1", port, servername: "directory.test", rejectUnauthorized: false },
    ...{ cert: bundle.chainPem, key: bundle.keyPem, ALPNProtocols: ALPN },
    ...options,
  });
  stage.end.push(() => void socket.destroy());
  socket.on("error", () => undefined);
  const greeted = await Promise.race([
    once(socket, "data").then(() => true),
    once(socket, "close").then(() => false),
  ]);
  return { socket, greeted };
};

describe("certs/tls, revocation", function () {
  this.timeout(60_000);
  let stage: Stage;
  beforeEach(async () => {
    stage = await setUp();
  });
  afterEach(async () => {
    for (const end of stage.end.reverse()) await end();
  });

  for (const kind of KINDS) {
    describe(`of a ${kind}`, () => {
      it("refuses a new connection to a listener, and says why", async () => {
        const { members, groups } = stage;
        const { port } = (await listen(stage, members.bundles.directory, [])).address;
        expect(await connectTo(stage, port, members.bundles.other)).to.include({ greeted: true });
        groups.setRevocationLists(await listsAfter(stage, kind));
        expect(await connectTo(stage, port, members.bundles.other)).to.include({ greeted: false });
        expect(await logged(stage, /connection refused/)).to.match(/revoked since .*keyCompromise/);
      });

      it("refuses one whatever else the client sends beside its chain, and in whatever order", async () => {
        const { members, groups } = stage;
        const { port } = (await listen(stage, members.bundles.directory, [])).address;
        groups.setRevocationLists(await listsAfter(stage, kind));
        const { chain } = members.bundles.other;
        const decoy = await makeOdd({
          dir: `${members.test.dir}/decoy`,
          subject: "/CN=decoy",
          key: "P-256",
        });
        const pems = [
          chain[0]?.toString(),
          await readFile(decoy.cert, "utf8"),
          chain[1]?.toString(),
        ];
        const cert = pems.join("");
        expect(await connectTo(stage, port, members.bundles.other, { cert })).to.include({
          greeted: false,
        });
        expect(await logged(stage, /connection refused/)).to.match(/revoked since/);
      });

      it("refuses a connection that resumes an earlier one", async () => {
        const { members, groups } = stage;
        const { port } = (await listen(stage, members.bundles.directory, [])).address;
        const first = await connectTo(stage, port, members.bundles.other);
        const session = first.socket.getSession();
        groups.setRevocationLists(await listsAfter(stage, kind));
        const again = await connectTo(
          stage,
          port,
          members.bundles.other,
          session === undefined ? {} : { session },
        );
        expect(again.greeted).to.equal(false);
      });

      it("ends the open connections to a listener", async () => {
        const { members, groups } = stage;
        const { port } = (await listen(stage, members.bundles.directory, [])).address;
        const { socket } = await connectTo(stage, port, members.bundles.other);
        const bystander = await connectTo(stage, port, members.bundles.provider);
        const closed = once(socket, "close");
        groups.setRevocationLists(await listsAfter(stage, kind));
        await closed;
        expect(await logged(stage, /connection ended/)).to.match(/revoked since/);
        // Whose certificate is in order stays, unless the CA of all is revoked.
        await until(
          "the other connection's fate",
          () => kind === "certificate" || bystander.socket.destroyed,
        );
        expect(bystander.socket.destroyed).to.equal(kind === "CA");
      });

      it("refuses new calls to a gRPC server and ends its open connections", async () => {
        const { members, groups } = stage;
        const served = await serveCalls(
          members,
          (server) => ({ listPeers: server.unary(() => nobody) }),
          {
            tls: () => serverTls(members.bundles.directory, groups.current, ["h2"]),
            admit: (socket) => admit(socket, groups.current),
          },
        );
        groups.onChange(() => served.server.reload());
        stage.end.push(() => served.server.stop());
        const client = await clientOf(members, members.bundles.other, served.port);
        stage.end.push(() => client.close());
        await listPeers(client);
        groups.setRevocationLists(await listsAfter(stage, kind));
        const line = await until("a connection to be ended", () =>
          served.lines.find((each) => each.includes("connection ended")),
        );
        expect(line).to.match(/revoked since/);
        const again = await clientOf(members, members.bundles.other, served.port);
        stage.end.push(() => again.close());
        await errorOf(listPeers(again));
        expect(served.lines.join("\n")).to.match(/connection refused/);
      });

      it("keeps a client from a server, and tells of an open connection that it may not go on", async () => {
        const { members, groups } = stage;
        const { port } = (await listen(stage, members.bundles.other, [])).address;
        const { peerId } = members.bundles.other.identity;
        const group = groups.current;
        const to = (): Promise<TLSSocket> =>
          dial({
            ...{ address: { host: "other.test", port }, policy: LOCAL, timeoutMs: 5_000 },
            tls: clientTls(members.bundles.provider, groups.current, { peerId, alpn: ALPN }),
          });
        const socket = await to();
        socket.on("error", () => undefined);
        stage.end.push(() => void socket.destroy());
        const expected = { peerId, host: "other.test" };
        expect(checkOpenPeer(socket, group, expected)).to.equal(undefined);
        // Asking does not use up what Node.js knows of the connection.
        expect(checkOpenPeer(socket, group, expected)).to.equal(undefined);
        const lists = await listsAfter(stage, kind);
        const after = { ...group, revocationLists: lists };
        expect(checkOpenPeer(socket, after, expected)?.message).to.match(/revoked since/);
        groups.setRevocationLists(lists);
        const refused = await to().catch((error: unknown) => error);
        expect(String(refused)).to.match(/PeerMismatch.*revoked since/);
      });

      it("keeps a gRPC client from a server", async () => {
        const { members, groups } = stage;
        const served = await serveCalls(
          members,
          (server) => ({ listPeers: server.unary(() => nobody) }),
          { tls: () => serverTls(members.bundles.other, members.group, ["h2"]) },
        );
        stage.end.push(() => served.server.stop());
        groups.setRevocationLists(await listsAfter(stage, kind));
        const expected = members.bundles.other.identity.peerId;
        const changes = { host: "other.test", expected, group: groups.current };
        const client = await clientOf(members, members.bundles.provider, served.port, changes);
        stage.end.push(() => client.close());
        expect((await errorOf(listPeers(client))).message).to.match(/revoked since/);
      });

      it("refuses bundles and signatures", async () => {
        const { members, groups } = stage;
        const { chain } = members.bundles.other;
        const bytes = Buffer.from("x");
        const purpose = "schakel/test";
        const signature = signBytes(members.bundles.other, purpose, bytes);
        const signed = { chain: chain.map(({ raw }) => raw), signature, purpose, bytes };
        expect(verifySigned(signed, groups.current, Date.now()).name).to.equal("Other");
        groups.setRevocationLists(await listsAfter(stage, kind));
        expect(() => verifySigned(signed, groups.current, Date.now())).to.throw(/revoked since/);
        const loading = loadBundle(members.peers.other.files, groups.current);
        expect(String(await loading.catch((error: unknown) => error))).to.match(/revoked since/);
      });
    });
  }

  it("ends an open connection when the list of its issuer comes to its end", async () => {
    const { members, recorded, groups } = stage;
    const accepted: TLSSocket[] = [];
    let group = groups.current;
    const listener = await serveTls({
      address: { host: "127.0.0.1", port: 0 },
      tls: () => serverTls(members.bundles.directory, group, ALPN),
      admit: (socket) => admit(socket, group),
      connected: (socket) => {
        accepted.push(socket);
        socket.on("error", () => undefined).resume();
        socket.write("hello");
      },
      connectionsMax: 100,
      recheckMs: 20,
      log: recorded.log,
    });
    stage.end.push(() => listener.close());
    const { socket } = await connectTo(stage, listener.address.port, members.bundles.other);
    const list = await makeList({
      dir: `${members.test.dir}/ended`,
      issuer: members.test.issuer,
      thisUpdate: new Date(Date.now() - 72 * 3_600_000),
      nextUpdate: new Date(Date.now() - 48 * 3_600_000),
    });
    const closed = once(socket, "close");
    // Nobody says that anything has changed: time has passed.
    const crl = readListsPem(list, 1)[0] ?? Buffer.alloc(0);
    group = { ...group, revocationLists: [{ crl, issuerChain: [] }] };
    await closed;
    expect(await logged(stage, /connection ended/)).to.match(/out of date since/);
  });

  it("never judges a client whose chain was not kept as if it had none above it", async () => {
    // Whoever listens without core/tls-server.ts sees the client's own certificate alone (Node.js 24.21).
    const { members, groups } = stage;
    const { createServer } = await import("node:tls");
    const verdicts: string[] = [];
    const server = createServer(
      serverTls(members.bundles.directory, groups.current, ALPN),
      (socket) => {
        socket.on("error", () => undefined);
        try {
          admit(socket, groups.current);
          verdicts.push("admitted");
        } catch (error) {
          verdicts.push(String(error));
        }
        socket.destroy();
      },
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    stage.end.push(() => void server.close());
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await connectTo(stage, port, members.bundles.other);
    expect(await until("a verdict", () => verdicts[0])).to.match(/the chain stops at/);
  });

  it("gives a checkServerIdentity that refuses a certificate without its issuers", () => {
    const { members, groups } = stage;
    const { identity, chain } = members.bundles.other;
    const shown = { raw: chain[0]?.raw } as Parameters<ReturnType<typeof checkPeer>>[1];
    const refused = checkPeer(groups.current, identity.peerId)("other.test", shown);
    expect(refused?.message).to.match(/the chain stops at/);
  });
});
