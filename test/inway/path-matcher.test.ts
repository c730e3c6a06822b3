// Which template a path is one of: what is of none first.
import { expect } from "chai";
import {
  PathMatcher,
  TEMPLATE_LENGTH_MAX,
  TEMPLATE_SEGMENTS_MAX,
} from "../../inway/path-matcher.js";

const matcher = (templates: readonly string[], servers: readonly string[] = [], own = "") =>
  new PathMatcher({ templates, servers }, own);

describe("inway/path-matcher", () => {
  const UNUSABLE = {
    "an empty name": "",
    "no slash at its beginning": "zaken/{uuid}",
    "an open brace": "/zaken/{uuid",
    "a closing brace alone": "/zaken/uuid}",
    "braces in braces": "/zaken/{a{b}}",
    "a variable without a name": "/zaken/{}",
    "a variable over a slash": "/zaken/{a/b}",
    "two variables that touch": "/zaken/{a}{b}",
    "a query": "/zaken?x={y}",
    "a fragment": "/zaken#{y}",
    "a line break": "/zaken/{uuid}\nforged",
    "an escape sequence": "/zaken/\u001b[2J",
    "a zero byte": "/zaken/\0",
    "a space": "/zaken/a b",
    "a right-to-left mark": "/zaken/\u202e{uuid}",
    "a character that is not ASCII": "/zaken/{één}",
    "too many segments": "/a".repeat(TEMPLATE_SEGMENTS_MAX + 1),
    "5,000 segments": "/{a}".repeat(5_000),
    "too many characters": `/${"a".repeat(TEMPLATE_LENGTH_MAX)}`,
  };
  for (const [what, template] of Object.entries(UNUSABLE)) {
    it(`leaves out a template with ${what}`, () => {
      const found = matcher([template, "/good"]);
      expect(found.skipped).to.equal(1);
      expect(found.match(template)).to.equal(undefined);
      expect(found.match("/good")).to.equal("/good");
    });
  }

  const TEMPLATES = [
    "/",
    "/zaken",
    "/zaken/{uuid}",
    "/zaken/zoek",
    "/zaken/{uuid}/rollen/{rol}",
    "/files/{name}.json",
    "/files/{name}",
    "/range/{from}-{to}-end",
    "/a%2Fb/{x}",
    "/__proto__/{x}",
  ];
  const NONE = [
    "",
    "zaken",
    "*",
    "/zaken/",
    "/Zaken",
    "/zaken/1/",
    "/zaken//rollen/2",
    "/zaken/1/rollen",
    "/zaken/1/rollen/",
    "/zaken/1/rollen/2/3",
    "//zaken/1",
    "/zaakn/1",
    "/%7Aaken/1",
    "/files/",
    "/range/1-2",
    "/range/1--end",
    "/range/-2-end",
    "/range/1-end",
    "/range/---end",
    "/a%2fb/1",
    "/a/b/1",
    "/constructor",
    "/zaken/1/constructor/2",
    "/x".repeat(30_000),
  ];
  for (const path of NONE) {
    it(`knows no template of "${path.slice(0, 40)}"`, () => {
      expect(matcher(TEMPLATES).match(path)).to.equal(undefined);
    });
  }

  const FOUND = [
    ["/", "/"],
    ["/zaken", "/zaken"],
    ["/zaken/1", "/zaken/{uuid}"],
    ["/zaken/%7Bx%7D", "/zaken/{uuid}"],
    ["/zaken/{uuid}", "/zaken/{uuid}"],
    ["/zaken/zoek", "/zaken/zoek"],
    ["/zaken/zoek/rollen/2", "/zaken/{uuid}/rollen/{rol}"],
    ["/files/a.json", "/files/{name}.json"],
    ["/files/.json", "/files/{name}"],
    ["/files/a.jsonx", "/files/{name}"],
    ["/range/1-2-end", "/range/{from}-{to}-end"],
    ["/range/1-2-3-end", "/range/{from}-{to}-end"],
    ["/range/----end", "/range/{from}-{to}-end"],
    ["/a%2Fb/1", "/a%2Fb/{x}"],
    ["/__proto__/1", "/__proto__/{x}"],
  ] as const;
  for (const [path, template] of FOUND) {
    it(`takes ${path} for one of ${template}, in whatever order they stand`, () => {
      expect(matcher(TEMPLATES).match(path)).to.equal(template);
      expect(matcher([...TEMPLATES].reverse()).match(path)).to.equal(template);
    });
  }

  it("goes back to a variable where what is written out leads nowhere", () => {
    const found = matcher(["/{a}/x", "/b/{c}", "/b/y/z"]);
    expect(found.match("/b/y/z")).to.equal("/b/y/z");
    expect(found.match("/b/x")).to.equal("/b/{c}");
    expect(found.match("/c/x")).to.equal("/{a}/x");
    expect(matcher(["/{a}/x/{b}", "/b/{c}/y"]).match("/b/x/z")).to.equal("/{a}/x/{b}");
  });

  it("takes the first of two that differ in the names of their variables", () => {
    expect(matcher(["/a/{x}", "/a/{y}"]).match("/a/1")).to.equal("/a/{x}");
  });

  const BASED = [
    // servers, the source's own path, a path, its template
    [[], "", "/v1/zaken/1", undefined],
    [[], "/base", "/zaken/1", undefined],
    [[], "/base", "/base/zaken/1", "/zaken/{uuid}"],
    [[], "/base", "/basement/zaken/1", undefined],
    [[""], "/base", "/base/zaken/1", "/zaken/{uuid}"],
    [["/v1"], "", "/v1/zaken/1", "/zaken/{uuid}"],
    [["/v1"], "", "/v1", undefined],
    [["/v1"], "", "/v10/zaken/1", undefined],
    // Where a server's own path is in no way part of what the source gets, a gateway takes it away.
    [["/elsewhere"], "", "/zaken/1", "/zaken/{uuid}"],
    [["/base/v1"], "/base", "/base/v1/zaken/1", "/zaken/{uuid}"],
    [["/base/v1", "/base/v2"], "/base", "/base/v2/zaken/1", "/zaken/{uuid}"],
    [["/base"], "/base/zaken", "/base/zaken/1", "/zaken/{uuid}"],
  ] as const;
  for (const [servers, own, path, template] of BASED) {
    it(`finds ${template ?? "nothing"} for ${path} with the servers [${servers.join()}] and the source's path "${own}"`, () => {
      expect(matcher(["/zaken/{uuid}"], servers, own).match(path)).to.equal(template);
    });
  }

  it("looks for what lies below a server's path nowhere else", () => {
    expect(matcher(["/{a}/{b}"], ["/v1"]).match("/v1/x")).to.equal(undefined);
  });

  it("is quick with 5,000 templates that share all but their last segment", () => {
    const templates = Array.from(
      { length: 5_000 },
      (_, index) => `${index % 2 === 0 ? "/a" : "/{a}"}${"/{x}".repeat(20)}/e${String(index)}`,
    );
    const found = matcher(templates);
    const path = `/a${"/1".repeat(20)}/none`;
    const before = performance.now();
    for (let turn = 0; turn < 1_000; turn++) expect(found.match(path)).to.equal(undefined);
    expect(performance.now() - before).to.be.below(5_000);
    expect(found.match(`/a${"/1".repeat(20)}/e4999`)).to.equal(templates[4_999]);
  });
});
