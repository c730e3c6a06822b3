// The gRPC server behind a listener of our own: who gets in, whose call it is, what errors look like, how it ends.
import { status } from "@grpc/grpc-js";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect as connectPlain } from "node:net";
import { connect } from "node:tls";
import { expect } from "chai";
import { loadBundle, type Bundle } from "../../certs/bundle.js";
import type { Group } from "../../certs/group.js";
import { admit, clientTls, serverTls } from "../../certs/tls.js";
import { SchakelError } from "../../core/errors.js";
import type {
  ListPeersRequest,
  ListPeersResponse,
} from "../../proto/gen/schakel/directory/v1/directory.js";
import { answerOf, clientOf, detailsOf, errorOf, listPeers, serveCalls } from "../support/grpc.js";
import type { Answers, Served } from "../support/grpc.js";
import { Members, ROLES } from "../support/members.js";
import type { TestPeer } from "../support/pki.js";
import { until } from "../support/until.js";

const nobody: ListPeersResponse = { peers: [], nextPageToken: "" };

/** Answers with the caller's id, after some other calls have come and gone. */
const whoCalls: Answers = (server) => ({
  listPeers: server.unary<ListPeersRequest, ListPeersResponse>(async (_request, caller) => {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
    return { ...nobody, nextPageToken: caller.peerId };
  }),
});

