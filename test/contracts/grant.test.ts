// Checks contracts/grant.ts: what of a grant is refused, the four grants and their unions, and who is who in them.
import { expect } from "chai";
import {
  CONNECTION_PROPERTIES_BYTES_MAX,
  connectionDelegator,
  GRANT_TYPES,
  identifiesOutway,
  isConnection,
  isPublishable,
  parseGrant,
  PROPERTIES_BYTES_MAX,
  PROPERTIES_DEPTH_MAX,
  PROTOCOLS,
  SERVICE_TYPES,
  serviceDelegator,
  type GrantData,
  type Outway,
} from "../../contracts/grant.js";
import { FieldError } from "../../contracts/fields.js";
import { JSON_DEPTH_MAX, parseJson } from "../../contracts/json.js";
import { peerIdRule, type ServiceName } from "../../core/names.js";
import {
  byKey,
  byName,
  connection,
  CONSUMER,
  delegatedConnection,
  delegatedPublication,
  delegatedService,
  DIRECTORY,
  GROUP,
  json,
  KEY,
  OTHER,
  PROVIDER,
  publication,
  type Wire,
} from "../support/contract-content.js";

const read = (data: unknown): GrantData => parseGrant(json({ data }), "g", GROUP.peerIdRule).data;

const service = (changes: Wire): Wire =>
  connection({
    service: { type: "SERVICE_TYPE_SERVICE", peer_id: PROVIDER, name: "a", ...changes },
  });

const identified = (identification: unknown): Wire =>
  connection({ outway: { peer_id: CONSUMER, identification } });

const BY_KEY = "OUTWAY_IDENTIFICATION_TYPE_PUBLIC_KEY_THUMBPRINT";
const BY_NAME = "OUTWAY_IDENTIFICATION_TYPE_DOMAIN_NAME";

const REFUSALS: readonly (readonly [what: string, data: unknown, reason: string])[] = [
  ["no data", undefined, "g.data is absent"],
  ["no type", connection({ type: undefined }), "g.data.type is absent"],
  ["a type as a number", connection({ type: 2 }), "g.data.type is of type number"],
  ["a type that nobody has", connection({ type: "GRANT_TYPE_PEER_REGISTRATION" }), "it must be"],
  ["another member", connection({ note: 1 }), 'the member "note", which is unknown'],
  ["a connection with a delegator", connection({ delegator: { peer_id: OTHER } }), '"delegator"'],
  ["a connection with a directory", connection({ directory: { peer_id: OTHER } }), '"directory"'],
  ["no outway", connection({ outway: undefined }), "g.data.outway is absent"],
  ["a publication with an outway", publication({ outway: byKey() }), '"outway"'],
  ["no directory", publication({ directory: undefined }), "g.data.directory is absent"],
  ["no delegator", delegatedConnection({ delegator: undefined }), "g.data.delegator is absent"],
  [
    "a delegator of null",
    delegatedPublication({ delegator: null }),
    "g.data.delegator is null, it must be an object",
  ],
  [
    "a delegator without an id",
    delegatedConnection({ delegator: {} }),
    "delegator.peer_id is absent",
  ],
  [
    "a delegator with a name",
    delegatedConnection({ delegator: { peer_id: OTHER, name: "x" } }),
    'g.data.delegator has the member "name"',
  ],
  ["a peer id of 19 digits", service({ peer_id: "1".repeat(19) }), "by the group's rule"],
  ["a peer id of two characters", service({ peer_id: "12" }), "has 2 characters, allowed are 3 to"],
  ["a peer id that is a number", service({ peer_id: 12345 }), "peer_id is of type number"],
  [
    "no type of service, as FSC's text has it",
    service({ type: undefined }),
    "service.type is absent",
  ],
  ["another type of service", service({ type: "SERVICE_TYPE_OTHER" }), "service.type is"],
  ["an own service with a delegator", service({ delegator: { peer_id: OTHER } }), '"delegator"'],
  [
    "a delegated service without one",
    service({ type: "SERVICE_TYPE_DELEGATED_SERVICE" }),
    "service.delegator is absent",
  ],
  ["a service without a name", service({ name: "" }), "service.name has 0 characters"],
  ["a service of 101 characters", service({ name: "a".repeat(101) }), "has 101 characters"],
  ["a service with a slash", service({ name: "a/b" }), "it must be a service name"],
  ["a service of dots", service({ name: ".." }), "it must be a service name"],
  ["a connection with a protocol", service({ protocol: PROTOCOLS[0] }), '"protocol"'],
  [
    "a publication without a protocol",
    publication({ service: { peer_id: PROVIDER, name: "a" } }),
    "service.protocol is absent",
  ],
  [
    "a publication over something else",
    publication({ service: { peer_id: PROVIDER, name: "a", protocol: "PROTOCOL_TCP_HTTP_3" } }),
    "service.protocol is",
  ],
  ["an outway that nothing identifies", identified(undefined), "identification is absent"],
  [
    "an outway as FSC 1 has it",
    connection({ outway: { peer_id: CONSUMER, public_key_thumbprint: KEY } }),
    "identification is absent",
  ],
  ["another identification", identified({ type: "IP" }), "identification.type is"],
  ["a key without a thumbprint", identified({ type: BY_KEY }), "thumbprint is absent"],
  [
    "a thumbprint in base64url",
    identified({ type: BY_KEY, public_key_thumbprint: "A".repeat(43) }),
    "allowed are 64 to 64",
  ],
  [
    "a thumbprint of other letters",
    identified({ type: BY_KEY, public_key_thumbprint: "g".repeat(64) }),
    "64 hexadecimal characters",
  ],
  [
    "a key and a name",
    identified({ type: BY_KEY, public_key_thumbprint: KEY, domain_name: "a.test" }),
    '"domain_name"',
  ],
  ["a name of 256 characters", identified({ type: BY_NAME, domain_name: "a".repeat(256) }), "256"],
  ["a wildcard", identified({ type: BY_NAME, domain_name: "*.a.test" }), "a host name"],
  ["an IP address", identified({ type: BY_NAME, domain_name: "127.0.0.1" }), "a host name"],
  ["a name with a final dot", identified({ type: BY_NAME, domain_name: "a.test." }), "a host name"],
  ["properties of null", connection({ properties: null }), "g.data.properties is null"],
  ["properties in an array", connection({ properties: [] }), "g.data.properties is an array"],
  ["properties as a text", publication({ properties: "{}" }), "properties is of type string"],
  [
    "large properties of a connection",
    connection({ properties: { a: "x".repeat(CONNECTION_PROPERTIES_BYTES_MAX - 7) } }),
    `has ${String(CONNECTION_PROPERTIES_BYTES_MAX + 1)} bytes`,
  ],
  [
    "large properties of a delegated connection",
    delegatedConnection({ properties: { a: "é".repeat(CONNECTION_PROPERTIES_BYTES_MAX / 2) } }),
    "bytes, allowed are",
  ],
  [
    "large properties of a publication",
    publication({ properties: { a: "x".repeat(PROPERTIES_BYTES_MAX) } }),
    `allowed are ${String(PROPERTIES_BYTES_MAX)}`,
  ],
];

