// What package.json promises: exact versions, one licence, and a reason for every dependency.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { z } from "zod";
import { allFiles, isCode, ROOT } from "./sources.js";

const versions = z.record(z.string(), z.string());
const packageFile = z.object({
  license: z.string(),
  dependencies: versions,
  devDependencies: versions,
});

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const isExact = (version: string): boolean => /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version);

describe("house/packages", () => {
  const { license, dependencies, devDependencies } = packageFile.parse(
    JSON.parse(read("package.json")),
  );
  const named = Object.keys({ ...dependencies, ...devDependencies });
  const reasons = read("docs/dependencies.md")
    .split("\n")
    .flatMap((line) => /^\| `([^`]+)` \|/.exec(line)?.[1] ?? []);

  for (const version of [
    "^1.2.3",
    "~1.2.3",
    "1.x",
    "*",
    "latest",
    ">=1.0.0",
    "1.2",
    "npm:a@1.2.3",
  ]) {
    it(`takes ${version} for inexact`, () => {
      expect(isExact(version)).to.equal(false);
    });
  }

  it("pins every dependency to one exact version", () => {
    const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
      ([, version]) => !isExact(version),
    );
    expect(loose).to.deep.equal([]);
  });

  it("gives each dependency one line in docs/dependencies.md, and no other package one", () => {
    expect([...reasons].sort()).to.deep.equal([...named].sort());
  });

  it("has the licence that LICENSE states", () => {
    expect(read("LICENSE")).to.include(`SPDX-License-Identifier: ${license.replace(/[()]/g, "")}`);
  });

  it("imports in the rooms only what an installation without development dependencies has", () => {
    const rooms = allFiles().filter(
      (file) =>
        isCode(file) && /^[a-z]+\//.test(file.path) && !/^(test|bench|scripts)\//.test(file.path),
    );
    const imported = rooms.flatMap(({ text }) =>
      [...text.matchAll(/\bfrom "((?:@[^/"]+\/)?[^./"][^/"]*)[^"]*"/g)].map(
        ([, name = ""]) => name,
      ),
    );
    const missing = imported.filter((name) => !name.startsWith("node:") && !(name in dependencies));
    expect([...new Set(missing)]).to.deep.equal([]);
  });
});
