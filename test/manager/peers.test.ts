// How a manager comes to know other peers, and what it says when it does not.
import { expect } from "chai";
import type { ManagerError } from "../../component/manager-call.js";
import type { PeerId } from "../../core/names.js";
import { accessRequest, Organisations, service, type Organisation } from "../support/managers.js";
import { connection } from "../support/organisations.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

describe("the peers that a manager knows", function () {
  this.timeout(120_000);
  let network: Organisations;
  let directory: Organisation;
  let first: Organisation;
  let second: Organisation;

  before(async () => {
    network = await Organisations.prepare(5);
    directory = network.at(0);
    first = network.at(1);
    second = network.at(2);
  });

  after(async () => {
    await network.remove();
    removeTemporaryFolders();
  });

  const ask = (peerId: string) => first.call("requestAccess", accessRequest({ peerId }));

  const refusal = async (peerId: string): Promise<ManagerError> => {
    try {
      await ask(peerId);
    } catch (error) {
      return error as ManagerError;
    }
    throw new Error("the call was answered");
  };

  const known = async (at: Organisation): Promise<string[]> => {
    const { peers } = await at.call("listPeers", { nameContains: "", pageSize: 0, pageToken: "" });
    return peers.map(({ id }) => id);
  };

  it("are none while the directory is away, and it says that it could not be asked", async () => {
    await first.start();
    expect(await known(first)).to.deep.equal([]);
    const error = await refusal(second.peerId);
    expect(error.code).to.equal("ERROR_CODE_PEER_NOT_FOUND");
    expect(error.message).to.match(
      /is not known, and a directory could not be asked: .*ECONNREFUSED/,
    );
  });

  it("announces itself to the directory as soon as that is there", async () => {
    await directory.start();
    await until(
      "the announcement",
      async () => (await known(directory)).includes(first.peerId),
      30_000,
    );
  });

  it("does not know whoever has announced itself nowhere", async () => {
    const error = await until("a new look at the directory", async () => {
      const found = await refusal(second.peerId);
      return found.message.includes("has announced itself to no directory") ? found : undefined;
    });
    expect(error.code).to.equal("ERROR_CODE_PEER_NOT_FOUND");
  });

  it("finds a peer that has announced itself in the meantime when somebody names it", async () => {
    await second.start();
    await until(
      "the announcement",
      async () => (await known(directory)).includes(second.peerId),
      30_000,
    );
    const { created } = await until("the peer to be found", () =>
      ask(second.peerId).catch(() => undefined),
    );
    expect(created).to.equal(true);
    expect(await known(first)).to.include(second.peerId);
  });

  it("goes on with the peers that it knows when the directory is away again, also after a restart", async () => {
    await directory.stop();
    await first.stop();
    await first.start();
    expect((await ask(second.peerId)).created).to.equal(false);
  });

  it("looks for the parties of a contract that somebody wrote, and delivers it to them", async () => {
    const [third, fourth] = [network.at(3), network.at(4)];
    await directory.start();
    // So that the contract alone makes it look.
    third.more = { announceInterval: "1h" };
    await third.start();
    await until("its look round", async () => (await known(third)).includes(second.peerId));
    await fourth.start();
    await fourth.call("putService", { service: service() });
    await until("the announcement", async () => (await known(directory)).includes(fourth.peerId));
    expect(await known(third)).not.to.include(fourth.peerId);
    const now = Math.floor(Date.now() / 1000);
    const content = {
      ...{ group_id: "test", hash_algorithm: "HASH_ALGORITHM_SHA3_512" },
      validity: { not_before: now - 60, not_after: now + 3600 },
      grants: [{ data: connection(third.peerId as PeerId, fourth.peerId as PeerId, "echo") }],
    };
    const bytes = Buffer.from(JSON.stringify(content));
    const { contract } = await third.call("proposeContract", { content: bytes });
    const hash = contract?.hash ?? "";
    await until("the contract to arrive", () =>
      fourth.call("getContract", { hash }).catch(() => undefined),
    );
    for (const each of [directory, third, fourth]) await each.stop();
  });

  it("filters by a part of the name without regard to case", async () => {
    const list = async (nameContains: string) => {
      const request = { nameContains, pageSize: 0, pageToken: "" };
      return (await first.call("listPeers", request)).peers.map(({ name }) => name);
    };
    expect(await list("SATION 3")).to.deep.equal(["Organisation 3"]);
    expect(await list("%")).to.deep.equal([]);
  });
});
