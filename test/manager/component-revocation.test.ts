// Internal certificates that are taken back: on new and open connections and at renewal, in a whole manager.
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { openCa, type Ca } from "../../certs/ca.js";
import { parseEnrolmentCode } from "../../certs/enrolment-code.js";
import { loadInternalBundle, type InternalBundle } from "../../certs/internal-bundle.js";
import type { Role } from "../../certs/internal-identity.js";
import { makeIdentity } from "../../certs/make-identity.js";
import { readCertificates } from "../../certs/pem.js";
import { createKeyRequest } from "../../certs/key-request.js";
import { issuedInternals } from "../../certs/internal-ca.js";
import { enrol } from "../../component/enrolment.js";
import { callManager, ManagerError } from "../../component/manager-call.js";
import { openManager } from "../../component/manager-channel.js";
import { formatAddress } from "../../core/address.js";
import {
  AdministrationServiceClient,
  type ListComponentsResponse,
  type RevokeComponentRequest,
  type RevokeComponentResponse,
} from "../../proto/gen/schakel/manager/v1/administration.js";
import { ComponentServiceClient } from "../../proto/gen/schakel/manager/v1/component.js";
import { openEnrolment } from "../support/enrolling.js";
import { Organisations, type Organisation } from "../support/managers.js";
import { MovedClock } from "../support/moved-clock.js";
import { recordedLog } from "../support/recorded-log.js";
import { schakel } from "../support/schakel.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";
import { WatchedState } from "../support/watched-state.js";

const DAY_MS = 86_400_000;

