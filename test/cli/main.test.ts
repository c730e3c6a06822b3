// Checks cli/main.ts: what it refuses, then what it does.
import { expect } from "chai";
import { createServer } from "node:net";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InternalPki } from "../support/internal-pki.js";
import { TestGroup, type TestPeer } from "../support/pki.js";
import { schakel } from "../support/schakel.js";

const COMMANDS = [
  ...["approve", "list", "reject", "request", "revoke", "show", "withdraw"].map((name) => [
    "access",
    name,
  ]),
  ...["add", "list", "remove"].map((name) => ["access", "rule", name]),
  ["audit", "list"],
  ...["crl", "init", "revoke"].map((name) => ["ca", name]),
  ["cert", "request"],
  ["cert", "sign"],
  ["cert", "show"],
  ["cert", "verify"],
  ...["add", "list", "remove"].map((name) => ["client", name]),
  ["component", "list"],
  ...["list", "propose", "show", "sign"].map((name) => ["contract", name]),
  ["directory"],
  ["directory", "query"],
  ...["approve", "list", "reject", "revoke"].map((name) => ["directory", "publications", name]),
  ["enrol"],
  ["group", "init"],
  ["group", "show"],
  ["init"],
  ["inway"],
  ["log", "begin-epoch"],
  ["log", "counts"],
  ["log", "erase"],
  ["log", "export"],
  ["log", "head"],
  ["log", "prune"],
  ["log", "reconcile"],
  ["log", "reconciliations"],
  ["log", "retention"],
  ["log", "search"],
  ["log", "show"],
  ["log", "tail"],
  ["log", "verify"],
  ["manager"],
  ["outway"],
  ["peer"],
  ["peers", "list"],
  ...["add", "list", "publish", "remove", "withdraw"].map((name) => ["service", name]),
];

describe("cli/main", function () {
  this.timeout(60_000);

  it("lists every command", async () => {
    const { code, stdout } = await schakel(["--help"]);
    expect(code).to.equal(0);
    for (const [name] of COMMANDS) expect(stdout).to.contain(`  ${String(name)}`);
  });

  it("prints its version", async () => {
    expect((await schakel(["--version"])).stdout).to.match(/^[0-9]+\.[0-9]+\.[0-9]+\n$/);
  });

  for (const command of COMMANDS) {
    it(`shows worked examples for ${command.join(" ")}`, async () => {
      const { code, stdout } = await schakel([...command, "--help"]);
      expect(code).to.equal(0);
      expect(stdout).to.match(/Examples?:\n[\s\S]*\$ /);
    });
  }

  const wrong: readonly (readonly [string, readonly string[]])[] = [
    ["an unknown command", ["inwya"]],
    ["an unknown option", ["inway", "--lisen", "x"]],
    ["no command at all", []],
    ["an option without its value", ["inway", "--listen"]],
  ];
  for (const [what, args] of wrong) {
    it(`exits with 2 on ${what}`, async () => {
      const { code, stdout, stderr } = await schakel(args);
      expect(code).to.equal(2);
      expect(stdout).to.equal("");
      expect(stderr).to.match(
        what === "no command at all" ? /^Usage: / : /^schakel: error: .+\n(schakel: hint: .+\n)+$/,
      );
    });
  }

  it("names all wrong settings of a process at once, and starts nothing", async () => {
    const { code, stderr } = await schakel(
      ["inway", "--listen", "nowhere", "--headers-max", "0", "--cert", "c"],
      {
        env: {
          SCHAKEL_INWAY_ANSWER_TIMEOUT: "soon",
          SCHAKEL_INWAY_LISTN: "x",
          SCHAKEL_INWYA_NAME: "x",
        },
      },
    );
    expect(code).to.equal(2);
    const expected = [
      '--listen: found "nowhere", allowed is HOST:PORT',
      '--headers-max: found "0", allowed is a whole number from 1 to 1000',
      'SCHAKEL_INWAY_ANSWER_TIMEOUT: found "soon"',
      "SCHAKEL_INWAY_LISTN: there is no setting with this name",
      "SCHAKEL_INWYA_NAME: there is no setting with this name",
      "--group is missing (or SCHAKEL_INWAY_GROUP)",
    ];
    for (const line of expected) expect(stderr).to.contain(`schakel: error: ${line}`);
    expect(stderr).to.contain("schakel: hint: ");
  });

  it("refuses an outway that would serve its health beyond loopback", async () => {
    const { code, stderr } = await schakel(["outway", "--health-listen", "0.0.0.0:8081"]);
    expect(code).to.equal(2);
    expect(stderr).to.contain(
      '--health-listen: found "0.0.0.0:8081", allowed is HOST:PORT on loopback',
    );
  });

  describe("when a process cannot start", () => {
    let group: TestGroup;
    let peer: TestPeer;
    let data = "";
    let pki: InternalPki;
    let identity = "";
    before(async () => {
      pki = await InternalPki.create();
      identity = await pki.identity("outway", "outway");
      group = await TestGroup.create();
      peer = await group.peer({
        peerId: "00000000000000000002",
        name: "Register",
        names: ["inway.test"],
      });
      data = await mkdtemp(join(tmpdir(), "schakel-cli-"));
    });
    after(async () => {
      await group.remove();
      await pki.remove();
      await rm(data, { recursive: true });
    });
    const outway = (...more: readonly string[]): ReturnType<typeof schakel> =>
      schakel([
        "outway",
        ...[
          "--group",
          group.groupFile,
          "--cert",
          peer.files.cert,
          "--key",
          peer.files.key,
          "--data",
          data,
          "--identity",
          identity,
        ],
        ...["--health-listen", "127.0.0.1:0", "--allow-volatile-log", "--log-level", "error"],
        ...more,
      ]);

    it("says that the port is taken, and exits with 1", async () => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      const { code, stderr } = await outway("--listen", `127.0.0.1:${String(port)}`);
      server.close();
      expect(code).to.equal(1);
      expect(stderr).to.contain(
        `schakel: error: cannot listen on 127.0.0.1:${String(port)}: the port is already taken`,
      );
    });

    const missing = [
      ["a group.json that is not there", ["--group", "/nonexistent/group.json"]],
      ["a certificate that is not there", ["--cert", "/nonexistent/cert.pem"]],
      ["an identity folder that is not there", ["--identity", "/nonexistent/identity"]],
      ["a data folder that cannot be made", ["--data", "/dev/null/nowhere"]],
    ] as const;
    for (const [what, flags] of missing) {
      it(`says so about ${what}, and exits with 1`, async () => {
        const { code, stderr } = await outway("--listen", "127.0.0.1:0", ...flags);
        expect(code).to.equal(1);
        expect(stderr).to.contain("schakel: error: ").and.to.contain(flags[1]);
        expect(stderr).not.to.match(/^\s+at /m);
      });
    }
  });
});
