// Transaction logs between managers: GET /logs as FSC has it, our own extension, and the client of both.
import { expect } from "chai";
import { systemClock } from "../../core/clock.js";
import { parseTransactionId } from "../../core/names.js";
import { isNotServed, openLogClient } from "../../fsc/log-client.js";
import type { LoggedExchange, LogQuery } from "../../fsc/log-interface.js";
import { RemoteError } from "../../fsc/manager-interface.js";
import { askAsOther, requestText, TestManager, type RawAnswer } from "../support/fsc-manager.js";
import { mistakesIn, SHAPES } from "../support/fsc-shapes.js";
import { LOCAL, Members } from "../support/members.js";
import { RecordingLogs } from "../support/recorded-logs.js";
import { recordedLog } from "../support/recorded-log.js";

const ID = parseTransactionId("0192f1a0-7c00-7abc-8def-0123456789ab")!;
const SECOND = parseTransactionId("0192f1a0-7c00-7abc-8def-0123456789ac")!;

const NOTHING: LogQuery = {
  ...{ cursor: undefined, limit: 25, sortOrder: "descending", after: undefined },
  ...{ before: undefined, grantHashes: [], serviceNames: [], transactionIds: undefined },
};

const EXCHANGE: LoggedExchange = {
  transactionId: ID,
  direction: "incoming",
  grantHash: "$1$4$x",
  source: { peerId: "00000000000000000001", delegatorId: undefined },
  destination: { peerId: "00000000000000000002", delegatorId: "00000000000000000003" },
  serviceName: "personen",
  additionalData: { "schakel.status": 200 },
  createdAt: 1_764_000_000,
};

const JSON_TYPE = { "Content-Type": "application/json" };

