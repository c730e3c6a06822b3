// Who may use an outway: on loopback whoever runs on the machine, beyond it clients that show who they are.
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import { promisify } from "node:util";
import { expect } from "chai";
import { identityFiles } from "../../certs/internal-bundle.js";
import { connectedBy } from "../../outway/clients.js";
import type { InternalIdentity } from "../../certs/internal-identity.js";
import { intentsOf, recordsOf } from "../support/logs.js";
import { contractsOf, Plane, PROVIDER, type RunningPart } from "../support/plane.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest();

interface Answered {
  readonly status: number;
  readonly code: string | undefined;
  readonly id: string;
  readonly head: string;
}

const HOST = "outway.internal.test";
const execute = promisify(execFile);

describe("outway/clients", function () {
  this.timeout(60_000);
  const token = randomBytes(24).toString("base64url");
  const narrowToken = randomBytes(24).toString("base64url");
  let plane: Plane;
  let outway: RunningPart;
  /** The grant for the other service. */
  let another: string;
  let folders: Readonly<Record<"listed" | "token" | "unlisted" | "component", string>>;

  before(async () => {
    plane = await Plane.start();
    const { consumer } = plane;
    const { grant } = plane.agree();
    const other = plane.agree({ service: "other" });
    another = other.grant;
    plane.provider.services = [plane.service("echo"), plane.service("other")];
    consumer.clients = [
      { name: "listed", tokenHash: Buffer.of(), grantHashes: [] },
      { name: "token", tokenHash: sha256(token), grantHashes: [] },
      { name: "narrow", tokenHash: sha256(narrowToken), grantHashes: [other.grant] },
    ];
    expect(grant).not.to.equal(other.grant);
    consumer.restartStreams();
    plane.provider.restartStreams();
    folders = {
      listed: await consumer.identity("client", "listed"),
      token: await consumer.identity("client", "token"),
      unlisted: await consumer.identity("client", "unlisted"),
      component: await consumer.identity("inway", "listed"),
    };
    outway = await plane.startOutway({
      ...{ listen: "0.0.0.0:0", name: "beyond" },
      identity: await consumer.identity("outway", "beyond", [HOST]),
    });
    await until("it knows the contracts", async () => (await contractsOf(outway)) === 2);
    await plane.settled();
  });
  after(async () => {
    await plane.close();
    removeTemporaryFolders();
  });

  const over = async (
    folder: string | undefined,
    headers: readonly string[] = [],
    path = `/${PROVIDER}/echo/x`,
  ): Promise<Answered> => {
    const files = folder === undefined ? undefined : identityFiles(folder);
    const ca = await readFile(identityFiles(folders.listed).ca);
    const shown =
      files === undefined
        ? {}
        : { cert: await readFile(files.certificate), key: await readFile(files.key) };
    const text = await new Promise<string>((resolve, reject) => {
      const socket = connect({
        ...{ host: "127.0.0.1", port: outway.address.port, ca, ...shown },
        servername: HOST,
      });
      let received = "";
      socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
      socket.on("close", () => resolve(received));
      socket.on("error", (error: Error) => (received === "" ? reject(error) : undefined));
      const lines = [`GET ${path} HTTP/1.1`, "Host: outway.internal", ...headers];
      socket.write(`${lines.join("\r\n")}\r\nConnection: close\r\n\r\n`);
    });
    return {
      status: Number(/^HTTP\/1\.1 ([0-9]{3})/.exec(text)?.[1]),
      code: /^Fsc-Error-Code: (.*?)\r$/im.exec(text)?.[1],
      id: /^Fsc-Transaction-Id: (.*?)\r$/im.exec(text)?.[1] ?? "",
      head: text.split("\r\n\r\n")[0] ?? "",
    };
  };
  const bearer = (value: string): string => `Proxy-Authorization: Bearer ${value}`;
  const expectUnauthenticated = ({ status, code, head }: Answered): void => {
    expect({ status, code }).to.deep.equal({
      status: 401,
      code: "ERROR_CODE_CLIENT_UNAUTHENTICATED",
    });
    expect(head).to.match(/^WWW-Authenticate: Bearer\r?$/m);
  };
  const clientIn = async (part: RunningPart, id: string): Promise<unknown> =>
    intentsOf(await recordsOf(join(part.data, "log"))).get(id)?.exchange.client;

  const shown: readonly (readonly [string, readonly string[]])[] = [
    ["nothing", []],
    ["another scheme", ["Proxy-Authorization: Basic eDp5"]],
    ["an unknown token", [bearer("x".repeat(32))]],
    ["no token after the scheme", ["Proxy-Authorization: Bearer "]],
    ["the hash of a token", [bearer(sha256(token).toString("hex"))]],
    ["two tokens", [bearer(token), bearer(token)]],
    ["the token in Authorization", [`Authorization: Bearer ${token}`]],
  ];
  for (const [what, headers] of shown) {
    it(`refuses a client beyond loopback that shows ${what}`, async () => {
      expectUnauthenticated(await over(undefined, headers));
    });
  }

  it("refuses a certificate of no listed client, or of one that is listed with a token", async () => {
    expectUnauthenticated(await over(folders.unlisted));
    expectUnauthenticated(await over(folders.token));
    expectUnauthenticated(await over(folders.unlisted, [bearer("x".repeat(32))]));
  });

  it("ends the connection of a component that is no client", async () => {
    expect((await over(folders.component).catch(() => ({ status: NaN }))).status).to.be.NaN;
  });

  for (const role of ["inway", "outway", "manager", "cli", "web"] as const) {
    it(`takes the role ${role} for no client`, () => {
      expect(() => connectedBy({ role } as InternalIdentity)).to.throw(role);
    });
  }

  it("lets a listed certificate and a listed token pass, and records who it was", async () => {
    const byCertificate = await over(folders.listed);
    expect(byCertificate.status).to.equal(200);
    expect(await clientIn(outway, byCertificate.id)).to.equal("listed");
    const byToken = await over(undefined, [bearer(token)]);
    expect(byToken.status).to.equal(200);
    expect(await clientIn(outway, byToken.id)).to.equal("token");
    expect(plane.source.last.header("Proxy-Authorization")).to.deep.equal([]);
  });

  const curl = async (host: string, ...more: readonly string[]): Promise<string> => {
    const port = String(outway.address.port);
    const { stdout } = await execute("curl", [
      ...["--silent", "--show-error", "--noproxy", "*", "--resolve", `${host}:${port}:127.0.0.1`],
      ...["--cacert", identityFiles(folders.listed).ca, "--write-out", "%{http_code}"],
      ...["--output", "/dev/null", ...more, `https://${host}:${port}/${PROVIDER}/echo/x`],
    ]);
    return stdout;
  };

  it("is reached by an ordinary client at a host name of its certificate, by token and by certificate", async () => {
    expect(await curl(HOST, "--header", bearer(token))).to.equal("200");
    const { certificate, key } = identityFiles(folders.listed);
    expect(await curl(HOST, "--cert", certificate, "--key", key)).to.equal("200");
    expect(await curl(HOST)).to.equal("401");
  });

  it("is refused by an ordinary client at any other name", async () => {
    const refusal = await curl("other.internal.test", "--header", bearer(token)).then(
      () => "",
      String,
    );
    expect(refusal).to.match(/no alternative certificate subject name matches/);
  });

  it("refuses a client a grant that is not on its list", async () => {
    const refused = await over(undefined, [bearer(narrowToken)]);
    expect(refused).to.include({ status: 403, code: "ERROR_CODE_CLIENT_NOT_ALLOWED" });
    // The inway knows its contracts a moment before its services.
    await until("the client to be let pass to the other service", async () => {
      const { status } = await over(undefined, [bearer(narrowToken)], `/${PROVIDER}/other/x`);
      return status === 200;
    });
  });

  it("calls everybody on loopback so, but for who names itself with a token", async () => {
    const plain = await plane.call();
    expect(await clientIn(plane.outway, String(plain.headers["fsc-transaction-id"]))).to.equal(
      "loopback",
    );
    const named = await plane.call(undefined, {
      headers: [["Proxy-Authorization", `Bearer ${token}`]],
    });
    expect(named.status).to.equal(200);
    expect(await clientIn(plane.outway, String(named.headers["fsc-transaction-id"]))).to.equal(
      "token",
    );
  });

  it("refuses a token on loopback that it does not know, and a grant that its client may not use", async () => {
    for (const [value, code] of [
      ["x".repeat(32), "ERROR_CODE_CLIENT_UNAUTHENTICATED"],
      [narrowToken, "ERROR_CODE_CLIENT_NOT_ALLOWED"],
    ] as const) {
      const answer = await plane.call(undefined, {
        headers: [["Proxy-Authorization", `Bearer ${value}`]],
      });
      expect(answer.json()["code"]).to.equal(code);
    }
  });

  it("cuts what runs for a client that loses the grant or is removed, and nothing else", async () => {
    const tell = (clients: typeof plane.consumer.clients): void => {
      plane.consumer.clients = clients;
      plane.consumer.send({ clients: { clients } });
    };
    const before = plane.consumer.clients;
    const held = (which: string) =>
      plane.source.requests.filter(({ target }) => target === `/hold?${which}`).length === 1;
    const path = `/${PROVIDER}/echo/hold`;
    const narrowed = over(undefined, [bearer(token)], `${path}?narrowed`);
    const removed = over(folders.listed, [], `${path}?removed`);
    const other = plane.call(`${path}?other`);
    await until("all to be held", () => ["narrowed", "removed", "other"].every(held));
    tell(
      before.map((each) => (each.name === "token" ? { ...each, grantHashes: [another] } : each)),
    );
    const { status, code } = await narrowed;
    expect([status, code]).to.deep.equal([403, "ERROR_CODE_CLIENT_NOT_ALLOWED"]);
    tell(before.filter(({ name }) => name !== "listed"));
    expectUnauthenticated(await removed);
    plane.source.release();
    expect((await other).status).to.equal(200);
    tell(before);
    await until("it is known again", async () => (await over(folders.listed)).status === 200);
  });

  it("lets a removed client pass no more", async () => {
    plane.consumer.clients = [];
    plane.consumer.send({ clients: { clients: [] } });
    await until("it is refused", async () => (await over(folders.listed)).status === 401);
    expectUnauthenticated(await over(undefined, [bearer(token)]));
  });
});
