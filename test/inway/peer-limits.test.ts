// One peer that takes all that it may of a real inway, and what is left for others.
import { expect } from "chai";
import { once } from "node:events";
import type { TLSSocket } from "node:tls";
import type { ConnectionGrant } from "../../contracts/grant.js";
import { signToken, tokenFor } from "../../contracts/token.js";
import { newTransactionId } from "../../core/names.js";
import { connectAsOutway, exchangeRaw } from "../support/as-outway.js";
import { call } from "../support/call.js";
import { contractsOf, Plane, STRANGER, type RunningPart } from "../support/plane.js";
import type { TestPeer } from "../support/pki.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

const LIMITS = { exchangesPerPeerMax: "1", connectionsPerPeerMax: "3" };

describe("inway/peer-limits", function () {
  this.timeout(60_000);
  let plane: Plane;
  let inway: RunningPart;
  let stranger: TestPeer;
  let token = "";

  before(async () => {
    plane = await Plane.start();
    stranger = await plane.test.peer({ peerId: STRANGER, name: "Stranger", names: ["other.test"] });
    inway = await plane.startInway(LIMITS);
    const { content, grant } = plane.agree();
    const by = plane.provider.bundle;
    token = await signToken(
      tokenFor({
        ...{ content, grantHash: grant, grant: content.grants[0]?.data as ConnectionGrant },
        certificateThumbprint: plane.outwayBundle.identity.certificateThumbprint,
        ...{ inways: [{ host: "inway.test", port: 443 }], lifetimeSeconds: 600 },
        now: plane.clock.now(),
      }),
      { key: by.key, certificate: by.chain[0]! },
    );
    await until("the contract to be known", async () => (await contractsOf(inway)) === 1);
  });
  after(async () => {
    plane.source.release();
    await plane.close();
    removeTemporaryFolders();
  });

  const connect = ({ files }: TestPeer): Promise<TLSSocket> =>
    connectAsOutway({ port: inway.address.port, servername: "inway.test", files });
  const request = (target: string): string =>
    [
      ...[`GET ${target} HTTP/1.1`, "Host: inway.test", `Fsc-Authorization: Bearer ${token}`],
      ...[`Fsc-Transaction-Id: ${newTransactionId()}`, "Connection: close", "", ""],
    ].join("\r\n");
  const send = async (target: string, peer = plane.outwayPeer): Promise<string> => {
    const text = await exchangeRaw(await connect(peer), request(target), 20_000);
    const [, status = "none"] = /^HTTP\/1\.1 ([0-9]{3})/.exec(text) ?? [];
    const [, code = ""] = /^Fsc-Error-Code: (.*)\r$/im.exec(text) ?? [];
    return `${status} ${code}`.trim();
  };
  const refused = async (of: string): Promise<number> => {
    const { text } = await call(`http://127.0.0.1:${String(inway.healthAddress.port)}/metrics`);
    const line = new RegExp(`^schakel_peer_limit_refusals_total\\{of="${of}"\\} ([0-9]+)$`, "m");
    return Number(line.exec(text)?.[1] ?? 0);
  };

  it("answers an exchange too many of a peer, forwards nothing of it, and lets other peers be heard", async () => {
    const held = send("/hold");
    const isHeld = () => plane.source.requests.some(({ target }) => target === "/hold");
    await until("the first to be held", isHeld);
    expect(await send("/second")).to.equal("503 ERROR_CODE_OVERLOADED");
    expect(plane.source.requests.map(({ target }) => target)).not.to.include("/second");
    // Its token is another's: that it is looked at shows that there was room.
    expect(await send("/x", stranger)).to.equal("401 ERROR_CODE_ACCESS_TOKEN_INVALID");
    expect(await refused("exchanges")).to.equal(1);
    plane.source.release();
    expect(await held).to.equal("200");
    expect(await send("/third")).to.equal("200");
  });

  it("closes a connection too many of a peer unread, and takes one when another has ended", async () => {
    const open: TLSSocket[] = [];
    for (let count = 0; count < 3; count += 1) open.push(await connect(plane.outwayPeer));
    const fourth = await connect(plane.outwayPeer);
    fourth.on("error", () => undefined).resume();
    await once(fourth, "close");
    expect(await refused("connections")).to.equal(1);
    expect(inway.lines.join("\n")).to.contain("its peer has too many open");
    expect(await send("/x", stranger)).to.match(/^401 /);
    const [first, ...rest] = open;
    first?.destroy();
    await until("there is room again", async () => (await send("/fifth")) === "200");
    for (const each of rest) each.destroy();
  });
});
