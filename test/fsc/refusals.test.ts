// What the FSC server refuses, over real TLS connections, each with its status, code and form.
import { expect } from "chai";
import type { ErrorCode } from "../../core/errors.js";
import { errorRow, SchakelError } from "../../core/errors.js";
import { SUBMISSION_BYTES_MAX, submissionBody } from "../../contracts/contract.js";
import { contentHash } from "../../contracts/hash.js";
import { OAuthError } from "../../fsc/manager-interface.js";
import { connection, contentOf, signed } from "../support/fsc-contracts.js";
import { askAsOther, requestText, TestManager, type RawAnswer } from "../support/fsc-manager.js";
import { Members } from "../support/members.js";

const HOME = "https://other.test:8443";
const JSON_TYPE = { "Content-Type": "application/json" };
const SUBMITTING = { ...JSON_TYPE, "Fsc-Manager-Address": HOME };
const FORM_TYPE = { "Content-Type": "application/x-www-form-urlencoded" };
const HASH = `$1$1$${"A".repeat(86)}`;
const GRANT = `$1$3$${"A".repeat(86)}`;
const IN_PATH = encodeURIComponent(HASH);

type Row = readonly [title: string, request: Buffer, code: ErrorCode, says: string | RegExp];
type Headers = Readonly<Record<string, string | readonly string[]>>;

const get = (path: string, headers: Headers = {}): Buffer => requestText(`GET ${path}`, headers);
const post = (path: string, headers: Headers, body: string): Buffer =>
  requestText(`POST ${path}`, headers, body);
const put = (path: string, headers: Headers, body = ""): Buffer =>
  requestText(`PUT ${path}`, { "Content-Length": String(body.length), ...headers }, body);
const from = (address: string | readonly string[]): Buffer =>
  put("/v1/announce", { "Fsc-Manager-Address": address });

const PATHS: readonly Row[] = [
  ["a path outside /v1", get("/peer"), "ERROR_CODE_PATH_NOT_FOUND", "/v1"],
  ["the root", get("/"), "ERROR_CODE_PATH_NOT_FOUND", ""],
  ["a slash at the end", get("/v1/peer/"), "ERROR_CODE_PATH_NOT_FOUND", ""],
  ["a double slash", get("/v1//peer"), "ERROR_CODE_PATH_NOT_FOUND", ""],
  ["a dot segment", get("/v1/x/../peer"), "ERROR_CODE_PATH_NOT_FOUND", ""],
  ["an encoded letter", get("/v1/%70eer"), "ERROR_CODE_PATH_NOT_FOUND", ""],
  ["another case", get("/v1/Peer"), "ERROR_CODE_PATH_NOT_FOUND", ""],
  ["another version", get("/v2/peer"), "ERROR_CODE_PATH_NOT_FOUND", ""],
  ["no hash", put("/v1/contracts//accept", SUBMITTING), "ERROR_CODE_PATH_NOT_FOUND", ""],
  [
    "another decision",
    put(`/v1/contracts/${IN_PATH}/withdraw`, SUBMITTING),
    "ERROR_CODE_PATH_NOT_FOUND",
    "",
  ],
  ["logs, where there are none", get("/v1/logs"), "ERROR_CODE_PATH_NOT_FOUND", ""],
  ["a log's keys, where it is none", get("/v1/schakel/log/keys"), "ERROR_CODE_PATH_NOT_FOUND", ""],
  [
    "a witness, where there is none",
    post("/v1/schakel/witness/add-checkpoint", {}, "old 0"),
    "ERROR_CODE_PATH_NOT_FOUND",
    "",
  ],
];

const METHODS: readonly (readonly [line: string, allow: string])[] = [
  ["POST /v1/announce", "PUT"],
  ["GET /v1/announce", "PUT"],
  ["PUT /v1/contracts", "POST, GET"],
  ["DELETE /v1/contracts", "POST, GET"],
  [`POST /v1/contracts/${IN_PATH}/accept`, "PUT"],
  [`GET /v1/contracts/${IN_PATH}/revoke`, "PUT"],
  ["GET /v1/token", "POST"],
  ["HEAD /v1/token", "POST"],
  ["POST /v1/peer", "GET"],
  ["OPTIONS /v1/peers", "GET"],
  ["PATCH /v1/services", "GET"],
  ["TRACE /v1/.well-known/jwks.json", "GET"],
];