const nested = (levels: number): unknown => (levels === 1 ? {} : { a: nested(levels - 1) });

describe("a grant", () => {
  for (const [what, data, reason] of REFUSALS) {
    it(`is refused for ${what}`, () => {
      expect(() => read(data)).to.throw(FieldError, reason);
    });
  }

  it("is refused when it is no object, or has something beside its data", () => {
    for (const value of [null, [], "grant", 1]) {
      expect(() => parseGrant(json(value), "g", GROUP.peerIdRule)).to.throw(FieldError, "g ");
    }
    const more = json({ data: connection(), hash: "$1$3$" });
    expect(() => parseGrant(more, "g", GROUP.peerIdRule)).to.throw(FieldError, '"hash"');
  });

  it("is refused with properties that are too deep to be sent on inside a list", () => {
    expect(() => read(connection({ properties: nested(PROPERTIES_DEPTH_MAX + 1) }))).to.throw(
      FieldError,
      "levels deep",
    );
    const grant = read(connection({ properties: nested(PROPERTIES_DEPTH_MAX) }));
    const listed = { contracts: [{ content: { grants: [{ data: grant }] } }] };
    expect(PROPERTIES_DEPTH_MAX + 8).to.be.below(JSON_DEPTH_MAX);
    parseJson(Buffer.from(JSON.stringify(listed)));
  });

  it("may be each of the four, numbered by FSC from 1", () => {
    const grants = [publication(), connection(), delegatedConnection(), delegatedPublication()];
    expect(grants.map((data) => read(data).type)).to.deep.equal(GRANT_TYPES);
    for (const data of grants) {
      expect(JSON.parse(JSON.stringify(read(data)))).to.deep.equal(data);
    }
  });

  it("may have properties of any shape, which stay as they are", () => {
    const properties = { "example.a": [1, { b: null }], "": "x", ["__proto__"]: { c: true } };
    const text = JSON.stringify(properties);
    for (const make of [connection, delegatedConnection, publication, delegatedPublication]) {
      expect(JSON.stringify(read(make({ properties })).properties)).to.equal(text);
    }
  });

  it("keeps the case of thumbprints and names, since both are in its hash", () => {
    const upper = read(connection({ outway: byKey(CONSUMER, KEY.toUpperCase()) }));
    expect(upper)
      .to.have.nested.property("outway.identification.public_key_thumbprint")
      .that.equals(KEY.toUpperCase());
    const name = read(connection({ outway: byName(CONSUMER, "Outway.Test") }));
    expect(name)
      .to.have.nested.property("outway.identification.domain_name")
      .that.equals("Outway.Test");
  });

  it("has peer ids by the rule of its group", () => {
    const named = peerIdRule("[a-z]+");
    const data = publication({
      directory: { peer_id: "north" },
      service: { peer_id: "south", name: "a", protocol: PROTOCOLS[1] },
    });
    parseGrant(json({ data }), "g", named);
    expect(() => read(data)).to.throw(FieldError, "by the group's rule");
  });

  it("may name one peer in several places", () => {
    read(connection({ outway: byKey(PROVIDER) }));
    read(delegatedConnection({ delegator: { peer_id: CONSUMER } }));
    read(connection({ service: delegatedService(PROVIDER) }));
    read(publication({ directory: { peer_id: PROVIDER } }));
    read(delegatedPublication({ delegator: { peer_id: DIRECTORY } }));
  });
});

