// Runs last (.mocharc.cjs sorts by path): every code of the error table was provoked by a system test
// through real processes.
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { Suite, Test } from "mocha";
import { ERRORS, type ErrorCode } from "../core/errors.js";
import { provokedCodes } from "./support/provoked.js";
import { skip } from "./support/skip.js";

const SYSTEM = fileURLToPath(new URL("system/", import.meta.url));

const testsOf = (suite: Suite): readonly Test[] => [
  ...suite.tests,
  ...suite.suites.flatMap(testsOf),
];

const rootOf = (suite: Suite): Suite => (suite.parent === undefined ? suite : rootOf(suite.parent));

/** The system tests that this run left out; with one of them missing, the question has no answer. */
const leftOut = (root: Suite): readonly string[] => {
  const tests = testsOf(root).filter(({ file }) => file?.startsWith(SYSTEM));
  const loaded = new Set(tests.map(({ file }) => file));
  const files = existsSync(SYSTEM)
    ? readdirSync(SYSTEM).filter((name) => name.endsWith(".test.ts"))
    : [];
  return [
    ...files.filter((name) => !loaded.has(`${SYSTEM}${name}`)),
    ...tests.filter(({ state }) => state === undefined).map((test) => test.fullTitle()),
  ];
};

describe("coverage", () => {
  it("saw every code of the error table in an answer of a real process", function () {
    const suite = this.test?.parent;
    const missing = suite === undefined ? [] : leftOut(rootOf(suite));
    if (missing.length > 0)
      skip(
        this,
        `only a part of the system tests ran; left out: ${missing.slice(0, 5).join(", ")}`,
      );
    const codes = Object.keys(ERRORS) as ErrorCode[];
    expect(codes.filter((code) => !provokedCodes().has(code))).to.deep.equal([]);
  });
});
