// `schakel peer` as a user runs it, in a folder that `schakel init` has made: manager, inway and outway in one process.
import { expect } from "chai";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PEER_SETTINGS, partSettings } from "../../cli/peer-settings.js";
import { readSettings } from "../../core/settings.js";
import { freePort } from "../support/network.js";
import { TestGroup } from "../support/pki.js";
import { schakel } from "../support/schakel.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const NAME = "utrecht.test";
const WAIT_MS = 60_000;

const INTERNAL = { host: "127.0.0.1", port: 8444 };

const settingsWith = (flags: Record<string, string | boolean>) =>
  readSettings("peer", PEER_SETTINGS, { folder: "f", address: "a.test:8443", ...flags }, {});

describe("cli/peer-settings", () => {
  it("finds everything in the folder, and the rest as each part has it by itself", () => {
    const { manager, inway, outway } = partSettings(settingsWith({}), INTERNAL);
    expect(manager).to.deep.include({
      ...{ group: "f/group.json", cert: "f/certificate.pem", key: "f/private.key" },
      ...{ data: "f/manager", address: { host: "a.test", port: 8443 } },
      ...{ internalListen: INTERNAL, listen: { host: "0.0.0.0", port: 8443 } },
    });
    expect(inway).to.deep.include({
      ...{ data: "f/inway", identity: "f/identities/inway", name: "inway" },
      ...{ address: { host: "a.test", port: 443 }, listen: { host: "0.0.0.0", port: 443 } },
    });
    expect(outway).to.deep.include({
      ...{ data: "f/outway", identity: "f/identities/outway", name: "outway" },
      listen: { host: "127.0.0.1", port: 8080 },
    });
  });

  it("hands on to all three what all three have", () => {
    const flags = { allowPrivateAddresses: true, allowAnyPort: true, stopTimeout: "3s" };
    const settings = settingsWith({ ...flags, resolve: "a.test=127.0.0.1,b.test=::1" });
    for (const part of Object.values(partSettings(settings, INTERNAL))) {
      expect(part).to.deep.include({
        ...{ allowPrivateAddresses: true, allowAnyPort: true, stopTimeout: 3_000 },
        ...{ logLevel: "info", cert: "f/certificate.pem" },
      });
      expect([...(part as { resolve: Map<string, string> }).resolve]).to.deep.equal([
        ["a.test", "127.0.0.1"],
        ["b.test", "::1"],
      ]);
    }
  });

  it("listens where it is told to, and otherwise at the port of the inway's address", () => {
    const one = partSettings(settingsWith({ inwayAddress: "i.test:9443" }), INTERNAL);
    expect(one.inway.listen).to.deep.equal({ host: "0.0.0.0", port: 9443 });
    const flags = { inwayAddress: "i.test:443", inwayListen: "127.0.0.1:9444" };
    const other = partSettings(settingsWith({ ...flags, internalListen: "127.0.0.1:1" }), INTERNAL);
    expect(other.inway.listen).to.deep.equal({ host: "127.0.0.1", port: 9444 });
    expect(other.manager.internalListen).to.deep.equal({ host: "127.0.0.1", port: 1 });
  });
});

