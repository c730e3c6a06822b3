// Keeps the rules on names, comments and words over the project's files, and tries each on a file that
// breaks it.
import { expect } from "chai";
import { LEVELS } from "./rooms.js";
import { allFiles, isCode, type Rule, type Source } from "./sources.js";
import {
  beginsWithComment,
  exportsDocumented,
  fileName,
  noMachinePath,
  noPrivateKey,
  nothingPutOff,
  skipsHaveReasons,
} from "./text.js";

interface RuleCase {
  readonly name: string;
  readonly rule: Rule;
  readonly over: (file: Source) => boolean;
  readonly broken: readonly Source[];
  readonly kept: readonly Source[];
}

const ts = (text: string): Source => ({ path: "core/a.ts", text });
const at = (path: string): Source => ({ path, text: "" });
const rooms = LEVELS.flat();
const pem = (label: string): string => `-----BEGIN ${label}-----`;

const CASES: readonly RuleCase[] = [
  {
    name: "every file of code begins with a comment",
    rule: beginsWithComment,
    over: isCode,
    broken: [
      ts(""),
      ts("const a = 1; // late"),
      ts('import x from "x";\n// late'),
      ts("\n// late"),
    ],
    kept: [ts("// What it is.\n"), ts("#!/usr/bin/env node\n// What it is.\n"), ts("/* What. */")],
  },
  {
    name: "every export has a doc comment",
    rule: exportsDocumented,
    over: (file) => isCode(file) && rooms.includes(file.path.split("/")[0] ?? ""),
    broken: [
      ts("export const a = 1;"),
      ts("// No doc comment.\nexport const a = 1;"),
      ts("export function f() {}"),
      ts("export class A {}"),
      ts("export interface A {}"),
      ts("export type A = string;"),
      ts("/** Of a. */\nconst a = 1;\nexport const b = 1;"),
    ],
    kept: [
      ts("/** One. */\nexport const a = 1;"),
      ts("const a = 1;"),
      ts("/** All. */\nexport const ALL = ['a'] as const;\nexport type A = (typeof ALL)[number];"),
      ts('export { a } from "./b.js";'),
    ],
  },
  {
    name: "a file is named after what it holds",
    rule: fileName,
    over: () => true,
    broken: [
      "core/utils.ts",
      "core/string-util.ts",
      "test/helpers/a.ts",
      "common/a.ts",
      "core/misc.ts",
    ]
      .concat(["core/lib/a.ts", "core/dialPeer.ts", "core/dial_peer.ts", "core/Dial.ts"])
      .map(at),
    kept: ["core/dial.ts", "core/durable-file.ts", "test/core/dial.test.ts", "README.md"].map(at),
  },
  {
    name: "nothing is put off in a comment",
    rule: nothingPutOff,
    over: ({ path }) => !path.startsWith("LICENSE"),
    broken: ["TO" + "DO", "FIX" + "ME", "XX" + "X"].map((word) => ts(`// ${word}: later`)),
    kept: [ts("// Nothing to do."), ts("const xxx = 1;")],
  },
  {
    name: "no path of somebody's machine stands anywhere",
    rule: noMachinePath,
    over: ({ path }) => path !== "package-lock.json",
    broken: ["ho" + "me/jan/x", "ro" + "ot/x", "Us" + "ers/jan/x", "wo" + "rk/main/x"].map((path) =>
      ts(`const a = "/${path}";`),
    ),
    kept: [ts('const a = "/tmp/x";'), ts("// frame/work/fast"), ts('"/var/lib/schakel"')],
  },
  {
    name: "no private key is committed",
    rule: noPrivateKey,
    over: () => true,
    broken: ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"].map(
      (label) => ({ path: "test/x.pem", text: `a certificate\n${pem(label)}\nMIIE\n` }),
    ),
    kept: [
      { path: "a.pem", text: pem("CERTIFICATE") },
      ts(`const header = "${pem("PRIVATE KEY")}";`),
    ],
  },
  {
    name: "a skipped test has a reason",
    rule: skipsHaveReasons,
    over: (file) => isCode(file) && file.path.startsWith("test/"),
    broken: ['it.skip("x", f);', 'describe.skip("x", f);', "this.skip();"].map(ts),
    kept: [ts('skip(this, "no disk");'), ts("// it.skip")],
  },
];

describe("house/text", () => {
  const files = allFiles();
  for (const { name, rule, over, broken, kept } of CASES) {
    describe(name, () => {
      for (const source of broken) {
        it(`notices ${source.path} with ${JSON.stringify(source.text)}`, () => {
          expect(rule(source)).to.have.lengthOf(1);
        });
      }
      for (const source of kept) {
        it(`allows ${source.path} with ${JSON.stringify(source.text)}`, () => {
          expect(rule(source)).to.deep.equal([]);
        });
      }
      it("holds", () => {
        expect(files.filter(over).flatMap(rule)).to.deep.equal([]);
      });
    });
  }
});
