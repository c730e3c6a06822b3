// Certificates that a revocation list names, and certificates that are replaced, while exchanges go on.
import { copyFile, readFile } from "node:fs/promises";
import { expect } from "chai";
import { call } from "../support/call.js";
import { revocationListOf } from "../support/crl.js";
import { CONSUMER, Plane, PROVIDER } from "../support/plane.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

const derOf = (pem: string): Buffer =>
  Buffer.from(/-----BEGIN CERTIFICATE-----([^-]+)/.exec(pem)?.[1] ?? "", "base64");

describe("outway/revocation", function () {
  this.timeout(60_000);
  let plane: Plane;

  beforeEach(async () => {
    plane = await Plane.start();
    plane.agree();
    await until(
      "both are connected",
      () => plane.provider.connected + plane.consumer.connected === 2,
    );
    await plane.settled();
    expect((await plane.call()).status).to.equal(200);
  });
  afterEach(() => plane.close());
  after(removeTemporaryFolders);

  const listOf = async (path: string) => {
    const crl = await revocationListOf(plane.test.issuer, [path]);
    // The clock of the test has stood still while the list was made.
    plane.clock.advance(60_000);
    return { crl, issuerChain: [derOf(await readFile(plane.test.issuer.cert, "utf8"))] };
  };

  it("lets a peer in no more whose certificate is revoked, and ends its open connections", async () => {
    const held = plane.call(`/${PROVIDER}/echo/hold`);
    await until("it is at the source", () => plane.source.last.target === "/hold");
    plane.provider.send({ revocationLists: [await listOf(plane.outwayPeer.files.cert)] });
    const cut = await held;
    expect(cut.status).to.equal(502);
    expect(cut.json()["code"]).to.equal("ERROR_CODE_INWAY_UNREACHABLE");
    const before = plane.source.requests.length;
    expect((await plane.call()).status).to.equal(502);
    expect(plane.source.requests.length).to.equal(before);
    expect(plane.inway.lines.join("")).to.match(/connection ended.*|revoked/);
  });

  it("sends nothing more to an inway whose certificate is revoked, and cuts what runs", async () => {
    const held = plane.call(`/${PROVIDER}/echo/hold`);
    await until("it is at the source", () => plane.source.last.target === "/hold");
    plane.consumer.send({ revocationLists: [await listOf(plane.inwayPeer.files.cert)] });
    expect((await held).status).to.equal(502);
    const before = plane.source.requests.length;
    const refused = await plane.call();
    expect(refused.json()["code"]).to.equal("ERROR_CODE_INWAY_IDENTITY_MISMATCH");
    expect(plane.source.requests.length).to.equal(before);
  });

  it("goes on when a list names somebody else", async () => {
    const other = await plane.test.peer({ peerId: CONSUMER, name: "C", names: ["other.test"] });
    const list = await listOf(other.files.cert);
    for (const side of [plane.provider, plane.consumer]) side.send({ revocationLists: [list] });
    await until("the lists are in use", () =>
      [plane.inway, plane.outway].every(({ lines }) => lines.join("").includes("lists are in use")),
    );
    expect((await plane.call()).status).to.equal(200);
  });

  it("warns on its health page of a certificate of another peer, and goes on with its own", async () => {
    const theirs = await plane.test.peer({
      ...{ peerId: PROVIDER, name: "Consumer", names: ["outway.test"] },
    });
    await copyFile(theirs.files.cert, plane.outwayPeer.files.cert);
    await copyFile(theirs.files.key, plane.outwayPeer.files.key);
    const ready = `http://127.0.0.1:${String(plane.outway.healthAddress.port)}/health/ready`;
    const page = await until("the warning", async () => {
      const { text } = await call(ready);
      return text.includes("this process runs for peer") && text;
    });
    expect(page).to.contain(`names peer ${PROVIDER}`).and.to.contain('"warnings"');
    expect((await plane.call()).status).to.equal(200);
  });

  it("asks for a token again at once when our certificate is replaced, and uses both together", async () => {
    expect(plane.provider.tokensAsked).to.equal(1);
    const renewed = await plane.test.peer({
      ...{ peerId: CONSUMER, name: "Consumer", names: ["outway.test"] },
    });
    await copyFile(renewed.files.cert, plane.outwayPeer.files.cert);
    await until("it asks without being called", () => plane.provider.tokensAsked === 2);
    const before = plane.source.requests.length;
    expect((await plane.call()).status).to.equal(200);
    expect(plane.source.requests.length).to.equal(before + 1);
    expect(plane.provider.tokensAsked).to.equal(2);
  });
});
