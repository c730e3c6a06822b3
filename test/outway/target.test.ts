// Checks outway/target.ts: what it refuses, then what it does.
import { expect } from "chai";
import type { CatalogueService } from "../../catalogue/catalogue.js";
import type { ConnectionGrant } from "../../contracts/grant.js";
import { SchakelError, type ErrorCode } from "../../core/errors.js";
import {
  parseServiceName,
  peerIdRule,
  PEER_ID_PATTERN_DEFAULT,
  type PeerId,
} from "../../core/names.js";
import { KnownServices, type CatalogueLookup } from "../../outway/known-services.js";
import { locate, parseTarget } from "../../outway/target.js";
import type { RequestHead } from "../../relay/message.js";

const rule = peerIdRule(PEER_ID_PATTERN_DEFAULT);
const ID = rule("00000000000000000002") ?? expect.fail();
const SUFFIX = "schakel.localhost";

const service = (name: string): CatalogueService => ({
  peerId: ID,
  peerName: "Register",
  service: {
    name: parseServiceName(name) ?? expect.fail(name),
    openapiPath: undefined,
    protocol: "HTTP/1.1",
  },
  inways: [],
});
const SERVICES = [
  "echo",
  "Mixed.Case",
  ...Array.from({ length: 12 }, (_, i) => `more-${String(i)}`),
].map(service);
const CATALOGUE: CatalogueLookup = {
  peers: () => [{ id: ID, name: "Register", inways: 1, outways: 0 }],
  peer: (id: PeerId) => (id === ID ? { id, name: "Register", inways: 1, outways: 0 } : undefined),
  services: (id: PeerId) => (id === ID ? SERVICES : []),
  service: (id: PeerId, name) =>
    id === ID ? SERVICES.find((found) => found.service.name === name) : undefined,
};

const KNOWN = new KnownServices(CATALOGUE, undefined);
const ADDRESSING = { suffix: SUFFIX, anyHost: false, rule };

const request = (target: string, host = "localhost:8080"): RequestHead => ({
  method: "GET",
  target,
  version: "1.1",
  headers: [["Host", host]],
});
const parse = (target: string, host?: string): ReturnType<typeof parseTarget> =>
  parseTarget(request(target, host), ADDRESSING, KNOWN);
const find = (target: string, host?: string): string =>
  locate(parse(target, host), KNOWN, rule).name;
const expectCode = (work: () => unknown, code: ErrorCode): SchakelError => {
  let thrown: unknown;
  try {
    work();
  } catch (error) {
    thrown = error;
  }
  if (!(thrown instanceof SchakelError)) return expect.fail(`nothing was refused`);
  expect(thrown.code).to.equal(code);
  return thrown;
};