describe("fsc/log-endpoints", function () {
  this.timeout(60_000);
  let members: Members;
  let manager: TestManager;
  let logs: RecordingLogs;

  before(async () => {
    members = await Members.create();
  });

  beforeEach(async () => {
    logs = new RecordingLogs();
    manager = await TestManager.start(members, { logs, witness: logs });
  });

  afterEach(() => manager.close());
  after(() => members.remove());

  const ask = (...request: Parameters<typeof requestText>): Promise<RawAnswer> =>
    askAsOther(manager, requestText(...request), members);

  const post = (path: string, body: object): Promise<RawAnswer> =>
    ask(`POST /v1${path}`, JSON_TYPE, JSON.stringify(body));

  const client = (to = LOCAL) =>
    openLogClient({
      groups: { current: members.group },
      bundles: { current: members.bundles.other },
      policy: () => to,
      ownAddress: undefined,
      clock: systemClock,
      log: recordedLog().log,
    });

  const caller = (): string => members.bundles.other.identity.peerId;

  const queries: readonly (readonly [query: string, expected: Partial<LogQuery>])[] = [
    ["", {}],
    [
      "?limit=1000&sort_order=SORT_ORDER_ASCENDING&cursor=abc",
      { limit: 1000, sortOrder: "ascending", cursor: "abc" },
    ],
    ["?after=1672527600&before=1672527700", { after: 1_672_527_600, before: 1_672_527_700 }],
    ["?after=9223372036854775807", { after: 9_000_000_000 }],
    [
      "?grant_hash=%241%244%24a,b&service_name=x,y",
      { grantHashes: ["$1$4$a", "b"], serviceNames: ["x", "y"] },
    ],
    [
      `?transaction_ids=${ID},unknown&limit=5&service_name=x&after=7&cursor=q`,
      { limit: 1000, transactionIds: [ID] },
    ],
  ];
  for (const [query, expected] of queries) {
    it(`gives log records for the query ${query === "" ? "without parameters" : query}`, async () => {
      logs.page = () => ({ items: [EXCHANGE], nextCursor: query === "" ? "next" : undefined });
      const { status, text } = await ask(`GET /v1/logs${query}`);
      expect(status, text).to.equal(200);
      const value: unknown = JSON.parse(text);
      expect(mistakesIn(SHAPES.logs, value)).to.deep.equal([]);
      expect(value).to.have.nested.property("pagination.next_cursor", query === "" ? "next" : "");
      expect(logs.asked).to.deep.equal([[{ ...NOTHING, ...expected }, caller()]]);
    });
  }

  it("gives no records for transaction ids of another form, and asks nobody", async () => {
    const { status, text } = await ask("GET /v1/logs?transaction_ids=a,b");
    expect([status, JSON.parse(text)]).to.deep.equal([
      200,
      { records: [], pagination: { next_cursor: "" } },
    ]);
    expect(logs.asked).to.deep.equal([]);
  });

  it("has FSC's form for each kind of record", async () => {
    logs.page = () => ({
      items: [
        EXCHANGE,
        {
          ...EXCHANGE,
          direction: "outgoing",
          source: { peerId: "1", delegatorId: "2" },
          destination: { peerId: "3", delegatorId: undefined },
          additionalData: undefined,
        },
      ],
      nextCursor: undefined,
    });
    const { text } = await ask("GET /v1/logs");
    const { records } = JSON.parse(text) as { readonly records: readonly unknown[] };
    expect(records).to.deep.equal([
      {
        transaction_id: ID,
        direction: "DIRECTION_INCOMING",
        grant_hash: "$1$4$x",
        source: { type: "SOURCE_TYPE_SOURCE", outway_peer_id: "00000000000000000001" },
        destination: {
          type: "DESTINATION_TYPE_DELEGATED_DESTINATION",
          service_peer_id: "00000000000000000002",
          delegator_peer_id: "00000000000000000003",
        },
        service_name: "personen",
        additional_data: { "schakel.status": 200 },
        created_at: 1_764_000_000,
      },
      {
        transaction_id: ID,
        direction: "DIRECTION_OUTGOING",
        grant_hash: "$1$4$x",
        source: {
          type: "SOURCE_TYPE_DELEGATED_SOURCE",
          outway_peer_id: "1",
          delegator_peer_id: "2",
        },
        destination: { type: "DESTINATION_TYPE_DESTINATION", service_peer_id: "3" },
        service_name: "personen",
        created_at: 1_764_000_000,
      },
    ]);
  });

  it("names the extensions that there are in GET /peer", async () => {
    const { text } = await ask("GET /v1/peer");
    expect(JSON.parse(text)).to.have.deep.property("enabled_extensions", {
      EXTENSION_DELEGATION: "1.0.0",
      EXTENSION_TRANSACTION_LOGGING: "1.1.0",
      EXTENSION_SCHAKEL_LOG: "1.0.0",
      EXTENSION_SCHAKEL_WITNESS: "1.0.0",
    });
  });

  it("refuses transaction ids whose records do not fit one answer", async () => {
    logs.page = () => ({ items: [EXCHANGE], nextCursor: "more" });
    const { headers } = await ask(`GET /v1/logs?transaction_ids=${ID}`);
    expect(headers.get("fsc-error-code")).to.equal("ERROR_CODE_LIMIT_EXCEEDED");
  });

  it("hands on a step of a comparison, whatever its parts", async () => {
    const parts = [
      { level: "bucket", index: 29_400_000, service: "personen" },
      { level: "group", index: 29_400_000, service: "zürich", last: 255 },
    ];
    const { status, text } = await post("/schakel/log/reconcile", {
      ...{ from_ms: 1, to_ms: 2, what: "items", skip: 7 },
      parts,
    });
    expect([status, JSON.parse(text)]).to.deep.equal([200, { parts: ["AQID", ""], more: true }]);
    const step = {
      ...{ fromMs: 1, toMs: 2, what: "items", skip: 7 },
      parts: [{ ...parts[0], last: 0 }, parts[1]],
    };
    expect(logs.asked).to.deep.equal([[step, caller()]]);
  });

  it("answers a witness's refusal as C2SP has it", async () => {
    logs.answer = { status: 409, contentType: "text/x.tlog.size", body: "17\n" };
    const { status, headers, text } = await ask(
      "POST /v1/schakel/witness/add-checkpoint",
      {},
      "old 3",
    );
    expect([status, headers.get("content-type"), text]).to.deep.equal([
      ...[409, "text/x.tlog.size", "17\n"],
    ]);
    expect(logs.asked).to.deep.equal([["old 3", caller()]]);
  });

  it("is not there for a checkpoint or a tile that there is none of", async () => {
    logs.note = undefined;
    logs.tileBytes = undefined;
    for (const path of ["checkpoint?epoch=7", "tile/0/000"]) {
      const { headers } = await ask(`GET /v1/schakel/log/${path}`);
      expect(headers.get("fsc-error-code")).to.equal("ERROR_CODE_PATH_NOT_FOUND");
    }
  });

  describe("and its client", () => {
    it("asks for log records and reads them", async () => {
      logs.page = () => ({ items: [EXCHANGE], nextCursor: "next" });
      const query: LogQuery = { ...NOTHING, after: 3, serviceNames: ["a", "b"], limit: 7 };
      expect(await client().logs(manager.endpoint, query)).to.deep.equal({
        items: [EXCHANGE],
        nextCursor: "next",
      });
      expect(logs.asked).to.deep.equal([[query, caller()]]);
    });

    it("asks for transactions and nothing else", async () => {
      await client().logs(manager.endpoint, { ...NOTHING, transactionIds: [ID, SECOND] });
      expect(logs.asked).to.deep.equal([
        [{ ...NOTHING, limit: 1000, transactionIds: [ID, SECOND] }, caller()],
      ]);
    });

    it("reads checkpoint, tile, keys and records", async () => {
      const to = manager.endpoint;
      const record = { leaf: Buffer.from("leaf"), epoch: 1, index: 70_000, proof: "proof" };
      logs.proven = [record];
      const tile = { epoch: 2, level: 1, index: 1_234_067, width: 8 };
      expect(await client().checkpoint(to)).to.equal(logs.note);
      expect(await client().tile(to, tile)).to.deep.equal(logs.tileBytes);
      expect(await client().keys(to)).to.deep.equal(["a.b.c", "d.e.f"]);
      expect(await client().records(to, [ID, SECOND])).to.deep.equal([record]);
      expect(logs.asked).to.deep.equal([undefined, tile, [[ID, SECOND], caller()]]);
    });

    it("has a step of a comparison answered and its bytes counted", async () => {
      const step = {
        ...({ fromMs: 1, toMs: 2, what: "items", skip: 7 } as const),
        parts: [{ level: "bucket", index: 5, service: "a", last: 0 } as const],
      };
      const { answer, bytes } = await client().compare(manager.endpoint, step);
      expect(answer).to.deep.equal({
        parts: [Buffer.from([1, 2, 3]), Buffer.alloc(0)],
        more: true,
      });
      expect(bytes).to.be.within(100, 300);
      expect(logs.asked).to.deep.equal([[step, caller()]]);
    });

    it("has a result signed and a checkpoint co-signed", async () => {
      const signed = { result: { a: 1 }, signature: "x.y.z" };
      expect(await client().coSign(manager.endpoint, signed)).to.equal("g.h.i");
      expect(await client().addCheckpoint(manager.endpoint, "old 3")).to.deep.equal(logs.answer);
    });

    it("tells a manager that has none of this from one that refuses", async () => {
      const failure = async (work: Promise<unknown>): Promise<unknown> =>
        work.then(
          () => undefined,
          (error: unknown) => error,
        );
      await manager.close();
      manager = await TestManager.start(members);
      const notServed = await failure(client().keys(manager.endpoint));
      expect(isNotServed(notServed)).to.equal(true);
      const witness = await failure(client().addCheckpoint(manager.endpoint, "old 0"));
      expect(isNotServed(witness)).to.equal(true);
      const limited = new RemoteError(manager.endpoint, 429, "ERROR_CODE_LIMIT_EXCEEDED", "");
      expect(isNotServed(limited)).to.equal(false);
    });
  });
});
