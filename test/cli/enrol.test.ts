// `schakel enrol`: a code is printed once, and becomes an identity folder on another machine, in real processes.
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Metadata } from "@grpc/grpc-js";
import { expect } from "chai";
import { loadInternalBundle } from "../../certs/internal-bundle.js";
import { formatAddress } from "../../core/address.js";
import { systemClock } from "../../core/clock.js";
import { withRole } from "../../manager/caller.js";
import { enrolmentService } from "../../manager/enrolment.js";
import {
  AdministrationServiceService,
  type AdministrationServiceServer,
  type CreateEnrolmentCodeRequest,
  type CreateEnrolmentCodeResponse,
} from "../../proto/gen/schakel/manager/v1/administration.js";
import { EnrolmentServiceService } from "../../proto/gen/schakel/manager/v1/enrolment.js";
import { openEnrolment, type OpenedEnrolment } from "../support/enrolling.js";
import { serveInternal, type InternalServed } from "../support/internal-grpc.js";
import { InternalPki } from "../support/internal-pki.js";
import { recordedLog } from "../support/recorded-log.js";
import { schakel } from "../support/schakel.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";

describe("cli/enrol", function () {
  this.timeout(120_000);
  let pki: InternalPki;
  let other: InternalPki;
  let opened: OpenedEnrolment;
  let served: InternalServed;
  let manager = "";
  let identity = "";
  const users: (readonly unknown[])[] = [];

  before(async () => {
    pki = await InternalPki.create("Ours");
    other = await InternalPki.create("Theirs");
    const around = { ca: pki.ca, clock: systemClock, log: recordedLog().log };
    opened = await openEnrolment(temporaryFolder(), around);
    const { enrolment } = opened;
    served = await serveInternal(await pki.bundle("manager", "manager"), (server) => {
      server.grpc.addService(EnrolmentServiceService, enrolmentService(server, enrolment));
      const createEnrolmentCode = server.unary<
        CreateEnrolmentCodeRequest,
        CreateEnrolmentCodeResponse
      >((request, caller, metadata: Metadata) => {
        withRole(caller, ["cli"]);
        users.push(metadata.get("schakel-user"));
        return enrolment.createCode(request);
      });
      const methods: Partial<AdministrationServiceServer> = { createEnrolmentCode };
      server.grpc.addService(AdministrationServiceService, methods as AdministrationServiceServer);
    });
    manager = formatAddress(served.address);
    identity = await pki.identity("cli", "admin", { manager: served.address });
  });
  after(async () => {
    await served.server.stop();
    await opened.db.destroy();
    await Promise.all([pki.remove(), other.remove()]);
    removeTemporaryFolders();
  });

  const create = (...more: readonly string[]): ReturnType<typeof schakel> =>
    schakel([
      ...["enrol", "--create", "--role", "inway", "--name", "inway-2"],
      ...["--identity", identity, ...more],
    ]);
  const newFolder = (): string => join(temporaryFolder(), "identity");
  const enrol = (input: string, dir: string, ...more: readonly string[]) =>
    schakel(["enrol", "--manager", manager, "--identity", dir, ...more], { input });

  it("prints a code that becomes an identity, once", async () => {
    const made = await create("--user", "jan");
    expect(made.code, made.stderr).to.equal(0);
    expect(made.stdout).to.match(/^schakel-enrol-1-[A-Za-z0-9_-]{64}\n$/);
    expect(made.stderr)
      .to.contain("role inway and the name inway-2")
      .and.to.contain("shown this once");
    expect(users.at(-1)).to.deep.equal(["jan"]);
    const dir = newFolder();
    const first = await enrol(made.stdout, dir);
    expect(first.stderr).to.equal("");
    expect(first).to.include({ code: 0, stdout: `Made ${dir} for the inway inway-2.\n` });
    const bundle = await loadInternalBundle(dir);
    expect(bundle.identity).to.include({ role: "inway", name: "inway-2" });
    expect(bundle.manager).to.deep.equal(served.address);
    const second = await enrol(made.stdout, newFolder());
    expect(second.code).to.equal(1);
    expect(second.stderr).to.contain("unknown, was used, or has expired");
    expect(second.stderr).to.contain("hint: Make a new code with 'schakel enrol --create'");
  });

  it("takes the code from a file, and prints JSON", async () => {
    const { code, expires_at: until } = JSON.parse((await create("--json")).stdout) as {
      code: string;
      expires_at: string;
    };
    expect(Date.parse(until) - Date.now()).to.be.within(55 * 60_000, 61 * 60_000);
    const file = join(temporaryFolder(), "code");
    await writeFile(file, `${code}\n`);
    const dir = newFolder();
    const made = await enrol("", dir, "--code-file", file, "--json");
    expect(made.code, made.stderr).to.equal(0);
    expect(JSON.parse(made.stdout)).to.deep.equal({
      ...{ role: "inway", name: "inway-2", identity: dir },
    });
  });

  it("gives an outway the host names that are asked for, by a code and by the CA's folder", async () => {
    const asked = ["--role", "outway", "--name", "o", "--host", "o.example", "--host", "p.example"];
    const shown = JSON.parse((await create(...asked, "--json")).stdout) as Record<string, string>;
    expect(shown).to.deep.include({ role: "outway", host_names: ["o.example", "p.example"] });
    const byCode = newFolder();
    expect(await enrol(`${shown["code"] ?? ""}\n`, byCode)).to.include({ code: 0, stderr: "" });
    const byCa = newFolder();
    const made = await schakel([
      ...["enrol", "--ca", pki.caDir, ...asked, "--manager", manager, "--identity", byCa],
    ]);
    expect(made).to.include({ code: 0, stderr: "" });
    for (const dir of [byCode, byCa]) {
      const { identity } = await loadInternalBundle(dir);
      expect(identity.hostNames).to.deep.equal(["o.example", "p.example"]);
    }
  });

  it("makes an identity straight from the CA's folder", async () => {
    const dir = newFolder();
    const made = await schakel([
      ...["enrol", "--ca", pki.caDir, "--role", "cli", "--name", "again"],
      ...["--manager", manager, "--identity", dir],
    ]);
    expect(made.code, made.stderr).to.equal(0);
    expect((await loadInternalBundle(dir)).identity).to.include({ role: "cli", name: "again" });
  });

  it("renews the identity that it shows when two thirds of its life have passed", async () => {
    const dir = await pki.identity("cli", "older", { manager: served.address, lifeMs: 120_000 });
    const before = (await loadInternalBundle(dir)).identity;
    const { code, stderr } = await create("--identity", dir);
    expect(code, stderr).to.equal(0);
    expect((await loadInternalBundle(dir)).identity.renewableFrom).to.be.above(
      before.renewableFrom,
    );
  });

  it("tells no secret to a manager that the code does not come from", async () => {
    const { stdout } = await create();
    const theirs = await serveInternal(await other.bundle("manager", "manager"), () => undefined);
    const dir = newFolder();
    const elsewhere = ["--manager", formatAddress(theirs.address)];
    const refused = await enrol(stdout, dir, ...elsewhere);
    await theirs.server.stop();
    expect(refused.code).to.equal(1);
    expect(refused.stderr).to.contain("what answers is not the manager that the code was made by");
    expect((await enrol(stdout, dir)).code).to.equal(0);
  });

  const wrong: readonly {
    readonly what: string;
    readonly args: (dir: string) => readonly string[];
    readonly input?: string;
    readonly code: number;
    readonly says: RegExp;
  }[] = [
    {
      what: "standard input without a code",
      args: (dir) => ["--manager", "127.0.0.1:1", "--identity", dir],
      input: "hello\n",
      code: 1,
      says: /standard input holds no enrolment code/,
    },
    {
      what: "a code among the arguments",
      args: (dir) => ["--manager", "127.0.0.1:1", "--identity", dir, "--code", "x"],
      code: 2,
      says: /unknown option '--code'/,
    },
    {
      what: "a file without a code",
      args: (dir) => ["--manager", "127.0.0.1:1", "--identity", dir, "--code-file", "/dev/null"],
      code: 1,
      says: /\/dev\/null holds no enrolment code/,
    },
    {
      what: "a manager that is no address",
      args: (dir) => ["--manager", "here", "--identity", dir],
      code: 2,
      says: /--manager: found "here", allowed is HOST:PORT/,
    },
    {
      what: "no manager",
      args: (dir) => ["--identity", dir],
      code: 2,
      says: /--manager is missing/,
    },
    {
      what: "no folder",
      args: () => ["--manager", "127.0.0.1:1"],
      code: 2,
      says: /--identity is missing/,
    },
    {
      what: "a role beside a code",
      args: (dir) => ["--manager", "127.0.0.1:1", "--identity", dir, "--role", "cli"],
      code: 2,
      says: /--role cannot be given without --create or --ca/,
    },
    {
      what: "a host name beside a code",
      args: (dir) => ["--manager", "127.0.0.1:1", "--identity", dir, "--host", "o.example"],
      code: 2,
      says: /--host cannot be given without --create or --ca/,
    },
    {
      what: "--create without a name",
      args: () => ["--create", "--role", "inway"],
      code: 2,
      says: /--name is missing/,
    },
    {
      what: "--create with a code",
      args: () => ["--create", "--role", "inway", "--name", "x", "--code-file", "f"],
      code: 2,
      says: /--code-file cannot be given with --create/,
    },
    {
      what: "--create with an identity that is not there",
      args: () => ["--create", "--role", "inway", "--name", "x", "--identity", "/nonexistent"],
      code: 1,
      says: /\/nonexistent\/certificate\.pem: there is no such file/,
    },
  ];
  for (const { what, args, input = "", code, says } of wrong) {
    it(`refuses ${what}, and makes nothing`, async () => {
      const parent = temporaryFolder();
      const result = await schakel(["enrol", ...args(join(parent, "identity"))], { input });
      expect(result.code).to.equal(code);
      expect(result.stderr).to.match(says);
      expect(result.stdout).to.equal("");
      expect(await readdir(parent)).to.deep.equal([]);
    });
  }

  it("says the manager's reason when it refuses to make a code", async () => {
    const { code, stderr } = await create("--role", "manager");
    expect(code).to.equal(1);
    expect(stderr).to.contain("role is not one of inway, outway, cli, web, client");
  });

  it("says that the manager is away, and leaves nothing", async () => {
    const parent = temporaryFolder();
    const { stdout } = await create();
    const args = ["enrol", "--manager", "127.0.0.1:1", "--identity", join(parent, "identity")];
    const { code, stderr } = await schakel(args, { input: stdout });
    expect(code).to.equal(1);
    expect(stderr).to.contain("ECONNREFUSED");
    expect(await readdir(parent)).to.deep.equal([]);
  });
});