describe("outway/target", () => {
  for (const target of [
    "/",
    "//",
    `/${ID}`,
    `/${ID}/`,
    `//${ID}/echo`,
    "",
    "*",
    `/${ID}//echo`,
    `/${ID}?x/echo`,
  ]) {
    it(`refuses the path "${target}"`, () => {
      expectCode(() => parse(target), "ERROR_CODE_ADDRESS_INVALID");
    });
  }

  const wrongHosts = [
    "attacker.example",
    "localhost.attacker.example",
    "127.0.0.1.attacker.example",
    SUFFIX,
    `.${SUFFIX}`,
    `echo.${SUFFIX}`,
    `.${ID}.${SUFFIX}`,
    `echo.${ID}.${SUFFIX}.attacker.example`,
    `echo.${ID}.x${SUFFIX}`,
    `echo.${ID}.${SUFFIX}.`,
    "0.0.0.0",
    "[::2]",
  ];
  for (const host of wrongHosts) {
    it(`refuses the host ${host}, also with a right path`, () => {
      expectCode(() => parse(`/${ID}/echo/`, host), "ERROR_CODE_ADDRESS_INVALID");
    });
  }

  for (const host of [
    "localhost",
    "LOCALHOST:80",
    "127.0.0.1:8080",
    "127.1.2.3",
    "[::1]",
    "[::1]:8080",
  ]) {
    it(`takes the path when the host is ${host}`, () => {
      expect(parse(`/${ID}/echo/a`, host)).to.deep.equal({
        peer: ID,
        service: "echo",
        caseless: false,
        path: "/a",
      });
    });
  }

  const hosts = [
    [`echo.${ID}.${SUFFIX}`, "echo"],
    [`ECHO.${ID}.SCHAKEL.localhost:80`, "echo"],
    [`mixed.case.${ID}.${SUFFIX}`, "Mixed.Case"],
  ] as const;
  for (const [host, expected] of hosts) {
    it(`finds ${expected} by the host ${host}, with the whole path for the source`, () => {
      expect(find("/a/b?c", host)).to.equal(expected);
      expect(parse("/a/b?c", host).path).to.equal("/a/b?c");
    });
  }

  const unknown: readonly (readonly [string, ErrorCode])[] = [
    ["/123/echo/", "ERROR_CODE_ADDRESS_INVALID"],
    ["/00000000000000000009/echo/", "ERROR_CODE_PEER_NOT_FOUND"],
    [`/${ID}/nope/`, "ERROR_CODE_SERVICE_NOT_FOUND"],
    [`/${ID}/Echo/`, "ERROR_CODE_SERVICE_NOT_FOUND"],
    [`/${ID}/%65cho/`, "ERROR_CODE_SERVICE_NOT_FOUND"],
    [`/${ID}/../`, "ERROR_CODE_SERVICE_NOT_FOUND"],
  ];
  for (const [target, code] of unknown) {
    it(`answers ${code} to ${target}`, () => {
      expectCode(() => find(target), code);
    });
  }

  it("offers at most ten services, those that begin alike first", () => {
    const { choices } = expectCode(() => find(`/${ID}/more/`), "ERROR_CODE_SERVICE_NOT_FOUND");
    expect(choices).to.have.length(10);
    expect(choices.every((name) => name.startsWith("more"))).to.equal(true);
  });

  it("says that there is no catalogue yet before anything about names", () => {
    expectCode(
      () => locate(parse(`/${ID}/echo/`), new KnownServices(undefined, undefined), rule),
      "ERROR_CODE_CATALOGUE_UNAVAILABLE",
    );
  });

  describe("where clients show who they are", () => {
    const anywhere = { ...ADDRESSING, anyHost: true };
    it("takes the path under any host", () => {
      const parsed = parseTarget(request(`/${ID}/echo/a`, "outway.internal"), anywhere, KNOWN);
      expect(parsed).to.include({ peer: ID, service: "echo", path: "/a" });
    });

    it("still takes a host with the suffix for an address, and refuses half of one", () => {
      const half = request(`/${ID}/echo/a`, `echo.${SUFFIX}`);
      expectCode(() => parseTarget(half, anywhere, KNOWN), "ERROR_CODE_ADDRESS_INVALID");
    });
  });

  describe("with a grant that the client names", () => {
    const grant = {
      type: "GRANT_TYPE_SERVICE_CONNECTION",
      service: { type: "SERVICE_TYPE_SERVICE", peer_id: ID, name: SERVICES[0]?.service.name },
    } as unknown as ConnectionGrant;
    const withGrant = (target: string, host?: string): ReturnType<typeof parseTarget> =>
      parseTarget(request(target, host), ADDRESSING, KNOWN, grant);

    for (const target of ["/", "/a/b?c", "//x", "/echo/x", "/%2F?x", "/123/echo"]) {
      it(`takes ${target} whole for the service`, () => {
        expect(withGrant(target)).to.include({ peer: ID, service: "echo", path: target });
      });
    }

    for (const target of [`/${ID}`, `/${ID}/`, `/${ID}?x`, "*", ""]) {
      it(`refuses "${target}", which is neither an address nor the service's path`, () => {
        expectCode(() => withGrant(target), "ERROR_CODE_ADDRESS_INVALID");
      });
    }

    it("takes a path that begins with a peer id for an address", () => {
      const other = "/00000000000000000009/other/x";
      expect(withGrant(other)).to.include({ service: "other", path: "/x" });
      expect(withGrant(`/${ID}/echo/x`)).to.include({ service: "echo", path: "/x" });
    });

    it("takes a host with the suffix for the address", () => {
      const parsed = withGrant("/x", `other.${ID}.${SUFFIX}`);
      expect(parsed).to.include({ service: "other", path: "/x" });
    });

    it("refuses a host that a page could have pointed here", () => {
      expectCode(() => withGrant("/x", "attacker.example"), "ERROR_CODE_ADDRESS_INVALID");
    });
  });
});
