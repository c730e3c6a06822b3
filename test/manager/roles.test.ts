// Each method inside the organisation lists the roles that may call it, and refuses all others. The methods are
// taken from the interface's own definitions: one that is added without roles, or without a line here, fails.
import { Metadata, type ServiceError } from "@grpc/grpc-js";
import { expect } from "chai";
import { ROLES, type Role } from "../../certs/internal-identity.js";
import { openManagerFirst, openManager } from "../../component/manager-channel.js";
import {
  AdministrationServiceClient,
  AdministrationServiceService,
} from "../../proto/gen/schakel/manager/v1/administration.js";
import { ComponentServiceService } from "../../proto/gen/schakel/manager/v1/component.js";
import {
  LogIntakeServiceService,
  LogServiceService,
} from "../../proto/gen/schakel/manager/v1/log.js";
import { EnrolmentServiceService } from "../../proto/gen/schakel/manager/v1/enrolment.js";
import { Organisations, type Organisation } from "../support/managers.js";
import { removeTemporaryFolders } from "../support/temporary.js";

const PEOPLE: readonly Role[] = ["cli", "web"];
/** Who shows no certificate. */
const NOBODY = "nobody";

const METHODS = Object.values({
  ...AdministrationServiceService,
  ...ComponentServiceService,
  ...EnrolmentServiceService,
  ...LogIntakeServiceService,
  ...LogServiceService,
});

/** The roles of each method that are not those of people. */
const OTHERS: Readonly<Record<string, readonly string[]>> = {
  "/schakel.manager.v1.AdministrationService/RevokeComponent": ["cli"],
  "/schakel.manager.v1.ComponentService/WatchState": ["inway", "outway"],
  "/schakel.manager.v1.EnrolmentService/Enrol": [...ROLES, NOBODY],
  "/schakel.manager.v1.EnrolmentService/Renew": ["inway", "outway", "cli"],
  "/schakel.manager.v1.LogIntakeService/ShipLog": ["inway", "outway"],
  "/schakel.manager.v1.LogService/BeginEpoch": ["cli"],
  "/schakel.manager.v1.LogService/PruneLog": ["cli"],
};

const rolesOf = (path: string): readonly string[] => OTHERS[path] ?? PEOPLE;

describe("the roles of the manager's methods", function () {
  this.timeout(60_000);
  let network: Organisations;
  let organisation: Organisation;
  const clients = new Map<string, AdministrationServiceClient>();

  before(async () => {
    network = await Organisations.start(1);
    organisation = network.at(0);
    const { anchor } = await organisation.pki.bundle("cli", "somebody");
    clients.set(
      NOBODY,
      await openManagerFirst(AdministrationServiceClient, {
        anchor,
        address: organisation.manager.internalAddress,
      }),
    );
    for (const role of ROLES) {
      const bundle = await organisation.pki.bundle(role, "somebody");
      const address = organisation.manager.internalAddress;
      clients.set(role, await openManager(AdministrationServiceClient, { bundle, address }));
    }
  });

  after(async () => {
    for (const client of clients.values()) client.close();
    await network.remove();
    removeTemporaryFolders();
  });

  /** The code of the error with which an empty message is answered, or "answered". */
  const answer = (path: string, responseStream: boolean, role: string): Promise<string> =>
    new Promise((resolve) => {
      const client = clients.get(role);
      if (client === undefined) throw new Error(`no client has the role ${role}`);
      const metadata = new Metadata();
      metadata.set("schakel-user", "somebody");
      const options = { deadline: Date.now() + 10_000 };
      const [write, read] = [(bytes: Buffer) => bytes, (bytes: Buffer) => bytes];
      const empty = Buffer.alloc(0);
      const codeOf = (error: ServiceError | null): string =>
        error === null
          ? "answered"
          : String(error.metadata.get("fsc-error-code")[0] ?? error.message);
      if (!responseStream) {
        client.makeUnaryRequest(path, write, read, empty, metadata, options, (error) =>
          resolve(codeOf(error)),
        );
        return;
      }
      const stream = client.makeServerStreamRequest(path, write, read, empty, metadata, options);
      stream.on("error", (error: ServiceError) => resolve(codeOf(error)));
      stream.on("end", () => resolve("answered"));
      stream.on("data", () => {
        resolve("answered");
        stream.cancel();
      });
    });

  it("covers every method that the five services have", () => {
    expect(METHODS).to.have.length(38);
    const isForPeople = (path: string): boolean =>
      /\.(?:AdministrationService|LogService)\//.test(path);
    expect(Object.keys(OTHERS)).to.include.members(
      METHODS.map(({ path }) => path).filter((path) => !isForPeople(path)),
    );
  });

  for (const { path, responseStream } of METHODS) {
    const allowed = rolesOf(path);
    const name = path.slice(path.lastIndexOf("/") + 1);

    it(`${name} refuses every role but ${allowed.join(", ")}`, async () => {
      for (const role of [...ROLES, NOBODY]) {
        const code = await answer(path, responseStream, role);
        const isRefused = code === "ERROR_CODE_ROLE_NOT_ALLOWED";
        expect([role, isRefused, code]).to.deep.equal([role, !allowed.includes(role), code]);
      }
    });
  }

  it("leaves no trace in the audit log of a call that a role refused", async () => {
    const { records } = await organisation.call("listAuditRecords", {
      pageSize: 1000,
      pageToken: "",
    });
    expect(records.map(({ component }) => component.split("/")[0])).to.not.include.members([
      "inway",
    ]);
    expect(new Set(records.map(({ user }) => user))).to.deep.equal(new Set(["somebody"]));
  });
});
