// Managers on a PostgreSQL server: two organisations make a contract, and when the manager of one is killed
// another one, which waited, goes on with what it had.
import { expect } from "chai";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../core/clock.js";
import { Processes, type Running } from "../../demo/processes.js";
import { openManager } from "../../component/manager-channel.js";
import { callManager } from "../../component/manager-call.js";
import {
  AdministrationServiceClient,
  ContractStateName,
  SignatureKind,
  type ListServicesResponse,
} from "../../proto/gen/schakel/manager/v1/administration.js";
import { accessRequest, Organisations, service, type Organisation } from "../support/managers.js";
import { hasPostgres, NO_POSTGRES, PostgresServer } from "../support/postgres.js";
import { freePort } from "../support/network.js";
import { skip } from "../support/skip.js";
import { temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

const EVERY_CONTRACT = {
  ...{ state: ContractStateName.CONTRACT_STATE_NAME_UNSPECIFIED, peerId: "", serviceName: "" },
  ...{ grantType: "", waitingForUs: false, pageSize: 0, pageToken: "" },
};

const listening = (manager: Running): Promise<unknown> =>
  manager.waitForLine(({ fields }) => fields["msg"] === "listening", 30_000);

describe("system/postgres", function () {
  this.timeout(120_000);
  let server: PostgresServer | undefined;
  let organisations: Organisations | undefined;
  const processes = new Processes();
  let provider: Organisation;
  let consumer: Organisation;
  let database: Awaited<ReturnType<PostgresServer["database"]>>;

  const onPostgres = async (organisation: Organisation): Promise<void> => {
    const { url, passwordFile } = await server!.database();
    organisation.more = { database: url, databasePasswordFile: passwordFile };
  };

  before(async function () {
    if (!hasPostgres()) skip(this, NO_POSTGRES);
    server = await PostgresServer.start();
    organisations = await Organisations.prepare(3, systemClock);
    [provider, consumer] = [organisations.at(1), organisations.at(2)];
    for (const each of organisations.all) {
      await onPostgres(each);
      await each.start();
    }
    database = { url: String(provider.more["database"]), passwordFile: server.passwordFile };
  });
  after(async () => {
    await processes.stopAll();
    await organisations?.remove();
    await server?.remove();
  });

  it("keeps services, contracts and the audit log, and shows them again after a restart", async () => {
    await provider.call("putService", { service: service() });
    await until("the provider to be known", async () => {
      const { peers } = await consumer.call("listPeers", {
        ...{ nameContains: "", pageSize: 0, pageToken: "" },
      });
      return peers.some(({ id }) => id === provider.peerId);
    });
    await consumer.call("requestAccess", accessRequest({ peerId: provider.peerId }));
    const waiting = await until("the request to arrive", async () => {
      const { contracts } = await provider.call("listContracts", EVERY_CONTRACT);
      return contracts[0];
    });
    await provider.call("signContract", {
      hash: waiting.hash,
      kind: SignatureKind.SIGNATURE_KIND_ACCEPT,
    });
    const states = async (of: Organisation): Promise<readonly unknown[]> =>
      (await of.call("listContracts", EVERY_CONTRACT)).contracts.map(({ state }) => state);
    const valid = [ContractStateName.CONTRACT_STATE_NAME_VALID];
    await until("both to see a valid contract", async () =>
      [...(await states(provider)), ...(await states(consumer))].every((one) => one === valid[0]),
    );
    await provider.stop();
    await provider.start();
    expect(await states(provider)).to.deep.equal(valid);
    const page = { pageSize: 0, pageToken: "" };
    const { records } = await provider.call("listAuditRecords", page);
    expect(records.map(({ action }) => action)).to.include.members(["PutService", "SignContract"]);
  });

  it("has a second manager wait, and take over when the first is killed", async () => {
    await provider.stop();
    const start = async (name: string): Promise<{ manager: Running; internal: number }> => {
      const { host } = provider.address;
      const { cert, key } = provider.peer.files;
      const data = join(temporaryFolder(), name);
      await cp(provider.data, data, { recursive: true });
      const [port, internal] = [await freePort(), await freePort()];
      const manager = await processes.start(name, [
        ...[CLI, "manager", "--group", organisations!.group.groupFile, "--cert", cert],
        ...["--key", key, "--data", data, "--address", `${host}:${port}`, "--log-format", "json"],
        ...["--listen", `127.0.0.1:${port}`, "--internal-listen", `127.0.0.1:${internal}`],
        ...["--health-listen", "127.0.0.1:0", "--allow-private-addresses", "--allow-any-port"],
        ...["--database", database.url, "--database-password-file", database.passwordFile],
      ]);
      return { manager, internal };
    };
    const waits = ({ manager }: { manager: Running }): Promise<unknown> =>
      manager.waitForLine(
        ({ fields }) => String(fields["msg"]).includes("waiting to take over"),
        30_000,
      );
    const first = await start("first");
    await listening(first.manager);
    const second = await start("second");
    await waits(second);
    const third = await start("third");
    await waits(third);
    third.manager.kill("SIGTERM");
    expect((await third.manager.exited).code).to.equal(0);
    first.manager.kill("SIGKILL");
    await listening(second.manager);
    const client = await openManager(AdministrationServiceClient, {
      bundle: await provider.pki.bundle("cli", "alice"),
      address: { host: "127.0.0.1", port: second.internal },
    });
    try {
      const { services } = await callManager<ListServicesResponse>((metadata, options, answered) =>
        client.listServices({}, metadata, options, answered),
      );
      expect(services.map(({ name }) => name)).to.deep.equal(["echo"]);
    } finally {
      client.close();
    }
  });
});