describe("manager/component-revocation", function () {
  this.timeout(120_000);
  const clock = new MovedClock();
  let network: Organisations;
  let organisation: Organisation;
  let ca: Ca;
  let admin: InternalBundle;
  let adminDir = "";
  const clients: { close(): void }[] = [];

  before(async () => {
    network = await Organisations.start(1, clock);
    organisation = network.at(0);
    ca = await openCa(join(organisation.data, "internal-ca"));
    adminDir = await made("cli", "admin");
    admin = await loadInternalBundle(adminDir);
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });
  after(async () => {
    await network.remove();
    removeTemporaryFolders();
  });

  const made = async (role: Role, name: string): Promise<string> => {
    const dir = join(temporaryFolder(), "identity");
    const manager = organisation.manager.internalAddress;
    await makeIdentity(ca, { role, name, dir, manager, keyBits: 2048 });
    return dir;
  };
  const opened = async (bundle: InternalBundle): Promise<AdministrationServiceClient> => {
    const address = organisation.manager.internalAddress;
    const client = await openManager(AdministrationServiceClient, { bundle, address });
    clients.push(client);
    return client;
  };
  const listed = async (bundle = admin): Promise<ListComponentsResponse> => {
    const client = await opened(bundle);
    return await callManager((...rest) => client.listComponents({}, ...rest), {
      timeoutMs: 20_000,
    });
  };
  const revoke = async (
    request: Partial<RevokeComponentRequest>,
    bundle = admin,
  ): Promise<RevokeComponentResponse> => {
    const client = await opened(bundle);
    const whole = { role: "", name: "", serialNumber: "", ...request };
    return await callManager((...rest) => client.revokeComponent(whole, ...rest), {
      timeoutMs: 20_000,
    });
  };
  const refusalOf = async (work: Promise<unknown>): Promise<ManagerError> => {
    const error: unknown = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (error instanceof ManagerError) return error;
    throw new Error(`it was not refused: ${String(error)}`);
  };
  const watched = async (bundle: InternalBundle): Promise<WatchedState> => {
    const address = organisation.manager.internalAddress;
    const client = await openManager(ComponentServiceClient, { bundle, address });
    clients.push(client);
    const chain = readCertificates(await readFile(organisation.peer.files.cert, "utf8"), 10);
    const state = new WatchedState(
      client.watchState({
        ...{ groupId: "test", version: "1.0.0" },
        certificateChain: chain.map(({ raw }) => raw),
        address: formatAddress(organisation.address),
      }),
    );
    await state.state();
    return state;
  };
  const codeFor = async (role: string, name: string) => {
    const asked = { role, name, hostNames: [] };
    const { code } = await organisation.call("createEnrolmentCode", asked);
    const parsed = parseEnrolmentCode(code);
    if (parsed === undefined) throw new Error("no code");
    return parsed;
  };

  it("ends the stream of an inway at once, lets it in no more, and says so in the log", async () => {
    const bundle = await loadInternalBundle(await made("inway", "stolen"));
    const state = await watched(bundle);
    const { certificates, added } = await revoke({ role: "inway", name: "stolen" });
    expect(added).to.equal(1);
    expect(certificates.map(({ role, name }) => [role, name])).to.deep.equal([["inway", "stolen"]]);
    expect(certificates[0]?.serialNumber).to.equal(bundle.chain[0]?.serialNumber);
    await until("the stream to end", () => state.error ?? state.ended);
    const { components } = await listed();
    expect(components.find(({ name }) => name === "stolen")?.connected).to.equal(false);
    expect((await refusalOf(listed(bundle))).code).to.equal(undefined);
    expect(organisation.lines.join("\n")).to.contain(
      "the certificate of the inway stolen was revoked",
    );
  });

  it("leaves other components as they are", async () => {
    const other = await watched(await loadInternalBundle(await made("inway", "other")));
    await made("outway", "gone");
    await revoke({ role: "outway", name: "gone" });
    await listed();
    expect(other.error).to.equal(undefined);
    expect(other.ended).to.equal(false);
  });

  it("gives no next certificate for one that is revoked while the call waits for its turn", async () => {
    const bundle = await loadInternalBundle(await made("cli", "renewing"));
    const now = clock.now() + 70 * DAY_MS;
    const later = { now: () => now, monotonic: () => 0 };
    const around = { ca, clock: later, log: recordedLog().log };
    const { db, refused, enrolment } = await openEnrolment(temporaryFolder(), around);
    const certificateRequest = createKeyRequest(bundle.key);
    let renewal: Promise<unknown> | undefined;
    await refused.inTurn(async () => {
      renewal = enrolment
        .renew({ certificateRequest }, bundle.identity)
        .catch((error: unknown) => error);
      // What does not wait for its turn has issued a certificate by then.
      await Promise.race([renewal, new Promise((resolve) => setTimeout(resolve, 500))]);
      const issued = (await issuedInternals(ca)).issued.filter(
        ({ identity }) => identity.name === "renewing",
      );
      expect((await refused.add(issued.slice(0, 1), now)).added).to.equal(1);
    });
    expect(await renewal)
      .to.have.property("message")
      .that.contains("was revoked: enrol again");
    await db.destroy();
  });

  it("takes the certificates from a new code for the same component, and none from an older code", async () => {
    const old = await loadInternalBundle(await made("inway", "again"));
    const before = await codeFor("inway", "again");
    await revoke({ role: "inway", name: "again" });
    const manager = organisation.manager.internalAddress;
    const into = () => join(temporaryFolder(), "identity");
    const error = await refusalOf(enrol({ code: before, manager, dir: into() }));
    expect(error.code).to.equal("ERROR_CODE_ENROLMENT_REFUSED");
    const dir = into();
    await enrol({ code: await codeFor("inway", "again"), manager, dir });
    await watched(await loadInternalBundle(dir));
    expect((await refusalOf(listed(old))).code).to.equal(undefined);
  });

  it("changes nothing the second time, and is in the audit log", async () => {
    await made("web", "pages");
    const first = await revoke({ role: "web", name: "pages" });
    clock.advance(1000);
    const second = await revoke({ role: "web", name: "pages" });
    expect([first.added, second.added]).to.deep.equal([1, 0]);
    expect(second.certificates).to.deep.equal(first.certificates);
    const { records } = await organisation.call("listAuditRecords", { pageSize: 1, pageToken: "" });
    expect(records[0]).to.deep.include({
      ...{ user: "cli/admin", component: "cli/admin", action: "RevokeComponent" },
      ...{ subject: '{"role":"web","name":"pages"}', outcome: "succeeded" },
    });
  });

  it("revokes a single certificate by its serial number, in any way of writing it", async () => {
    const [one, other] = await Promise.all([
      loadInternalBundle(await made("cli", "two")),
      loadInternalBundle(await made("cli", "two")),
    ]);
    const serial = one.chain[0]?.serialNumber ?? "";
    const colons = serial.toLowerCase().replaceAll(/(..)(?=.)/g, "$1:");
    expect((await revoke({ serialNumber: `00:${colons}` }, other)).added).to.equal(1);
    expect((await refusalOf(listed(one))).code).to.equal(undefined);
    await listed(other);
  });

  it("revokes also beside a record that a crash has cut off, and says which that is", async () => {
    await made("outway", "beside");
    const path = join(organisation.data, "internal-ca", "issued", "00ff.pem");
    await writeFile(path, "-----BEGIN CERTIFICATE-----\nMIIB");
    const { added } = await revoke({ role: "outway", name: "beside" });
    expect(added).to.equal(1);
    const line = organisation.lines.find((each) => each.includes("hold none"));
    expect(line).to.contain("00ff.pem");
    await rm(path);
  });

  const refused: readonly (readonly [string, Partial<RevokeComponentRequest>, RegExp])[] = [
    [
      "the caller's own certificate",
      { role: "cli", name: "admin" },
      /you call with: .*another cli/,
    ],
    ["the manager", { role: "manager", name: "manager" }, /role is manager, allowed are inway/],
    ["a client", { role: "client", name: "x" }, /schakel client remove/],
    ["an unknown role", { role: "Inway", name: "x" }, /role is "Inway", allowed is inway/],
    ["a name that is none", { role: "inway", name: "a/b" }, /name is "a\/b", allowed is 1 to 100/],
    ["a component that has no certificate", { role: "inway", name: "none" }, /has issued no such/],
    ["nothing", {}, /role is "", allowed is/],
    ["a serial that is none", { serialNumber: "xyz" }, /serial_number is not 1 to 20 bytes/],
    ["a serial of zeros", { serialNumber: "0000" }, /serial_number is not 1 to 20 bytes/],
    ["a serial that is too long", { serialNumber: "1".repeat(41) }, /serial_number is not/],
    ["a serial that nobody has", { serialNumber: "abcdef" }, /has issued no such/],
    ["both forms at once", { role: "cli", name: "x", serialNumber: "ab" }, /instead of role/],
  ];
  for (const [what, request, says] of refused) {
    it(`refuses to revoke ${what}`, async () => {
      const error = await refusalOf(revoke(request));
      expect(error.code).to.equal("ERROR_CODE_REQUEST_INVALID");
      expect(error.message).to.match(says);
      await listed();
    });
  }

  it("refuses to revoke the manager's certificate by its serial number", async () => {
    const dir = await made("manager", "manager");
    const serialNumber = (await loadInternalBundle(dir)).chain[0]?.serialNumber ?? "";
    const error = await refusalOf(revoke({ serialNumber }));
    expect(error.message).to.match(/role is manager/);
  });

  it("is a command, which shows what it revoked and what is revoked", async () => {
    await made("inway", "by-command");
    const run = (...args: readonly string[]) =>
      schakel(["component", ...args, "--identity", adminDir]);
    const done = await run("revoke", "--role", "inway", "--name", "by-command");
    expect(done.code, done.stderr).to.equal(0);
    expect(done.stdout).to.match(/^inway +by-command +[0-9A-F]+ /m);
    expect(done.stderr).to.contain("refused from now on");
    const list = await run("list", "--refused", "--json");
    const shown = JSON.parse(list.stdout) as readonly { readonly name: string }[];
    expect(shown.map(({ name }) => name)).to.include("by-command");
    expect(await run("revoke", "--role", "inway")).to.include({ code: 2 });
    expect(await run("revoke", "--role", "inway", "--name", "a", "--serial", "b")).to.include({
      code: 2,
    });
    const own = await run("revoke", "--role", "cli", "--name", "admin");
    expect(own.code).to.equal(1);
    expect(own.stderr).to.contain("call with another cli identity");
  });

  it("refuses what was revoked also after a restart, and lists it", async () => {
    const bundle = await loadInternalBundle(await made("cli", "former"));
    await listed(bundle);
    await revoke({ role: "cli", name: "former" });
    await organisation.stop();
    await organisation.start();
    expect((await refusalOf(listed(bundle))).code).to.equal(undefined);
    const { refused } = await listed();
    expect(refused.map(({ role, name }) => `${role}/${name}`)).to.include("cli/former");
  });
});
