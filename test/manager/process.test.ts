// The manager as a process: it starts from what `schakel init` makes, keeps what it said over a kill, ends when
// it is told to, and says what is wrong when it cannot start.
import { expect } from "chai";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Processes, type Running } from "../../demo/processes.js";
import { callManager } from "../../component/manager-call.js";
import { openManager } from "../../component/manager-channel.js";
import { loadInternalBundle } from "../../certs/internal-bundle.js";
import {
  AdministrationServiceClient,
  type ListServicesResponse,
} from "../../proto/gen/schakel/manager/v1/administration.js";
import { service } from "../support/managers.js";
import { freePort } from "../support/network.js";
import { TestGroup } from "../support/pki.js";
import { schakel } from "../support/schakel.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const READY_MS = 30_000;
const NAME = "manager.test";

describe("the manager process", function () {
  this.timeout(120_000);
  const processes = new Processes();
  let group: TestGroup;
  let folder: string;
  let internal: number;
  let flags: readonly string[];

  const start = async (): Promise<Running> => {
    const running = await processes.start("manager", [CLI, "manager", ...flags]);
    await running.waitForLine(({ text }) => text.includes('"msg":"listening"'), READY_MS);
    return running;
  };

  const asking = async <T>(
    work: (client: AdministrationServiceClient) => Promise<T>,
  ): Promise<T> => {
    const bundle = await loadInternalBundle(join(folder, "identities", "cli"));
    const address = { host: "127.0.0.1", port: internal };
    const client = await openManager(AdministrationServiceClient, { bundle, address });
    try {
      return await work(client);
    } finally {
      client.close();
    }
  };

  const put = () =>
    asking((client) =>
      callManager((metadata, options, answered) =>
        client.putService({ service: service() }, metadata, options, answered),
      ),
    );

  const names = () =>
    asking(async (client) => {
      const { services } = await callManager<ListServicesResponse>((metadata, options, answered) =>
        client.listServices({}, metadata, options, answered),
      );
      return services.map(({ name }) => name);
    });

  before(async () => {
    group = await TestGroup.create();
    folder = join(temporaryFolder(), "organisation");
    internal = await freePort();
    const about = ["--folder", folder, "--group", group.groupFile, "--name", NAME];
    const who = ["--peer-id", "00000000000000000002", "--organisation", "Us"];
    const made = await schakel(["init", ...about, ...who, "--key-bits", "2048"]);
    expect(made.stderr).to.equal("");
    const request = ["--request", join(folder, "request.csr"), "--name", NAME];
    const out = ["--out", join(folder, "certificate.pem")];
    const signed = await schakel(["cert", "sign", "--ca", group.caDir, ...request, ...out]);
    expect(signed.stderr).to.equal("");
    flags = [
      ...["--group", join(folder, "group.json"), "--cert", join(folder, "certificate.pem")],
      ...["--key", join(folder, "private.key"), "--data", join(folder, "manager")],
      ...["--listen", "127.0.0.1:0", "--address", `${NAME}:8443`, "--log-format", "json"],
      ...["--internal-listen", `127.0.0.1:${internal}`, "--health-listen", "127.0.0.1:0"],
      ...["--resolve", "directory.test=127.0.0.1", "--allow-private-addresses"],
    ];
  });

  after(async () => {
    await processes.stopAll();
    await group.remove();
    removeTemporaryFolders();
  });

  it("keeps what it acknowledged when it is killed, and ends when it is told to", async () => {
    const first = await start();
    await put();
    first.kill("SIGKILL");
    await first.stop();
    const second = await start();
    expect(await names()).to.deep.equal(["echo"]);
    expect(await second.stop()).to.deep.include({ code: 0 });
  });

  it("does not start with an address that its certificate does not have", async () => {
    const { code, stderr } = await schakel(["manager", ...flags, "--address", "other.test:8443"]);
    expect(code).to.equal(1);
    expect(stderr).to.contain("the name other.test is not in the certificate");
  });

  it("does not start without an internal CA", async () => {
    await rm(join(folder, "manager", "internal-ca"), { recursive: true });
    const { code, stderr } = await schakel(["manager", ...flags]);
    expect(code).to.equal(1);
    expect(stderr).to.contain("internal-ca");
  });

  it("names every setting that is missing or wrong at once", async () => {
    const { code, stderr } = await schakel(["manager", "--token-lifetime", "soon"]);
    expect(code).to.equal(2);
    for (const flag of ["--group", "--cert", "--key", "--data", "--address", "--token-lifetime"]) {
      expect(stderr).to.contain(flag);
    }
  });
});
