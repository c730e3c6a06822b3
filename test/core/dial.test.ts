// Dialling another organisation: what is not dialled at all, and what is not trusted when it answers.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createTcpServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer, type ConnectionOptions, type TLSSocket } from "node:tls";
import { expect } from "chai";
import { parseAddress, type Address } from "../../core/address.js";
import { dial, DialRefused, resolveAddress, type DialPolicy } from "../../core/dial.js";
import { systemCode } from "../../core/errors.js";

const STRICT: DialPolicy = { ports: [443, 8443], privateAddresses: false, hosts: new Map() };

const at = (text: string): Address => {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
};

const thrownBy = async (work: Promise<unknown>): Promise<unknown> => {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error("nothing was refused");
};

/** A certificate for inway.test that signs itself. */
const makeCertificate = (): { key: string; cert: string } => {
  const folder = mkdtempSync(join(tmpdir(), "schakel-dial-"));
  const path = (name: string): string => join(folder, name);
  try {
    const subject = ["-subj", "/CN=inway.test", "-addext", "subjectAltName=DNS:inway.test"];
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    const files = ["-keyout", path("key"), "-out", path("cert")];
    execFileSync("openssl", ["req", "-x509", ...key, ...subject, ...files], { stdio: "ignore" });
    return { key: readFileSync(path("key"), "utf8"), cert: readFileSync(path("cert"), "utf8") };
  } finally {
    rmSync(folder, { recursive: true });
  }
};

