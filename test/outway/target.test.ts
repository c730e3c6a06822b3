// Checks outway/target.ts: what it refuses, then what it does.
import { expect } from "chai";
import type { CatalogueService } from "../../catalogue/catalogue.js";
import { SchakelError, type ErrorCode } from "../../core/errors.js";
import {
  parseServiceName,
  peerIdRule,
  PEER_ID_PATTERN_DEFAULT,
  type PeerId,
} from "../../core/names.js";
import { locate, parseTarget, type Lookup } from "../../outway/target.js";
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
const CATALOGUE: Lookup = {
  peers: () => [{ id: ID, name: "Register", inways: 1, outways: 0 }],
  peer: (id: PeerId) => (id === ID ? { id, name: "Register", inways: 1, outways: 0 } : undefined),
  services: (id: PeerId) => (id === ID ? SERVICES : []),
  service: (id: PeerId, name) =>
    id === ID ? SERVICES.find((found) => found.service.name === name) : undefined,
};

const request = (target: string, host = "localhost:8080"): RequestHead => ({
  method: "GET",
  target,
  version: "1.1",
  headers: [["Host", host]],
});
const parse = (target: string, host?: string): ReturnType<typeof parseTarget> =>
  parseTarget(request(target, host), SUFFIX, CATALOGUE);
const find = (target: string, host?: string): string =>
  locate(parse(target, host), CATALOGUE, rule).service.name;
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
      () => locate(parse(`/${ID}/echo/`), undefined, rule),
      "ERROR_CODE_CATALOGUE_UNAVAILABLE",
    );
  });
});