describe("core/grpc-server", () => {
  let members: Members;
  const ended: (() => Promise<void> | void)[] = [];
  before(async () => {
    members = await Members.create();
  });
  after(() => members.remove());
  afterEach(async () => {
    for (const end of ended.splice(0).reverse()) await end();
  });

  const serve = async (
    ...rest: Parameters<typeof serveCalls> extends [unknown, ...infer R] ? R : never
  ) => {
    const served = await serveCalls(members, ...rest);
    ended.push(() => served.server.stop());
    return served;
  };
  const clientFor = async ({ port }: Served, bundle: Bundle = members.bundles.provider) => {
    const client = await clientOf(members, bundle, port);
    ended.push(() => client.close());
    return client;
  };
  const logged = ({ lines }: Served, text: RegExp): Promise<string> =>
    until(`a line with ${String(text)}`, () => lines.find((line) => text.test(line)));

  it("tells each handler who called, from the certificate of the call's own connection", async () => {
    const served = await serve(whoCalls);
    const bundles = [members.bundles.provider, members.bundles.other, members.bundles.provider];
    const clients = await Promise.all(bundles.map((bundle) => clientFor(served, bundle)));
    const rounds = Array.from({ length: 30 }, () =>
      clients.map(async (client, index) => [
        (await listPeers(client)).nextPageToken,
        bundles[index]?.identity.peerId,
      ]),
    );
    for (const [answered, expected] of await Promise.all(rounds.flat())) {
      expect(answered).to.equal(expected);
    }
  });

  it("takes a server at an IP address for none that its certificate names, without a warning of Node", async () => {
    const warnings: Error[] = [];
    const warned = (warning: Error): void => void warnings.push(warning);
    process.on("warning", warned);
    ended.push(() => void process.removeListener("warning", warned));
    const { port } = await serve(whoCalls);
    const client = await clientOf(members, members.bundles.provider, port, { host: "127.0.0.1" });
    ended.push(() => client.close());
    expect((await errorOf(listPeers(client))).details).to.contain("127.0.0.1");
    await new Promise((resolve) => void setImmediate(resolve));
    expect(warnings).to.deep.equal([]);
  });

  it("knows a peer that comes back after all its connections had closed", async () => {
    const served = await serve(whoCalls);
    for (let round = 0; round < 3; round++) {
      const client = await clientOf(members, members.bundles.other, served.port);
      expect((await listPeers(client)).nextPageToken).to.equal(ROLES.other.peerId);
      client.close();
    }
  });

  it("keeps a peer's other connection when one of them closes", async () => {
    const served = await serve(whoCalls);
    const [first, second] = [await clientFor(served), await clientFor(served)];
    await listPeers(first);
    await listPeers(second);
    first.close();
    for (let round = 0; round < 10; round++) await listPeers(second);
  });

  /** What a client of another make holds: it does not check its own certificate before it uses it. */
  const uncheckedBundle = async ({ files }: TestPeer): Promise<Bundle> => ({
    ...members.bundles.other,
    chainPem: await readFile(files.cert, "utf8"),
    keyPem: await readFile(files.key, "utf8"),
  });

  const refusedPeers: readonly {
    readonly what: string;
    readonly bundle: () => Promise<Bundle>;
    readonly says: RegExp;
  }[] = [
    {
      what: "a certificate of another group's CA",
      bundle: async () => {
        const stranger = await Members.create({ groupId: "stranger" });
        ended.push(() => stranger.remove());
        return stranger.bundles.provider;
      },
      says: /does not lead to an anchor of the group/,
    },
    {
      what: "an expired certificate",
      bundle: async () => {
        const notAfter = new Date(Date.now() - 86_400_000);
        return uncheckedBundle(await members.test.peer({ ...ROLES.other, notAfter }));
      },
      says: /has expired/,
    },
    {
      what: "a certificate without an organisation",
      bundle: async () => {
        const subject = "/serialNumber=00000000000000000009";
        return uncheckedBundle(await members.test.oddPeer({ subject }));
      },
      says: /has no O \(organisation\)/,
    },
  ];
  for (const { what, bundle, says } of refusedPeers) {
    it(`refuses ${what}, and logs where it came from and why`, async () => {
      const served = await serve(whoCalls);
      const error = await errorOf(listPeers(await clientFor(served, await bundle())));
      expect(error.code).to.equal(status.UNAVAILABLE);
      const line = await logged(served, /connection refused/);
      expect(line).to.match(says);
      expect(JSON.parse(line)).to.include({ remote: "127.0.0.1" });
    });
  }

  it("refuses a client without certificate", async () => {
    const served = await serve(whoCalls);
    const { secureContext: _, ...options } = clientTls(members.bundles.other, members.group, {
      peerId: members.bundles.directory.identity.peerId,
      alpn: ["h2"],
    });
    const ca = await readFile(`${members.test.caDir}/root.pem`);
    const socket = connect({ ...options, ca, port: served.port, servername: "directory.test" });
    socket.on("error", () => undefined);
    await once(socket, "close");
    expect(await logged(served, /connection refused/)).to.match(/showed no certificate/);
  });

  it("refuses a client that does not speak HTTP/2", async () => {
    const served = await serve(whoCalls);
    const options = clientTls(members.bundles.other, members.group, {
      peerId: members.bundles.directory.identity.peerId,
      alpn: [],
    });
    const { ALPNProtocols: _, ...rest } = options;
    const socket = connect({ ...rest, port: served.port, servername: "directory.test" });
    socket.on("error", () => undefined);
    await once(socket, "close");
    expect(await logged(served, /connection refused/)).to.match(/does not speak HTTP\/2/);
  });

  describe("with another protocol on its port", () => {
    const handOver = async (...names: readonly string[]) => {
      const handedOver: string[] = [];
      let admitted = 0;
      const { directory } = members.bundles;
      const served = await serve(whoCalls, {
        tls: () => serverTls(directory, members.group, ["x/1", "h2", "y/1"]),
        admitted: () => (admitted += 1),
        others: new Map(
          names.map((name) => [
            name,
            (socket, { peerId }) => {
              socket.on("error", () => undefined);
              handedOver.push(`${String(socket.alpnProtocol)} ${peerId}`);
              socket.end();
            },
          ]),
        ),
      });
      return { served, handedOver, admitted: () => admitted };
    };
    const speak = async ({ port }: Served, alpn: readonly string[]): Promise<void> => {
      const { peerId } = members.bundles.directory.identity;
      const { ALPNProtocols, ...rest } = clientTls(members.bundles.other, members.group, {
        ...{ peerId, alpn },
      });
      const asked = alpn.length === 0 ? rest : { ...rest, ALPNProtocols };
      const socket = connect({ ...asked, port, servername: "directory.test" });
      socket.on("error", () => undefined).resume();
      await once(socket, "close");
    };

    it("hands over who speaks it, and who names none where that is taken", async () => {
      const { served, handedOver, admitted } = await handOver("x/1", "");
      await speak(served, ["h2", "x/1"]);
      await speak(served, []);
      const { peerId } = members.bundles.other.identity;
      expect(handedOver).to.deep.equal([`x/1 ${peerId}`, `false ${peerId}`]);
      expect(admitted()).to.equal(2);
      await listPeers(await clientFor(served));
      expect(admitted()).to.equal(3);
      expect(handedOver).to.have.length(2);
    });

    for (const alpn of [[], ["y/1"]]) {
      it(`refuses who speaks ${alpn.join() || "nothing in particular"} when that is not taken`, async () => {
        const { served, handedOver, admitted } = await handOver("x/1");
        await speak(served, alpn);
        await logged(served, /connection refused/);
        expect(handedOver).to.deep.equal([]);
        expect(admitted()).to.equal(0);
      });
    }
  });

  it("refuses a message that is too large", async () => {
    const served = await serve(whoCalls, { messageBytesMax: 1000 });
    const client = await clientFor(served);
    const error = await errorOf(listPeers(client, { nameContains: "x".repeat(1001) }));
    expect(error.code).to.equal(status.RESOURCE_EXHAUSTED);
  });

  it("drops connections beyond the limit, unread", async () => {
    const served = await serve(whoCalls, { connectionsMax: 1 });
    await listPeers(await clientFor(served));
    const error = await errorOf(listPeers(await clientFor(served, members.bundles.other)));
    expect(error.code).to.equal(status.UNAVAILABLE);
    await logged(served, /too many are open/);
  });

  it("answers an error of the table with its code, its words and nothing of its cause", async () => {
    const served = await serve((server) => ({
      listPeers: server.unary(() => {
        throw new SchakelError("ERROR_CODE_PEER_NOT_FOUND", {
          detail: "none here",
          choices: ["a", "b"],
          cause: new Error("hidden"),
        });
      }),
    }));
    const error = await errorOf(listPeers(await clientFor(served)));
    expect(error.code).to.equal(status.NOT_FOUND);
    expect(error.details).to.match(/none here$/);
    const { code, body } = detailsOf(error);
    expect(code).to.equal("ERROR_CODE_PEER_NOT_FOUND");
    expect(body).to.deep.include({ domain: "ERROR_DOMAIN_DIRECTORY", choices: ["a", "b"] });
    expect(JSON.stringify([error.details, body])).not.to.contain("hidden");
    expect(served.lines).to.deep.equal([]);
  });

  it("answers a fault of its own without a word of it, and logs it", async () => {
    const served = await serve((server) => ({
      listPeers: server.unary(() => Promise.reject(new TypeError("the secret path /x"))),
    }));
    const error = await errorOf(listPeers(await clientFor(served)));
    expect(error.code).to.equal(status.INTERNAL);
    expect(detailsOf(error).code).to.equal("ERROR_CODE_INTERNAL");
    expect(JSON.stringify([error.message, detailsOf(error).body])).not.to.contain("secret");
    expect(await logged(served, /a call failed/)).to.match(/the secret path \/x/);
  });

  it("answers a method that is not there as gRPC does", async () => {
    const client = await clientFor(await serve(whoCalls));
    const request = { groupId: "test", peerId: "", serviceName: "" };
    const error = await errorOf(answerOf((...rest) => client.getService(request, ...rest)));
    expect(error.code).to.equal(status.UNIMPLEMENTED);
  });

  it("shows a renewed certificate to new connections and keeps the open ones", async () => {
    let bundle = members.bundles.directory;
    const served = await serve(whoCalls, {
      tls: () => serverTls(bundle, members.group, ["h2"]),
    });
    const before = await clientFor(served);
    await listPeers(before);
    const renewed = await members.test.peer(ROLES.directory);
    bundle = await loadBundle(renewed.files, members.group);
    served.server.reload();
    await listPeers(before);
    const socket = connect({
      ...clientTls(members.bundles.other, members.group, {
        peerId: bundle.identity.peerId,
        alpn: ["h2"],
      }),
      port: served.port,
      servername: "directory.test",
    });
    await once(socket, "secureConnect");
    expect(socket.getPeerX509Certificate()?.serialNumber).to.equal(bundle.chain[0]?.serialNumber);
    socket.destroy();
  });

  it("cuts open connections of a CA that the group trusts no longer", async () => {
    const other = await Members.create({ groupId: "stranger" });
    ended.push(() => other.remove());
    const anchors = [...members.group.anchors, ...other.group.anchors];
    let group: Group = { ...members.group, anchors };
    const served = await serve(whoCalls, {
      tls: () => serverTls(members.bundles.directory, group, ["h2"]),
      admit: (socket) => admit(socket, group),
    });
    const [ours, theirs] = [await clientFor(served), await clientFor(served, other.bundles.other)];
    await listPeers(ours);
    await listPeers(theirs);
    group = members.group;
    served.server.reload();
    expect(await logged(served, /connection ended/)).to.match(/the chain stops at/);
    // Who still counts goes on.
    await listPeers(ours);
    expect(served.lines.filter((line) => line.includes("connection ended"))).to.have.lengthOf(1);
    const again = await clientFor(served, other.bundles.other);
    expect((await errorOf(listPeers(again))).code).to.equal(status.UNAVAILABLE);
    expect(await logged(served, /connection refused/)).to.match(/does not lead to an anchor/);
  });

  it("keeps open connections when an anchor joins the group", async () => {
    const other = await Members.create({ groupId: "stranger" });
    ended.push(() => other.remove());
    let group = members.group;
    const served = await serve(whoCalls, { admit: (socket) => admit(socket, group) });
    const client = await clientFor(served);
    await listPeers(client);
    group = { ...group, anchors: [...group.anchors, ...other.group.anchors] };
    served.server.reload();
    await listPeers(client);
    expect(served.lines).to.deep.equal([]);
  });

  it("lets a running call finish when it stops, and takes no new ones", async () => {
    let finish: (() => void) | undefined;
    const served = await serveCalls(
      members,
      (server) => ({
        listPeers: server.unary(() => new Promise((resolve) => (finish = () => resolve(nobody)))),
      }),
      { stopMs: 5_000 },
    );
    const client = await clientFor(served);
    const running = listPeers(client);
    await until("the call to arrive", () => finish);
    const stopped = served.server.stop();
    const late = await clientFor(served, members.bundles.other);
    expect((await errorOf(listPeers(late))).code).to.equal(status.UNAVAILABLE);
    finish?.();
    expect(await running).to.deep.equal(nobody);
    await stopped;
  });

  it("ends calls that do not finish in time", async () => {
    let arrived = false;
    const served = await serveCalls(members, () => ({
      listPeers: () => {
        arrived = true;
      },
    }));
    const running = errorOf(listPeers(await clientFor(served)));
    await until("the call to arrive", () => arrived);
    const before = performance.now();
    await served.server.stop();
    expect((await running).code).to.be.oneOf([status.UNAVAILABLE, status.CANCELLED]);
    expect(performance.now() - before).to.be.below(3_000);
  });

  it("lets no client in whose handshake was under way when it stopped", async () => {
    const served = await serveCalls(members, whoCalls);
    const { port } = served;
    const tls = clientTls(members.bundles.other, members.group, {
      peerId: members.bundles.directory.identity.peerId,
      alpn: ["h2"],
    });
    const plain = connectPlain({ host: "127.0.0.1", port });
    await once(plain, "connect");
    await served.server.stop();
    const socket = connect({ ...tls, socket: plain, servername: "directory.test" });
    socket.on("error", () => undefined);
    socket.resume();
    await once(socket, "close");
    expect(served.lines).to.deep.equal([]);
  });
});
