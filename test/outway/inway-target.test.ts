// An inway as the relay connects to it, while the group changes during the handshake.
import { expect } from "chai";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { loadBundle, type Bundle } from "../../certs/bundle.js";
import { loadGroup, type Group } from "../../certs/group.js";
import { serverTls } from "../../certs/tls.js";
import { MovedClock } from "../support/moved-clock.js";
import { InwayConnections, inwayTarget } from "../../outway/inway-target.js";
import { LinkPolicy } from "../../outway/link-policy.js";
import { InwayPicker } from "../../outway/pick.js";
import { revocationListOf } from "../support/crl.js";
import { TestGroup } from "../support/pki.js";
import { recordedLog } from "../support/recorded-log.js";
import { removeTemporaryFolders } from "../support/temporary.js";

const PROVIDER = "00000000000000000002";
const TIMEOUTS = { connectTimeout: 10_000, answerTimeout: 10_000, idleTimeout: 10_000 };

describe("outway/inway-target", function () {
  this.timeout(30_000);
  let test: TestGroup;
  let first: Group;
  let own: Bundle;
  let provider: Bundle;
  let revoking: Group;
  let server: Server;
  const accepted: TLSSocket[] = [];
  /** Called in the middle of each handshake. */
  let meanwhile: () => void;

  before(async () => {
    test = await TestGroup.create();
    first = await loadGroup(test.groupFile);
    const inway = await test.peer({ peerId: PROVIDER, name: "Provider", names: ["inway.test"] });
    const ours = { peerId: "00000000000000000003", name: "Consumer", names: ["outway.test"] };
    own = await loadBundle((await test.peer(ours)).files, first);
    const crl = await revocationListOf(test.issuer, [inway.files.cert]);
    revoking = { ...first, revocationLists: [{ crl, issuerChain: [] }] };
    provider = await loadBundle(inway.files, first);
    server = createServer(
      {
        ...serverTls(provider, first, ["http/1.1"]),
        SNICallback: (_, done) => {
          meanwhile();
          done(null);
        },
      },
      (socket) => {
        accepted.push(socket);
        socket.on("error", () => undefined).resume();
      },
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  after(async () => {
    for (const socket of accepted) socket.destroy();
    server.close();
    await test.remove();
    removeTemporaryFolders();
  });

  /** Connects while the group becomes another one during the handshake. */
  const connect = (after: Group): Promise<Duplex> => {
    let group = first;
    meanwhile = () => (group = after);
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const target = inwayTarget({ host: "inway.test", port }, provider.identity.peerId, {
      ...{ group: () => group, bundle: () => own, timeouts: TIMEOUTS },
      linkPolicy: new LinkPolicy({ link: "off", linkRequire: [] }, recordedLog().log),
      policy: () => ({
        ports: undefined,
        privateAddresses: true,
        hosts: new Map([["inway.test", "127.0.0.1"]]),
      }),
      picker: new InwayPicker(new MovedClock()),
      connections: new InwayConnections(),
    });
    return target.connect(new AbortController().signal);
  };

  it("refuses an inway that the group lost its trust in meanwhile, and ends the connection", async () => {
    const error: unknown = await connect(revoking).catch((thrown: unknown) => thrown);
    expect(String(error)).to.match(/revoked since/);
  });

  it("keeps the connection when the group changed and still trusts the inway", async () => {
    const socket = await connect({ ...first });
    expect(socket.destroyed).to.equal(false);
    socket.destroy();
  });
});
