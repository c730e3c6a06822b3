// Contracts for tests: contents as they stand on the wire, and random ones.
import fc from "fast-check";
import { readFileSync } from "node:fs";
import { parseContent, type ContractContent, type ContractGroup } from "../../contracts/content.js";
import type { PeerId } from "../../core/names.js";
import { PEER_ID_PATTERN_DEFAULT, peerIdRule } from "../../core/names.js";
import { isInteroperableText, parseJson, type JsonValue } from "../../contracts/json.js";

/** The group of all of them. */
export const GROUP: ContractGroup = {
  groupId: "test",
  peerIdRule: peerIdRule(PEER_ID_PATTERN_DEFAULT),
};

/** A peer id: 20 digits that end in a number. */
export const peer = (number: number): PeerId => String(number).padStart(20, "0") as PeerId;

/** The consumer, the provider, and two others. */
export const [CONSUMER, PROVIDER, OTHER, DIRECTORY] = [peer(1), peer(2), peer(3), peer(4)];

/** A public key thumbprint. */
export const KEY = "0123456789abcdef".repeat(4);

/** 2026-07-01, in milliseconds: when the contracts of `wire` are in force. */
export const NOW = Date.UTC(2026, 6, 1);

/** An object as it stands on the wire. */
export type Wire = Readonly<Record<string, unknown>>;

/** A JSON value as another side would send it. */
export const json = (value: unknown): JsonValue => parseJson(Buffer.from(JSON.stringify(value)));

/** An outway that is known by its key. */
export const byKey = (peerId: string = CONSUMER, public_key_thumbprint = KEY): Wire => ({
  peer_id: peerId,
  identification: {
    type: "OUTWAY_IDENTIFICATION_TYPE_PUBLIC_KEY_THUMBPRINT",
    public_key_thumbprint,
  },
});

/** An outway that is known by a name. */
export const byName = (peerId: string = CONSUMER, domain_name = "outway.test"): Wire => ({
  peer_id: peerId,
  identification: { type: "OUTWAY_IDENTIFICATION_TYPE_DOMAIN_NAME", domain_name },
});

const ownService = {
  type: "SERVICE_TYPE_SERVICE",
  peer_id: PROVIDER as string,
  name: "parking",
};
const published = {
  peer_id: PROVIDER as string,
  name: "parking",
  protocol: "PROTOCOL_TCP_HTTP_1.1",
};

/** A service that the provider offers for another peer. */
export const delegatedService = (delegator: string): Wire => ({
  ...ownService,
  type: "SERVICE_TYPE_DELEGATED_SERVICE",
  delegator: { peer_id: delegator },
});

/** The data of each of the four grants, with changes. */
export const connection = (changes: Wire = {}): Wire => ({
  ...{ type: "GRANT_TYPE_SERVICE_CONNECTION", outway: byKey(), service: ownService },
  ...changes,
});
export const delegatedConnection = (changes: Wire = {}): Wire => ({
  ...connection({ type: "GRANT_TYPE_DELEGATED_SERVICE_CONNECTION" }),
  ...{ delegator: { peer_id: OTHER }, ...changes },
});
export const publication = (changes: Wire = {}): Wire => ({
  ...{ type: "GRANT_TYPE_SERVICE_PUBLICATION", directory: { peer_id: DIRECTORY } },
  ...{ service: published, ...changes },
});
export const delegatedPublication = (changes: Wire = {}): Wire => ({
  ...publication({ type: "GRANT_TYPE_DELEGATED_SERVICE_PUBLICATION" }),
  ...{ delegator: { peer_id: OTHER }, ...changes },
});

/** A content with some grants and changes, in force in 2026. */
export const wire = (grants: readonly unknown[], changes: Wire = {}): Wire => ({
  fsc_version: "2.0.0",
  iv: "019ba3ee-0c00-7000-8000-000000000001",
  group_id: "test",
  validity: { not_before: 1767225600, not_after: 1798761599 },
  grants: grants.map((data) => ({ data })),
  hash_algorithm: "HASH_ALGORITHM_SHA3_512",
  created_at: 1767139200,
  ...changes,
});

/** The same, read. */
export const contentOf = (grants: readonly unknown[], changes: Wire = {}): ContractContent =>
  parseContent(json(wire(grants, changes)), GROUP);

