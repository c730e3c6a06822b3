// Who may see a service: a private one is shown by no directory, whoever asks for it, and is used by contract all the same.
import { expect } from "chai";
import { join } from "node:path";
import { openDatabase } from "../../core/database.js";
import { migrateManager, type ManagerSchema } from "../../manager/schema.js";
import { Services } from "../../manager/services.js";
import {
  ContractStateName as State,
  ServiceVisibility,
  SignatureKind,
} from "../../proto/gen/schakel/manager/v1/administration.js";
import { accessRequest, Organisations, service, type Organisation } from "../support/managers.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";

const { SERVICE_VISIBILITY_GROUP: GROUP, SERVICE_VISIBILITY_PRIVATE: PRIVATE } = ServiceVisibility;
const EVERY = {
  ...{ state: State.CONTRACT_STATE_NAME_UNSPECIFIED, peerId: "", serviceName: "" },
  ...{ grantType: "", waitingForUs: false, pageSize: 1000, pageToken: "" },
};
const WAIT_MS = 60_000;

describe("the visibility of a service", function () {
  this.timeout(120_000);
  let network: Organisations;
  let directory: Organisation;
  let provider: Organisation;
  let third: Organisation;

  before(async () => {
    network = await Organisations.start(3);
    [directory, provider, third] = [network.at(0), network.at(1), network.at(2)];
  });

  after(async () => {
    await network.remove();
    removeTemporaryFolders();
  });

  const put = (name: string, visibility: ServiceVisibility) =>
    provider.call("putService", { service: service({ name, visibility }) });

  const publish = (name: string) =>
    provider.call("publishService", {
      ...{ name, directoryPeerId: "", validitySeconds: 0n, delegatorPeerId: "" },
    });

  const refusal = async (answer: Promise<unknown>): Promise<string> => {
    try {
      await answer;
    } catch (error) {
      return String(error);
    }
    throw new Error("the call was answered");
  };

  const reaches = (at: Organisation, hash: string, state: State) =>
    until(
      "the contract to come",
      async () => {
        const { contracts } = await at.call("listContracts", EVERY);
        return contracts.find((each) => each.hash === hash && each.state === state);
      },
      WAIT_MS,
    );

  /** A content that publishes a service of the provider, as its owner or somebody else may write it. */
  const publication = (name: string, delegated: boolean): Buffer => {
    const now = Math.floor(Date.now() / 1000);
    const data = {
      type: delegated
        ? "GRANT_TYPE_DELEGATED_SERVICE_PUBLICATION"
        : "GRANT_TYPE_SERVICE_PUBLICATION",
      directory: { peer_id: directory.peerId },
      service: { peer_id: provider.peerId, name, protocol: "PROTOCOL_TCP_HTTP_1.1" },
      ...(delegated ? { delegator: { peer_id: third.peerId } } : {}),
    };
    return Buffer.from(
      JSON.stringify({
        ...{ group_id: "test", hash_algorithm: "HASH_ALGORITHM_SHA3_512" },
        ...{ validity: { not_before: now, not_after: now + 1000 }, grants: [{ data }] },
      }),
    );
  };

  it("is the group's unless it is stated, and what was put is listed", async () => {
    await put("plain", ServiceVisibility.SERVICE_VISIBILITY_UNSPECIFIED);
    await put("hidden", PRIVATE);
    expect((await put("hidden", PRIVATE)).changed).to.equal(false);
    const { services } = await provider.call("listServices", {});
    expect(services.map(({ name, visibility }) => [name, visibility])).to.deep.equal([
      ["hidden", PRIVATE],
      ["plain", GROUP],
    ]);
  });

  it("is refused when it is none", async () => {
    expect(await refusal(put("odd", 7 as ServiceVisibility))).to.match(/visibility is 7, allowed/);
  });

  it("keeps a private service out of directories, however it is asked for", async () => {
    await put("secret", PRIVATE);
    expect(await refusal(publish("secret"))).to.match(/private service.*--visibility group/);
    const content = publication("secret", false);
    expect(await refusal(provider.call("proposeContract", { content }))).to.contain("is private");
    const { contract } = await third.call("proposeContract", {
      content: publication("secret", true),
    });
    await until(
      "the provider to refuse what another proposes",
      async () => {
        const { contracts } = await third.call("listContracts", EVERY);
        const found = contracts.find(({ hash }) => hash === contract?.hash);
        return found?.deliveries.find(
          ({ peerId, lastError }) => peerId === provider.peerId && lastError.includes("is private"),
        );
      },
      WAIT_MS,
    );
    const { contracts } = await provider.call("listContracts", { ...EVERY, serviceName: "secret" });
    expect(contracts).to.deep.equal([]);
  });

  it("lets a contract that names a private service be agreed", async () => {
    await put("told", PRIVATE);
    const { contract } = await third.call(
      "requestAccess",
      accessRequest({ peerId: provider.peerId, serviceName: "told" }),
    );
    const hash = contract?.hash ?? "";
    await reaches(provider, hash, State.CONTRACT_STATE_NAME_PROPOSED);
    await provider.call("signContract", { hash, kind: SignatureKind.SIGNATURE_KIND_ACCEPT });
    await reaches(third, hash, State.CONTRACT_STATE_NAME_VALID);
  });

  it("is not made private while a directory is asked to show it or shows it", async () => {
    await put("shown", GROUP);
    const { contract } = await publish("shown");
    const hash = contract?.hash ?? "";
    const hint = /service withdraw shown/;
    expect(await refusal(put("shown", PRIVATE)))
      .to.match(hint)
      .and.to.contain(directory.peerId);
    await reaches(directory, hash, State.CONTRACT_STATE_NAME_PROPOSED);
    await directory.call("signContract", { hash, kind: SignatureKind.SIGNATURE_KIND_ACCEPT });
    await reaches(provider, hash, State.CONTRACT_STATE_NAME_VALID);
    expect(await refusal(put("shown", PRIVATE))).to.match(hint);
    await provider.call("signContract", { hash, kind: SignatureKind.SIGNATURE_KIND_REVOKE });
    expect((await put("shown", PRIVATE)).service?.visibility).to.equal(PRIVATE);
    expect((await put("shown", GROUP)).changed).to.equal(true);
    expect((await publish("shown")).created).to.equal(true);
  });

  it("does not let private and published come to be at the same time", async () => {
    for (let turn = 0; turn < 10; turn += 1) {
      const name = `race-${turn}`;
      await put(name, GROUP);
      const both = await Promise.allSettled([publish(name), put(name, PRIVATE)]);
      expect(both.filter(({ status }) => status === "fulfilled")).to.have.length(1);
    }
  });

  it("is the group's for services that older software stored", async () => {
    const db = openDatabase<ManagerSchema>(join(temporaryFolder(), "manager.db"));
    await migrateManager(db);
    await db.schema.alterTable("manager_service").dropColumn("visibility").execute();
    await db
      .deleteFrom("schakel_migration" as never)
      .where("number" as never, "=", 2 as never)
      .execute();
    const old = { group_id: "test", name: "old", source_url: "http://127.0.0.1:1", inways: "[]" };
    const more = { openapi_path: "", contact: "", protocol: "PROTOCOL_TCP_HTTP_1.1" };
    await db
      .insertInto("manager_service")
      .values({ ...old, ...more } as never)
      .execute();
    await migrateManager(db);
    const services = await Services.open({
      ...{ db, groupId: "test", publishedIn: () => [], openIn: () => [] },
    });
    expect(services.get("old")?.visibility).to.equal("group");
    await db.destroy();
  });
});
