// The FSC client: every call against our own server, then against servers that answer wrongly.
import { expect } from "chai";
import type { TLSSocket } from "node:tls";
import { PeerMismatch } from "../../certs/tls.js";
import { submissionBody } from "../../contracts/contract.js";
import { contentHash, grantHashes } from "../../contracts/hash.js";
import { systemClock } from "../../core/clock.js";
import { DialRefused, type DialPolicy } from "../../core/dial.js";
import { SchakelError, systemCode } from "../../core/errors.js";
import type { PeerId, ServiceName } from "../../core/names.js";
import { openManagerClient, type ClientLimits } from "../../fsc/fsc-client.js";
import {
  OAuthError,
  RemoteError,
  type ContractQuery,
  type ManagerClient,
  type ManagerEndpoint,
} from "../../fsc/manager-interface.js";
import { connection, contentOf, listed, signed } from "../support/fsc-contracts.js";
import { TestManager } from "../support/fsc-manager.js";
import { answer, HostileManager, type Answering } from "../support/hostile-manager.js";
import { LOCAL, Members } from "../support/members.js";
import { recordedLog } from "../support/recorded-log.js";
import { until } from "../support/until.js";

const PAGE = { cursor: undefined, limit: 10, sortOrder: "ascending" } as const;
const EVERY: ContractQuery = { ...PAGE, grantType: undefined, grantHashes: [] };
const ADDRESS = { host: "other.test", port: 8443 };

const rejection = async (work: Promise<unknown>): Promise<unknown> => {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error("nothing was refused");
};

const remote = async (work: Promise<unknown>): Promise<RemoteError> => {
  const error = await rejection(work);
  if (!(error instanceof RemoteError)) throw new Error("it is no RemoteError", { cause: error });
  return error;
};

