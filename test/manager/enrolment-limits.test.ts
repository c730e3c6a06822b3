// How many enrolments are tried a minute: from one address, whose number takes nothing from others, and from all.
import { expect } from "chai";
import { openManagerFirst } from "../../component/manager-channel.js";
import { enrolmentService } from "../../manager/enrolment.js";
import {
  EnrolmentServiceClient,
  EnrolmentServiceService,
} from "../../proto/gen/schakel/manager/v1/enrolment.js";
import { openEnrolment, type OpenedEnrolment } from "../support/enrolling.js";
import { answerOf, detailsOf, errorOf } from "../support/grpc.js";
import { serveInternal } from "../support/internal-grpc.js";
import { InternalPki } from "../support/internal-pki.js";
import { MovedClock } from "../support/moved-clock.js";
import { recordedLog } from "../support/recorded-log.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";

const TAKEN = ["ERROR_CODE_REQUEST_INVALID"];
const REFUSED = ["ERROR_CODE_LIMIT_EXCEEDED"];
/** It uses no code up, and is refused when it is looked at. */
const REQUEST = { secret: Buffer.alloc(16), certificateRequest: Buffer.alloc(0) };

describe("manager/enrolment, attempts", function () {
  this.timeout(30_000);
  let pki: InternalPki;
  let clock: MovedClock;
  let opened: OpenedEnrolment;

  before(async () => {
    pki = await InternalPki.create("Ours");
  });
  after(async () => {
    await pki.remove();
    removeTemporaryFolders();
  });
  beforeEach(async () => {
    clock = new MovedClock();
    const around = { ca: pki.ca, clock, log: recordedLog().log };
    opened = await openEnrolment(temporaryFolder(), around);
  });
  const ended: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const end of ended.splice(0).reverse()) await end();
    await opened.db.destroy();
  });

  const attempt = (ip: string): Promise<unknown> =>
    opened.enrolment
      .enrol(REQUEST, ip)
      .catch((error: unknown) => (error as { code: unknown }).code);
  /** How attempts end, each way once. */
  const attempts = async (ip: string, count: number): Promise<readonly unknown[]> => [
    ...new Set(await Promise.all(Array.from({ length: count }, () => attempt(ip)))),
  ];

  it("are 60 a minute from one address, which take nothing from another", async () => {
    expect(await attempts("192.0.2.1", 60)).to.deep.equal(TAKEN);
    expect(await attempts("192.0.2.1", 1)).to.deep.equal(REFUSED);
    expect(await attempts("192.0.2.2", 60)).to.deep.equal(TAKEN);
    clock.advance(59_999);
    expect(await attempts("192.0.2.1", 1)).to.deep.equal(REFUSED);
    clock.advance(1);
    expect(await attempts("192.0.2.1", 1)).to.deep.equal(TAKEN);
  });

  it("are 600 a minute from all addresses", async () => {
    for (let host = 0; host < 10; host++) {
      expect(await attempts(`192.0.2.${String(host)}`, 60)).to.deep.equal(TAKEN);
    }
    expect(await attempts("192.0.2.99", 1)).to.deep.equal(REFUSED);
    clock.advance(60_000);
    expect(await attempts("192.0.2.99", 1)).to.deep.equal(TAKEN);
  });

  it("are counted by the address that a connection comes from", async () => {
    const { enrolment } = opened;
    const served = await serveInternal(await pki.bundle("manager", "manager"), (server) =>
      server.grpc.addService(EnrolmentServiceService, enrolmentService(server, enrolment)),
    );
    const known = { address: served.address, anchor: pki.ca.root };
    const client = await openManagerFirst(EnrolmentServiceClient, known);
    ended.push(
      () => served.server.stop(),
      () => client.close(),
    );
    expect(await attempts("127.0.0.1", 59)).to.deep.equal(TAKEN);
    expect(await attempts("192.0.2.1", 60)).to.deep.equal(TAKEN);
    const codes: unknown[] = [];
    for (let count = 0; count < 2; count++) {
      const error = await errorOf(answerOf((...rest) => client.enrol(REQUEST, ...rest)));
      codes.push(detailsOf(error).code);
    }
    expect(codes).to.deep.equal([...TAKEN, ...REFUSED]);
  });
});
