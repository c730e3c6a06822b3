// The interface for people over gRPC with internal certificates: what it takes, and what it refuses with which code.
import { expect } from "chai";
import type { ManagerError } from "../../component/manager-call.js";
import { hashOfToken } from "../../manager/clients.js";
import {
  ContractStateName,
  SignatureKind,
} from "../../proto/gen/schakel/manager/v1/administration.js";
import {
  accessRequest,
  Organisations,
  OUTWAY_KEY,
  service,
  type Organisation,
} from "../support/managers.js";
import { removeTemporaryFolders } from "../support/temporary.js";

const PAGE = { pageSize: 0, pageToken: "" };
const CONTRACTS = {
  ...{ state: ContractStateName.CONTRACT_STATE_NAME_UNSPECIFIED, peerId: "", serviceName: "" },
  ...{ grantType: "", waitingForUs: false, ...PAGE },
};
const rule = (changes = {}) => ({
  rule: { id: "", peerId: "", serviceName: "", validitySecondsMax: 1000n, ...changes },
});
const client = (changes = {}) => ({
  ...{ name: "program", grantHashes: [] as string[], byCertificate: false, ...changes },
});
const publication = (changes = {}) => ({
  ...{ name: "echo", directoryPeerId: "", validitySeconds: 0n, delegatorPeerId: "", ...changes },
});
const GRANT = `$1$3$${"A".repeat(86)}`;
const INVALID = "ERROR_CODE_REQUEST_INVALID";

