// Each endpoint's success over a real TLS connection: what the handler gets, and that the answer has the
// shape of FSC's OpenAPI file.
import { expect } from "chai";
import { submissionBody } from "../../contracts/contract.js";
import { contentHash, grantHashes } from "../../contracts/hash.js";
import type { PeerId, ServiceName } from "../../core/names.js";
import type { ContractQuery } from "../../fsc/manager-interface.js";
import { connection, contentOf, listed, publication, signed } from "../support/fsc-contracts.js";
import {
  askAsOther,
  connectTo,
  readAnswer,
  readToEnd,
  requestText,
  TestManager,
  type RawAnswer,
} from "../support/fsc-manager.js";
import { mistakesIn, SHAPES, type Shape } from "../support/fsc-shapes.js";
import { Members } from "../support/members.js";

const HOME = "https://other.test:8443";
const SUBMITTING = { "Content-Type": "application/json", "Fsc-Manager-Address": HOME };
const OTHER_PORT = { "Fsc-Manager-Address": "https://other.test:1234", "Content-Length": "0" };
const FIRST = { cursor: undefined, limit: 100, sortOrder: "descending" };
const ADDRESS = { host: "other.test", port: 8443 };

describe("fsc/fsc-server answers", function () {
  this.timeout(60_000);
  let members: Members;
  let manager: TestManager;

  before(async () => {
    members = await Members.create();
  });

  beforeEach(async () => {
    manager = await TestManager.start(members, { limits: { pageBytesMax: 20_000 } });
  });

  afterEach(() => manager.close());
  after(() => members.remove());

  const ask = (...request: Parameters<typeof requestText>): Promise<RawAnswer> =>
    askAsOther(manager, requestText(...request), members);

  const json = async (shape: Shape, ...request: Parameters<typeof ask>): Promise<unknown> => {
    const { status, headers, text } = await ask(...request);
    expect(status, text).to.equal(200);
    expect(headers.get("content-type")).to.equal("application/json");
    expect(headers.has("fsc-error-code")).to.equal(false);
    const value: unknown = JSON.parse(text);
    expect(mistakesIn(shape, value)).to.deep.equal([]);
    return value;
  };

  const content = (properties?: { readonly note: string }) => {
    const { provider, other } = members.bundles;
    const more = properties === undefined ? {} : { properties };
    return contentOf(members.group, [connection({ outway: other, service: provider, ...more })]);
  };

  it("an announcement with 200, the handler told who it is and where", async () => {
    const headers = { "Fsc-Manager-Address": "https://OTHER.test:443/", "Content-Length": "0" };
    const { status, text } = await ask("PUT /v1/announce", headers);
    expect([status, text]).to.deep.equal([200, ""]);
    const [from] = manager.handlers.announced;
    expect(from?.address).to.deep.equal({ host: "other.test", port: 443 });
    expect(from?.identity.peerId).to.equal(members.bundles.other.identity.peerId);
  });

  it("an announcement without a length, or with a body that nobody asked for", async () => {
    const headers = { "Fsc-Manager-Address": HOME };
    expect((await ask("PUT /v1/announce", headers)).status).to.equal(200);
    expect((await ask("PUT /v1/announce", headers, "{}")).status).to.equal(200);
  });

  it("an announcement at any port when a setting allows it", async () => {
    expect((await ask("PUT /v1/announce", OTHER_PORT)).status).to.equal(400);
    await manager.close();
    manager = await TestManager.start(members, { allowAnyPort: true });
    expect((await ask("PUT /v1/announce", OTHER_PORT)).status).to.equal(200);
  });

  it("a proposal with 201, the handler told without a hash", async () => {
    const submission = await signed(content(), members.bundles.other);
    const { status, text } = await ask(
      "POST /v1/contracts",
      { ...SUBMITTING, "Content-Type": "Application/JSON; charset=UTF-8" },
      submissionBody(submission),
    );
    expect([status, text]).to.deep.equal([201, ""]);
    const [received] = manager.handlers.received;
    expect(received?.kind).to.equal("propose");
    expect(received?.hashInUrl).to.equal(undefined);
    expect(received?.from.address).to.deep.equal(ADDRESS);
    expect(contentHash(received!.submission.content)).to.equal(contentHash(submission.content));
    expect(received?.submission.signature).to.equal(submission.signature);
  });

  for (const kind of ["accept", "reject", "revoke"] as const) {
    it(`a signature that says ${kind} with 201, the handler told the hash`, async () => {
      const submission = await signed(content(), members.bundles.other, kind);
      const hash = contentHash(submission.content);
      const path = `/v1/contracts/${encodeURIComponent(hash)}/${kind}`;
      const { status } = await ask(`PUT ${path}`, SUBMITTING, submissionBody(submission));
      expect(status).to.equal(201);
      const [received] = manager.handlers.received;
      expect([received?.kind, received?.hashInUrl]).to.deep.equal([kind, hash]);
    });
  }

  it("the list of contracts, asked for without parameters", async () => {
    const { provider, other } = members.bundles;
    const contract = await listed(content(), provider, other);
    manager.handlers.contracts = () => ({ items: [contract], nextCursor: "next" });
    const value = await json(SHAPES.contracts, "GET /v1/contracts");
    expect(value).to.have.nested.property("pagination.next_cursor", "next");
    expect(value).to.have.nested.property("contracts[0].content.iv", contract.content.iv);
    expect(manager.handlers.queries).to.deep.equal([
      { ...FIRST, grantType: undefined, grantHashes: [] },
    ]);
  });

  it("an empty list with an empty cursor", async () => {
    expect(await json(SHAPES.contracts, "GET /v1/contracts")).to.deep.equal({
      contracts: [],
      pagination: { next_cursor: "" },
    });
  });

  it("contracts by every parameter", async () => {
    const type = "GRANT_TYPE_DELEGATED_SERVICE_CONNECTION";
    await ask(
      `GET /v1/contracts?cursor=a%2Fb%20c&limit=1000&sort_order=SORT_ORDER_ASCENDING&grant_type=${type}&other=1`,
    );
    expect(manager.handlers.queries).to.deep.equal([
      {
        ...{ cursor: "a/b c", limit: 1000, sortOrder: "ascending" },
        ...{ grantType: type, grantHashes: [] },
      },
    ]);
  });

  it("contracts by hashes, which overrule all other parameters", async () => {
    const hashes = [content(), content()].flatMap((each) =>
      grantHashes(each).map(({ hash }) => hash),
    );
    const type = "grant_type=GRANT_TYPE_SERVICE_CONNECTION";
    for (const separator of [",", "%2C", "&grant_hash="]) {
      const list = hashes.map((hash) => encodeURIComponent(hash)).join(separator);
      await ask(`GET /v1/contracts?limit=1&cursor=a&${type}&grant_hash=${list}`);
    }
    const query = { ...FIRST, limit: 1000, grantType: undefined, grantHashes: hashes };
    expect(manager.handlers.queries).to.deep.equal([query, query, query]);
  });

  it("takes an empty parameter for an absent one", async () => {
    await ask("GET /v1/contracts?cursor=&limit=&sort_order=&grant_type=&grant_hash=");
    expect(manager.handlers.queries).to.deep.equal([
      { ...FIRST, grantType: undefined, grantHashes: [] },
    ]);
  });

  it("a page in fewer items when it would be too large", async () => {
    const one = await listed(content({ note: "x".repeat(4000) }), members.bundles.provider);
    manager.handlers.contracts = ({ limit }: ContractQuery) => ({
      items: Array(Math.min(limit, 9)).fill(one) as (typeof one)[],
      nextCursor: String(limit),
    });
    const value = await json(SHAPES.contracts, "GET /v1/contracts");
    expect(value).to.have.property("contracts").with.lengthOf(3);
    expect(value).to.have.nested.property("pagination.next_cursor", "3");
    const limits = manager.handlers.queries.map(({ limit }) => limit);
    expect(limits).to.deep.equal([100, 5, 3]);
  });

  it("429 for a list without pages that would be too large", async () => {
    const one = await listed(content({ note: "x".repeat(12_000) }), members.bundles.provider);
    manager.handlers.contracts = () => ({ items: [one, one], nextCursor: undefined });
    const { hash } = grantHashes(one.content)[0]!;
    const { status, headers } = await ask(
      `GET /v1/contracts?grant_hash=${encodeURIComponent(hash)}`,
    );
    expect([status, headers.get("fsc-error-code")]).to.deep.equal([
      429,
      "ERROR_CODE_LIMIT_EXCEEDED",
    ]);
  });

  it("a contract's members as they were sent, odd names too", async () => {
    const odd = JSON.parse('{"__proto__":{"a":1},"toJSON":1}') as { note: string };
    const contract = await listed(content(odd), members.bundles.provider);
    manager.handlers.contracts = () => ({ items: [contract], nextCursor: undefined });
    const { text } = await ask("GET /v1/contracts");
    expect(text).to.contain('"__proto__":{"a":1}').and.to.contain('"toJSON":1');
  });

  it("a token to a form, the handler told who asks", async () => {
    const scope = "$1$3$x";
    const value = await json(
      SHAPES.token,
      "POST /v1/token",
      { "Content-Type": "application/x-www-form-urlencoded" },
      `grant_type=client_credentials&scope=${encodeURIComponent(scope)}&client_id=a+b&more=1`,
    );
    expect(value).to.deep.equal({ access_token: "a.b.c", token_type: "bearer" });
    const [asked] = manager.handlers.forms;
    expect(asked?.form).to.deep.equal({ grantHash: scope, clientId: "a b" });
    expect(asked?.caller.certificateThumbprint).to.equal(
      members.bundles.other.identity.certificateThumbprint,
    );
  });

  it("a token that nobody keeps", async () => {
    const { headers } = await ask(
      "POST /v1/token",
      { "Content-Type": "application/x-www-form-urlencoded" },
      "grant_type=client_credentials&scope=a&client_id=b",
    );
    expect([headers.get("cache-control"), headers.get("pragma")]).to.deep.equal([
      "no-store",
      "no-cache",
    ]);
  });

  it("what the manager says of itself", async () => {
    expect(await json(SHAPES.peer, "GET /v1/peer")).to.deep.equal({
      peer_id: "00000000000000000002",
      peer_name: "Provider",
      fsc_version: "2.0.0",
      enabled_extensions: { EXTENSION_DELEGATION: "1.0.0" },
    });
  });

  it("a target in absolute form, and HTTP/1.0", async () => {
    expect((await ask("GET https://inway.test:8443/v1/peer")).status).to.equal(200);
    const socket = await connectTo(manager, members.bundles.other, members);
    socket.write("GET /v1/peer HTTP/1.0\r\n\r\n");
    expect(readAnswer(await readToEnd(socket)).status).to.equal(200);
  });

  it("the list of peers, by name", async () => {
    const id = "00000000000000000003" as PeerId;
    manager.handlers.peers = {
      items: [{ id, name: "Other", managerAddress: ADDRESS }],
      nextCursor: undefined,
    };
    const value = await json(SHAPES.peers, "GET /v1/peers?peer_name=gemeente+%C3%A9&limit=5");
    expect(value).to.deep.equal({
      peers: [{ id, name: "Other", manager_address: HOME }],
      pagination: { next_cursor: "" },
    });
    expect(manager.handlers.queries).to.deep.equal([
      { ...FIRST, limit: 5, nameContains: "gemeente é", peerIds: [] },
    ]);
  });

  it("peers by ids, which overrule all other parameters", async () => {
    const ids = ["00000000000000000001", "00000000000000000003"];
    await ask(`GET /v1/peers?peer_name=x&limit=3&peer_id=${ids.join(",")}`);
    expect(manager.handlers.queries).to.deep.equal([
      { ...FIRST, limit: 1000, nameContains: undefined, peerIds: ids },
    ]);
  });

  it("the list of services, own and delegated", async () => {
    const own = {
      peerId: "00000000000000000003" as PeerId,
      peerName: "Other",
      managerAddress: ADDRESS,
      name: "echo" as ServiceName,
      protocol: "PROTOCOL_TCP_HTTP_1.1",
      delegator: undefined,
      properties: undefined,
    } as const;
    const delegator = { peerId: "00000000000000000001" as PeerId, name: "Directory" };
    const delegated = { ...own, delegator, properties: { a: [1] } };
    manager.handlers.services = { items: [own, delegated], nextCursor: "more" };
    const value = await json(
      SHAPES.services,
      "GET /v1/services?peer_id=00000000000000000003&service_name=ec",
    );
    expect(value)
      .to.have.nested.property("services[0].data")
      .that.deep.equals({
        ...{ type: "SERVICE_TYPE_SERVICE", name: "echo", protocol: own.protocol },
        peer: { id: own.peerId, name: "Other", manager_address: HOME },
      });
    expect(value)
      .to.have.nested.property("services[1].data")
      .that.deep.includes({
        ...{ type: "SERVICE_TYPE_DELEGATED_SERVICE", properties: { a: [1] } },
        delegator: { peer_id: delegator.peerId, peer_name: "Directory" },
      });
    expect(manager.handlers.queries).to.deep.equal([
      { ...FIRST, peerId: own.peerId, nameContains: "ec" },
    ]);
  });

  it("the certificates with their issuers, without the root", async () => {
    const value = await json(SHAPES.jwks, "GET /v1/.well-known/jwks.json");
    expect(value).to.have.nested.property("keys[0].x5c").with.lengthOf(2);
    expect(value).to.have.nested.property(
      "keys[0].x5t#S256",
      members.bundles.provider.identity.certificateThumbprint,
    );
  });

  it("a publication contract like any other", async () => {
    const { provider, other } = members.bundles;
    const grant = publication({
      ...{ directory: provider.identity.peerId, service: other.identity.peerId },
      name: "echo",
    });
    const submission = await signed(contentOf(members.group, [grant]), other);
    const { status } = await ask("POST /v1/contracts", SUBMITTING, submissionBody(submission));
    expect(status).to.equal(201);
  });

  it("several requests on one connection", async () => {
    const socket = await connectTo(manager, members.bundles.other, members);
    const more = { Connection: "keep-alive" };
    const hash = encodeURIComponent(contentHash(content()));
    socket.write(requestText("GET /v1/peer", more));
    socket.write(requestText("GET /v1/nothing", more));
    socket.write(requestText(`PUT /v1/contracts/${hash}/accept`, { ...SUBMITTING, ...more }, "{}"));
    socket.write(requestText("GET /v1/peers"));
    const all = String(await readToEnd(socket));
    expect(all.match(/HTTP\/1\.1 [0-9]{3}/g)).to.deep.equal(
      ["200", "404", "400", "200"].map((status) => `HTTP/1.1 ${status}`),
    );
  });
});