describe("fsc/fsc-client", function () {
  this.timeout(60_000);
  let members: Members;
  const { log, lines } = recordedLog();

  before(async () => {
    members = await Members.create();
  });

  after(() => members.remove());

  const clientOf = (limits: Partial<ClientLimits> = {}, policy: DialPolicy = LOCAL) =>
    openManagerClient({
      groups: { current: members.group },
      bundles: { current: members.bundles.other },
      policy: () => policy,
      ...{ ownAddress: ADDRESS, clock: systemClock, log, limits },
    });

  const content = () =>
    contentOf(members.group, [
      connection({ outway: members.bundles.other, service: members.bundles.provider }),
    ]);

  describe("with our own server", () => {
    let manager: TestManager;
    let client: ManagerClient;

    beforeEach(async () => {
      manager = await TestManager.start(members);
      client = clientOf();
    });

    afterEach(() => manager.close());

    it("announces", async () => {
      await client.announce(manager.endpoint);
      expect(manager.handlers.announced[0]?.address).to.deep.equal(ADDRESS);
    });

    for (const kind of ["propose", "accept", "reject", "revoke"] as const) {
      it(`submits: ${kind}`, async () => {
        const type = kind === "propose" ? "accept" : kind;
        const submission = await signed(content(), members.bundles.other, type);
        const hash = contentHash(submission.content);
        await client.submit(manager.endpoint, kind, submission, hash);
        const [received] = manager.handlers.received;
        expect(received?.kind).to.equal(kind);
        expect(received?.hashInUrl).to.equal(kind === "propose" ? undefined : hash);
        expect(submissionBody(received!.submission)).to.equal(submissionBody(submission));
      });
    }

    it("lists contracts, with every parameter", async () => {
      const { provider, other } = members.bundles;
      const contract = await listed(content(), provider, other);
      manager.handlers.contracts = () => ({ items: [contract], nextCursor: "a/b=" });
      const query: ContractQuery = {
        ...{ cursor: "x y&z", limit: 7, sortOrder: "ascending" },
        ...{ grantType: "GRANT_TYPE_SERVICE_CONNECTION", grantHashes: [] },
      };
      const page = await client.contracts(manager.endpoint, query);
      expect(page.nextCursor).to.equal("a/b=");
      expect(page.items.map((each) => contentHash(each.content))).to.deep.equal([
        contentHash(contract.content),
      ]);
      expect([...page.items[0]!.signatures.accept]).to.deep.equal([...contract.signatures.accept]);
      expect(manager.handlers.queries).to.deep.equal([query]);
    });

    it("lists contracts by grant hashes", async () => {
      const hashes = [content(), content()].map((each) => grantHashes(each)[0]!.hash);
      const page = await client.contracts(manager.endpoint, { ...EVERY, grantHashes: hashes });
      expect(page).to.deep.equal({ items: [], nextCursor: undefined });
      expect(manager.handlers.queries).to.have.nested.property("[0].grantHashes").eql(hashes);
    });

    it("asks for a token in its own name", async () => {
      const { hash } = grantHashes(content())[0]!;
      expect(await client.token(manager.endpoint, hash)).to.equal("a.b.c");
      const { peerId } = members.bundles.other.identity;
      expect(manager.handlers.forms[0]?.form).to.deep.equal({ grantHash: hash, clientId: peerId });
    });

    it("says why there is no token", async () => {
      manager.handlers.token = () => Promise.reject(new OAuthError("invalid_grant", "it is over"));
      const { hash } = grantHashes(content())[0]!;
      const error = await remote(client.token(manager.endpoint, hash));
      expect(error).to.include({ status: 400, code: "invalid_grant", detail: "it is over" });
    });

    it("reads what a manager says of itself", async () => {
      expect(await client.peer(manager.endpoint)).to.deep.equal(manager.handlers.describe());
    });

    it("lists peers", async () => {
      const id = "00000000000000000003" as PeerId;
      const peer = { id, name: "Other", managerAddress: ADDRESS };
      manager.handlers.peers = { items: [peer], nextCursor: undefined };
      const query = { ...PAGE, nameContains: "o & é", peerIds: [] };
      expect((await client.peers(manager.endpoint, query)).items).to.deep.equal([peer]);
      await client.peers(manager.endpoint, { ...query, nameContains: undefined, peerIds: [id] });
      expect(manager.handlers.queries[0]).to.deep.equal(query);
      expect(manager.handlers.queries[1]).to.have.property("peerIds").eql([id]);
    });

    it("lists services", async () => {
      const own = {
        peerId: "00000000000000000003" as PeerId,
        peerName: "Other",
        managerAddress: ADDRESS,
        name: "echo" as ServiceName,
        protocol: "PROTOCOL_TCP_HTTP_2",
        delegator: undefined,
        properties: undefined,
      } as const;
      const delegator = { peerId: "00000000000000000001" as PeerId, name: "Directory" };
      const items = [own, { ...own, delegator, managerAddress: undefined }];
      manager.handlers.services = { items, nextCursor: "n" };
      const query = { ...PAGE, peerId: own.peerId, nameContains: "ec" };
      const page = await client.services(manager.endpoint, query);
      expect(page).to.deep.equal({ items, nextCursor: "n" });
      expect(manager.handlers.queries).to.deep.equal([query]);
    });

    it("fetches certificates", async () => {
      const { keys, ignored } = await client.certificates(manager.endpoint);
      expect([...keys.keys()]).to.deep.equal([
        members.bundles.provider.identity.certificateThumbprint,
      ]);
      expect(ignored).to.deep.equal([]);
    });

    it("names FSC's code when it is refused", async () => {
      manager.handlers.work = () =>
        Promise.reject(
          new SchakelError("ERROR_CODE_GRANT_COMBINATION_NOT_ALLOWED", { detail: "no" }),
        );
      const submission = await signed(content(), members.bundles.other);
      const hash = contentHash(submission.content);
      const error = await remote(client.submit(manager.endpoint, "propose", submission, hash));
      expect(error).to.include({ status: 422, code: "ERROR_CODE_GRANT_COMBINATION_NOT_ALLOWED" });
      expect(error.detail).to.match(/: no$/);
    });

    it("does not submit or announce without an address of its own", async () => {
      const asking = openManagerClient({
        groups: { current: members.group },
        bundles: { current: members.bundles.other },
        policy: () => LOCAL,
        ...{ ownAddress: undefined, clock: systemClock, log },
      });
      expect(await rejection(asking.announce(manager.endpoint))).to.be.instanceOf(TypeError);
      expect((await asking.peer(manager.endpoint)).name).to.equal("Provider");
    });
  });

  describe("with a server that answers wrongly", () => {
    let hostile: HostileManager;
    let to: ManagerEndpoint;
    let client: ManagerClient;

    before(async () => {
      hostile = await HostileManager.start(members.bundles.provider, members.group);
      to = hostile.endpoint(members.bundles.provider.identity.peerId);
      client = clientOf({ pageBytesMax: 100_000, answerTimeoutMs: 20_000 });
    });

    after(() => hostile.close());

    afterEach(async () => {
      hostile.requests.length = 0;
      await until("every connection is gone", () => hostile.connections === 0);
    });

    const peerText = (changes: object = {}): string =>
      JSON.stringify({
        ...{ peer_id: "00000000000000000002", peer_name: "P", fsc_version: "2.0.0" },
        ...{ enabled_extensions: {} },
        ...changes,
      });

    const WRONG: readonly (readonly [title: string, answering: () => Answering, says: string])[] = [
      ["a redirect", () => answer(302, "", { Location: "https://inway.test/" }), "redirects"],
      ["a redirect that lasts", () => answer(308, "", { Location: "/v1/peers" }), "redirects"],
      ["text", () => answer(200, peerText(), { "Content-Type": "text/html" }), "Content-Type"],
      [
        "no content type",
        () => Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}`),
        "Content-Type",
      ],
      [
        "a compressed answer",
        () => answer(200, peerText(), { "Content-Encoding": "gzip" }),
        "Content-Encoding",
      ],
      ["garbage", () => answer(200, "{]"), "the body"],
      ["nothing", () => answer(200), "the body"],
      ["a member twice", () => answer(200, '{"peer_id":"1","peer_id":"2"}'), "twice"],
      ["an array", () => answer(200, "[]"), "object"],
      ["no peer id", () => answer(200, "{}"), "peer_id"],
      [
        "another peer's id",
        () => answer(200, peerText({ peer_id: "00000000000000000003" })),
        "peer_id",
      ],
      ["an id by no rule", () => answer(200, peerText({ peer_id: "7" })), "peer_id"],
      ["a number for a name", () => answer(200, peerText({ peer_name: 7 })), "peer_name"],
      ["no version", () => answer(200, peerText({ fsc_version: "" })), "fsc_version"],
      ["too much", () => answer(200, peerText({ x: "x".repeat(70_000) })), "larger"],
      [
        "too much in chunks, without an end",
        () => (socket: TLSSocket) => {
          socket.write(
            "HTTP/1.1 200 X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
          );
          const more = (): void => {
            if (!socket.destroyed) socket.write(`4000\r\n${" ".repeat(0x4000)}\r\n`, more);
          };
          more();
        },
        "larger",
      ],
      ["an error without a body", () => answer(500), "no reason"],
      ["an error that is no JSON", () => answer(502, "<html>"), "no reason"],
    ];

    for (const [title, answering, says] of WRONG) {
      it(`refuses ${title}`, async () => {
        hostile.answering = answering();
        const error = await remote(client.peer(to));
        expect(error.code).to.equal(undefined);
        expect(error.detail).to.contain(says);
        expect(error.message).to.contain("00000000000000000002");
        expect(hostile.requests).to.have.lengthOf(1);
      });
    }

    const BROKEN: readonly (readonly [title: string, answering: Answering])[] = [
      ["a connection that ends at once", ""],
      ["bytes that are no HTTP", "SSH-2.0-OpenSSH\r\n\r\n"],
      ["an answer that breaks off", answer(200, "{", { "Content-Length": "10" })],
      ["two lengths", answer(200, "{}", { "content-length": "3" })],
      ["a bare line feed", "HTTP/1.1 200 OK\nContent-Length: 2\n\n{}"],
      ["a head without end", `HTTP/1.1 200 OK\r\nX: ${"a".repeat(40_000)}\r\n\r\n`],
      ["another protocol", "HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"],
    ];

    for (const [title, answering] of BROKEN) {
      it(`fails at ${title}`, async () => {
        hostile.answering = answering;
        const error = await rejection(client.peer(to));
        expect(error).to.be.instanceOf(Error).and.not.instanceOf(RemoteError);
      });
    }

    const SLOW: readonly (readonly [title: string, answering: Answering])[] = [
      ["says nothing", () => undefined],
      [
        "trickles",
        (socket) => {
          socket.write("HTTP/1.1 200 X\r\nContent-Type: application/json\r\n\r\n");
          const timer = setInterval(() => socket.write(" "), 20);
          socket.once("close", () => clearInterval(timer));
        },
      ],
    ];

    for (const [title, answering] of SLOW) {
      it(`does not wait for a server that ${title}`, async () => {
        hostile.answering = answering;
        const error = await rejection(clientOf({ answerTimeoutMs: 200 }).peer(to));
        expect(systemCode(error)).to.equal("ETIMEDOUT");
        expect(String(error)).to.contain("within 200 ms");
      });
    }

    it("refuses the certificate of another peer before it sends a byte", async () => {
      hostile.answering = answer(200, peerText());
      const wrong = hostile.endpoint(members.bundles.directory.identity.peerId);
      expect(await rejection(client.peer(wrong))).to.be.instanceOf(PeerMismatch);
      const elsewhere = { ...to, address: { ...to.address, host: "other.test" } };
      expect(await rejection(client.peer(elsewhere))).to.be.instanceOf(PeerMismatch);
      expect(hostile.requests).to.deep.equal([]);
    });

    it("does not dial what the policy forbids", async () => {
      const strict = clientOf({}, { ...LOCAL, privateAddresses: false });
      expect(await rejection(strict.peer(to))).to.be.instanceOf(DialRefused);
      const ports = clientOf({}, { ...LOCAL, ports: [443, 8443] });
      expect(await rejection(ports.peer(to))).to.be.instanceOf(DialRefused);
      expect(hostile.requests).to.deep.equal([]);
    });

    it("dials a directory of the group at the port that the group names", async () => {
      const { port } = to.address;
      const { peerId } = members.bundles.provider.identity;
      hostile.answering = answer(200, peerText());
      const directories = [{ peerId, address: { host: "inway.test", port } }];
      const asking = openManagerClient({
        groups: { current: { ...members.group, directories } },
        bundles: { current: members.bundles.other },
        policy: () => ({ ...LOCAL, ports: [443, 8443] }),
        ...{ ownAddress: undefined, clock: systemClock, log },
      });
      expect((await asking.peer(to)).peerId).to.equal(peerId);
    });

    it("keeps a code that it does not know, and makes the text fit to be shown", async () => {
      const message = `\u001b[31mno\r\n\u202e${"x".repeat(1000)}`;
      hostile.answering = answer(418, JSON.stringify({ code: "ERROR_CODE_TEAPOT", message }));
      const error = await remote(client.peer(to));
      expect(error).to.include({ status: 418, code: "ERROR_CODE_TEAPOT" });
      expect(error.detail)
        .to.have.lengthOf(501)
        .and.not.match(/[\p{Cc}\p{Cf}]/u);
    });

    it("takes a code from the header alone, and none that is no code", async () => {
      hostile.answering = answer(422, "", { "Fsc-Error-Code": "ERROR_CODE_INCORRECT_GROUP_ID" });
      expect((await remote(client.peer(to))).code).to.equal("ERROR_CODE_INCORRECT_GROUP_ID");
      hostile.answering = answer(422, '{"code":"a b<script>"}');
      expect((await remote(client.peer(to))).code).to.equal(undefined);
    });

    it("leaves out what it does not understand of a list, and says so in the log", async () => {
      const good = { id: "00000000000000000003", name: "O", manager_address: "https://o.test:443" };
      const peers = [
        good,
        { ...good, id: "7" },
        { ...good, manager_address: "http://o.test" },
        null,
      ];
      hostile.answering = answer(200, JSON.stringify({ peers, pagination: {} }));
      const page = await client.peers(to, { ...PAGE, nameContains: undefined, peerIds: [] });
      expect(page.items.map(({ id }) => id)).to.deep.equal([good.id]);
      expect(page.nextCursor).to.equal(undefined);
      expect(lines.at(-1)).to.contain("peers[1]").and.contain("peers[2]").and.contain("peers[3]");
    });

    it("leaves out contracts of other versions", async () => {
      const contract = await listed(content(), members.bundles.provider);
      const text = JSON.stringify({
        contracts: [
          { contract_content: {}, signatures: {} },
          {
            content: contract.content,
            signatures: { accept: {}, reject: {}, revoke: {} },
          },
        ],
        pagination: { next_cursor: "" },
      });
      hostile.answering = answer(200, text);
      const page = await client.contracts(to, EVERY);
      expect(page.items).to.have.lengthOf(1);
      expect(lines.at(-1)).to.contain("FSC 1");
    });

    for (const [title, text] of [
      ["a list that is none", '{"contracts":{},"pagination":{}}'],
      ["a page without its end", '{"contracts":[]}'],
      ["more items than a page has", `{"contracts":[${"0,".repeat(1000)}0],"pagination":{}}`],
      ["a page that is too large", `{"contracts":[],"pagination":{},"x":"${"x".repeat(100_000)}"}`],
    ] as const) {
      it(`refuses ${title}`, async () => {
        hostile.answering = answer(200, text);
        expect((await remote(client.contracts(to, EVERY))).status).to.equal(200);
      });
    }

    for (const [title, body] of [
      ["of another type", { access_token: "a.b.c", token_type: "mac" }],
      ["that is no text", { access_token: 1, token_type: "bearer" }],
      ["with a line end", { access_token: "a.b.c\r\nX: y", token_type: "bearer" }],
      ["that is too large", { access_token: "a".repeat(40_000), token_type: "bearer" }],
    ] as const) {
      it(`refuses a token ${title}`, async () => {
        hostile.answering = answer(200, JSON.stringify(body));
        await remote(client.token(to, grantHashes(content())[0]!.hash));
      });
    }

    it("takes a token whose type is written Bearer", async () => {
      hostile.answering = answer(200, '{"access_token":"a.b-_.c","token_type":"Bearer"}');
      const token = await client.token(to, grantHashes(content())[0]!.hash);
      expect(token).to.equal("a.b-_.c");
    });

    it("refuses certificates that are no JWK set", async () => {
      hostile.answering = answer(200, '{"keys":{}}');
      expect((await remote(client.certificates(to))).detail).to.contain("keys");
      hostile.answering = answer(200, " ".repeat(1024 * 1024 + 1));
      expect((await remote(client.certificates(to))).detail).to.contain("larger");
    });

    const byPath =
      (submitting: Buffer, peer: Buffer): Answering =>
      (socket, request) =>
        socket.end(request.includes(" /v1/peer ") ? peer : submitting);

    const submit = async (): Promise<RemoteError> => {
      const submission = await signed(content(), members.bundles.other);
      return remote(client.submit(to, "propose", submission, contentHash(submission.content)));
    };

    it("names both versions when the other side does not know ours", async () => {
      const refusal = { code: "ERROR_CODE_UNKNOWN_FSC_VERSION", message: "what is 2.0.0?" };
      hostile.answering = byPath(
        answer(422, JSON.stringify(refusal)),
        answer(200, peerText({ fsc_version: "3.0.0" })),
      );
      const error = await submit();
      expect(error).to.include({ status: 422, code: "ERROR_CODE_UNKNOWN_FSC_VERSION" });
      expect(error.detail).to.contain("speaks FSC 2.0.0").and.contain("of 3.0.0");
      expect(error.detail).to.contain("what is 2.0.0?");
    });

    it("names both versions when software of FSC 1 gives another reason, or none", async () => {
      hostile.answering = byPath(
        answer(400, "bad request", { "Content-Type": "text/plain" }),
        answer(200, peerText({ fsc_version: "1.0.0" })),
      );
      const error = await submit();
      expect(error).to.include({ status: 400, code: "ERROR_CODE_UNKNOWN_FSC_VERSION" });
      expect(error.detail).to.contain("2.0.0").and.contain("1.0.0");
    });

    it("says what it knows when the other side does not say its version", async () => {
      const refusal = '{"code":"ERROR_CODE_UNKNOWN_FSC_VERSION","message":"m"}';
      hostile.answering = byPath(answer(422, refusal), answer(404));
      const error = await submit();
      expect(error.detail).to.contain("2.0.0").and.contain("does not say its version");
    });

    it("asks for no version when the refusal is of the same version", async () => {
      hostile.answering = byPath(
        answer(422, '{"code":"ERROR_CODE_INCORRECT_GROUP_ID","message":"m"}'),
        answer(200, peerText()),
      );
      expect(await submit()).to.include({ code: "ERROR_CODE_INCORRECT_GROUP_ID", detail: "m" });
      hostile.answering = byPath(answer(503, ""), answer(200, peerText({ fsc_version: "1.0.0" })));
      expect((await submit()).code).to.equal(undefined);
    });
  });
});
