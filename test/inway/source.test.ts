// Checks inway/source.ts: what it refuses, then what it does.
import { expect } from "chai";
import { SchakelError } from "../../core/errors.js";
import { parseServiceName } from "../../core/names.js";
import { sourcePath } from "../../inway/source.js";

const service = (url: string): Parameters<typeof sourcePath>[0] => ({
  name: parseServiceName("echo") ?? expect.fail(),
  source: new URL(url),
  openapiPath: undefined,
  protocol: "PROTOCOL_TCP_HTTP_1.1",
  published: true,
});

describe("inway/source", () => {
  const bare = service("http://source.internal:9000");
  for (const target of ["/", "/a/../b", "/%2e%2E/x", "//x", "/a?b=/../c"]) {
    it(`leaves ${target} alone where the source has no path of its own`, () => {
      expect(sourcePath(bare, target)).to.equal(target);
    });
  }

  const based = service("http://source.internal:9000/base/v1/");
  const allowed = [
    ["/", "/base/v1/"],
    ["/a", "/base/v1/a"],
    ["/?q=../..", "/base/v1/?q=../.."],
    ["/a/...", "/base/v1/a/..."],
    ["/a..b/.c", "/base/v1/a..b/.c"],
    ["//a", "/base/v1//a"],
    ["/a;..;b", "/base/v1/a;..;b"],
  ] as const;
  for (const [target, expected] of allowed) {
    it(`puts the source's path before ${target}`, () => {
      expect(sourcePath(based, target)).to.equal(expected);
    });
  }

  for (const target of [
    "/..",
    "/../",
    "/a/../b",
    "/./a",
    "/%2e%2e/a",
    "/.%2E/a",
    "/%2e/a",
    "/a/..%2fb",
    "/a%2f..%2fb",
    "/a\\..\\b",
    "/a%5c..",
    "/..?x",
    "/..;/a",
    "/a/..;x=y/b",
    "/%2e%2e%3b/a",
    "/.;",
  ]) {
    it(`refuses ${target} behind the source's path`, () => {
      expect(() => sourcePath(based, target))
        .to.throw(SchakelError)
        .with.property("code", "ERROR_CODE_REQUEST_MALFORMED");
    });
  }
});