describe("the manager's interface for people", function () {
  this.timeout(60_000);
  let network: Organisations;
  let us: Organisation;
  let other: Organisation;

  before(async () => {
    network = await Organisations.start(2);
    other = network.at(0);
    us = network.at(1);
    await us.call("putService", { service: service() });
    await us.call("putService", { service: service({ name: "ab" }) });
  });

  after(async () => {
    await network.remove();
    removeTemporaryFolders();
  });

  const refusal = async (answer: Promise<unknown>): Promise<ManagerError> => {
    try {
      await answer;
    } catch (error) {
      return error as ManagerError;
    }
    throw new Error("the call was answered");
  };

  const records = async () =>
    (await us.call("listAuditRecords", { ...PAGE, pageSize: 1000 })).records;

  describe("refuses", () => {
    const put = (changes: Parameters<typeof service>[0]) => () =>
      us.call("putService", { service: service(changes) });
    const ask = (changes: Parameters<typeof accessRequest>[0]) => () =>
      us.call("requestAccess", accessRequest({ peerId: other.peerId, ...changes }));
    const stranger = "00000000000000000099";

    const cases: readonly (readonly [string, string, () => Promise<unknown>])[] = [
      ["no service at all", INVALID, () => us.call("putService", { service: undefined })],
      ["an empty service name", INVALID, put({ name: "" })],
      ["a service name with a slash", INVALID, put({ name: "a/b" })],
      ["a service name of dots", INVALID, put({ name: ".." })],
      ["a service name that is too long", INVALID, put({ name: "a".repeat(101) })],
      ["no source", INVALID, put({ sourceUrl: "" })],
      ["a source of another scheme", INVALID, put({ sourceUrl: "ftp://source.test" })],
      ["a source with a user", INVALID, put({ sourceUrl: "http://jan:secret1@source.test" })],
      ["a source with an empty user", INVALID, put({ sourceUrl: "http://@source.test" })],
      ["a source with a query", INVALID, put({ sourceUrl: "http://source.test/?key=secret2" })],
      ["a source with an empty query", INVALID, put({ sourceUrl: "http://source.test/?" })],
      ["a source with a fragment", INVALID, put({ sourceUrl: "http://source.test/#part" })],
      ["a source with a backslash", INVALID, put({ sourceUrl: "http:\\\\source.test" })],
      ["a source with a tab", INVALID, put({ sourceUrl: "http://sou\trce.test" })],
      ["a path without a slash", INVALID, put({ openapiPath: "openapi.json" })],
      ["a path with a space", INVALID, put({ openapiPath: "/open api.json" })],
      ["a path that is too long", INVALID, put({ openapiPath: `/${"a".repeat(500)}` })],
      ["a contact that is none", INVALID, put({ contact: "somebody" })],
      ["a contact that runs code", INVALID, put({ contact: "javascript:alert(1)" })],
      ["an inway's name that is none", INVALID, put({ inways: ["a b"] })],
      ["too many inways", INVALID, put({ inways: Array.from({ length: 101 }, (_, n) => `i${n}`) })],
      ["a protocol that is unknown", INVALID, put({ protocol: "PROTOCOL_UDP" })],
      [
        "to end a service that is not there",
        "ERROR_CODE_SERVICE_NOT_FOUND",
        () => us.call("removeService", { name: "nothing" }),
      ],
      [
        "to publish a service that is not there",
        "ERROR_CODE_SERVICE_NOT_FOUND",
        () => us.call("publishService", publication({ name: "nothing" })),
      ],
      [
        "to publish a name of two characters",
        INVALID,
        () => us.call("publishService", publication({ name: "ab" })),
      ],
      [
        "to publish with a peer that is no directory",
        "ERROR_CODE_PEER_NOT_FOUND",
        () => us.call("publishService", publication({ directoryPeerId: stranger })),
      ],
      [
        "to publish for longer than a century",
        INVALID,
        () => us.call("publishService", publication({ validitySeconds: 2n ** 40n })),
      ],
      [
        "to publish for a peer that nobody knows",
        "ERROR_CODE_PEER_NOT_FOUND",
        () => us.call("publishService", publication({ delegatorPeerId: stranger })),
      ],
      ["a request to nobody", INVALID, ask({ peerId: "" })],
      ["a request to what is no peer id", INVALID, ask({ peerId: "me" })],
      ["a request to a stranger", "ERROR_CODE_PEER_NOT_FOUND", ask({ peerId: stranger })],
      ["a request for no service", INVALID, ask({ serviceName: "" })],
      ["a request for a service that is no name", INVALID, ask({ serviceName: "a b" })],
      ["two ways to name an outway", INVALID, ask({ domainName: "outway.test" })],
      ["an outway that is not there", INVALID, ask({ outway: "x", publicKeyThumbprint: "" })],
      ["no outway when there is none", INVALID, ask({ publicKeyThumbprint: "" })],
      ["a key that is none", INVALID, ask({ publicKeyThumbprint: "abc" })],
      [
        "a domain name that is none",
        INVALID,
        ask({ publicKeyThumbprint: "", domainName: "*.test" }),
      ],
      [
        "a delegator that nobody knows",
        "ERROR_CODE_PEER_NOT_FOUND",
        ask({ delegatorPeerId: stranger }),
      ],
      [
        "to ask for two others",
        INVALID,
        ask({ delegatorPeerId: stranger, outwayPeerId: "00000000000000000098" }),
      ],
      [
        "another's outway without its key",
        INVALID,
        ask({ outwayPeerId: "00000000000000000001", publicKeyThumbprint: "" }),
      ],
      ["an end in the past", INVALID, ask({ notAfter: 1000n })],
      [
        "an end before the beginning",
        INVALID,
        ask({ notBefore: 5_000_000_000n, notAfter: 4_999_999_999n }),
      ],
      ["a time beyond all calendars", INVALID, ask({ notAfter: 2n ** 60n })],
      [
        "a content that is no JSON",
        INVALID,
        () => us.call("proposeContract", { content: Buffer.from("{") }),
      ],
      [
        "a content that is no object",
        INVALID,
        () => us.call("proposeContract", { content: Buffer.from("[]") }),
      ],
      [
        "a content with a member twice",
        INVALID,
        () => us.call("proposeContract", { content: Buffer.from('{"iv":"a","iv":"b"}') }),
      ],
      [
        "a content of another version",
        "ERROR_CODE_CONTRACT_INVALID",
        () => us.call("proposeContract", { content: Buffer.from('{"fsc_version":"1.0.0"}') }),
      ],
      [
        "a decision that is none",
        INVALID,
        () =>
          us.call("signContract", { hash: GRANT, kind: SignatureKind.SIGNATURE_KIND_UNSPECIFIED }),
      ],
      [
        "to decide about a contract that is not there",
        "ERROR_CODE_CONTRACT_NOT_FOUND",
        () => us.call("signContract", { hash: GRANT, kind: SignatureKind.SIGNATURE_KIND_ACCEPT }),
      ],
      ["a hash that is too short", INVALID, () => us.call("getContract", { hash: "$1$1$abcd" })],
      ["a hash that is too long", INVALID, () => us.call("getContract", { hash: "a".repeat(101) })],
      [
        "a hash of no contract",
        "ERROR_CODE_CONTRACT_NOT_FOUND",
        () => us.call("getContract", { hash: "'; drop table fsc_contract" }),
      ],
      [
        "a page that is too large",
        INVALID,
        () => us.call("listContracts", { ...CONTRACTS, pageSize: 1001 }),
      ],
      [
        "a page token that is none",
        INVALID,
        () => us.call("listContracts", { ...CONTRACTS, pageToken: "x" }),
      ],
      [
        "a grant type that is none",
        INVALID,
        () => us.call("listContracts", { ...CONTRACTS, grantType: "x" }),
      ],
      [
        "a peer filter that is none",
        INVALID,
        () => us.call("listContracts", { ...CONTRACTS, peerId: "x" }),
      ],
      ["no rule", INVALID, () => us.call("addAccessRule", { rule: undefined })],
      [
        "a rule without a length",
        INVALID,
        () => us.call("addAccessRule", rule({ validitySecondsMax: 0n })),
      ],
      [
        "a rule for what is no peer",
        INVALID,
        () => us.call("addAccessRule", rule({ peerId: "x" })),
      ],
      [
        "a rule for what is no service",
        INVALID,
        () => us.call("addAccessRule", rule({ serviceName: "/" })),
      ],
      ["a client without a name", INVALID, () => us.call("addClient", client({ name: "" }))],
      [
        "a client with a grant that is none",
        INVALID,
        () => us.call("addClient", client({ grantHashes: ["x"] })),
      ],
      [
        "a client with a contract's hash",
        INVALID,
        () => us.call("addClient", client({ grantHashes: [GRANT.replace("$3$", "$1$")] })),
      ],
      [
        "a code for a role that is none",
        INVALID,
        () => us.call("createEnrolmentCode", { role: "manager", name: "x", hostNames: [] }),
      ],
      [
        "a code for an inway with host names",
        INVALID,
        () =>
          us.call("createEnrolmentCode", { role: "inway", name: "x", hostNames: ["a.example"] }),
      ],
      [
        "a name filter that is too long",
        INVALID,
        () => us.call("listPeers", { ...PAGE, nameContains: "a".repeat(256) }),
      ],
      [
        "an audit page token that is none",
        INVALID,
        () => us.call("listAuditRecords", { ...PAGE, pageToken: "-1" }),
      ],
      ["a user with an empty name", INVALID, () => us.call("listServices", {}, { user: "" })],
      [
        "a user with a name that is too long",
        INVALID,
        () => us.call("listServices", {}, { user: "a".repeat(101) }),
      ],
      ["pages that act for nobody", INVALID, () => us.call("listServices", {}, { role: "web" })],
    ];
    for (const [what, code, call] of cases) {
      it(what, async () => {
        const error = await refusal(call());
        expect([error.code, error.message]).to.deep.equal([code, error.message]);
      });
    }

    it("and records each refused act by its code, without what may be a secret", async () => {
      const refused = (await records()).filter(({ outcome }) => outcome !== "succeeded");
      expect(refused.length).to.be.greaterThan(50);
      expect(refused.every(({ outcome }) => outcome.startsWith("ERROR_CODE_"))).to.equal(true);
      expect(JSON.stringify(refused.map(({ subject }) => subject))).to.not.contain("secret");
    });
  });

  it("answers a wrong name with those that there are", async () => {
    const error = await refusal(us.call("removeService", { name: "ech0" }));
    const [body] = (error.cause as { metadata: { get(key: string): unknown[] } }).metadata.get(
      "schakel-error-bin",
    );
    expect(JSON.parse(String(body))).to.deep.include({ choices: ["ab", "echo"] });
  });

  it("makes, changes and ends a service, each once", async () => {
    const made = service({ name: "new", contact: "beheer@example.org", inways: ["b", "a", "b"] });
    const put = async (changes = {}) =>
      (await us.call("putService", { service: { ...made, ...changes } })).changed;
    expect([await put(), await put(), await put({ contact: "https://example.org" })]).to.deep.equal(
      [...[true, false, true]],
    );
    const { services } = await us.call("listServices", {});
    expect(services.map(({ name }) => name)).to.deep.equal(["ab", "echo", "new"]);
    expect(services[2]?.inways).to.deep.equal(["a", "b"]);
    await us.call("removeService", { name: "new" });
    expect((await us.call("listServices", {})).services).to.have.length(2);
  });

  it("keeps services, rules and clients over a restart", async () => {
    await us.call("addAccessRule", rule({ peerId: other.peerId }));
    await us.call("addClient", client({ name: "kept", grantHashes: [GRANT] }));
    const all = async () => [
      await us.call("listServices", {}),
      await us.call("listAccessRules", {}),
      await us.call("listClients", {}),
    ];
    const before = await all();
    await us.stop();
    await us.start();
    expect(await all()).to.deep.equal(before);
  });

  it("shows a client's token once and keeps its hash alone", async () => {
    const { token } = await us.call("addClient", client({ name: "once" }));
    expect(token).to.match(/^[A-Za-z0-9_-]{43}$/);
    const kept = us.manager.state.clients.list().find(({ name }) => name === "once");
    expect(kept?.tokenHash?.equals(hashOfToken(token))).to.equal(true);
    const listed = await us.call("listClients", {});
    expect(listed.clients.find(({ name }) => name === "once")?.tokenHash).to.have.length(0);
    expect((await refusal(us.call("addClient", client({ name: "once" })))).code).to.equal(INVALID);
    expect(JSON.stringify((await records()).map(({ subject }) => subject))).to.not.contain(token);
    await us.call("removeClient", { name: "once" });
    await us.call("removeClient", { name: "once" });
    const again = await us.call("addClient", client({ name: "once" }));
    expect(again.token).to.not.equal(token);
  });

  it("gives a client with a certificate no token", async () => {
    const { token } = await us.call(
      "addClient",
      client({ name: "certified", byCertificate: true }),
    );
    expect(token).to.equal("");
    const kept = us.manager.state.clients.list().find(({ name }) => name === "certified");
    expect(kept?.tokenHash).to.equal(undefined);
  });

  it("refuses one rule too many, and gives no number twice", async () => {
    const first = await us.call("addAccessRule", rule({ validitySecondsMax: 77n }));
    await us.call("removeAccessRule", { id: first.rule?.id ?? "" });
    await us.call("removeAccessRule", { id: "no number" });
    const second = await us.call("addAccessRule", rule({ validitySecondsMax: 77n }));
    expect(Number(second.rule?.id)).to.be.greaterThan(Number(first.rule?.id));
  });

  it("records who acted: the person, or else the certificate", async () => {
    await us.call("removeClient", { name: "x" }, { user: "Jan Jansen" });
    await us.call("removeClient", { name: "x" }, { name: "script" });
    await us.call("removeClient", { name: "x" }, { role: "web", name: "pages", user: "piet" });
    const newest = (await records()).slice(0, 3).map(({ user, component }) => [user, component]);
    expect(newest).to.deep.equal([
      ["piet", "web/pages"],
      ["cli/script", "cli/script"],
      ["Jan Jansen", "cli/alice"],
    ]);
  });

  it("pages through the audit log from the newest to the first", async () => {
    const numbers: number[] = [];
    let pageToken = "";
    do {
      const page = await us.call("listAuditRecords", { pageSize: 7, pageToken });
      numbers.push(...page.records.map(({ number }) => Number(number)));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    const { length } = numbers;
    expect(numbers).to.deep.equal(Array.from({ length }, (_, at) => length - at));
  });

  it("finds a contract by how its hash begins", async () => {
    const request = accessRequest({ peerId: other.peerId, publicKeyThumbprint: OUTWAY_KEY });
    const { contract } = await us.call("requestAccess", request);
    const hash = contract?.hash ?? "";
    const found = await us.call("getContract", { hash: hash.slice(0, 15) });
    expect(found.contract?.hash).to.equal(hash);
  });
});
