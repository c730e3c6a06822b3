// Tokens, grants and clients, through real processes: what an inway takes, and under which grant an outway calls.
import { expect } from "chai";
import { generateKeyPairSync, sign } from "node:crypto";
import { loadBundle, type Bundle, type BundleFiles } from "../../certs/bundle.js";
import { loadGroup, type Group } from "../../certs/group.js";
import { signJws } from "../../contracts/jws.js";
import type { ErrorCode } from "../../core/errors.js";
import { newTransactionId } from "../../core/names.js";
import { SignatureKind } from "../../proto/gen/schakel/manager/v1/administration.js";
import { expectError, fromCall, fromRaw, type Answered } from "../support/answered.js";
import { connectAsOutway, exchangeRaw } from "../support/as-outway.js";
import { call } from "../support/call.js";
import { compact } from "../support/contract-signers.js";
import { Network, PEERS } from "../support/network.js";
import { until } from "../support/until.js";

type Claims = Readonly<Record<string, unknown>>;

const UNKNOWN_GRANT = `$1$3$${"A".repeat(86)}`;
const WEEK = 7 * 86_400;

describe("system/tokens", function () {
  this.timeout(60_000);
  let network: Network;
  let group: Group;
  let provider: Bundle;
  let token = "";
  let claims: Claims = {};

  before(async () => {
    network = await Network.start({ services: { second: "http://127.0.0.1:1" } });
    group = await loadGroup(network.group.groupFile);
    provider = await loadBundle(network.peers.provider.files, group);
    token = await network.token();
    claims = JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString()) as Claims;
  });
  after(() => network.stop());

  describe("at an inway", () => {
    const ask = async (
      headers: readonly string[],
      files: BundleFiles = network.peers.consumer.files,
    ): Promise<string> => {
      const socket = await connectAsOutway({
        port: network.inway.port,
        servername: PEERS.provider.host,
        files,
      });
      const id = `Fsc-Transaction-Id: ${newTransactionId()}`;
      const lines = [
        "GET /raw HTTP/1.1",
        "Host: inway",
        "Connection: close",
        id,
        ...headers,
        "",
        "",
      ];
      return exchangeRaw(socket, lines.join("\r\n"));
    };
    const bearer = (text: string): string => `Fsc-Authorization: Bearer ${text}`;
    const refused = async (
      code: ErrorCode,
      headers: readonly string[],
      files?: BundleFiles,
    ): Promise<void> => {
      const before = network.source.requests.length;
      expectError(fromRaw(await ask(headers, files)), code, "inway");
      expect(network.source.requests, "nothing reaches the source").to.have.length(before);
    };
    const minted = async (changes: Claims, by = provider): Promise<string> => {
      const [certificate] = by.chain;
      return signJws(
        { ...claims, ...changes },
        { key: by.key, certificate: certificate! },
        { type: "JWT" },
      );
    };

    it("takes a token of the provider's manager with the certificate that it is bound to", async () => {
      expect(await ask([bearer(token)])).to.match(/^HTTP\/1\.1 200/);
      expect(network.source.last.target).to.equal("/raw");
    });

    it("takes one that the manager's key has signed, however it came", async () => {
      expect(await ask([bearer(await minted({}))])).to.match(/^HTTP\/1\.1 200/);
    });

    it("refuses a request without a token", async () => {
      await refused("ERROR_CODE_ACCESS_TOKEN_MISSING", []);
    });

    const malformed: readonly (readonly [string, () => readonly string[]])[] = [
      ["that is none", () => [bearer("a.b.c")]],
      ["of another scheme", () => [`Fsc-Authorization: Basic ${token}`]],
      ["twice", () => [bearer(token), bearer(token)]],
      [
        "with a bit changed",
        () => [
          bearer(`${token.slice(0, -9)}${token.at(-9) === "A" ? "B" : "A"}${token.slice(-8)}`),
        ],
      ],
      ["of algorithm none", () => [bearer(compact({ alg: "none" }, claims, ""))]],
      ["without a signature", () => [bearer(`${token.split(".").slice(0, 2).join(".")}.`)]],
    ];
    for (const [what, headers] of malformed) {
      it(`refuses a token ${what}`, async () => {
        await refused("ERROR_CODE_ACCESS_TOKEN_INVALID", headers());
      });
    }

    const now = Math.floor(Date.now() / 1000);
    const wrong: readonly (readonly [string, Claims, ErrorCode])[] = [
      ["that has expired", { nbf: now - 20, exp: now - 10 }, "ERROR_CODE_ACCESS_TOKEN_EXPIRED"],
      ["of next week", { nbf: now + WEEK, exp: now + 2 * WEEK }, "ERROR_CODE_ACCESS_TOKEN_INVALID"],
      ["of another group", { gid: "other" }, "ERROR_CODE_WRONG_GROUP_ID_IN_TOKEN"],
      ["of another provider", { iss: PEERS.stranger.peerId }, "ERROR_CODE_ACCESS_TOKEN_INVALID"],
      ["for an unknown grant", { gth: UNKNOWN_GRANT }, "ERROR_CODE_ACCESS_DENIED"],
      ["for the service of another grant", { svc: "second" }, "ERROR_CODE_ACCESS_DENIED"],
      ["for an unknown service", { svc: "nothing" }, "ERROR_CODE_SERVICE_NOT_FOUND"],
      ["for another peer", { sub: PEERS.stranger.peerId }, "ERROR_CODE_ACCESS_DENIED"],
    ];
    for (const [what, changes, code] of wrong) {
      it(`refuses a token ${what}, signed by the manager's key`, async () => {
        await refused(code, [bearer(await minted(changes))]);
      });
    }

    it("refuses a token of one peer's certificate on the connection of another", async () => {
      const { files } = network.peers.stranger;
      await refused("ERROR_CODE_ACCESS_TOKEN_INVALID", [bearer(token)], files);
    });

    it("refuses a token of one certificate on a connection with another of the same peer", async () => {
      const { peerId, name, host } = PEERS.consumer;
      const { files } = await network.group.peer({ peerId, name, names: [host] });
      await refused("ERROR_CODE_ACCESS_TOKEN_INVALID", [bearer(token)], files);
    });

    it("refuses a token that another certificate of the providing peer has signed", async () => {
      const { peerId, name, host } = PEERS.provider;
      const { files } = await network.group.peer({ peerId, name, names: [host] });
      const minter = await loadBundle(files, group);
      await refused("ERROR_CODE_ACCESS_TOKEN_INVALID", [bearer(await minted({}, minter))]);
    });

    it("refuses a token that some key has signed under the manager's thumbprint", async () => {
      const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
      const real = await minted({});
      const [header = "", payload = ""] = real.split(".");
      const signature = sign("sha512", Buffer.from(`${header}.${payload}`), privateKey);
      const forged = `${header}.${payload}.${signature.toString("base64url")}`;
      await refused("ERROR_CODE_ACCESS_TOKEN_INVALID", [bearer(forged)]);
    });
  });

  describe("at an outway", () => {
    const ask = (headers: readonly (readonly [string, string])[]): Promise<Answered> =>
      fromCall(network.url("/granted"), { headers });

    it("calls under the grant that the client names", async () => {
      const headers = [["Fsc-Grant-Hash", network.grantHash()]] as const;
      expect((await call(network.url("/named"), { headers })).status).to.equal(200);
    });

    const unknown: readonly (readonly [string, readonly string[]])[] = [
      ["that is none", ["echo"]],
      ["of no contract", [UNKNOWN_GRANT]],
      ["twice", [UNKNOWN_GRANT, UNKNOWN_GRANT]],
      ["that is empty", [""]],
    ];
    for (const [what, values] of unknown) {
      it(`refuses a grant hash ${what}`, async () => {
        const answered = await ask(values.map((value) => ["Fsc-Grant-Hash", value] as const));
        expectError(answered, "ERROR_CODE_GRANT_UNKNOWN", "outway");
      });
    }

    it("refuses a grant for another service than the addressed one", async () => {
      const answered = await ask([["Fsc-Grant-Hash", network.grantHash("second")]]);
      expectError(answered, "ERROR_CODE_ADDRESS_INVALID", "outway");
    });

    it("refuses a call with a token of no client, and one of a client without the grant", async () => {
      const headers = (text: string): readonly (readonly [string, string])[] => [
        ["Proxy-Authorization", `Bearer ${text}`],
      ];
      expectError(await ask(headers("nobody")), "ERROR_CODE_CLIENT_UNAUTHENTICATED", "outway");
      const consumer = await network.administrator("consumer");
      const grantHashes = [network.grantHash("second")];
      const client = { name: "app", grantHashes, byCertificate: false };
      const { token: shown } = await consumer.call("addClient", client);
      const answered = await until("the outway to know the client", async () => {
        const answer = await ask(headers(shown));
        return answer.status === 403 && answer;
      });
      expectError(answered, "ERROR_CODE_CLIENT_NOT_ALLOWED", "outway");
      await consumer.call("removeClient", { name: "app" });
      await until(
        "the client to be forgotten",
        async () => (await ask(headers(shown))).status === 401,
      );
    });

    it("asks which grant is meant when there are several, and goes on with the one that is named", async () => {
      const first = network.grantHash();
      const { hash, grantHashes } = await network.grant(["echo"]);
      const answered = await until("the outway to know both", async () => {
        const response = await call(network.url("/granted"));
        return response.status !== 200 && (await ask([]));
      });
      const body = expectError(answered, "ERROR_CODE_GRANT_AMBIGUOUS", "outway");
      expect(body["choices"]).to.have.members([first, ...grantHashes]);
      for (const each of [first, ...grantHashes]) {
        const headers = [["Fsc-Grant-Hash", each]] as const;
        expect((await call(network.url("/chosen"), { headers })).status).to.equal(200);
      }
      const consumer = await network.administrator("consumer");
      await consumer.call("signContract", { hash, kind: SignatureKind.SIGNATURE_KIND_REVOKE });
      await until(
        "the outway to know one",
        async () => (await call(network.url("/"))).status === 200,
      );
    });

    it("answers 403 for a service that no contract names, and 503 while it has nothing from its manager", async () => {
      // The stranger's manager does not run yet.
      await network.startOutway("stranger");
      const url = network.url("/", "echo", "stranger");
      const waiting = await until("the directory's catalogue", async () => {
        const answer = await fromCall(url);
        return answer.code !== "ERROR_CODE_CATALOGUE_UNAVAILABLE" && answer;
      });
      expectError(waiting, "ERROR_CODE_STATE_UNAVAILABLE", "outway");
      await network.startManager("stranger");
      const answered = await until("the stranger's manager", async () => {
        const answer = await fromCall(url);
        return answer.status === 403 && answer;
      });
      const body = expectError(answered, "ERROR_CODE_NO_CONTRACT", "outway");
      expect(body["message"]).to.contain(PEERS.stranger.peerId);
    });
  });
});