describe("the type of a service", () => {
  it("is one of two, and there, as FSC's OpenAPI file has it and an example of its text has not", () => {
    expect(SERVICE_TYPES).to.deep.equal(["SERVICE_TYPE_SERVICE", "SERVICE_TYPE_DELEGATED_SERVICE"]);
    for (const type of SERVICE_TYPES) {
      const delegator = type === SERVICE_TYPES[1] ? { delegator: { peer_id: OTHER } } : {};
      read(service({ type, ...delegator }));
    }
  });
});

describe("the delegators of a grant", () => {
  const cases: readonly (readonly [Wire, string | undefined, string | undefined])[] = [
    [connection(), undefined, undefined],
    [connection({ service: delegatedService(DIRECTORY) }), undefined, DIRECTORY],
    [delegatedConnection(), OTHER, undefined],
    [delegatedConnection({ service: delegatedService(DIRECTORY) }), OTHER, DIRECTORY],
    [publication(), undefined, undefined],
    [delegatedPublication(), undefined, OTHER],
  ];

  it("are two: of the connection, and of the service", () => {
    for (const [data, ofConnection, ofService] of cases) {
      const grant = read(data);
      expect(serviceDelegator(grant)).to.equal(ofService);
      if (isConnection(grant)) expect(connectionDelegator(grant)).to.equal(ofConnection);
    }
  });
});

describe("the outway of a grant", () => {
  const outwayOf = (outway: Wire): Outway => {
    const grant = read(connection({ outway }));
    if (!isConnection(grant)) throw new Error("it is no connection");
    return grant.outway;
  };
  const shows = (publicKeyThumbprint: string, ...dnsNames: string[]) => ({
    publicKeyThumbprint,
    dnsNames,
  });
  const other = "f".repeat(64);

  it("is not another key's, whatever name its certificate has", () => {
    expect(identifiesOutway(outwayOf(byKey()), shows(other, "outway.test"))).to.equal(false);
  });

  it("is not another name's: a name is compared whole, and a wildcard stands for none", () => {
    const outway = outwayOf(byName(CONSUMER, "outway.a.test"));
    for (const name of [
      "*.a.test",
      "a.test",
      "x.outway.a.test",
      "outway.a.test.evil",
      "outway-a.test",
    ]) {
      expect(identifiesOutway(outway, shows(KEY, name)), name).to.equal(false);
    }
    expect(identifiesOutway(outway, shows(KEY))).to.equal(false);
  });

  it("is the one with the key or with the name, in either case", () => {
    expect(identifiesOutway(outwayOf(byKey(CONSUMER, KEY.toUpperCase())), shows(KEY))).to.equal(
      true,
    );
    const named = outwayOf(byName(CONSUMER, "Outway.A.test"));
    expect(identifiesOutway(named, shows(other, "b.test", "outway.a.test"))).to.equal(true);
  });
});

describe("the name of a service", () => {
  it("is published only with the three characters that FSC's OpenAPI file asks for", () => {
    expect(isPublishable("ab" as ServiceName)).to.equal(false);
    expect(isPublishable("abc" as ServiceName)).to.equal(true);
    expect(read(service({ name: "a" }))).to.have.nested.property("service.name", "a");
  });
});