const anyPeer = fc.integer({ min: 1, max: 9 }).map(peer);
const anyParty = fc.record({ peer_id: anyPeer });
const anyName = fc.stringMatching(/^[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,30}$/);
const anyText = fc
  .string({ unit: "binary", maxLength: 12 })
  .filter((text) => isInteroperableText(text));
const anyNumber = fc.oneof(
  fc.maxSafeInteger(),
  fc.double({ min: -(2 ** 53 - 1), max: 2 ** 53 - 1, noNaN: true }),
  fc.constantFrom(0, -0, 5e-324, 1e-7, 1e-6, 0.1, 4.5, 333333333.3333333),
);

/** Any value that strict JSON can hold. */
export const anyJson: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(null, true, false),
    anyText,
    anyNumber,
    fc.array(tie("value"), { maxLength: 4 }),
    tie("object"),
  ),
  object: fc.dictionary(anyText, tie("value"), { maxKeys: 5 }),
})).value;

const anyProperties = fc.dictionary(anyText, anyJson, { maxKeys: 4 });
const maybeProperties = fc.option(anyProperties, { nil: undefined }).map((properties) => ({
  ...(properties === undefined ? {} : { properties }),
}));
const anyOutway = fc.oneof(
  fc.tuple(anyPeer, fc.stringMatching(/^[0-9a-f]{64}$/)).map(([id, key]) => byKey(id, key)),
  anyPeer.map((id) => byName(id, `${id}.test`)),
);
const anyService = fc.oneof(
  fc.record({ type: fc.constant("SERVICE_TYPE_SERVICE"), peer_id: anyPeer, name: anyName }),
  fc.record({
    type: fc.constant("SERVICE_TYPE_DELEGATED_SERVICE"),
    ...{ peer_id: anyPeer, name: anyName, delegator: anyParty },
  }),
);
const anyPublished = fc.record({
  ...{ peer_id: anyPeer, name: anyName },
  protocol: fc.constantFrom("PROTOCOL_TCP_HTTP_1.1", "PROTOCOL_TCP_HTTP_2"),
});

const grants = (delegated: fc.Arbitrary<Wire>, plain: fc.Arbitrary<Wire>): fc.Arbitrary<Wire[]> =>
  fc.uniqueArray(
    fc
      .tuple(fc.oneof(delegated, plain), maybeProperties)
      .map(([data, more]): Wire => ({ ...data, ...more })),
    { minLength: 1, maxLength: 4, selector: (data) => JSON.stringify(data) },
  );

const connections = grants(
  fc
    .record({ outway: anyOutway, service: anyService, delegator: anyParty })
    .map(delegatedConnection),
  fc.record({ outway: anyOutway, service: anyService }).map(connection),
);
const publications = grants(
  fc
    .record({ directory: anyParty, service: anyPublished, delegator: anyParty })
    .map(delegatedPublication),
  fc.record({ directory: anyParty, service: anyPublished }).map(publication),
);

/** Any content that a peer may sign. */
export const anyContent: fc.Arbitrary<Wire> = fc
  .record({
    iv: fc.uuid(),
    created_at: fc.integer({ min: 0, max: 1767139200 }),
    grants: fc.oneof(connections, publications),
  })
  .map(({ iv, created_at, grants: data }) => wire(data, { iv, created_at }));

/** The same value with the members of every object in another order, and its arrays as they were. */
export const shuffled = (value: unknown, random: () => number): unknown => {
  if (value instanceof Array) return value.map((each) => shuffled(each, random));
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(
    ([name, each]) => [random(), name, shuffled(each, random)] as const,
  );
  return Object.fromEntries(
    members.sort(([a], [b]) => a - b).map(([, name, each]) => [name, each]),
  );
};

interface ContentVector {
  readonly name: string;
  readonly received: string;
  readonly canonical: string;
  readonly content_hash: string;
  readonly grant_hashes: readonly Readonly<Record<"text" | "digest" | "base64url", string>>[];
}

interface ContractVectors {
  readonly peer_id_pattern: string;
  readonly group_id: string;
  readonly contents: readonly ContentVector[];
}

/** The published vectors: test/vectors/contracts-v2.json. */
export const vectors = JSON.parse(
  readFileSync(new URL("../vectors/contracts-v2.json", import.meta.url), "utf8"),
) as ContractVectors;

/** The group of the vectors. */
export const VECTOR_GROUP: ContractGroup = {
  groupId: vectors.group_id,
  peerIdRule: peerIdRule(vectors.peer_id_pattern),
};
