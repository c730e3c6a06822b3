// A certificate that a list revokes counts for nothing at a manager, and components are told the list.
import { expect } from "chai";
import { X509Certificate } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { accessRequest, Organisations, type Organisation } from "../support/managers.js";
import { makeList } from "../support/revocation.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";

describe("a manager with revocation lists", function () {
  this.timeout(120_000);
  let network: Organisations;
  let directory: Organisation;
  let good: Organisation;
  let revoked: Organisation;

  before(async () => {
    network = await Organisations.prepare(3);
    directory = network.at(0);
    good = network.at(1);
    revoked = network.at(2);
    const { serialNumber } = new X509Certificate(await readFile(revoked.peer.files.cert));
    const file = join(temporaryFolder(), "issuing.crl");
    const { issuer } = network.group;
    await writeFile(
      file,
      await makeList({ dir: temporaryFolder(), issuer, revoked: [serialNumber] }),
    );
    directory.more = { revocationLists: file };
    good.more = { revocationLists: file };
    await directory.start();
    await until(
      "the list to be in use",
      () => directory.manager.state.feed.revocationLists().length > 0,
    );
    await good.start();
    await revoked.start();
  });

  after(async () => {
    await network.remove();
    removeTemporaryFolders();
  });

  const known = async (id: string): Promise<boolean> => {
    const request = { nameContains: "", pageSize: 0, pageToken: "" };
    const { peers } = await directory.call("listPeers", request);
    return peers.some((peer) => peer.id === id);
  };

  it("lets in whoever is not in it, and refuses whoever is", async () => {
    await until("the announcement", () => known(good.peerId), 30_000);
    await until("a refusal", () =>
      directory.lines.some(
        (line) => line.includes("connection refused") && line.includes("revoked"),
      ),
    );
    expect(await known(revoked.peerId)).to.equal(false);
  });

  it("lets nobody find whoever is in it", async () => {
    const error: unknown = await good
      .call("requestAccess", accessRequest({ peerId: revoked.peerId }))
      .catch((thrown: unknown) => thrown);
    expect(error).to.have.property("code", "ERROR_CODE_PEER_NOT_FOUND");
  });

  it("keeps the list over a restart with its source gone", async () => {
    await good.stop();
    good.more = {};
    await good.start();
    expect(good.manager.state.feed.revocationLists()).to.have.length(1);
  });
});
