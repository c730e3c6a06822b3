// Exchanges at a real inway, from an outway of any make: TLS with a peer's certificate, a token, and raw HTTP. What
// is refused first; nothing that is refused reaches the source.
import { createHmac } from "node:crypto";
import { expect } from "chai";
import type { BundleFiles } from "../../certs/bundle.js";
import { loadBundle, type Bundle } from "../../certs/bundle.js";
import type { ConnectionGrant } from "../../contracts/grant.js";
import { signToken, tokenFor, type AccessToken } from "../../contracts/token.js";
import type { PeerId, ServiceName } from "../../core/names.js";
import { newTransactionId } from "../../core/names.js";
import { connectAsOutway, exchangeRaw } from "../support/as-outway.js";
import { contractBetween, type GrantOptions } from "../support/organisation.js";
import { CONSUMER, Plane, STRANGER } from "../support/plane.js";
import type { TestPeer } from "../support/pki.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

const HOUR = 3600;
const now = (): number => Math.floor(Date.now() / 1000);
const base64url = (value: object): string =>
  Buffer.from(JSON.stringify(value)).toString("base64url");

interface Raw {
  readonly status: number;
  readonly code: string | undefined;
  readonly text: string;
}

describe("inway/exchange", function () {
  this.timeout(60_000);
  let plane: Plane;
  let stranger: TestPeer;
  let strangerBundle: Bundle;
  /** Another certificate of the consumer, with the same key. */
  let renewed: TestPeer;

  before(async () => {
    plane = await Plane.start();
    stranger = await plane.test.peer({ peerId: STRANGER, name: "Stranger", names: ["other.test"] });
    strangerBundle = await loadBundle(stranger.files, plane.group);
    renewed = await plane.test.peer({ peerId: CONSUMER, name: "Consumer", names: ["new.test"] });
    await until("the inway is connected", () => plane.provider.connected === 1);
  });
  afterEach(async () => {
    plane.provider.services = [plane.service("echo")];
    await plane.reset();
  });
  after(async () => {
    await plane.close();
    removeTemporaryFolders();
  });

  const send = async (
    headers: readonly string[],
    files: BundleFiles = plane.outwayPeer.files,
    target = "/x",
  ): Promise<Raw> => {
    const socket = await connectAsOutway({
      ...{ port: plane.inway.address.port, servername: "inway.test", files },
    });
    const lines = [`GET ${target} HTTP/1.1`, "Host: inway.test", ...headers, "Connection: close"];
    const text = await exchangeRaw(socket, `${lines.join("\r\n")}\r\n\r\n`, 5_000);
    return {
      status: Number(/^HTTP\/1\.1 ([0-9]{3})/.exec(text)?.[1]),
      code: /^Fsc-Error-Code: (.*)$/im.exec(text)?.[1]?.trim(),
      text,
    };
  };
  const withToken = (token: string, ...more: readonly string[]): string[] => [
    `Fsc-Authorization: Bearer ${token}`,
    `Fsc-Transaction-Id: ${newTransactionId()}`,
    ...more,
  ];

  /** A token for a contract as the provider's manager makes it, with changes. */
  const tokenOf = async (
    { content, grant }: ReturnType<typeof contractBetween>,
    changes: Partial<AccessToken> = {},
    by: Bundle = plane.provider.bundle,
  ): Promise<string> => {
    const [first] = content.grants;
    const [certificate] = by.chain;
    if (first === undefined || certificate === undefined) return expect.fail();
    const token = tokenFor({
      ...{ content, grant: first.data as ConnectionGrant, grantHash: grant },
      certificateThumbprint: plane.outwayBundle.identity.certificateThumbprint,
      ...{ inways: [{ host: "inway.test", port: 443 }], lifetimeSeconds: 600 },
      now: plane.clock.now(),
    });
    return await signToken({ ...token, ...changes }, { key: by.key, certificate });
  };
  const agreed = async (options: GrantOptions = {}) => {
    const contract = plane.agree(options);
    await plane.settled();
    return contract;
  };
  const expectRefused = async (
    answer: Promise<Raw>,
    status: number,
    code: string,
  ): Promise<Raw> => {
    const before = plane.source.requests.length;
    const refused = await answer;
    expect(refused).to.include({ status, code });
    expect(/^WWW-Authenticate: Bearer\r$/im.test(refused.text)).to.equal(status === 401);
    expect(plane.source.requests.length).to.equal(before);
    return refused;
  };

  it("refuses without a token, and with more than one", async () => {
    const token = await tokenOf(await agreed());
    const id = `Fsc-Transaction-Id: ${newTransactionId()}`;
    await expectRefused(send([id]), 401, "ERROR_CODE_ACCESS_TOKEN_MISSING");
    const twice = withToken(token, `fsc-authorization: Bearer ${token}`);
    await expectRefused(send(twice), 401, "ERROR_CODE_ACCESS_TOKEN_INVALID");
  });

  for (const value of [
    "",
    "Bearer",
    "Bearer ",
    "Basic x",
    "Bearer a b",
    "Bearer x",
    "Bearer a.b.c",
  ]) {
    it(`refuses the token header "${value}"`, async () => {
      await agreed();
      const lines = [`Fsc-Authorization: ${value}`, `Fsc-Transaction-Id: ${newTransactionId()}`];
      await expectRefused(send(lines), 401, "ERROR_CODE_ACCESS_TOKEN_INVALID");
    });
  }

  it("refuses an exchange without a transaction id, and with one of another form", async () => {
    const token = await tokenOf(await agreed());
    const line = `Fsc-Authorization: Bearer ${token}`;
    await expectRefused(send([line]), 400, "MISSING_LOG_RECORD_ID");
    const other = "Fsc-Transaction-Id: 6e1b8e6e-1b2c-4f6a-9e0d-000000000000";
    await expectRefused(send([line, other]), 400, "INVALID_LOG_RECORD_ID");
  });

  it("refuses unsigned tokens and those that are signed with a shared secret", async () => {
    const good = await tokenOf(await agreed());
    const [, payload = ""] = good.split(".");
    const [certificate = ""] = plane.provider.bundle.chain.map(({ raw }) => raw.toString("base64"));
    for (const alg of ["none", "HS256"]) {
      const header = JSON.parse(
        Buffer.from(good.split(".")[0] ?? "", "base64url").toString(),
      ) as object;
      const signed = `${base64url({ ...header, alg })}.${payload}`;
      const mac = createHmac("sha256", certificate).update(signed).digest("base64url");
      for (const signature of ["", mac]) {
        const answer = send(withToken(`${signed}.${signature}`));
        await expectRefused(answer, 401, "ERROR_CODE_ACCESS_TOKEN_INVALID");
      }
    }
  });

  it("refuses a token that another certificate of our own peer has signed", async () => {
    const token = await tokenOf(await agreed(), {}, plane.inwayBundle);
    await expectRefused(send(withToken(token)), 401, "ERROR_CODE_ACCESS_TOKEN_INVALID");
  });

  it("refuses a token that another peer has signed", async () => {
    const token = await tokenOf(await agreed(), {}, strangerBundle);
    await expectRefused(send(withToken(token)), 401, "ERROR_CODE_ACCESS_TOKEN_INVALID");
  });

  const claims: readonly (readonly [string, Partial<AccessToken>, number, string])[] = [
    ["another group", { groupId: "other" }, 403, "ERROR_CODE_WRONG_GROUP_ID_IN_TOKEN"],
    [
      "another provider",
      { servicePeerId: STRANGER as PeerId },
      401,
      "ERROR_CODE_ACCESS_TOKEN_INVALID",
    ],
    [
      "another certificate",
      { certificateThumbprint: "A".repeat(43) },
      401,
      "ERROR_CODE_ACCESS_TOKEN_INVALID",
    ],
    [
      "a time that has passed",
      { notBefore: now() - 100, expires: now() - 1 },
      401,
      "ERROR_CODE_ACCESS_TOKEN_EXPIRED",
    ],
    [
      "a time to come",
      { notBefore: now() + 36_000, expires: now() + 36_600 },
      401,
      "ERROR_CODE_ACCESS_TOKEN_INVALID",
    ],
    [
      "a service that is not offered",
      { serviceName: "none" as ServiceName },
      404,
      "ERROR_CODE_SERVICE_NOT_FOUND",
    ],
    ["another consumer", { outwayPeerId: STRANGER as PeerId }, 403, "ERROR_CODE_ACCESS_DENIED"],
  ];
  for (const [what, changes, status, code] of claims) {
    it(`refuses a token for ${what} with ${String(status)} ${code}`, async () => {
      const token = await tokenOf(await agreed(), changes);
      await expectRefused(send(withToken(token)), status, code);
    });
  }

  const unusable: readonly (readonly [string, GrantOptions])[] = [
    ["PROPOSED", { decision: "PROPOSED" }],
    ["REJECTED", { decision: "REJECTED" }],
    ["REVOKED", { decision: "REVOKED" }],
    ["EXPIRED", { validity: { not_before: now() - 2 * HOUR, not_after: now() - HOUR } }],
    ["NOT_YET_VALID", { validity: { not_before: now() + HOUR, not_after: now() + 2 * HOUR } }],
    ["does not name the caller's certificate", { publicKey: "0".repeat(64) }],
    ["does not name the caller's certificate", { domainName: "other.test" }],
  ];
  for (const [reason, options] of unusable) {
    it(`refuses a right token when its contract is not usable: ${reason} ${JSON.stringify(options)}`, async () => {
      const life = { notBefore: now() - 10, expires: now() + 600 };
      const token = await tokenOf(await agreed(options), life);
      const { text } = await expectRefused(send(withToken(token)), 403, "ERROR_CODE_ACCESS_DENIED");
      expect(text).to.include(reason);
    });
  }

  it("refuses a right token for a contract that the inway has not heard of", async () => {
    const { outwayBundle, inwayBundle, group } = plane;
    const unheard = contractBetween(group, outwayBundle.identity, inwayBundle.identity);
    const token = await tokenOf(unheard);
    await expectRefused(send(withToken(token)), 403, "ERROR_CODE_ACCESS_DENIED");
  });

  it("refuses a token whose grant is for another service of ours", async () => {
    plane.provider.services = [plane.service("echo"), plane.service("other")];
    plane.provider.send({ services: { services: plane.provider.services } });
    const contract = await agreed();
    const token = await tokenOf(contract, { serviceName: "other" as ServiceName });
    await expectRefused(send(withToken(token)), 403, "ERROR_CODE_ACCESS_DENIED");
  });

  it("lets an outway of any make pass that sends token and transaction id alone", async () => {
    const token = await tokenOf(await agreed());
    const answer = await send(withToken(token), undefined, "/a//b/%2e%2E?c");
    expect(answer.status).to.equal(200);
    expect(plane.source.last.target).to.equal("/a//b/%2e%2E?c");
    expect(plane.source.last.header("Fsc-Authorization")).to.deep.equal([`Bearer ${token}`]);
    expect(plane.source.last.header("X-NLX-Request-Organization")).to.deep.equal([CONSUMER]);
  });

  it("takes an unpublished service as well as a published one", async () => {
    plane.provider.services = [plane.service("echo", false)];
    plane.provider.send({ services: { services: plane.provider.services } });
    const token = await tokenOf(await agreed());
    expect((await send(withToken(token))).status).to.equal(200);
  });

  describe("with a token that was verified before", () => {
    const used = async () => {
      const contract = await agreed();
      const token = await tokenOf(contract);
      expect((await send(withToken(token))).status).to.equal(200);
      return { contract, token };
    };

    it("refuses it with another certificate of the same peer and key", async () => {
      const { token } = await used();
      const answer = send(withToken(token), renewed.files);
      await expectRefused(answer, 401, "ERROR_CODE_ACCESS_TOKEN_INVALID");
    });

    it("refuses it from another peer", async () => {
      const { token } = await used();
      const answer = send(withToken(token), stranger.files);
      await expectRefused(answer, 401, "ERROR_CODE_ACCESS_TOKEN_INVALID");
    });

    it("refuses it with one bit of its signature changed", async () => {
      const { token } = await used();
      const other = token.slice(0, -10) + (token.at(-10) === "A" ? "B" : "A") + token.slice(-9);
      await expectRefused(send(withToken(other)), 401, "ERROR_CODE_ACCESS_TOKEN_INVALID");
    });

    it("refuses it at once when its contract is revoked", async () => {
      const { contract, token } = await used();
      plane.decide(contract, "REVOKED");
      await until(
        "it is refused",
        async () => (await send(withToken(token))).status === 403,
        5_000,
      );
    });

    it("refuses it when its key may sign no more", async () => {
      const { token } = await used();
      const { tokenSigners } = plane.provider;
      plane.provider.send({ tokenSigners: { certificates: [] } });
      await until("it is refused", async () => (await send(withToken(token))).status === 401);
      plane.provider.send({ tokenSigners: { certificates: [...tokenSigners] } });
      await until("it passes again", async () => (await send(withToken(token))).status === 200);
    });

    it("refuses it when its time has passed", async () => {
      const { token } = await used();
      plane.clock.advance(601_000);
      await expectRefused(send(withToken(token)), 401, "ERROR_CODE_ACCESS_TOKEN_EXPIRED");
    });
  });
});
