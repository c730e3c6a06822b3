// TLS inside an organisation: who gets in, whom a component takes for its manager, and that the internal
// CA and the anchors of a group never stand in for each other.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import {
  connect,
  createServer,
  type ConnectionOptions,
  type Server,
  type TLSSocket,
} from "node:tls";
import { expect } from "chai";
import { loadBundle, type Bundle } from "../../certs/bundle.js";
import { loadGroup, type Group } from "../../certs/group.js";
import { signCertificate } from "../../certs/issue.js";
import { loadInternalBundle, type InternalBundle } from "../../certs/internal-bundle.js";
import type { InternalIdentity } from "../../certs/internal-identity.js";
import {
  admitInternal,
  checkManager,
  internalSecureContext,
  internalServerTls,
} from "../../certs/internal-tls.js";
import { clientSecureContext, clientTls, serverTls } from "../../certs/tls.js";
import { dial } from "../../core/dial.js";
import type { PeerId } from "../../core/names.js";
import { Admitting, read } from "../support/admitting.js";
import { InternalPki } from "../support/internal-pki.js";
import { TestGroup } from "../support/pki.js";
import { until } from "../support/until.js";

const DAY_MS = 86_400_000;
const ALPN = ["schakel-test"];
const POLICY = { ports: undefined, privateAddresses: true, hosts: new Map<string, string>() };

type Verdict = { readonly admitted: InternalIdentity | undefined } | { readonly refused: string };

/** A server inside the organisation that admits as the manager does, and keeps what it decided. */
class InternalServer {
  readonly verdicts: Verdict[] = [];
  readonly sockets: TLSSocket[] = [];
  readonly resumed: boolean[] = [];
  readonly server: Server;

  constructor(readonly bundle: InternalBundle) {
    this.server = createServer(internalServerTls(bundle, ALPN), (socket) => {
      this.sockets.push(socket);
      this.resumed.push(socket.isSessionReused());
      socket.on("error", () => undefined);
      try {
        this.verdicts.push({ admitted: admitInternal(socket, bundle) });
        socket.end("admitted");
      } catch (error) {
        this.verdicts.push({ refused: String(error) });
        socket.destroy();
      }
    });
    this.server.on("tlsClientError", () => undefined);
  }

  async listen(): Promise<number> {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    return (this.server.address() as AddressInfo).port;
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}

const reasonOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
  } catch (error) {
    return String(error);
  }
  throw new Error("it was not refused");
};

