// The shapes of FSC's answers, as its OpenAPI file has them: which members there are, of which type, and
// which must be there. Members that a shape does not name are reported too.

/** What a value must be. A name that ends with "?" may be absent; "*" stands for any name. */
export type Shape =
  "text" | "seconds" | "any" | RegExp | readonly [Shape] | { readonly [member: string]: Shape };

const mistakesInObject = (
  shape: Readonly<Record<string, Shape>>,
  value: unknown,
  path: string,
): string[] => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return [`${path} is no object`];
  }
  const members = new Map(Object.entries(value));
  const known = new Map(Object.entries(shape));
  const any = known.get("*");
  return [
    ...[...known]
      .filter(([name]) => !name.endsWith("?") && name !== "*" && !members.has(name))
      .map(([name]) => `${path}.${name} is missing`),
    ...[...members].flatMap(([name, each]) => {
      const of = known.get(name) ?? known.get(`${name}?`) ?? any;
      return of === undefined
        ? [`${path}.${name} is not of FSC`]
        : mistakesIn(of, each, `${path}.${name}`);
    }),
  ];
};

/** What is wrong with a value, one line each. */
export const mistakesIn = (shape: Shape, value: unknown, path = "answer"): string[] => {
  if (shape === "any") return [];
  if (shape === "text") return typeof value === "string" ? [] : [`${path} is no text`];
  if (shape === "seconds") return Number.isSafeInteger(value) ? [] : [`${path} is no integer`];
  if (shape instanceof RegExp) {
    return typeof value === "string" && shape.test(value) ? [] : [`${path} is ${String(value)}`];
  }
  if (Array.isArray(shape)) {
    const [item] = shape as readonly [Shape];
    if (!Array.isArray(value)) return [`${path} is no array`];
    return value.flatMap((each, at) => mistakesIn(item, each, `${path}[${String(at)}]`));
  }
  return mistakesInObject(shape as Readonly<Record<string, Shape>>, value, path);
};

const ID = /^.{3,255}$/;
const PAGE = { next_cursor: "text" } as const;
const PEER = { id: ID, name: ID, manager_address: /^https:\/\/[^/]+:[0-9]+$/ } as const;
const SIGNATURES = { "*": /^[\w-]+\.[\w-]+\.[\w-]+$/ } as const;

/** The answers, by path. */
export const SHAPES = {
  logs: {
    records: [
      {
        transaction_id: "text",
        direction: /^DIRECTION_(INCOMING|OUTGOING)$/,
        grant_hash: "text",
        source: {
          type: /^SOURCE_TYPE_(DELEGATED_)?SOURCE$/,
          outway_peer_id: "text",
          "delegator_peer_id?": "text",
        },
        destination: {
          type: /^DESTINATION_TYPE_(DELEGATED_)?DESTINATION$/,
          service_peer_id: "text",
          "delegator_peer_id?": "text",
        },
        service_name: ID,
        "additional_data?": { "*": "any" },
        created_at: "seconds",
      },
    ],
    pagination: PAGE,
  },
  contracts: {
    contracts: [
      {
        content: {
          fsc_version: "text",
          iv: /^.{36}$/,
          group_id: "text",
          validity: { not_before: "seconds", not_after: "seconds" },
          grants: [{ data: "any" }],
          hash_algorithm: /^HASH_ALGORITHM_SHA3_512$/,
          created_at: "seconds",
        },
        signatures: { accept: SIGNATURES, reject: SIGNATURES, revoke: SIGNATURES },
      },
    ],
    pagination: PAGE,
  },
  token: { access_token: "text", token_type: /^bearer$/ },
  peer: { peer_id: ID, peer_name: ID, fsc_version: "text", enabled_extensions: { "*": "text" } },
  peers: { peers: [PEER], pagination: PAGE },
  services: {
    services: [
      {
        type: "any",
        data: {
          type: /^SERVICE_TYPE_(DELEGATED_)?SERVICE$/,
          peer: PEER,
          name: ID,
          protocol: /^PROTOCOL_TCP_HTTP_(1\.1|2)$/,
          "properties?": { "*": "any" },
          "delegator?": { peer_id: ID, peer_name: ID },
        },
      },
    ],
    pagination: PAGE,
  },
  jwks: {
    keys: [
      {
        kty: /^(RSA|EC)$/,
        "use?": /^sig$/,
        "kid?": "text",
        x5c: ["text"],
        "x5t#S256": "text",
        "n?": "text",
        "e?": "text",
        "crv?": "text",
        "x?": "text",
        "y?": "text",
      },
    ],
  },
} as const satisfies Record<string, Shape>;
