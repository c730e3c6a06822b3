// The manager takes the records of inways and outways: one stream a writer, acknowledged when they are durable.
import { expect } from "chai";
import type { Role } from "../../certs/internal-identity.js";
import type { ShipLogRequest } from "../../proto/gen/schakel/manager/v1/log.js";
import { Organisations, type Organisation } from "../support/managers.js";
import { ShippingStream } from "../support/ship-stream.js";
import { ShippingWriter } from "../support/shipped.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

describe("the intake of records", function () {
  this.timeout(60_000);
  let network: Organisations;
  let organisation: Organisation;
  let writer: ShippingWriter;
  const streams: ShippingStream[] = [];

  const open = async (role: Role = "inway", name = "one"): Promise<ShippingStream> => {
    const bundle = await organisation.pki.bundle(role, name);
    const stream = await ShippingStream.open(bundle, organisation.manager.internalAddress);
    streams.push(stream);
    return stream;
  };

  /** A stream on which the writer may send. */
  const begun = async (by = writer): Promise<ShippingStream> => {
    const stream = await open();
    await stream.begin(by.writerId, writer.groupId);
    stream.segment(1, by.segmentKey);
    return stream;
  };

  const exchanges = (count: number, by = writer): ReturnType<ShippingWriter["take"]> => {
    for (let n = 0; n < count; n++) by.outcome(by.intent({ personal: { path: `/${n}` } }));
    return by.take();
  };

  const reader = () => organisation.manager.state.logStore.reader;

  before(async () => {
    network = await Organisations.start(1);
    organisation = network.at(0);
  });

  beforeEach(() => {
    writer = new ShippingWriter(Date.now, "test");
  });

  afterEach(() => {
    for (const stream of streams.splice(0)) stream.close();
  });

  after(async () => {
    await network.remove();
    removeTemporaryFolders();
  });

  it("acknowledges records that are in the store, and goes on where a writer was", async () => {
    const stream = await begun();
    expect(stream.next).to.equal(1);
    for (let batch = 0; batch < 20; batch++) stream.batch(exchanges(50));
    await stream.reached(2001);
    expect(stream.responses.map(({ newSegment }) => newSegment)).to.not.include(true);
    const entry = await reader().entry({ writerId: writer.writerId, sequence: 2000 });
    expect(entry?.leaf).to.not.equal(undefined);
    stream.finish();
    expect(await stream.ended()).to.equal("ended");
    const again = await open("inway", "two");
    expect(await again.begin(writer.writerId, writer.groupId)).to.equal(2001);
  });

  it("seals what comes in within a second", async () => {
    const stream = await begun();
    stream.batch(exchanges(1));
    await stream.reached(3);
    const key = { writerId: writer.writerId, sequence: 2 };
    await until("the record to be sealed", async () => (await reader().entry(key))?.isSealed);
    const [key1] = await reader().keys();
    // Signed with the peer's certificate: three parts with dots between.
    expect(key1?.statement.split(".")).to.have.length(3);
  });

  it("ends the older stream of a writer when a newer one begins", async () => {
    const older = await begun();
    const newer = await begun();
    expect(await older.ended()).to.equal("ended");
    newer.batch(exchanges(1));
    await newer.reached(3);
    expect(newer.outcome).to.equal(undefined);
  });

  it("asks for a new segment when something was erased that its key opens", async () => {
    const stream = await begun();
    const { transactionId } = writer.intent({ personal: { path: "/secret" } });
    stream.batch(writer.take());
    await stream.reached(2);
    const erased = await organisation.manager.state.logStore.keeper.erase({ transactionId });
    expect(erased).to.deep.equal({ records: 1, pending: ["inway/one"] });
    await until("the question", () => stream.responses.at(-1)?.newSegment);
    stream.segment(2, writer.segmentKey);
    stream.batch(exchanges(1));
    await stream.reached(4);
    expect(stream.responses.at(-1)?.newSegment).to.equal(false);
  });

  const batchOf = (count: number): ShipLogRequest["step"] => {
    const { records } = exchanges(1);
    return { $case: "batch", value: { firstSequence: 1n, count, records } };
  };
  const segmentOf = (bytes: number): ShipLogRequest["step"] => ({
    $case: "segment",
    value: { number: 1, key: Buffer.alloc(bytes) },
  });
  const beginning = (groupId: string, bytes: number): ShipLogRequest["step"] => ({
    $case: "begin",
    value: { groupId, writerId: Buffer.alloc(bytes, 1) },
  });
  const REFUSED: Readonly<
    Record<string, readonly [code: string, steps: () => readonly ShipLogRequest["step"][]]>
  > = {
    "another group": ["ERROR_CODE_INCORRECT_GROUP_ID", () => [beginning("other", 16)]],
    "a writer that is no UUID": [
      "ERROR_CODE_REQUEST_INVALID",
      () => [beginning(writer.groupId, 15)],
    ],
    "records before it is said whose they are": ["ERROR_CODE_REQUEST_INVALID", () => [batchOf(2)]],
    "a message without anything": ["ERROR_CODE_REQUEST_INVALID", () => [undefined]],
    "a second beginning": [
      "ERROR_CODE_REQUEST_INVALID",
      () => [beginning(writer.groupId, 16), beginning(writer.groupId, 16)],
    ],
    "records before their segment": [
      "ERROR_CODE_REQUEST_INVALID",
      () => [beginning(writer.groupId, 16), batchOf(2)],
    ],
    "a key of another length": [
      "ERROR_CODE_REQUEST_INVALID",
      () => [beginning(writer.groupId, 16), segmentOf(31)],
    ],
    "records that are not the writer's": [
      "ERROR_CODE_REQUEST_INVALID",
      () => [beginning(writer.groupId, 16), segmentOf(32), batchOf(2)],
    ],
  };
  for (const [name, [code, steps]] of Object.entries(REFUSED)) {
    it(`refuses ${name}`, async () => {
      const stream = await open();
      for (const step of steps()) stream.send(step);
      expect(await stream.ended()).to.equal(code);
    });
  }

  it("refuses a gap, keeps what came before it, and takes the rest from a new stream", async () => {
    const stream = await begun();
    stream.batch(exchanges(1));
    const lost = exchanges(1);
    stream.batch(exchanges(1));
    expect(await stream.ended()).to.equal("ERROR_CODE_REQUEST_INVALID");
    const again = await begun();
    expect(again.next).to.equal(3);
    again.batch(lost);
    await again.reached(5);
  });
});
