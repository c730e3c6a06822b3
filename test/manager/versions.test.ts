// A contract of another version of FSC is refused, and both sides can read why, with both versions.
import { expect } from "chai";
import { BundleSource } from "../../certs/bundle.js";
import { GroupSource } from "../../certs/group.js";
import type { ContentHash } from "../../contracts/hash.js";
import { systemClock } from "../../core/clock.js";
import type { PeerId } from "../../core/names.js";
import { openManagerClient } from "../../fsc/fsc-client.js";
import { Organisations, type Organisation } from "../support/managers.js";
import { recordedLog } from "../support/recorded-log.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

describe("a contract of another version of FSC", function () {
  this.timeout(60_000);
  let network: Organisations;
  let us: Organisation;
  let them: Organisation;

  before(async () => {
    network = await Organisations.start(2);
    us = network.at(0);
    them = network.at(1);
  });

  after(async () => {
    await network.remove();
    removeTemporaryFolders();
  });

  const peer = async () => {
    const request = { nameContains: "", pageSize: 0, pageToken: "" };
    const { peers } = await us.call("listPeers", request);
    return peers.find(({ id }) => id === them.peerId);
  };

  it("is refused with both versions, to the sender and on the receiver's screens", async () => {
    await until("them to be known", async () => (await peer()) !== undefined);
    expect((await peer())?.lastRefusal).to.equal("");
    const { log } = recordedLog();
    const groups = await GroupSource.open(network.group.groupFile, log);
    const bundles = await BundleSource.open(them.peer.files, groups, log);
    const hosts = new Map([[us.address.host, "127.0.0.1"]]);
    const client = openManagerClient({
      ...{ groups, bundles, ownAddress: them.address, clock: systemClock, log },
      policy: () => ({ ports: undefined, privateAddresses: true, hosts }),
    });
    const submission = { content: { fsc_version: "1.1.2" } as never, signature: "x" };
    const to = { peerId: us.peerId as PeerId, address: us.address };
    const error: unknown = await client
      .submit(to, "propose", submission, "$1$1$x" as ContentHash)
      .catch((thrown: unknown) => thrown);
    bundles.close();
    groups.close();
    expect(error).to.have.property("code", "ERROR_CODE_UNKNOWN_FSC_VERSION");
    expect((error as Error).message)
      .to.contain("1.1.2")
      .and.to.contain("2.0.0");
    const shown = await until("the refusal to be kept", async () => {
      const found = await peer();
      return found?.lastRefusal === "" ? undefined : found;
    });
    expect(shown.lastRefusal).to.match(/^ERROR_CODE_UNKNOWN_FSC_VERSION: .*"1\.1\.2".*2\.0\.0/);
    expect(Number(shown.lastRefusalAtMs)).to.be.greaterThan(0);
  });
});
