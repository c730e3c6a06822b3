// `schakel init`: the folder it makes is one that everything starts from, and it overwrites nothing.
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { loadBundle } from "../../certs/bundle.js";
import { openCa } from "../../certs/ca.js";
import { loadGroup } from "../../certs/group.js";
import { loadInternalBundle } from "../../certs/internal-bundle.js";
import { TestGroup } from "../support/pki.js";
import { schakel, type CommandResult } from "../support/schakel.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";

const PEER_ID = "00000001234567890000";
const ORGANISATION = "Gemeente Ütrecht aan de zeer lange rivier & omstreken";

describe("cli/init", function () {
  this.timeout(120_000);
  let group: TestGroup;
  before(async () => {
    group = await TestGroup.create();
  });
  after(async () => {
    await group.remove();
    removeTemporaryFolders();
  });

  const init = (
    folder: string,
    changes: Readonly<Record<string, string>> = {},
    env: Readonly<Record<string, string>> = { npm_command: "" },
  ): Promise<CommandResult> => {
    const options = {
      ...{ "--folder": folder, "--group": group.groupFile, "--peer-id": PEER_ID },
      ...{ "--organisation": ORGANISATION, "--name": "api.utrecht.test", "--key-bits": "2048" },
      ...changes,
    };
    return schakel(["init", ...Object.entries(options).flat()], { env });
  };

  describe("makes a folder", () => {
    let folder = "";
    let result: CommandResult;
    before(async () => {
      folder = join(temporaryFolder(), "it's here");
      result = await init(`${folder}/`, {
        ...{ "--manager": "manager.internal:9444", "--outway-host": "outway.internal" },
      });
    });

    it("whole, and nothing beside it", async () => {
      expect(result).to.include({ code: 0, stderr: "" });
      expect(await readdir(dirname(folder))).to.deep.equal(["it's here"]);
      expect((await readdir(folder)).sort()).to.deep.equal([
        ...["group.json", "identities", "inway", "manager", "outway"],
        ...["private.key", "request.csr"],
      ]);
    });

    it("that others cannot look into", async () => {
      expect((await stat(folder)).mode & 0o777).to.equal(0o700);
      expect((await stat(join(folder, "private.key"))).mode & 0o777).to.equal(0o600);
    });

    it("with the group as it was", async () => {
      const copied = await readFile(join(folder, "group.json"), "utf8");
      expect(copied).to.equal(await readFile(group.groupFile, "utf8"));
    });

    for (const role of ["cli", "inway", "outway"] as const) {
      it(`with an identity for the ${role}, of the internal CA in it`, async () => {
        const bundle = await loadInternalBundle(join(folder, "identities", role));
        expect(bundle.identity).to.include({ role, name: role });
        expect(bundle.identity.hostNames).to.deep.equal(
          role === "outway" ? ["outway.internal"] : [],
        );
        expect(bundle.manager).to.deep.equal({ host: "manager.internal", port: 9444 });
        const ca = await openCa(join(folder, "manager", "internal-ca"));
        expect(bundle.anchor.raw.equals(ca.root.raw)).to.equal(true);
      });
    }

    it("whose request gives a bundle when the group's CA has signed it", async () => {
      const cert = join(folder, "certificate.pem");
      const request = join(folder, "request.csr");
      const signed = await schakel([
        ...["cert", "sign", "--ca", group.caDir, "--request", request],
        ...["--name", "api.utrecht.test", "--out", cert],
      ]);
      expect(signed.code, signed.stderr).to.equal(0);
      const key = join(folder, "private.key");
      const { identity } = await loadBundle({ cert, key }, await loadGroup(group.groupFile));
      expect(identity).to.include({ peerId: PEER_ID, name: ORGANISATION });
    });

    it("and says what to do next, numbered, with paths that a shell takes", () => {
      for (const step of ["1. ", "2. ", "3. ", "4. ", "5. "]) {
        expect(result.stdout).to.contain(`\n  ${step}`);
      }
      expect(result.stdout).to.contain(`it'\\''s here/request.csr'`);
      expect(result.stdout).to.contain("schakel peer --folder").and.not.to.contain("npx");
      // As somebody who may not listen on port 443 can start it.
      expect(result.stdout).to.contain(" --inway-listen 0.0.0.0:9443\n");
    });
  });

  it("names commands as they are run where it was run with npx", async () => {
    const folder = join(temporaryFolder(), "new");
    const { stdout } = await init(folder, {}, { npm_command: "exec" });
    for (const line of stdout.split("\n").filter((each) => each.includes("$ "))) {
      expect(line).to.match(/^ +\$ npx schakel /);
    }
  });

  const refusals: readonly {
    readonly what: string;
    readonly changes: Readonly<Record<string, string>>;
    readonly code: number;
    readonly says: RegExp;
  }[] = [
    {
      what: "a peer id that the group does not allow",
      changes: { "--peer-id": "12" },
      code: 1,
      says: /"12" is not a peer id by the rule of the group test/,
    },
    {
      what: "a name that is no host name",
      changes: { "--name": "not a name" },
      code: 1,
      says: /is not a DNS host name/,
    },
    {
      what: "an organisation without a name",
      changes: { "--organisation": " " },
      code: 1,
      says: /organisation \(O\) must have 1 to 64/,
    },
    {
      what: "a group.json that is not there",
      changes: { "--group": "/nonexistent/group.json" },
      code: 1,
      says: /there is no such file/,
    },
    {
      what: "an outway's name that is no host name",
      changes: { "--outway-host": "192.0.2.1" },
      code: 1,
      says: /the host name "192.0.2.1" is not a DNS host name/,
    },
    {
      what: "a manager that is no address",
      changes: { "--manager": "manager" },
      code: 2,
      says: /--manager: found "manager", allowed is HOST:PORT/,
    },
  ];
  for (const { what, changes, code, says } of refusals) {
    it(`refuses ${what}, and makes nothing`, async () => {
      const parent = temporaryFolder();
      const result = await init(join(parent, "new"), changes);
      expect(result.code).to.equal(code);
      expect(result.stderr).to.match(says);
      expect(await readdir(parent)).to.deep.equal([]);
    });
  }

  it("leaves a folder that is not empty as it is", async () => {
    const folder = temporaryFolder();
    await writeFile(join(folder, "mine"), "x");
    const { code, stderr } = await init(folder);
    expect(code).to.equal(1);
    expect(stderr).to.contain("exists already and is not empty");
    expect(await readdir(folder)).to.deep.equal(["mine"]);
  });
});