const ADDRESSES: readonly (readonly [title: string, address: string | string[], says: string])[] = [
  ["no address", [], "is missing"],
  ["two addresses", [HOME, HOME], "more than once"],
  ["an address without a port", "https://other.test", "a port"],
  ["an address of http", "http://other.test:8443", "https"],
  ["an address with a path", `${HOME}/v1`, "https"],
  ["an address with a user", "https://me@other.test:8443", "https"],
  ["a host of another peer", "https://inway.test:8443", "not a name of the caller's certificate"],
  ["a host that is no name", "https://127.0.0.1:8443", "not a name of the caller's certificate"],
  ["a port that is not the group's", "https://other.test:9000", "443, 8443"],
  ["port 0", "https://other.test:0", "a port"],
  ["an empty address", "", "https"],
];

const INVALID = "ERROR_CODE_REQUEST_INVALID";
const QUERIES: readonly Row[] = [
  ["limit 0", get("/v1/contracts?limit=0"), INVALID, "limit"],
  ["limit 1001", get("/v1/contracts?limit=1001"), INVALID, "limit"],
  ["a limit in hexadecimal", get("/v1/peers?limit=0x10"), INVALID, "limit"],
  ["a negative limit", get("/v1/services?limit=-1"), INVALID, "limit"],
  ["a limit with a fraction", get("/v1/peers?limit=1.5"), INVALID, "limit"],
  ["two limits", get("/v1/peers?limit=1&limit=2"), INVALID, "limit"],
  ["a sort order of another case", get("/v1/peers?sort_order=ascending"), INVALID, "sort_order"],
  [
    "two sort orders",
    get("/v1/peers?sort_order=SORT_ORDER_ASCENDING&sort_order=SORT_ORDER_ASCENDING"),
    INVALID,
    "sort_order",
  ],
  ["two cursors", get("/v1/contracts?cursor=a&cursor=b"), INVALID, "cursor"],
  ["a long cursor", get(`/v1/contracts?cursor=${"a".repeat(1001)}`), INVALID, "cursor"],
  ["a grant type of another name", get("/v1/contracts?grant_type=2"), INVALID, "grant_type"],
  ["a grant hash that is none", get("/v1/contracts?grant_hash=abc"), INVALID, "grant_hash"],
  [
    "a content hash for a grant hash",
    get(`/v1/contracts?grant_hash=${IN_PATH}`),
    INVALID,
    "grant_hash",
  ],
  [
    "a bad hash after a good one",
    get(`/v1/contracts?grant_hash=${encodeURIComponent(GRANT)},x`),
    INVALID,
    "grant_hash",
  ],
  [
    "too many values",
    get(`/v1/peers?peer_id=${Array(201).fill("00000000000000000001").join(",")}`),
    INVALID,
    "peer_id",
  ],
  ["a peer id by no rule", get("/v1/peers?peer_id=7"), INVALID, "peer_id"],
  ["a peer id by no rule", get("/v1/services?peer_id=7"), INVALID, "peer_id"],
  ["a malformed encoding", get("/v1/services?service_name=%zz"), INVALID, "%zz"],
  ["an encoding that is not UTF-8", get("/v1/services?service_name=%ff"), INVALID, "%ff"],
  ["a control character", get("/v1/peers?peer_name=a%00b"), INVALID, "a%00b"],
  [
    "a hash in the path that is not encoded well",
    put("/v1/contracts/%2/accept", SUBMITTING, "{}"),
    INVALID,
    "hash",
  ],
];

