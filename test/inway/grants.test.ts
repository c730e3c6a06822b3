// Checks inway/grants.ts: what it refuses, then what it does.
import { expect } from "chai";
import { GrantsError, parseGrants } from "../../inway/grants.js";
import {
  parseServiceName,
  parseThumbprint,
  peerIdRule,
  PEER_ID_PATTERN_DEFAULT,
  type PeerId,
  type ServiceName,
  type Thumbprint,
} from "../../core/names.js";

const rule = peerIdRule(PEER_ID_PATTERN_DEFAULT);
const PEER = "00000000000000000003";
const KEY = "ab".repeat(32);
const GOOD = `
services:
  - { name: echo, url: "http://127.0.0.1:9000", openapi: /openapi.json }
  - { name: other, url: "https://intern.example:8443/base" }
grants:
  - { peer: "${PEER}", public_key: ${KEY.toUpperCase()}, service: echo }
`;
const peer = (text: string): PeerId => rule(text) ?? expect.fail(text);
const service = (text: string): ServiceName => parseServiceName(text) ?? expect.fail(text);
const key = (text: string): Thumbprint => parseThumbprint(text) ?? expect.fail(text);

describe("inway/grants", () => {
  const refused: readonly (readonly [string, string, RegExp])[] = [
    ["no YAML", "services: [", /not valid YAML/],
    ["a key that stands there twice", "services: []\nservices: []", /unique/i],
    ["an alias", "services: &a []\ngrants: *a", /alias/i],
    ["a list", "- 1", /expected object/i],
    ["an unknown field", "servics: []", /servics/],
    [
      "an unknown field of a service",
      "services: [{ name: a, url: 'http://a', path: /x }]",
      /services\.0.*path/,
    ],
    [
      "a service name with a slash",
      "services: [{ name: a/b, url: 'http://a' }]",
      /services\.0\.name: found "a\/b"/,
    ],
    ["the service name ..", "services: [{ name: .., url: 'http://a' }]", /services\.0\.name/],
    [
      "two services with one name",
      "services: [{ name: a, url: 'http://a' }, { name: a, url: 'http://b' }]",
      /twice/,
    ],
    [
      "a source that is no URL",
      "services: [{ name: a, url: nowhere }]",
      /services\.0\.url: found "nowhere"/,
    ],
    ["a source with another scheme", "services: [{ name: a, url: 'ftp://a' }]", /services\.0\.url/],
    [
      "a source with a password",
      "services: [{ name: a, url: 'http://u:p@a' }]",
      /services\.0\.url/,
    ],
    ["a source with a query", "services: [{ name: a, url: 'http://a/?x=1' }]", /services\.0\.url/],
    [
      "an OpenAPI path that is a URL",
      "services: [{ name: a, url: 'http://a', openapi: 'http://b' }]",
      /openapi/,
    ],
    [
      "a peer id that YAML reads as a number",
      `services: [{ name: a, url: 'http://a' }]\ngrants: [{ peer: ${PEER}, public_key: ${KEY}, service: a }]`,
      /grants\.0\.peer/,
    ],
    [
      "a peer id the group does not allow",
      `services: [{ name: a, url: 'http://a' }]\ngrants: [{ peer: "123", public_key: ${KEY}, service: a }]`,
      /grants\.0\.peer: found "123"/,
    ],
    [
      "a short thumbprint",
      `services: [{ name: a, url: 'http://a' }]\ngrants: [{ peer: "${PEER}", public_key: abcd, service: a }]`,
      /grants\.0\.public_key/,
    ],
    [
      "a grant for a service that is not there",
      `grants: [{ peer: "${PEER}", public_key: ${KEY}, service: a }]`,
      /grants\.0\.service: found "a"/,
    ],
    [
      "251 services",
      `services: [${Array.from({ length: 251 }, (_, i) => `{ name: s${String(i)}, url: 'http://a' }`).join()}]`,
      /services/,
    ],
  ];
  for (const [what, text, message] of refused) {
    it(`refuses ${what}`, () => {
      expect(() => parseGrants(text, rule)).to.throw(GrantsError, message);
    });
  }

  it("names every mistake at once", () => {
    const text =
      "services: [{ name: a/b, url: nowhere }]\ngrants: [{ peer: x, public_key: y, service: z }]";
    expect(() => parseGrants(text, rule))
      .to.throw(GrantsError)
      .with.property("message")
      .that.satisfies((m: string) => m.split("\n").length === 5);
  });

  it("takes an empty file for no services at all", () => {
    expect(parseGrants("", rule).services).to.deep.equal([]);
  });

  it("takes services and grants", () => {
    const permission = parseGrants(GOOD, rule);
    expect(permission.services.map(({ name }) => name)).to.deep.equal(["echo", "other"]);
    expect(permission.service(service("other"))?.source.pathname).to.equal("/base");
  });

  const { permit } = ((permission) => ({
    permit: (id: string, thumbprint: string, name: string) =>
      permission.permit({ peerId: peer(id), publicKeyThumbprint: key(thumbprint) }, service(name)),
  }))(parseGrants(GOOD, rule));

  it("permits what a row names, and says which row", () => {
    expect(permit(PEER, KEY, "echo")).to.equal("grants.yaml grants[0]");
  });

  const denied = [
    ["another peer", "00000000000000000004", KEY, "echo"],
    ["another key", PEER, "cd".repeat(32), "echo"],
    ["another service", PEER, KEY, "other"],
    ["a service that is not there", PEER, KEY, "nope"],
    ["a service in other capitals", PEER, KEY, "Echo"],
  ] as const;
  for (const [what, id, thumbprint, name] of denied) {
    it(`denies ${what}`, () => {
      expect(permit(id, thumbprint, name)).to.equal(undefined);
    });
  }
});
