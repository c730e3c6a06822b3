// What an OpenAPI description says of its paths: what is no description first.
import { expect } from "chai";
import { DescriptionUnusable, PATHS_MAX, readDescription } from "../../inway/openapi-paths.js";

const bytes = (text: string): Buffer => Buffer.from(text);
const json = (value: unknown): Buffer => bytes(JSON.stringify(value));
const paths = { "/zaken": {}, "/zaken/{uuid}": {} };

/** Nine lists of nine lists …, which would be 9^9 texts. */
const BOMB = Array.from(
  { length: 9 },
  (_, level) =>
    `a${String(level)}: &a${String(level)} [${Array<string>(9)
      .fill(level === 0 ? "x" : `*a${String(level - 1)}`)
      .join()}]`,
).join("\n");

describe("inway/openapi-paths", () => {
  const UNUSABLE: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
    nothing: [bytes(""), /not an OpenAPI/],
    "a text": [bytes("hello"), /not an OpenAPI/],
    HTML: [bytes("<!doctype html><p>Sign in: {x}"), /not an OpenAPI|not YAML/],
    "a list": [json([paths]), /not an OpenAPI/],
    "no paths": [json({ openapi: "3.0.0" }), /not an OpenAPI/],
    "paths that are a list": [json({ paths: ["/zaken"] }), /not an OpenAPI/],
    "paths that are null": [json({ paths: null }), /not an OpenAPI/],
    "half of a JSON text": [bytes('{"paths": {"/za'), /not JSON/],
    "YAML that is not well formed": [bytes("paths: [}"), /not YAML/],
    "a name that comes twice": [bytes("paths:\n  /a: {}\n  /a: {}\n"), /not YAML/],
    "aliases that stand for very much": [bytes(`${BOMB}\npaths: *a8`), /not YAML|not an OpenAPI/],
    "bytes that are not UTF-8": [Buffer.from([0x7b, 0xff, 0x7d]), /not UTF-8/],
    "one path too many": [
      json({
        paths: Object.fromEntries(
          Array.from({ length: PATHS_MAX + 1 }, (_, index) => [`/${String(index)}`, {}]),
        ),
      }),
      /more than 5000 paths/,
    ],
  };
  for (const [what, [given, reason]] of Object.entries(UNUSABLE)) {
    it(`takes ${what} for no description`, () => {
      expect(() => readDescription(given, "/openapi.json")).to.throw(DescriptionUnusable, reason);
    });
  }

  it("reads JSON and YAML, and leaves extensions out", () => {
    const templates = Object.keys(paths);
    expect(readDescription(json({ paths: { ...paths, "x-owner": {} } }), "/").templates) //
      .to.deep.equal(templates);
    const yaml = "openapi: 3.0.3\npaths:\n  /zaken: {}\n  '/zaken/{uuid}':\n    get: {}\n";
    expect(readDescription(bytes(yaml), "/").templates).to.deep.equal(templates);
    expect(readDescription(bytes(`\ufeff${JSON.stringify({ paths })}`), "/").templates) //
      .to.deep.equal(templates);
  });

  const SERVERS: readonly (readonly [object, string, readonly string[]])[] = [
    [{}, "/openapi.json", []],
    [{ servers: {} }, "/openapi.json", []],
    [{ servers: [null, 1, { url: 1 }, {}] }, "/openapi.json", []],
    [{ servers: [{ url: "https://x.test:port/" }] }, "/openapi.json", []],
    [{ servers: [{ url: "https://{host/v1" }] }, "/openapi.json", []],
    [{ servers: [{ url: "/{v}" }] }, "/openapi.json", []],
    [{ servers: [{ url: "/{toString}" }] }, "/openapi.json", []],
    [{ servers: [{ url: "/{v}", variables: { v: { default: "v2" } } }] }, "/o", ["/v2"]],
    [{ servers: [{ url: "/" }] }, "/api/openapi.json", [""]],
    [{ servers: [{ url: "." }] }, "/api/openapi.json", ["/api"]],
    [{ servers: [{ url: "v1" }] }, "/api/openapi.json", ["/api/v1"]],
    [{ servers: [{ url: "https://x.test/api/v1/" }] }, "/openapi.json", ["/api/v1"]],
    [{ swagger: "2.0" }, "/openapi.json", []],
    [{ swagger: "2.0", basePath: "v1" }, "/openapi.json", []],
    [{ swagger: "2.0", basePath: "/v1" }, "/openapi.json", ["/v1"]],
  ];
  for (const [more, location, servers] of SERVERS) {
    it(`finds the servers [${servers.join()}] in ${JSON.stringify(more)} at ${location}`, () => {
      expect(readDescription(json({ ...more, paths }), location).servers).to.deep.equal(servers);
    });
  }
});