const BODIES: readonly Row[] = [
  [
    "no content type",
    post("/v1/contracts", { "Fsc-Manager-Address": HOME }, "{}"),
    INVALID,
    "Content-Type",
  ],
  [
    "a form for JSON",
    post("/v1/contracts", { ...SUBMITTING, ...FORM_TYPE }, "{}"),
    INVALID,
    "Content-Type",
  ],
  [
    "another character set",
    post(
      "/v1/contracts",
      { ...SUBMITTING, "Content-Type": "application/json; charset=latin1" },
      "{}",
    ),
    INVALID,
    "Content-Type",
  ],
  [
    "two content types",
    post(
      "/v1/contracts",
      { ...SUBMITTING, "Content-Type": ["application/json", "text/json"] },
      "{}",
    ),
    INVALID,
    "Content-Type",
  ],
  [
    "a compressed body",
    post("/v1/contracts", { ...SUBMITTING, "Content-Encoding": "gzip" }, "{}"),
    INVALID,
    "Content-Encoding",
  ],
  ["no JSON", post("/v1/contracts", SUBMITTING, "{"), INVALID, "the body"],
  ["a member twice", post("/v1/contracts", SUBMITTING, '{"a":1,"a":1}'), INVALID, "twice"],
  ["JSON that is no object", post("/v1/contracts", SUBMITTING, "[]"), INVALID, "object"],
  ["a body for GET", requestText("GET /v1/peer", JSON_TYPE, "{}"), INVALID, "the body"],
  [
    "an announced body over the limit",
    requestText("POST /v1/contracts", {
      ...SUBMITTING,
      "Content-Length": String(SUBMISSION_BYTES_MAX + 1),
    }),
    "ERROR_CODE_BODY_TOO_LARGE",
    String(SUBMISSION_BYTES_MAX),
  ],
  [
    "a whole body over the limit",
    post("/v1/contracts", SUBMITTING, " ".repeat(SUBMISSION_BYTES_MAX + 1)),
    "ERROR_CODE_BODY_TOO_LARGE",
    String(SUBMISSION_BYTES_MAX),
  ],
  [
    "a body in chunks over the limit",
    requestText(
      "POST /v1/token",
      { ...FORM_TYPE, "Transfer-Encoding": "chunked", "Content-Length": [] },
      `2001\r\n${"a".repeat(0x2001)}\r\n0\r\n\r\n`,
    ),
    "ERROR_CODE_BODY_TOO_LARGE",
    "8192",
  ],
  [
    "a large body of an announcement",
    put("/v1/announce", SUBMITTING, " ".repeat(8193)),
    "ERROR_CODE_BODY_TOO_LARGE",
    "8192",
  ],
];

