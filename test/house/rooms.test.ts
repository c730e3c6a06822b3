// Keeps the dependency rule over every file of the project, and tries the rule on files that break it.
import { expect } from "chai";
import { AROUND, dependencyRule, LEVELS, mayImport, WITHOUT_CODE } from "./rooms.js";
import { allFiles, isCode, topFolders } from "./sources.js";

const BROKEN = [
  {
    path: "core/a.ts",
    text: 'import { x } from "../certs/x.js";',
    what: "a lower room importing a higher one",
  },
  {
    path: "inway/a.ts",
    text: 'import { x } from "../outway/x.js";',
    what: "a service importing a service",
  },
  { path: "inway/a.ts", text: 'import type { X } from "../outway/x.js";', what: "a type import" },
  { path: "txlog/a.ts", text: 'import { x } from "../relay/x.js";', what: "rooms of one row" },
  {
    path: "relay/a.ts",
    text: 'import { x } from "../certs/x.js";',
    what: "relay importing more than core",
  },
  {
    path: "relay/a.ts",
    text: 'import { x } from "../proto/gen/x.js";',
    what: "relay importing proto",
  },
  {
    path: "outway/a.ts",
    text: 'const x = await import("../inway/x.js");',
    what: "a dynamic import",
  },
  {
    path: "outway/a.ts",
    text: "const x = await import(name);",
    what: "a dynamic import of anything",
  },
  { path: "outway/a.ts", text: 'const x = require("../inway/x.js");', what: "require" },
  { path: "outway/a.ts", text: 'let x: import("../inway/x.js").X;', what: "an import type" },
  { path: "outway/a.ts", text: 'export * from "../inway/x.js";', what: "a re-export" },
  {
    path: "outway/a.ts",
    text: 'new Worker(new URL("../inway/x.js", import.meta.url));',
    what: "a worker's file",
  },
  { path: "outway/b/a.ts", text: 'import { x } from "../../inway/x.js";', what: "a deeper folder" },
  {
    path: "inway/a.ts",
    text: 'import { x } from "../test/support/x.js";',
    what: "a room importing tests",
  },
  {
    path: "inway/a.ts",
    text: 'import { x } from "../scripts/x.js";',
    what: "a room importing scripts",
  },
  {
    path: "inway/a.ts",
    text: 'import { x } from "../cli/x.js";',
    what: "a service importing the command",
  },
  {
    path: "core/a.ts",
    text: 'import { x } from "../../elsewhere/x.js";',
    what: "leaving the project",
  },
  { path: "core/a.ts", text: 'import { x } from "../lib/x.js";', what: "an unknown folder" },
  {
    path: "test/a.ts",
    text: 'import { x } from "../docs/x.js";',
    what: "importing a folder without code",
  },
];

const KEPT = [
  { path: "inway/a.ts", text: 'import { x } from "../core/x.js"; import { y } from "./y.js";' },
  { path: "cli/a.ts", text: 'const x = await import("../inway/main.js");' },
  { path: "core/a.ts", text: 'new URL("../package.json", import.meta.url); import x from "pino";' },
  {
    path: "directory/a.ts",
    text: 'import { x } from "../proto/gen/schakel/directory/v1/directory.js";',
  },
  { path: "test/inway/a.ts", text: 'import { x } from "../../inway/x.js"; await import(name);' },
];

describe("house/rooms", () => {
  const files = allFiles();

  for (const { what, path, text } of BROKEN) {
    it(`notices ${what}: ${text}`, () => {
      expect(dependencyRule({ path, text })).to.have.lengthOf(1);
    });
  }

  for (const { path, text } of KEPT) {
    it(`allows in ${path}: ${text}`, () => {
      expect(dependencyRule({ path, text })).to.deep.equal([]);
    });
  }

  it("refuses every pair of services, both ways", () => {
    const services = LEVELS.find((row) => row.includes("inway")) ?? [];
    for (const from of services) {
      for (const to of services) expect(mayImport(from, to), `${from} ${to}`).to.equal(from === to);
    }
  });

  it("holds for every import of every file", () => {
    expect(files.filter(isCode).flatMap(dependencyRule)).to.deep.equal([]);
  });

  it("knows every top-level folder", () => {
    const known = [...LEVELS.flat(), ...AROUND, ...WITHOUT_CODE];
    expect(topFolders(files).filter((folder) => !known.includes(folder))).to.deep.equal([]);
  });
});