describe("certs/internal-tls", function () {
  this.timeout(60_000);
  let ours: InternalPki;
  let theirs: InternalPki;
  let group: TestGroup;
  let loaded: Group;
  let peer: Bundle;
  let manager: InternalBundle;
  let server: InternalServer;
  let port = 0;

  before(async () => {
    ours = await InternalPki.create("Ours");
    theirs = await InternalPki.create("Theirs");
    group = await TestGroup.create();
    loaded = await loadGroup(group.groupFile);
    const about = { peerId: "00000000000000000002", name: "Peer", names: ["peer.test"] };
    peer = await loadBundle((await group.peer(about)).files, loaded);
    manager = await ours.bundle("manager", "manager");
    server = new InternalServer(manager);
    port = await server.listen();
  });
  after(async () => {
    server.close();
    await Promise.all([ours.remove(), theirs.remove(), group.remove()]);
  });

  /** What the server decides about a client with these options, whatever the client makes of the server. */
  const verdictOn = async (options: ConnectionOptions): Promise<Verdict> => {
    const before = server.verdicts.length;
    await read({ port, rejectUnauthorized: false, ...options });
    return await until("a verdict", () => server.verdicts[before]);
  };
  const shown = ({ keyPem, chainPem }: { readonly keyPem: string; readonly chainPem: string }) => ({
    key: keyPem,
    cert: chainPem,
  });
  const signedSubject = async (
    ...subject: readonly (readonly [type: string, value: string])[]
  ): Promise<{ keyPem: string; chainPem: string }> => {
    const bundle = await ours.bundle("cli", "x");
    const now = Date.now();
    const certificate = await signCertificate(ours.ca, {
      publicKey: bundle.key,
      subject: subject.map(([type, value]) => ({ type, value })),
      names: ["peer.test"],
      notBefore: new Date(now - DAY_MS),
      notAfter: new Date(now + DAY_MS),
      purposes: ["client authentication", "server authentication"],
    });
    return {
      keyPem: bundle.keyPem,
      chainPem: certificate.toString() + ours.ca.issuing.toString(),
    };
  };

  const refusals: readonly {
    readonly what: string;
    readonly client: () => Promise<{ readonly keyPem: string; readonly chainPem: string }>;
    readonly says: RegExp;
  }[] = [
    {
      what: "a certificate of a peer in a group",
      client: () => Promise.resolve(peer),
      says: /issued by \(O="Test CA test".* must lead to \(O="Ours internal"/,
    },
    {
      what: "a certificate of another organisation's internal CA",
      client: () => theirs.bundle("inway", "one"),
      says: /issued by \(O="Theirs internal"/,
    },
    {
      what: "an expired certificate",
      client: () => ours.bundle("inway", "old", { now: Date.now() - 120_000, lifeMs: 60_000 }),
      says: /CERT_HAS_EXPIRED/,
    },
    {
      what: "a certificate that is not valid yet",
      client: () => ours.bundle("inway", "new", { now: Date.now() + DAY_MS }),
      says: /CERT_NOT_YET_VALID/,
    },
    {
      what: "a certificate of the internal CA that names a peer instead of a component",
      client: () => signedSubject(["2.5.4.10", "Peer"], ["2.5.4.5", "00000000000000000002"]),
      says: /its subject is not a role \(OU\) and a name \(CN\)/,
    },
    {
      what: "a certificate of the internal CA that names a peer and a component",
      client: () => signedSubject(["2.5.4.10", "P"], ["2.5.4.11", "cli"], ["2.5.4.3", "x"]),
      says: /its subject is not a role \(OU\) and a name \(CN\)/,
    },
    {
      what: "a certificate of the internal CA with two roles",
      client: () => signedSubject(["2.5.4.11", "inway"], ["2.5.4.11", "cli"], ["2.5.4.3", "x"]),
      says: /its subject is not a role \(OU\) and a name \(CN\)/,
    },
    {
      what: "a certificate of the internal CA with a role that there is not",
      client: () => signedSubject(["2.5.4.11", "boss"], ["2.5.4.3", "x"]),
      says: /OU is not a role; roles are inway, outway/,
    },
    {
      what: "a certificate of the internal CA with a name that there may not be",
      client: () => signedSubject(["2.5.4.11", "inway"], ["2.5.4.3", "a/b"]),
      says: /CN is not 1 to 100/,
    },
  ];
  for (const { what, client, says } of refusals) {
    it(`refuses ${what}`, async () => {
      const verdict = await verdictOn(shown(await client()));
      expect(verdict).to.have.property("refused").that.matches(says);
    });
  }

  it("takes no version of TLS below 1.3", async () => {
    const old = { port, maxVersion: "TLSv1.2", rejectUnauthorized: false } as const;
    expect(await reasonOf(read(old))).to.match(/alert protocol version/);
  });

  it("refuses a certificate that has expired since the handshake", async () => {
    const inway = await ours.bundle("inway", "brief", { lifeMs: DAY_MS });
    const before = server.sockets.length;
    const socket = connect({ port, ...shown(inway), rejectUnauthorized: false });
    socket.on("error", () => undefined);
    const accepted = await until("the socket", () => server.sockets[before]);
    expect(admitInternal(accepted, manager)?.name).to.equal("brief");
    expect(() => admitInternal(accepted, manager, Date.now() + 2 * DAY_MS)).to.throw(/has expired/);
    socket.destroy();
  });

  it("refuses a certificate that was judged by a root which is no longer ours", async () => {
    const inway = await ours.bundle("inway", "moved");
    const before = server.sockets.length;
    const socket = connect({ port, ...shown(inway), rejectUnauthorized: false });
    socket.on("error", () => undefined);
    const accepted = await until("the socket", () => server.sockets[before]);
    const replaced = await theirs.bundle("manager", "manager");
    expect(admitInternal(accepted, manager)?.name).to.equal("moved");
    expect(() => admitInternal(accepted, replaced)).to.throw(/root is another one/);
    socket.destroy();
  });

  it("lets in whoever shows no certificate, as nobody", async () => {
    expect(await verdictOn({})).to.deep.equal({ admitted: undefined });
  });

  it("lets in a component, by role and name", async () => {
    const inway = await ours.bundle("inway", "inway-1");
    expect(await verdictOn(shown(inway))).to.deep.equal({ admitted: inway.identity });
    expect(inway.identity).to.include({ role: "inway", name: "inway-1" });
  });

  it("resumes no session", async () => {
    const inway = await ours.bundle("inway", "inway-1");
    const options = { port, ...shown(inway), rejectUnauthorized: false };
    const first = connect(options);
    first.on("error", () => undefined);
    first.resume();
    const [session] = (await once(first, "session")) as [Buffer];
    await read({ ...options, session });
    expect(server.resumed.length).to.be.at.least(2);
    expect(server.resumed).not.to.contain(true);
  });

  describe("a component", () => {
    const reach = async (at: number, bundle: InternalBundle): Promise<void> => {
      const socket = await dial({
        address: { host: "127.0.0.1", port: at },
        policy: POLICY,
        tls: {
          secureContext: internalSecureContext(bundle),
          checkServerIdentity: checkManager(bundle),
        },
        timeoutMs: 5_000,
      });
      socket.on("error", () => undefined);
      socket.destroy();
    };
    const served = async (bundle: InternalBundle, work: (port: number) => Promise<void>) => {
      const other = new InternalServer(bundle);
      try {
        await work(await other.listen());
      } finally {
        other.close();
      }
    };

    it("takes the manager of its own organisation for its manager", async () => {
      await reach(port, await ours.bundle("inway", "inway-1"));
    });

    it("refuses another organisation's manager", async () => {
      const inway = await ours.bundle("inway", "inway-1");
      await served(await theirs.bundle("manager", "manager"), async (at) => {
        expect(await reasonOf(reach(at, inway))).to.match(/self-signed certificate/);
      });
    });

    const others = [
      // An outway serves its clients, so that its role alone tells it from the manager.
      ["outway", /has the role outway, expected is manager/],
      ["inway", /unsuitable certificate purpose/],
      ["cli", /unsuitable certificate purpose/],
      ["web", /unsuitable certificate purpose/],
      ["client", /unsuitable certificate purpose/],
    ] as const;
    for (const [role, says] of others) {
      it(`refuses a server whose certificate has the role ${role}`, async () => {
        const inway = await ours.bundle("inway", "inway-1");
        await served(await ours.bundle(role, "other"), async (at) => {
          expect(await reasonOf(reach(at, inway))).to.match(says);
        });
      });
    }

    it("refuses a server with a certificate of a group", async () => {
      const inway = await ours.bundle("inway", "inway-1");
      const admitting = new Admitting(peer, loaded, ALPN);
      const at = await admitting.listen();
      expect(await reasonOf(reach(at, inway))).to.match(/unable to (get local issuer|verify)/);
      admitting.close();
    });
  });

  describe("between organisations", () => {
    it("an internal certificate is refused by a server of the group", async () => {
      const admitting = new Admitting(peer, loaded, ALPN);
      const at = await admitting.listen();
      await read({
        port: at,
        ...shown(await ours.bundle("inway", "inway-1")),
        rejectUnauthorized: false,
      });
      const verdict = await until("a verdict", () => admitting.verdicts[0]);
      expect(verdict).to.have.property("refused").that.contains("does not lead to an anchor");
      admitting.close();
    });

    it("the internal server is refused by a client of the group", async () => {
      const tls = clientTls(peer, loaded, { peerId: "00000000000000000002" as PeerId, alpn: ALPN });
      const address = { host: "127.0.0.1", port };
      const reason = await reasonOf(dial({ address, policy: POLICY, tls, timeoutMs: 5_000 }));
      expect(reason).to.match(/self-signed certificate/);
    });

    it("a group that has the internal root as its anchor takes no component for a peer", async () => {
      const mixed = { ...loaded, anchors: [ours.ca.root] };
      const admitting = new Admitting(peer, mixed, ALPN);
      const at = await admitting.listen();
      const inway = await ours.bundle("inway", "inway-1");
      await read({ port: at, ...shown(inway), rejectUnauthorized: false });
      const verdict = await until("a verdict", () => admitting.verdicts[0]);
      expect(verdict).to.have.property("refused").that.contains("its subject has no serialNumber");
      admitting.close();
      expect(clientSecureContext(peer, mixed)).not.to.equal(internalSecureContext(inway));
      expect(serverTls(peer, mixed, ALPN).ca).to.equal(ours.ca.root.toString());
    });
  });

  it("loads the folder that it was made from", async () => {
    const dir = await ours.identity("outway", "outway-1", {
      manager: { host: "manager.internal", port: 9000 },
    });
    const bundle = await loadInternalBundle(dir);
    expect(bundle.manager).to.deep.equal({ host: "manager.internal", port: 9000 });
    expect(bundle.identity).to.include({ role: "outway", name: "outway-1" });
  });
});