const MALFORMED = "ERROR_CODE_REQUEST_MALFORMED";
const raw = (text: string): Buffer => Buffer.from(text, "latin1");
const HEADS: readonly Row[] = [
  ["bytes that are no HTTP", raw("\x16\x03\x01 hello\r\n\r\n"), MALFORMED, ""],
  ["no Host", raw("GET /v1/peer HTTP/1.1\r\nConnection: close\r\n\r\n"), MALFORMED, "Host"],
  ["two Hosts", get("/v1/peer", { Host: ["inway.test", "other.test"] }), MALFORMED, "Host"],
  ["a space before a colon", raw("GET /v1/peer HTTP/1.1\r\nHost : a\r\n\r\n"), MALFORMED, ""],
  ["a folded line", raw("GET /v1/peer HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"), MALFORMED, ""],
  ["a bare line feed", raw("GET /v1/peer HTTP/1.1\nHost: a\n\n"), MALFORMED, ""],
  [
    "two lengths",
    put("/v1/announce", { ...SUBMITTING, "Content-Length": ["0", "1"] }),
    MALFORMED,
    "",
  ],
  [
    "a length and chunks",
    put("/v1/announce", { ...SUBMITTING, "Transfer-Encoding": "chunked", "Content-Length": "5" }),
    MALFORMED,
    "",
  ],
  [
    "a bad chunk",
    requestText(
      "POST /v1/token",
      { ...FORM_TYPE, "Transfer-Encoding": "chunked", "Content-Length": [] },
      "zz\r\nabc\r\n",
    ),
    MALFORMED,
    "",
  ],
  ["an odd expectation", get("/v1/peer", { Expect: "a miracle" }), MALFORMED, "Expect"],
  ["a target in asterisk form", raw("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), MALFORMED, "target"],
  [
    "another version of HTTP",
    raw("GET /v1/peer HTTP/3.7\r\nHost: a\r\n\r\n"),
    "ERROR_CODE_HTTP_VERSION_UNSUPPORTED",
    "",
  ],
  [
    "the preface of HTTP/2",
    raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "ERROR_CODE_HTTP_VERSION_UNSUPPORTED",
    "",
  ],
  [
    "a head that is too large",
    get("/v1/peer", { "X-Long": "a".repeat(40_000) }),
    "ERROR_CODE_REQUEST_HEAD_TOO_LARGE",
    "",
  ],
  [
    "too many header lines",
    get("/v1/peer", { "X-Many": Array<string>(101).fill("a") }),
    "ERROR_CODE_REQUEST_HEAD_TOO_LARGE",
    "100",
  ],
  [
    "CONNECT",
    raw("CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n"),
    "ERROR_CODE_METHOD_UNSUPPORTED",
    "",
  ],
];

const form = (text: string, headers: Headers = FORM_TYPE): Buffer =>
  post("/v1/token", headers, text);
const SCOPE = `scope=${encodeURIComponent(GRANT)}`;
const WHO = "client_id=00000000000000000003";
const KIND = "grant_type=client_credentials";
const FORMS: readonly (readonly [title: string, request: Buffer, code: string, says: string])[] = [
  ["no content type", form(KIND, {}), "invalid_request", "Content-Type"],
  ["JSON for a form", form("{}", JSON_TYPE), "invalid_request", "Content-Type"],
  [
    "an empty form",
    form("", { ...FORM_TYPE, "Content-Length": "0" }),
    "invalid_request",
    "grant_type",
  ],
  ["no grant type", form(`${SCOPE}&${WHO}`), "invalid_request", "grant_type"],
  ["no scope", form(`${KIND}&${WHO}`), "invalid_request", "scope"],
  ["no client id", form(`${KIND}&${SCOPE}`), "invalid_request", "client_id"],
  ["an empty scope", form(`${KIND}&${WHO}&scope=`), "invalid_request", "scope"],
  ["two scopes", form(`${KIND}&${WHO}&${SCOPE}&${SCOPE}`), "invalid_request", "scope"],
  ["a long scope", form(`${KIND}&${WHO}&scope=${"a".repeat(1025)}`), "invalid_request", "scope"],
  ["a bad encoding", form(`${KIND}&${WHO}&scope=%1`), "invalid_request", "%1"],
  [
    "another grant type",
    form(`grant_type=password&${SCOPE}&${WHO}`),
    "unsupported_grant_type",
    "client_credentials",
  ],
];

const checkRefusal = (answer: RawAnswer, code: ErrorCode): string => {
  const row = errorRow(code);
  expect(answer.status, answer.text).to.equal(row.status);
  expect(answer.headers.get("fsc-error-code")).to.equal(code);
  expect(answer.headers.get("content-type")).to.equal("application/json");
  expect(answer.headers.get("cache-control")).to.equal("no-store");
  const body = JSON.parse(answer.text) as Record<string, unknown>;
  expect(body).to.include({ code, domain: "ERROR_DOMAIN_MANAGER", location: "M1", hint: row.hint });
  return String(body["message"]);
};

describe("fsc/fsc-server refuses", function () {
  this.timeout(60_000);
  let members: Members;
  let manager: TestManager;

  before(async () => {
    members = await Members.create();
    manager = await TestManager.start(members);
  });

  after(async () => {
    await manager.close();
    await members.remove();
  });

  afterEach(() => {
    manager.handlers.work = () => Promise.resolve();
    manager.handlers.token = () => Promise.resolve("a.b.c");
  });

  const ask = (request: Buffer, to = manager): Promise<RawAnswer> =>
    askAsOther(to, request, members);

  const nothingCame = (): void => {
    const { received, announced, forms } = manager.handlers;
    expect([received.length, announced.length, forms.length]).to.deep.equal([0, 0, 0]);
  };

  for (const [what, rows] of Object.entries({ PATHS, QUERIES, BODIES, HEADS })) {
    describe(what.toLowerCase(), () => {
      for (const [title, request, code, says] of rows) {
        it(`${title} with ${code}`, async () => {
          const message = checkRefusal(await ask(request), code);
          if (code !== "ERROR_CODE_PATH_NOT_FOUND") expect(message).to.contain(says);
          nothingCame();
        });
      }
    });
  }

  for (const [line, allow] of METHODS) {
    it(`${line} and lists ${allow}`, async () => {
      const answer = await ask(requestText(line, { "Content-Length": "0" }));
      expect(answer.headers.get("allow")).to.equal(allow);
      if (line.startsWith("HEAD")) expect(answer.status).to.equal(405);
      else checkRefusal(answer, "ERROR_CODE_METHOD_UNSUPPORTED");
    });
  }

  for (const [title, address, says] of ADDRESSES) {
    it(`${title} as the caller's manager`, async () => {
      const answer = await ask(from(address));
      expect(checkRefusal(answer, "ERROR_CODE_ADDRESS_NOT_ALLOWED")).to.contain(says);
      nothingCame();
    });
  }

  it("a submission without the caller's manager", async () => {
    const answer = await ask(post("/v1/contracts", JSON_TYPE, "{}"));
    checkRefusal(answer, "ERROR_CODE_ADDRESS_NOT_ALLOWED");
    const decision = await ask(put(`/v1/contracts/${IN_PATH}/reject`, JSON_TYPE, "{}"));
    checkRefusal(decision, "ERROR_CODE_ADDRESS_NOT_ALLOWED");
    nothingCame();
  });

  for (const [title, request, code, says] of FORMS) {
    it(`a token for ${title} with ${code}`, async () => {
      const answer = await ask(request);
      expect(answer.status).to.equal(400);
      expect(answer.headers.get("cache-control")).to.equal("no-store");
      expect(answer.headers.has("fsc-error-code")).to.equal(false);
      const body = JSON.parse(answer.text) as Record<string, string>;
      expect(Object.keys(body)).to.deep.equal(["error", "error_description"]);
      expect(body["error"]).to.equal(code);
      expect(body["error_description"]).to.contain(says);
      nothingCame();
    });
  }

  it("a token with what the handler says, in the characters of RFC 6749", async () => {
    manager.handlers.token = () =>
      Promise.reject(new OAuthError("invalid_grant", 'the contract "é\n\\" is over'));
    const answer = await ask(form(`${KIND}&${SCOPE}&${WHO}`));
    manager.handlers.forms.length = 0;
    expect(answer.status).to.equal(400);
    expect(JSON.parse(answer.text)).to.deep.equal({
      error: "invalid_grant",
      error_description: "the contract '??/' is over",
    });
  });

  it("a failure inside without saying what it was", async () => {
    manager.handlers.token = () => Promise.reject(new Error("10.0.0.7 is away"));
    const answer = await ask(form(`${KIND}&${SCOPE}&${WHO}`));
    manager.handlers.forms.length = 0;
    checkRefusal(answer, "ERROR_CODE_INTERNAL");
    expect(answer.text).to.not.contain("10.0.0.7");
  });

  describe("a contract", () => {
    const submission = async (): Promise<string> => {
      const { provider, other } = members.bundles;
      const content = contentOf(members.group, [connection({ outway: other, service: provider })]);
      return submissionBody(await signed(content, other));
    };

    it("of FSC 1, naming both versions", async () => {
      const body = (await submission()).replace('"content":', '"contract_content":');
      const answer = await ask(post("/v1/contracts", SUBMITTING, body));
      const message = checkRefusal(answer, "ERROR_CODE_UNKNOWN_FSC_VERSION");
      expect(message).to.contain("FSC 1").and.contain("2.0.0");
    });

    it("that says no version, as those of FSC 1", async () => {
      const body = (await submission()).replace('"fsc_version":"2.0.0",', "");
      const answer = await ask(post("/v1/contracts", SUBMITTING, body));
      const message = checkRefusal(answer, "ERROR_CODE_UNKNOWN_FSC_VERSION");
      expect(message).to.contain("FSC 1").and.contain("2.0.0");
    });

    it("of a later version, naming both versions", async () => {
      const body = (await submission()).replace('"2.0.0"', '"3.1.0"');
      const answer = await ask(post("/v1/contracts", SUBMITTING, body));
      const message = checkRefusal(answer, "ERROR_CODE_UNKNOWN_FSC_VERSION");
      expect(message).to.contain('"3.1.0"').and.contain("2.0.0");
    });

    it("of another group", async () => {
      const body = (await submission()).replace('"group_id":"test"', '"group_id":"else"');
      const answer = await ask(post("/v1/contracts", SUBMITTING, body));
      checkRefusal(answer, "ERROR_CODE_INCORRECT_GROUP_ID");
    });

    it("with the code that the handler gives", async () => {
      const body = await submission();
      manager.handlers.work = () =>
        Promise.reject(new SchakelError("ERROR_CODE_URL_PATH_CONTENT_HASH_MISMATCH"));
      const answer = await ask(put(`/v1/contracts/${IN_PATH}/accept`, SUBMITTING, body));
      checkRefusal(answer, "ERROR_CODE_URL_PATH_CONTENT_HASH_MISMATCH");
      expect(manager.handlers.received.splice(0)[0]?.hashInUrl).to.equal(HASH);
    });

    it("whose hash is encoded twice, since it is decoded once", async () => {
      const twice = encodeURIComponent(IN_PATH);
      await ask(put(`/v1/contracts/${twice}/accept`, SUBMITTING, await submission()));
      expect(manager.handlers.received.splice(0)[0]?.hashInUrl).to.equal(IN_PATH);
    });

    it("at a hash as it was sent, with bare dollar signs", async () => {
      const { provider, other } = members.bundles;
      const content = contentOf(members.group, [connection({ outway: other, service: provider })]);
      const hash = contentHash(content);
      const body = submissionBody(await signed(content, other));
      await ask(put(`/v1/contracts/${hash}/accept`, SUBMITTING, body));
      expect(manager.handlers.received.splice(0)[0]?.hashInUrl).to.equal(hash);
    });
  });
});