describe("cli/peer", function () {
  this.timeout(120_000);
  let group: TestGroup;
  let folder = "";
  let internal = 0;
  let ports: readonly number[] = [];
  let child: ChildProcess | undefined;

  const done = async (...args: readonly string[]): Promise<void> => {
    const { code, stderr } = await schakel(args);
    expect(code, stderr).to.equal(0);
  };

  const flags = (): string[] => {
    const [manager, inway, outway, ...health] = ports.map((port) => `127.0.0.1:${port}`);
    return [
      ...["--folder", folder, "--address", `${NAME}:${ports[0]}`, "--listen", String(manager)],
      ...["--inway-address", `${NAME}:${ports[1]}`, "--inway-listen", String(inway)],
      ...["--outway-listen", String(outway), "--health-listen", String(health[0])],
      ...["--inway-health-listen", String(health[1]), "--outway-health-listen", String(health[2])],
      ...["--resolve", `${NAME}=127.0.0.1,directory.test=127.0.0.1`, "--log-format", "json"],
      ...["--allow-private-addresses", "--allow-any-port", "--allow-volatile-log"],
    ];
  };

  before(async () => {
    const directory = { peer_id: "00000000000000000001", address: "directory.test:1" };
    group = await TestGroup.create({ directories: [directory] });
    folder = join(temporaryFolder(), "utrecht");
    internal = await freePort();
    ports = await Promise.all(Array.from({ length: 6 }, freePort));
    await done(
      ...["init", "--folder", folder, "--group", group.groupFile, "--name", NAME],
      ...["--peer-id", "00000000000000000003", "--organisation", "Utrecht", "--key-bits", "2048"],
      ...["--manager", `127.0.0.1:${internal}`],
    );
  });

  after(async () => {
    child?.kill("SIGKILL");
    await group.remove();
    removeTemporaryFolders();
  });

  const isFree = (port: number): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy();
        resolve(false);
      });
      socket.once("error", () => resolve(true));
    });

  it("refuses to start before the certificate is signed, and says how to get it", async () => {
    const { code, stdout, stderr } = await schakel(["peer", ...flags()]);
    expect([code, stdout]).to.deep.equal([1, ""]);
    expect(stderr).to.contain(`schakel: error: ${join(folder, "certificate.pem")} is not there`);
    expect(stderr).to.contain(
      `schakel cert sign --ca ca --request ${join(folder, "request.csr")} --name ${NAME}`,
    );
  });

  it("refuses a folder that is no organisation's", async () => {
    const other = temporaryFolder();
    const args = ["peer", "--folder", other, "--address", `${NAME}:8443`];
    const { code, stderr } = await schakel(args);
    expect(code).to.equal(1);
    expect(stderr).to.contain("is no organisation's folder").and.to.contain("schakel init");
  });

  it("names all wrong settings at once", async () => {
    const { code, stderr } = await schakel(["peer", "--health-listen", "0.0.0.0:1"], {
      env: { SCHAKEL_PEER_OUTWAY_LISTEN: "here", SCHAKEL_PEER_INWAY: "x" },
    });
    expect(code).to.equal(2);
    const expected = ["--folder is missing", "--address is missing", "--health-listen: found"];
    for (const text of [...expected, "SCHAKEL_PEER_OUTWAY_LISTEN: found", "SCHAKEL_PEER_INWAY: "])
      expect(stderr).to.contain(`schakel: error: ${text}`);
  });

  describe("with its certificate", () => {
    let log = "";
    const lines = (): Record<string, unknown>[] =>
      log
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line) as Record<string, unknown>);

    before(() =>
      done(
        ...["cert", "sign", "--ca", group.caDir, "--request", join(folder, "request.csr")],
        ...["--name", NAME, "--out", join(folder, "certificate.pem")],
      ),
    );

    it("runs manager, inway and outway, each under its name in the log, and answers commands", async () => {
      child = spawn(process.execPath, [CLI, "peer", ...flags()]);
      child.stderr?.on("data", (chunk: Buffer) => (log += chunk.toString()));
      const identity = join(folder, "identities", "cli");
      const connected = await until(
        "inway and outway to be connected to the manager",
        async () => {
          expect(child?.exitCode, log).to.equal(null);
          const listed = ["component", "list", "--json", "--identity", identity];
          const { code, stdout } = await schakel(listed);
          const found = code === 0 ? (JSON.parse(stdout) as Record<string, unknown>[]) : [];
          return found.filter((each) => each["connected"] === true).length === 2 && found;
        },
        WAIT_MS,
      );
      expect(connected.map((each) => [each["role"], each["name"], each["address"]])).to.deep.equal([
        ["inway", "inway", `${NAME}:${ports[1]}`],
        ["outway", "outway", ""],
      ]);
      const names = new Set(lines().map((line) => line["name"]));
      for (const name of ["manager", "inway", "outway"]) expect([...names]).to.include(name);
    });

    it("ends all three with one signal, and leaves no port in use", async () => {
      const exited = once(child!, "exit");
      child?.kill("SIGTERM");
      expect(await exited, log).to.deep.equal([0, null]);
      for (const port of [...ports, internal])
        expect(await isFree(port), String(port)).to.equal(true);
    });

    it("leaves nothing running when one of the three cannot start", async () => {
      const identity = join(folder, "identities", "outway");
      await rename(identity, `${identity}.away`);
      const { code, stderr } = await schakel(["peer", ...flags()]);
      await rename(`${identity}.away`, identity);
      expect(code).to.equal(1);
      expect(stderr).to.match(/^schakel: error: .*identities\/outway/m);
    });
  });
});
