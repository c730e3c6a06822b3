// Whoever shows no certificate inside the organisation has few connections for a short time, and those with one
// have theirs whatever strangers do.
import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { expect } from "chai";
import { Organisations, type Organisation } from "../support/managers.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

const MAX = 5;

describe("manager/strangers", function () {
  this.timeout(60_000);
  let network: Organisations;
  let organisation: Organisation;
  const sockets: TLSSocket[] = [];

  const start = async (more: Readonly<Record<string, string>>): Promise<void> => {
    network = await Organisations.prepare(1);
    organisation = network.at(0);
    organisation.more = { enrolmentConnectionsMax: String(MAX), ...more };
    await organisation.start();
  };
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await network.remove();
  });
  after(removeTemporaryFolders);

  /** A connection without a certificate that says nothing. */
  const stranger = async (): Promise<TLSSocket> => {
    const { port } = organisation.manager.internalAddress;
    const socket = connect({
      ...{ port, ca: organisation.pki.ca.root.toString(), ALPNProtocols: ["h2"] },
      checkServerIdentity: () => undefined,
    });
    sockets.push(socket.on("error", () => undefined).resume());
    await once(socket, "secureConnect");
    return socket;
  };
  const ask = () => organisation.call("listServices", {});

  it("refuses one beyond the limit, lets those with a certificate in, and takes another when one has gone", async () => {
    await start({});
    const open = await Promise.all(Array.from({ length: MAX }, () => stranger()));
    const further = await stranger();
    await until("the further one to be ended", () => further.closed);
    expect(open.some(({ closed }) => closed)).to.equal(false);
    expect(organisation.lines.join("")).to.contain(`showed no certificate, and ${MAX} such`);
    await ask();
    open[0]?.destroy();
    await until("another to stay", async () => {
      const socket = await stranger();
      await Promise.race([
        once(socket, "close"),
        new Promise((resolve) => setTimeout(resolve, 200)),
      ]);
      return !socket.closed;
    });
  });

  it("ends one after its time, and nobody with a certificate", async () => {
    await start({ enrolmentConnectionTime: "1s" });
    await ask();
    const socket = await stranger();
    await until("it to be ended", () => socket.closed);
    expect(organisation.lines.join("")).to.contain("ended: no certificate in time");
    const refused = () => organisation.lines.filter((line) => line.includes("connection ended"));
    await ask();
    expect(refused()).to.deep.equal([]);
  });
});
