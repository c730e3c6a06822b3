// Exchanges through a real outway to a real inway: which contract lets them pass, and what is answered when none does.
import { Agent, request } from "node:http";
import { join } from "node:path";
import { expect } from "chai";
import { OAuthError } from "../../fsc/manager-interface.js";
import { signToken, tokenFor } from "../../contracts/token.js";
import { contractBetween, type GrantOptions } from "../support/organisation.js";
import { CONSUMER, Plane, PROVIDER, STRANGER } from "../support/plane.js";
import { intentsOf, recordsOf } from "../support/logs.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

const HOUR = 3600;
const now = (): number => Math.floor(Date.now() / 1000);
const choose = (hash: string) => ({ headers: [["Fsc-Grant-Hash", hash]] as const });

describe("outway/exchange", function () {
  this.timeout(60_000);
  let plane: Plane;

  before(async () => {
    plane = await Plane.start();
    await until(
      "both are connected",
      () => plane.provider.connected + plane.consumer.connected === 2,
    );
  });
  afterEach(() => plane.reset());
  after(async () => {
    await plane.close();
    removeTemporaryFolders();
  });

  it("refuses without a contract, naming our peer and key, and asks for no token", async () => {
    plane.consumer.tell(
      contractBetween(plane.group, plane.outwayBundle.identity, plane.inwayBundle.identity, {
        service: "other",
      }),
    );
    await plane.settled();
    // The service must be known for this answer: here by a contract that has ended.
    plane.agree({ decision: "REJECTED" });
    await plane.settled();
    const answer = await plane.call();
    expect(answer.status).to.equal(403);
    expect(answer.json()).to.include({ code: "ERROR_CODE_NO_CONTRACT", location: "C1" });
    const { peerId, publicKeyThumbprint } = plane.outwayBundle.identity;
    expect(answer.json()["message"]).to.include(peerId).and.include(publicKeyThumbprint);
    expect(plane.provider.tokensAsked).to.equal(0);
  });

  it("knows nothing of a service that neither contracts nor a catalogue name", async () => {
    const answer = await plane.call(`/${PROVIDER}/nothing/`);
    expect(answer.json()["code"]).to.equal("ERROR_CODE_CATALOGUE_UNAVAILABLE");
  });

  const unusable: readonly (readonly [string, GrantOptions])[] = [
    ["PROPOSED", { decision: "PROPOSED" }],
    ["REJECTED", { decision: "REJECTED" }],
    ["REVOKED", { decision: "REVOKED" }],
    ["EXPIRED", { validity: { not_before: now() - 2 * HOUR, not_after: now() - HOUR } }],
    ["NOT_YET_VALID", { validity: { not_before: now() + HOUR, not_after: now() + 2 * HOUR } }],
    ["names another outway", { publicKey: "0".repeat(64) }],
    ["names another outway", { domainName: "other.test" }],
  ];
  for (const [reason, options] of unusable) {
    it(`refuses when the contract is not usable: ${reason} ${JSON.stringify(options)}`, async () => {
      const { hash, grant } = plane.agree(options);
      await plane.settled();
      for (const headers of [{}, choose(grant)]) {
        const answer = await plane.call(undefined, headers);
        expect(answer.status).to.equal(403);
        expect(answer.json()["code"]).to.equal("ERROR_CODE_NO_CONTRACT");
        expect(answer.json()["message"]).to.include(hash).and.include(reason);
      }
      expect(plane.provider.tokensAsked).to.equal(0);
    });
  }

  for (const options of [{}, { domainName: "OUTWAY.test" }] as const) {
    it(`lets exchanges pass with a contract in force ${JSON.stringify(options)}`, async () => {
      plane.agree(options);
      await plane.settled();
      const answer = await plane.call(`/${PROVIDER}/echo/a%2Fb//c?d`);
      expect(answer.text).to.equal("GET /a%2Fb//c?d\n");
      const [authorization = ""] = plane.source.last.header("Fsc-Authorization");
      expect(authorization).to.match(/^Bearer [\w-]+\.[\w-]+\.[\w-]+$/);
      expect(plane.source.last.header("Schakel-Service")).to.deep.equal([]);
    });
  }

  it("asks for one token for any number of exchanges at once", async () => {
    plane.agree();
    await plane.settled();
    const answers = await Promise.all(Array.from({ length: 20 }, () => plane.call()));
    expect(answers.map(({ status }) => status)).to.deep.equal(answers.map(() => 200));
    expect(plane.provider.tokensAsked).to.equal(1);
  });

  it("asks the client to choose when several contracts are in force, and obeys", async () => {
    const [first, second] = [plane.agree(), plane.agree({ delegator: STRANGER })];
    await plane.settled();
    const answer = await plane.call();
    expect(answer.status).to.equal(400);
    expect(answer.json()["code"]).to.equal("ERROR_CODE_GRANT_AMBIGUOUS");
    expect(answer.json()["choices"]).to.have.members([first.grant, second.grant]);
    expect(answer.json()["message"]).to.include(`acting for peer ${STRANGER}`);
    for (const { grant } of [first, second]) {
      expect((await plane.call(undefined, choose(grant))).status).to.equal(200);
      const [authorization = ""] = plane.source.last.header("Fsc-Authorization");
      const claims = Buffer.from(authorization.split(".")[1] ?? "", "base64url").toString();
      expect(JSON.parse(claims)).to.include({ gth: grant });
    }
  });

  it("takes the whole path for the service's when a grant is named, as other FSC outways do", async () => {
    const { grant } = plane.agree();
    await plane.settled();
    expect((await plane.call("/a/b?c", choose(grant))).text).to.equal("GET /a/b?c\n");
  });

  it("refuses a grant that it does not have, that is none, or that comes twice", async () => {
    const { grant } = plane.agree();
    await plane.settled();
    const unknown = `${grant.slice(0, 10)}${grant.slice(10).replace(/./, (c) => (c === "A" ? "B" : "A"))}`;
    const twice = { headers: [...choose(grant).headers, ...choose(grant).headers] };
    for (const headers of [choose(unknown), choose("x"), choose(""), twice]) {
      const answer = await plane.call(undefined, headers);
      expect(answer.status).to.equal(403);
      expect(answer.json()["code"]).to.equal("ERROR_CODE_GRANT_UNKNOWN");
    }
  });

  it("refuses a grant for another service than the addressed one", async () => {
    plane.agree();
    const { grant } = plane.agree({ service: "other" });
    await plane.settled();
    const answer = await plane.call(undefined, choose(grant));
    expect(answer.json()["code"]).to.equal("ERROR_CODE_ADDRESS_INVALID");
    expect(answer.json()["choices"]).to.deep.equal([`/${PROVIDER}/other`]);
  });

  it("answers with what the provider's manager said when it gives no token, and does not ask at once again", async () => {
    plane.agree();
    await plane.settled();
    plane.provider.answerToken = () =>
      Promise.reject(new OAuthError("unauthorized_client", "come back tomorrow"));
    for (const turn of [1, 2]) {
      const answer = await plane.call();
      expect(answer.status, String(turn)).to.equal(502);
      expect(answer.json()["code"]).to.equal("ERROR_CODE_TOKEN_UNAVAILABLE");
      expect(answer.json()["message"])
        .to.include("unauthorized_client")
        .and.include("come back tomorrow");
    }
    expect(plane.provider.tokensAsked).to.equal(1);
    plane.provider.answerToken = undefined;
    plane.clock.advance(1_001);
    expect((await plane.call()).status).to.equal(200);
  });

  it("believes no token that is not what was asked for", async () => {
    const { content, grant } = plane.agree();
    const other = plane.agree({ service: "other" });
    await plane.settled();
    plane.provider.answerToken = async (_, caller) => {
      const [certificate] = plane.provider.bundle.chain;
      const [data] = other.content.grants;
      if (certificate === undefined || data === undefined || !("outway" in data.data)) return "";
      const token = tokenFor({
        ...{ content, grant: data.data, grantHash: grant, lifetimeSeconds: 60 },
        ...{ inways: plane.provider.inways, now: plane.clock.now() },
        certificateThumbprint: caller.certificateThumbprint,
      });
      return await signToken(token, { key: plane.provider.bundle.key, certificate });
    };
    const answer = await plane.call();
    expect(answer.json()["code"]).to.equal("ERROR_CODE_TOKEN_UNAVAILABLE");
    expect(answer.json()["message"]).to.include("it is for the service other");
  });

  it("renews a token when a third of its life is left, and uses the old one meanwhile", async () => {
    plane.agree();
    await plane.settled();
    await plane.call();
    plane.clock.advance(399_000);
    await plane.call();
    expect(plane.provider.tokensAsked).to.equal(1);
    plane.clock.advance(2_000);
    let answer: (() => void) | undefined;
    plane.provider.answerToken = () =>
      new Promise((_, reject) => {
        answer = () => reject(new OAuthError("invalid_scope", "no"));
      });
    expect((await plane.call()).status).to.equal(200);
    await until("a new one is asked for", () => plane.provider.tokensAsked === 2 && answer);
    answer?.();
    expect((await plane.call()).status).to.equal(200);
    plane.clock.advance(200_000);
    plane.provider.answerToken = () => Promise.reject(new OAuthError("invalid_scope", "no"));
    expect((await plane.call()).status).to.equal(502);
  });

  it("asks for another token when an inway refuses the one it has", async () => {
    plane.agree();
    await plane.settled();
    expect((await plane.call()).status).to.equal(200);
    const { tokenSigners } = plane.provider;
    plane.provider.send({ tokenSigners: { certificates: [] } });
    const refused = await until("the inway refuses", async () => {
      const answer = await plane.call();
      return answer.status === 401 && answer;
    });
    // Not ours to change: it is the inway's answer.
    expect(refused.json()).to.include({
      code: "ERROR_CODE_ACCESS_TOKEN_INVALID",
      domain: "ERROR_DOMAIN_INWAY",
    });
    expect(refused.headers["www-authenticate"]).to.equal("Bearer");
    expect(plane.provider.tokensAsked).to.equal(1);
    plane.clock.advance(1_001);
    await plane.call();
    plane.provider.send({ tokenSigners: { certificates: [...tokenSigners] } });
    await until("it passes again", async () => (await plane.call()).status === 200);
    expect(plane.provider.tokensAsked).to.equal(2);
  });

  it("records grant, clause and both delegators on both sides", async () => {
    const { hash, grant } = plane.agree({
      delegator: STRANGER,
      serviceDelegator: "00000000000000000005",
    });
    await plane.settled();
    const answer = await plane.call();
    expect(answer.status).to.equal(200);
    const id = String(answer.headers["fsc-transaction-id"]);
    for (const part of [plane.outway, plane.inway]) {
      const intents = intentsOf(await recordsOf(join(part.data, "log")));
      expect(intents.get(id)?.exchange).to.deep.include({
        grantHash: grant,
        clause: `contract ${hash}`,
        source: { peerId: CONSUMER, delegatorId: STRANGER },
        destination: { peerId: PROVIDER, delegatorId: "00000000000000000005" },
        service: "echo",
      });
    }
  });

  it("records the grant that a client named when the exchange is refused, and none that is not known", async () => {
    const used = plane.agree();
    const other = plane.agree({ service: "other" });
    await plane.settled();
    const recorded = async (named: string, code: string): Promise<unknown> => {
      const answer = await plane.call(undefined, choose(named));
      expect(answer.json()["code"]).to.equal(code);
      const id = String(answer.headers["fsc-transaction-id"]);
      const exchange = await until("its refusal is recorded", async () => {
        const records = await recordsOf(join(plane.outway.data, "log"));
        return records
          .filter((record) => record.kind === "refusal")
          .find((record) => record.exchange.transactionId === id)?.exchange;
      });
      return exchange.grantHash;
    };
    expect(await recorded(other.grant, "ERROR_CODE_ADDRESS_INVALID")).to.equal(other.grant);
    plane.decide(used, "REVOKED");
    await until("it is refused", async () => (await plane.call()).status === 403);
    expect(await recorded(used.grant, "ERROR_CODE_NO_CONTRACT")).to.equal(used.grant);
    const unknown = `${used.grant.slice(0, 10)}${used.grant.slice(10).replace(/./, (c) => (c === "A" ? "B" : "A"))}`;
    expect(await recorded(unknown, "ERROR_CODE_GRANT_UNKNOWN")).to.equal(undefined);
  });

  it("records grant and delegators of an exchange that is refused for want of a token", async () => {
    const { grant } = plane.agree({ delegator: STRANGER });
    await plane.settled();
    plane.provider.answerToken = () => Promise.reject(new OAuthError("unauthorized_client", "no"));
    const answer = await plane.call();
    expect(answer.json()["code"]).to.equal("ERROR_CODE_TOKEN_UNAVAILABLE");
    const id = String(answer.headers["fsc-transaction-id"]);
    const exchange = await until("its refusal is recorded", async () => {
      const records = await recordsOf(join(plane.outway.data, "log"));
      return records
        .filter((record) => record.kind === "refusal")
        .find((record) => record.exchange.transactionId === id)?.exchange;
    });
    expect(exchange).to.deep.include({
      grantHash: grant,
      source: { peerId: CONSUMER, delegatorId: STRANGER },
    });
  });

  for (const side of ["consumer", "provider"] as const) {
    it(`refuses the next exchange when the ${side}'s manager knows of a revocation, on an open connection`, async () => {
      const contract = plane.agree();
      await plane.settled();
      const onOpen = keptAlive(plane.outway.address.port);
      expect(await onOpen()).to.equal(200);
      plane[side].tell({ ...contract, decision: "REVOKED" });
      await until("it is refused", async () => (await onOpen()) === 403, 5_000);
      expect(plane.source.requests.length).to.be.greaterThan(0);
      onOpen.end();
    });

    it(`cuts a running exchange when the ${side}'s manager knows of a revocation`, async () => {
      const contract = plane.agree();
      await plane.settled();
      expect((await plane.call()).status).to.equal(200);
      const held = plane.call(`/${PROVIDER}/echo/hold`);
      await until("it is at the source", () => plane.source.last.target === "/hold");
      plane[side].tell({ ...contract, decision: "REVOKED" });
      const answer = await held;
      expect(answer.status).to.equal(403);
      expect(answer.json()["code"]).to.equal(
        side === "consumer" ? "ERROR_CODE_NO_CONTRACT" : "ERROR_CODE_ACCESS_DENIED",
      );
    });
  }

  it("cuts a running exchange when its contract ends", async () => {
    plane.agree({ validity: { not_before: now() - HOUR, not_after: now() + 2 * HOUR } });
    await plane.settled();
    const held = plane.call(`/${PROVIDER}/echo/hold`);
    await until("it is at the source", () => plane.source.requests.at(-1)?.target === "/hold");
    plane.clock.advance(3 * HOUR * 1000);
    expect((await held).status).to.equal(403);
  });
});

interface KeptAlive {
  (): Promise<number>;
  end(): void;
}

/** Calls over and over on one connection; rejects when it is not the same one any more. */
const keptAlive = (port: number): KeptAlive => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set<number | undefined>();
  const once = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const asked = request({ port, host: "127.0.0.1", agent, path: `/${PROVIDER}/echo/` });
      asked.on("response", (response) => {
        ports.add(response.socket.localPort);
        response.resume();
        response.on("end", () => {
          if (ports.size > 1) reject(new Error("another connection was made"));
          else resolve(response.statusCode ?? 0);
        });
      });
      asked.on("error", reject);
      asked.end();
    });
  return Object.assign(once, { end: () => agent.destroy() });
};
