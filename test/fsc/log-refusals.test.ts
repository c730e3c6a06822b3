// What the endpoints about transaction logs refuse, each with its status, code and sentence.
import { expect } from "chai";
import { errorRow, type ErrorCode } from "../../core/errors.js";
import { parseTransactionId } from "../../core/names.js";
import { parseTile } from "../../fsc/log-endpoints.js";
import { askAsOther, requestText, TestManager } from "../support/fsc-manager.js";
import { Members } from "../support/members.js";
import { RecordingLogs } from "../support/recorded-logs.js";

const ID = parseTransactionId("0192f1a0-7c00-7abc-8def-0123456789ab")!;
const STEP = { from_ms: 0, to_ms: 10, what: "children", parts: [{ level: "whole" }], skip: 0 };
const JSON_TYPE = { "Content-Type": "application/json" };

describe("fsc/log-endpoints refuse", function () {
  this.timeout(60_000);
  let members: Members;
  let manager: TestManager;
  let logs: RecordingLogs;

  before(async () => {
    members = await Members.create();
    logs = new RecordingLogs();
    manager = await TestManager.start(members, { logs, witness: logs });
  });

  after(async () => {
    await manager.close();
    await members.remove();
  });

  const part = (more: object): object => ({ ...STEP, parts: [more] });
  const refused: readonly (readonly [
    title: string,
    line: string,
    body: object | undefined,
    code: ErrorCode,
    says: string,
  ])[] = [
    ["a limit of 0", "GET /v1/logs?limit=0", undefined, "ERROR_CODE_REQUEST_INVALID", "limit"],
    [
      "a limit of 1001",
      "GET /v1/logs?limit=1001",
      undefined,
      "ERROR_CODE_REQUEST_INVALID",
      "1 to 1000",
    ],
    [
      "an unknown order",
      "GET /v1/logs?sort_order=UP",
      undefined,
      "ERROR_CODE_REQUEST_INVALID",
      "SORT_ORDER_ASCENDING",
    ],
    [
      "a time before 1970",
      "GET /v1/logs?after=-1",
      undefined,
      "ERROR_CODE_REQUEST_INVALID",
      "after",
    ],
    [
      "a time that is none",
      "GET /v1/logs?before=now",
      undefined,
      "ERROR_CODE_REQUEST_INVALID",
      "before",
    ],
    [
      "a parameter twice",
      "GET /v1/logs?after=1&after=2",
      undefined,
      "ERROR_CODE_REQUEST_INVALID",
      "more than once",
    ],
    [
      "a grant hash that is too long",
      `GET /v1/logs?grant_hash=${"a".repeat(1025)}`,
      undefined,
      "ERROR_CODE_REQUEST_INVALID",
      "1024",
    ],
    [
      "a service name that is too long",
      `GET /v1/logs?service_name=${"a".repeat(256)}`,
      undefined,
      "ERROR_CODE_REQUEST_INVALID",
      "255",
    ],
    [
      "201 services",
      `GET /v1/logs?service_name=${Array.from({ length: 201 }, (_, n) => n).join(",")}`,
      undefined,
      "ERROR_CODE_REQUEST_INVALID",
      "more than 200",
    ],
    [
      "an empty name among services",
      "GET /v1/logs?service_name=a,",
      undefined,
      "ERROR_CODE_REQUEST_INVALID",
      "service_name",
    ],
    ["logs with another method", "POST /v1/logs", {}, "ERROR_CODE_METHOD_UNSUPPORTED", ""],
    [
      "an epoch of 0",
      "GET /v1/schakel/log/checkpoint?epoch=0",
      undefined,
      "ERROR_CODE_REQUEST_INVALID",
      "epoch",
    ],
    [
      "a tile without a name",
      "GET /v1/schakel/log/tile/",
      undefined,
      "ERROR_CODE_PATH_NOT_FOUND",
      "",
    ],
    [
      "a tile with another name",
      "GET /v1/schakel/log/tile/0/1",
      undefined,
      "ERROR_CODE_REQUEST_INVALID",
      "tile",
    ],
    [
      "a tile with a path of its own",
      "GET /v1/schakel/log/tile/0/../001",
      undefined,
      "ERROR_CODE_REQUEST_INVALID",
      "tile",
    ],
    [
      "records without a transaction",
      "POST /v1/schakel/log/records",
      {},
      "ERROR_CODE_REQUEST_INVALID",
      "transaction_ids",
    ],
    [
      "records of another kind of id",
      "POST /v1/schakel/log/records",
      { transaction_ids: ["1"] },
      "ERROR_CODE_REQUEST_INVALID",
      "UUID",
    ],
    [
      "records of 201 transactions",
      "POST /v1/schakel/log/records",
      { transaction_ids: Array.from({ length: 201 }, () => ID) },
      "ERROR_CODE_REQUEST_INVALID",
      "1 to 200",
    ],
    [
      "records with more than an id",
      "POST /v1/schakel/log/records",
      { transaction_ids: [ID], x: 1 },
      "ERROR_CODE_REQUEST_INVALID",
      "unknown",
    ],
    [
      "records in a large body",
      "POST /v1/schakel/log/records",
      { transaction_ids: "x".repeat(17_000) },
      "ERROR_CODE_BODY_TOO_LARGE",
      "16384",
    ],
    [
      "a step without parts",
      "POST /v1/schakel/log/reconcile",
      { ...STEP, parts: [] },
      "ERROR_CODE_REQUEST_INVALID",
      "1 to 64",
    ],
    [
      "a step with 65 parts",
      "POST /v1/schakel/log/reconcile",
      { ...STEP, parts: Array.from({ length: 65 }, () => ({ level: "whole" })) },
      "ERROR_CODE_REQUEST_INVALID",
      "1 to 64",
    ],
    [
      "a step about nothing known",
      "POST /v1/schakel/log/reconcile",
      { ...STEP, what: "all" },
      "ERROR_CODE_REQUEST_INVALID",
      "children or items",
    ],
    [
      "a step about no time",
      "POST /v1/schakel/log/reconcile",
      { ...STEP, to_ms: 0 },
      "ERROR_CODE_REQUEST_INVALID",
      "to_ms",
    ],
    [
      "a step about a time that is none",
      "POST /v1/schakel/log/reconcile",
      { ...STEP, from_ms: -1 },
      "ERROR_CODE_REQUEST_INVALID",
      "from_ms",
    ],
    [
      "a step that skips half",
      "POST /v1/schakel/log/reconcile",
      { ...STEP, skip: 0.5 },
      "ERROR_CODE_REQUEST_INVALID",
      "skip",
    ],
    [
      "a part of no level",
      "POST /v1/schakel/log/reconcile",
      part({ level: "year", index: 1 }),
      "ERROR_CODE_REQUEST_INVALID",
      "level",
    ],
    [
      "a day without its number",
      "POST /v1/schakel/log/reconcile",
      part({ level: "day" }),
      "ERROR_CODE_REQUEST_INVALID",
      "index",
    ],
    [
      "a minute without its service",
      "POST /v1/schakel/log/reconcile",
      part({ level: "bucket", index: 1 }),
      "ERROR_CODE_REQUEST_INVALID",
      "service",
    ],
    [
      "a service that is too long",
      "POST /v1/schakel/log/reconcile",
      part({ level: "bucket", index: 1, service: "x".repeat(1025) }),
      "ERROR_CODE_REQUEST_INVALID",
      "1024",
    ],
    [
      "children of a group",
      "POST /v1/schakel/log/reconcile",
      part({ level: "group", index: 1, service: "x", last: 1 }),
      "ERROR_CODE_REQUEST_INVALID",
      "children",
    ],
    [
      "a byte over 255",
      "POST /v1/schakel/log/reconcile",
      { ...part({ level: "group", index: 1, service: "x", last: 256 }), what: "items" },
      "ERROR_CODE_REQUEST_INVALID",
      "255",
    ],
    [
      "exchanges of a whole day",
      "POST /v1/schakel/log/reconcile",
      { ...part({ level: "day", index: 1 }), what: "items" },
      "ERROR_CODE_REQUEST_INVALID",
      "items",
    ],
    [
      "a result without a signature",
      "POST /v1/schakel/log/statement",
      { result: {} },
      "ERROR_CODE_REQUEST_INVALID",
      "signature",
    ],
    [
      "a result that is none",
      "POST /v1/schakel/log/statement",
      { result: [], signature: "x" },
      "ERROR_CODE_REQUEST_INVALID",
      "result",
    ],
    [
      "a request to a witness that is too large",
      "POST /v1/schakel/witness/add-checkpoint",
      { x: "x".repeat(70_000) },
      "ERROR_CODE_BODY_TOO_LARGE",
      "65536",
    ],
  ];
  for (const [title, line, body, code, says] of refused) {
    it(title, async () => {
      const request =
        body === undefined ? requestText(line) : requestText(line, JSON_TYPE, JSON.stringify(body));
      const { status, headers, text } = await askAsOther(manager, request, members);
      expect(headers.get("fsc-error-code"), text).to.equal(code);
      expect(status).to.equal(errorRow(code).status);
      expect(text).to.contain(says);
      expect(logs.asked).to.deep.equal([]);
    });
  }
});

describe("the name of a tile", () => {
  const right = ["0/000", "1/x001/234", "59/000", "0/x001/x234/067.p/8", "2/999.p/255"];
  const wrong = [
    "0/00",
    "0/x000/001",
    "64/000",
    "00/000",
    "0/000.p/0",
    "0/000.p/256",
    "0/000.p/300",
    "0/x001/x234",
    "data/000",
    "0/000/",
  ];
  for (const name of right) {
    it(`is ${name}`, () => {
      expect(parseTile(name, undefined)).to.not.equal(undefined);
    });
  }
  for (const name of wrong) {
    it(`is not ${name}`, () => {
      expect(parseTile(name, undefined)).to.equal(undefined);
    });
  }
});
