// Checks certs/tls.ts: what it refuses, then what it does.
import { expect } from "chai";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { connect, createServer, type ConnectionOptions } from "node:tls";
import { loadBundle, type Bundle, type BundleFiles } from "../../certs/bundle.js";
import { loadGroup, type Group } from "../../certs/group.js";
import { clientTls, PeerMismatch, sourceTls } from "../../certs/tls.js";
import { systemCode } from "../../core/errors.js";
import { parseAddress } from "../../core/address.js";
import { dial } from "../../core/dial.js";
import type { PeerId } from "../../core/names.js";
import { Admitting, read } from "../support/admitting.js";
import {
  caExtensions,
  makeOdd,
  makeOddCa,
  peerExtensions,
  type KeyKind,
  type OddCertificate,
} from "../support/openssl.js";
import { TestGroup, type TestPeer } from "../support/pki.js";
import { until } from "../support/until.js";

const SERVER = "00000000000000000001" as PeerId;
const CLIENT = "00000000000000000002" as PeerId;
const SUBJECT = `/O=Gemeente/serialNumber=${CLIENT}`;
const ALPN = ["schakel-test"];
const DAY_MS = 86_400_000;

const rejection = async (work: Promise<unknown>): Promise<Error> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("it was not refused");
};

describe("certs/tls", function () {
  this.timeout(60_000);
  let test: TestGroup;
  let group: Group;
  let server: TestPeer;
  let client: TestPeer;
  let bundle: Bundle;
  let admitting: Admitting;
  let port: number;

  /** Raw client options, as a stranger's client has them. */
  const stranger = (files: BundleFiles | undefined): ConnectionOptions => ({
    port,
    ca: readFileSync(join(test.caDir, "root.pem")),
    ...(files === undefined
      ? {}
      : { cert: readFileSync(files.cert), key: readFileSync(files.key) }),
    // Old libraries still send weak certificates.
    ciphers: "DEFAULT@SECLEVEL=0",
  });

  before(async () => {
    test = await TestGroup.create();
    group = await loadGroup(test.groupFile);
    server = await test.peer({ peerId: SERVER, name: "Server", names: ["server.test"] });
    client = await test.peer({ peerId: CLIENT, name: "Gemeente Ütrecht", names: ["client.test"] });
    bundle = await loadBundle(client.files, group);
    admitting = new Admitting(await loadBundle(server.files, group), group, ALPN);
    port = await admitting.listen();
  });
  after(async () => {
    admitting.close();
    await test.remove();
  });

  describe("a server", () => {
    const odd = async (options: Partial<OddCertificate>): Promise<BundleFiles> =>
      (await test.oddPeer({ subject: SUBJECT, ...options })).files;

    const refusals: readonly {
      readonly what: string;
      readonly files: () => Promise<BundleFiles | undefined>;
      readonly reason: string;
    }[] = [
      {
        what: "shows no certificate",
        files: () => Promise.resolve(undefined),
        reason: "the client showed no certificate",
      },
      {
        what: "shows a certificate of another anchor",
        files: async () => {
          const ca = await makeOddCa(join(test.dir, "another"), "Another", "P-256");
          const dir = join(test.dir, "another", "peer");
          return await makeOdd({ dir, subject: SUBJECT, issuer: ca.issuing });
        },
        reason: 'was issued by (O="Another", CN="Another issuing") and does not lead to an anchor',
      },
      {
        what: "shows a certificate of another CA with our CA's name",
        files: async () => {
          const root = await makeOdd({
            dir: join(test.dir, "fake"),
            subject: "/O=Test CA test/CN=Test CA test root CA",
            extensions: caExtensions(),
          });
          return await makeOdd({
            dir: join(test.dir, "fake", "p"),
            subject: SUBJECT,
            issuer: root,
          });
        },
        reason: "does not lead to an anchor of the group",
      },
      {
        what: "shows a certificate that it signed itself",
        files: async () => await makeOdd({ dir: join(test.dir, "self"), subject: SUBJECT }),
        reason: "does not lead to an anchor of the group",
      },
      {
        what: "shows a certificate without the issuing CA",
        files: async () => await odd({ issuer: { cert: test.issuer.cert, key: test.issuer.key } }),
        reason: "does not lead to an anchor of the group",
      },
      {
        what: "shows an expired certificate",
        files: async () => {
          const notAfter = new Date(Date.now() - DAY_MS);
          return (await test.peer({ peerId: CLIENT, name: "G", names: ["c.test"], notAfter }))
            .files;
        },
        reason: "has expired (it is valid until ",
      },
      {
        what: "shows a certificate of tomorrow",
        files: async () => {
          const notBefore = new Date(Date.now() + DAY_MS);
          return (await test.peer({ peerId: CLIENT, name: "G", names: ["c.test"], notBefore }))
            .files;
        },
        reason: "is not valid yet (it is valid from ",
      },
      {
        what: "shows a certificate for servers alone",
        files: () => odd({ extensions: ["extendedKeyUsage=serverAuth"] }),
        reason: "for another purpose than client authentication",
      },
      {
        what: "shows a certificate for signing programs",
        files: () => odd({ extensions: ["extendedKeyUsage=codeSigning"] }),
        reason: "for another purpose than client authentication",
      },
      {
        what: "shows a certificate without O",
        files: () => odd({ subject: `/serialNumber=${CLIENT}` }),
        reason: "its subject has no O (organisation)",
      },
      {
        what: "shows a certificate without serialNumber",
        files: () => odd({ subject: "/O=Gemeente/CN=00000000000000000002" }),
        reason: "its subject has no serialNumber",
      },
      {
        what: "shows a certificate with two serialNumbers",
        files: () => odd({ subject: `${SUBJECT}/serialNumber=${SERVER}` }),
        reason: "more than one serialNumber",
      },
      {
        what: "shows a certificate with an id that is not by the rule",
        files: () => odd({ subject: "/O=Gemeente/serialNumber=2" }),
        reason: "not a peer id by the group's rule",
      },
      {
        what: "shows a CA's certificate",
        files: () => odd({ extensions: ["basicConstraints=CA:TRUE"] }),
        reason: "certificate of a CA",
      },
      {
        what: "shows a certificate with an RSA key of 1024 bits",
        files: () => odd({ key: "rsa:1024" }),
        reason: "an RSA key of 1024 bits",
      },
      {
        what: "shows a certificate with a SHA-1 signature",
        files: () => odd({ digest: "sha1" }),
        reason: "signed with the algorithm 1.2.840.113549.1.1.5",
      },
      {
        what: "shows a certificate with an Ed25519 key",
        files: () => odd({ key: "ed25519" }),
        reason: "a key of the kind ed25519",
      },
      {
        what: "shows a certificate below a peer's certificate",
        files: async () => {
          const chain = join(test.dir, "peers", "1", "cert.pem");
          const { cert, key } = server.files;
          return await odd({ issuer: { cert, key, chain } });
        },
        reason: "refused",
      },
    ];
    for (const { what, files, reason } of refusals) {
      it(`refuses a client that ${what}, and says why`, async () => {
        const before = admitting.verdicts.length;
        const { text } = await read(stranger(await files()));
        expect(text).to.equal("");
        const verdict = admitting.verdicts[before];
        expect(verdict).to.have.property("refused").that.contains(reason);
        expect(verdict)
          .to.have.property("refused")
          .that.matches(/^[^\n\r]*$/);
      });
    }

    for (const key of ["rsa:2048", "P-256", "P-384"] as const satisfies readonly KeyKind[]) {
      it(`admits a client with a certificate of the group and a key of ${key}`, async () => {
        const files = await odd({ key, extensions: peerExtensions("client.test") });
        const { text } = await read(stranger(files));
        expect(text).to.equal("admitted");
        expect(admitting.verdicts.at(-1)).to.have.nested.property("admitted.peerId", CLIENT);
      });
    }

    it("admits a client of an EC CA that is an anchor beside ours", async () => {
      const ca = await makeOddCa(join(test.dir, "ec"), "EC", "P-256");
      await test.writeGroup({
        trust_anchors: [...test.content.trust_anchors, readFileSync(ca.root.cert, "utf8")],
      });
      const wider = await loadGroup(test.groupFile);
      const extensions = peerExtensions("ec.test");
      const ecServer = await makeOdd({
        dir: join(test.dir, "ec", "server"),
        subject: `/O=Rijk/serialNumber=${SERVER}`,
        key: "P-256",
        extensions,
        issuer: ca.issuing,
      });
      const both = new Admitting(await loadBundle(ecServer, wider), wider, ALPN);
      try {
        const address = parseAddress(`ec.test:${String(await both.listen())}`);
        if (address === undefined) throw new Error("no address");
        const socket = await dial({
          address,
          policy: {
            ports: undefined,
            privateAddresses: true,
            hosts: new Map([["ec.test", "127.0.0.1"]]),
          },
          tls: clientTls(await loadBundle(client.files, wider), wider, {
            peerId: SERVER,
            alpn: ALPN,
          }),
          timeoutMs: 5000,
        });
        expect(socket.alpnProtocol).to.equal("schakel-test");
        await until("the server's verdict", () => both.verdicts.length === 1);
        socket.destroy();
        expect(both.verdicts).to.have.nested.property("[0].admitted.name", "Gemeente Ütrecht");
      } finally {
        both.close();
      }
    });

    it("never resumes a session, which would skip the check", async () => {
      for (const maxVersion of ["TLSv1.3", "TLSv1.2"] as const) {
        const older = maxVersion === "TLSv1.2";
        if (older) await test.writeGroup({ tls_minimum: "1.2" });
        const lower = await loadGroup(test.groupFile);
        const own = new Admitting(await loadBundle(server.files, lower), lower, ALPN);
        try {
          const options = { ...stranger(client.files), port: await own.listen(), maxVersion };
          const sessions: Buffer[] = [];
          const first = connect({ host: "127.0.0.1", servername: "server.test", ...options });
          first.on("session", (session) => void sessions.push(session));
          first.resume();
          await once(first, "close");
          const session = sessions.at(-1) ?? first.getSession();
          const second = await read({ ...options, ...(session === undefined ? {} : { session }) });
          expect(second.text).to.equal("admitted");
          expect(own.handshakes.map(({ resumed }) => resumed)).to.deep.equal([false, false]);
        } finally {
          own.close();
        }
      }
    });

    it("shows a renewed certificate to the next client, and still resumes nothing", async () => {
      const own = new Admitting(await loadBundle(server.files, group), group, ALPN);
      try {
        const options = { ...stranger(client.files), port: await own.listen() };
        const shown: (string | undefined)[] = [];
        const sessions: Buffer[] = [];
        for (const name of ["server.test", "renewed.test", "renewed.test"]) {
          const session = sessions.at(-1);
          const socket = connect({
            host: "127.0.0.1",
            ...options,
            servername: name,
            ...(session === undefined ? {} : { session }),
          });
          socket.on("session", (each) => void sessions.push(each));
          socket.on("secureConnect", () =>
            shown.push(socket.getPeerX509Certificate()?.subjectAltName),
          );
          socket.resume();
          await once(socket, "close");
          const peer = await test.peer({ peerId: SERVER, name: "S", names: ["renewed.test"] });
          own.renew(await loadBundle(peer.files, group), group);
        }
        expect(shown).to.deep.equal(["DNS:server.test", "DNS:renewed.test", "DNS:renewed.test"]);
        expect(own.handshakes.map(({ resumed }) => resumed)).to.deep.equal([false, false, false]);
      } finally {
        own.close();
      }
    });

    it("refuses TLS 1.2 unless the group allows it, and then takes AEAD suites with forward secrecy alone", async () => {
      const old = { ...stranger(client.files), maxVersion: "TLSv1.2" } as const;
      expect(systemCode(await rejection(read(old)))).to.match(/PROTOCOL_VERSION/);
      await test.writeGroup({ tls_minimum: "1.2" });
      const lower = await loadGroup(test.groupFile);
      const own = new Admitting(await loadBundle(server.files, lower), lower, ALPN);
      try {
        const options = { ...old, port: await own.listen() };
        expect((await read(options)).text).to.equal("admitted");
        for (const suite of [
          "ECDHE-RSA-AES128-SHA256",
          "AES256-GCM-SHA384",
          "DHE-RSA-AES256-GCM-SHA384",
        ]) {
          const error = await rejection(read({ ...options, ciphers: `${suite}:@SECLEVEL=0` }));
          expect(systemCode(error), suite).to.match(/HANDSHAKE_FAILURE/);
        }
        expect(own.handshakes[0]?.protocol).to.equal("TLSv1.2");
        const tooOld = { ...options, minVersion: "TLSv1.1", maxVersion: "TLSv1.1" } as const;
        await rejection(read({ ...tooOld, ciphers: "ALL:@SECLEVEL=0" }));
      } finally {
        own.close();
      }
    });
  });

  describe("a client", () => {
    const call = async (
      files: BundleFiles,
      options: ConnectionOptions,
    ): Promise<Error | string> => {
      const raw = createServer(
        {
          cert: readFileSync(files.cert),
          key: readFileSync(files.key),
          ciphers: "DEFAULT@SECLEVEL=0",
        },
        (socket) => {
          socket.on("error", () => undefined);
          socket.end("hello");
        },
      );
      raw.on("tlsClientError", () => undefined);
      raw.listen(0, "127.0.0.1");
      await once(raw, "listening");
      try {
        const { port: rawPort } = raw.address() as AddressInfo;
        return (await read({ ...options, port: rawPort })).text;
      } catch (error) {
        if (error instanceof Error) return error;
        throw error;
      } finally {
        raw.close();
      }
    };
    const ours = (): ConnectionOptions => clientTls(bundle, group, { peerId: SERVER, alpn: [] });

    const mismatches: readonly (Partial<OddCertificate> & { what: string; reason: RegExp })[] = [
      {
        what: "another peer at the right name",
        subject: SUBJECT,
        extensions: peerExtensions("server.test"),
        reason: /the peer that answered is 00000000000000000002, expected is 00000000000000000001/,
      },
      {
        what: "the right peer at another name",
        extensions: peerExtensions("other.test"),
        reason: /the name server\.test is not in the certificate .*\(names are: other\.test\)/,
      },
      {
        what: "the name in the CN alone",
        subject: `/O=Server/serialNumber=${SERVER}/CN=server.test`,
        extensions: ["extendedKeyUsage=serverAuth"],
        reason: /\(names are: none\)/,
      },
      {
        what: "a certificate without O",
        subject: `/serialNumber=${SERVER}`,
        extensions: peerExtensions("server.test"),
        reason: /no peer's: its subject has no O/,
      },
      {
        what: "a certificate without serialNumber",
        subject: "/O=Server",
        extensions: peerExtensions("server.test"),
        reason: /no peer's: its subject has no serialNumber/,
      },
      {
        what: "an Ed25519 key",
        key: "ed25519",
        extensions: peerExtensions("server.test"),
        reason: /no peer's: it has a key of the kind ed25519/,
      },
    ];
    for (const { what, reason, ...odd } of mismatches) {
      it(`refuses ${what}`, async () => {
        const subject = `/O=Server/serialNumber=${SERVER}`;
        const { files } = await test.oddPeer({ subject, ...odd });
        const error = await call(files, ours());
        expect(error).to.be.instanceOf(PeerMismatch);
        expect(error).to.have.property("code", "SCHAKEL_PEER_MISMATCH");
        expect(error).to.have.property("message").that.matches(reason);
      });
    }

    const failures: readonly {
      readonly what: string;
      readonly files: () => Promise<BundleFiles>;
      readonly code: RegExp;
    }[] = [
      {
        what: "a certificate of another anchor",
        files: () =>
          makeOdd({
            dir: join(test.dir, "impostor"),
            subject: `/O=Server/serialNumber=${SERVER}`,
            extensions: peerExtensions("server.test"),
          }),
        code: /SELF_SIGNED|UNABLE_TO/,
      },
      {
        what: "an expired certificate",
        files: async () => {
          const notAfter = new Date(Date.now() - DAY_MS);
          const names = ["server.test"];
          return (await test.peer({ peerId: SERVER, name: "S", names, notAfter })).files;
        },
        code: /^CERT_HAS_EXPIRED$/,
      },
      {
        what: "a certificate for clients alone",
        files: async () => {
          const names = ["server.test"];
          const purposes = ["client authentication"] as const;
          return (await test.peer({ peerId: SERVER, name: "S", names, purposes })).files;
        },
        code: /^INVALID_PURPOSE$/,
      },
      {
        what: "a weak key",
        files: async () => (await test.oddPeer({ subject: SUBJECT, key: "rsa:1024" })).files,
        code: /TOO_SMALL|TOO_WEAK|UNSPECIFIED/,
      },
    ];
    for (const { what, files, code } of failures) {
      it(`refuses ${what}`, async () => {
        expect(systemCode(await call(await files(), ours()))).to.match(code);
      });
    }

    it("refuses an IP address as the name, whatever the certificate says", async () => {
      const { files } = await test.oddPeer({
        subject: `/O=Server/serialNumber=${SERVER}`,
        extensions: ["subjectAltName=IP:127.0.0.1", "extendedKeyUsage=serverAuth"],
      });
      const error = await call(files, { ...ours(), servername: "" });
      expect(error).to.be.instanceOf(PeerMismatch);
    });

    it("reads from the right peer", async () => {
      expect(await call(server.files, ours())).to.equal("hello");
    });

    it("makes one context for a bundle and group", () => {
      expect(ours().secureContext).to.equal(ours().secureContext);
    });
  });

  it("checks the certificate of a source against the machine's own authorities", async () => {
    const error = await rejection(read({ ...sourceTls(), port }));
    expect(systemCode(error)).to.match(/SELF_SIGNED|UNABLE_TO/);
  });
});