describe("core/dial", () => {
  const refused: readonly (readonly [string, Partial<DialPolicy>])[] = [
    ["8.8.8.8:80", {}],
    ["8.8.8.8:0", {}],
    ["8.8.8.8:444", {}],
    ["127.0.0.1:443", {}],
    ["10.1.2.3:443", {}],
    ["169.254.169.254:8443", {}],
    ["[::1]:443", {}],
    ["[::ffff:127.0.0.1]:443", {}],
    ["[64:ff9b::7f00:1]:443", {}],
    ["localhost:443", {}],
    ["inway.test:443", { hosts: new Map([["inway.test", "127.0.0.1"]]) }],
    ["inway.test:443", { hosts: new Map([["inway.test", "no address"]]) }],
    ["inway.test:80", { hosts: new Map([["inway.test", "8.8.8.8"]]) }],
    ["127.0.0.1:80", { privateAddresses: true }],
    ["127.0.0.1:443", { ports: undefined }],
  ];
  for (const [text, policy] of refused) {
    it(`refuses ${text} with ${JSON.stringify([...Object.entries(policy)])}`, async () => {
      const error = await thrownBy(resolveAddress(at(text), { ...STRICT, ...policy }));
      expect(error).to.be.instanceOf(DialRefused);
      expect((error as Error).message).to.include(`${text} is not dialled`);
    });
  }

  it("does not tell to which private address a name resolves", async () => {
    const hosts = new Map([["inway.test", "10.9.8.7"]]);
    const error = await thrownBy(resolveAddress(at("inway.test:443"), { ...STRICT, hosts }));
    expect((error as Error).message).to.not.include("10.9.8.7");
  });

  it("gives the resolver's error for a name that does not exist", async () => {
    const error = await thrownBy(resolveAddress(at("nowhere.invalid:443"), STRICT));
    expect(systemCode(error)).to.match(/^(ENOTFOUND|EAI_AGAIN)$/);
  });

  const resolved: readonly (readonly [string, Partial<DialPolicy>, string])[] = [
    ["8.8.8.8:443", {}, "8.8.8.8"],
    ["[2a01::1]:8443", {}, "2a01::1"],
    ["127.0.0.1:8443", { privateAddresses: true }, "127.0.0.1"],
    ["8.8.8.8:1", { ports: undefined }, "8.8.8.8"],
    ["inway.test:443", { hosts: new Map([["inway.test", "8.8.8.8"]]) }, "8.8.8.8"],
  ];
  for (const [text, policy, ip] of resolved) {
    it(`dials ${ip} for ${text} with ${JSON.stringify([...Object.entries(policy)])}`, async () => {
      expect(await resolveAddress(at(text), { ...STRICT, ...policy })).to.equal(ip);
    });
  }

  describe("with a server", () => {
    const own = makeCertificate();
    const other = makeCertificate();
    const servers: Server[] = [];
    let received = "";

    const serve = async (server: Server): Promise<number> => {
      servers.push(server);
      await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
      return (server.address() as AddressInfo).port;
    };
    const serveTls = (): Promise<number> =>
      serve(
        createTlsServer(own, (socket) => {
          socket.on("error", () => undefined);
          socket.on("data", (bytes: Buffer) => (received += bytes.toString()));
        }),
      );
    const open = (port: number, tls: ConnectionOptions, timeoutMs = 5_000): Promise<TLSSocket> =>
      dial({
        address: { host: "inway.test", port },
        policy: { ports: undefined, privateAddresses: true, hosts: HOSTS },
        tls,
        timeoutMs,
      });
    const HOSTS = new Map([["inway.test", "127.0.0.1"]]);

    afterEach(async () => {
      for (const server of servers.splice(0))
        await new Promise((resolve) => void server.close(resolve));
      received = "";
    });

    it("refuses a certificate that no anchor of ours has signed", async () => {
      const port = await serveTls();
      const error = await thrownBy(open(port, { ca: other.cert }));
      expect(systemCode(error)).to.equal("DEPTH_ZERO_SELF_SIGNED_CERT");
    });

    it("refuses it also when the options say that nothing is checked", async () => {
      const port = await serveTls();
      const error = await thrownBy(open(port, { ca: other.cert, rejectUnauthorized: false }));
      expect(systemCode(error)).to.equal("DEPTH_ZERO_SELF_SIGNED_CERT");
    });

    it("refuses a certificate for another name, and sends nothing", async () => {
      const port = await serveTls();
      const policy = { ports: undefined, privateAddresses: true, hosts: HOSTS };
      const address = { host: "127.0.0.1", port };
      const error = await thrownBy(
        dial({ address, policy, tls: { ca: own.cert }, timeoutMs: 5_000 }),
      );
      expect(systemCode(error)).to.equal("ERR_TLS_CERT_ALTNAME_INVALID");
      expect(received).to.equal("");
    });

    it("refuses whom the check of identity refuses, with its error, and sends nothing", async () => {
      const port = await serveTls();
      const wrong = new Error("another peer");
      const tls = { ca: own.cert, checkServerIdentity: () => wrong };
      expect(await thrownBy(open(port, tls))).to.equal(wrong);
      expect(received).to.equal("");
    });

    it("gives the system's error for a port where nobody listens", async () => {
      const port = await serveTls();
      const [server] = servers.splice(0);
      await new Promise((resolve) => void server?.close(resolve));
      expect(systemCode(await thrownBy(open(port, { ca: own.cert })))).to.equal("ECONNREFUSED");
    });

    it("gives up on a server that does not speak", async () => {
      const sockets = new Set<{ destroy(): void }>();
      const port = await serve(createTcpServer((socket) => void sockets.add(socket)));
      const begun = performance.now();
      const error = await thrownBy(open(port, { ca: own.cert }, 200));
      for (const socket of sockets) socket.destroy();
      expect(systemCode(error)).to.equal("ETIMEDOUT");
      expect((error as Error).message).to.include("within 200 ms");
      expect(performance.now() - begun).to.be.within(190, 3_000);
    });

    it("refuses a server that ends the connection in the handshake", async () => {
      const port = await serve(createTcpServer((socket) => void socket.resume().end()));
      expect(systemCode(await thrownBy(open(port, { ca: own.cert })))).to.equal("ECONNRESET");
    });

    it("gives a socket to the peer, with its name in the handshake, that belongs to the caller", async () => {
      const port = await serveTls();
      const socket = await open(port, { ca: own.cert });
      expect(socket.authorized).to.equal(true);
      expect(socket.servername).to.equal("inway.test");
      expect(socket.listenerCount("error")).to.equal(0);
      socket.destroy();
    });
  });
});
