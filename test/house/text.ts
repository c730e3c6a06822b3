// Rules on the text of files: comments, names, words, and what must never be committed.
import { basename, extname } from "node:path";
import ts from "typescript";
import { inspect, type Rule } from "./sources.js";

/** Every file of code begins with a comment that says what it is; `#!` and nothing else may come before. */
export const beginsWithComment: Rule = ({ path, text }) =>
  /^(#!.*\n)?\/[/*]/.test(text) ? [] : [`${path}:1 does not begin with a comment`];

const isDocumented = (node: ts.Node): boolean => ts.getJSDocCommentsAndTags(node).length > 0;

const isExported = (node: ts.Node): boolean =>
  ts.canHaveModifiers(node) &&
  (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);

/** `type X = (typeof VALUES)[number]` says no more than the documented value it is made from. */
const isDerived = (node: ts.Node): boolean =>
  ts.isTypeAliasDeclaration(node) && /\btypeof [A-Z]/.test(node.type.getText());

/** Every exported declaration has a doc comment. */
export const exportsDocumented: Rule = (source) =>
  inspect(source, (node) =>
    ts.isSourceFile(node.parent) && isExported(node) && !isDocumented(node) && !isDerived(node)
      ? `exports without a doc comment: ${node.getText().split("\n", 1).join("")}`
      : undefined,
  );

/** File and folder names that say nothing of what is inside. */
const DRAWERS = /(^|[-./])(utils?|helpers?|commons?|misc|shared|lib|stuff)([-./]|$)/;

/** A file is named after what it holds, in lower case with hyphens. */
export const fileName: Rule = ({ path }) => {
  const stem = basename(path).replace(/\.[^]*$/, "");
  const problem = DRAWERS.test(path)
    ? "is named like a drawer"
    : [".ts", ".js", ".cjs"].includes(extname(path)) && !/^[a-z0-9]*(-[a-z0-9]+)*$/.test(stem)
      ? "is not in lower case with hyphens"
      : undefined;
  return problem === undefined ? [] : [`${path}:1 ${problem}`];
};

const inLines =
  (pattern: RegExp, what: string): Rule =>
  ({ path, text }) =>
    text
      .split("\n")
      .flatMap((line, at) => (pattern.test(line) ? [`${path}:${String(at + 1)} ${what}`] : []));

// The words are put together here, so that this file does not break its own rule.
const PUT_OFF = new RegExp(
  `\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"].join("|")})\\b`,
);

/** Nothing is put off in a comment: what is open stands in the issues. */
export const nothingPutOff: Rule = inLines(PUT_OFF, "puts something off");

const MACHINE = new RegExp(
  `(^|[\\s"'\`(=:])/(${["home", "root", "Users", "work"].join("|")})/[\\w.-]+`,
);

/** No path of the machine on which something was written. */
export const noMachinePath: Rule = inLines(MACHINE, "names a path of somebody's machine");

const KEY = /^-----BEGIN ([A-Z]+ )*PRIVATE KEY-----\s*$/;

/** No private key, in any form of PEM, also inside a longer file. */
export const noPrivateKey: Rule = inLines(KEY, "holds a private key");

/** A test that is left out says why, which only test/support/skip.ts does. */
export const skipsHaveReasons: Rule = (source) =>
  source.path === "test/support/skip.ts"
    ? []
    : inspect(source, (node) =>
        ts.isPropertyAccessExpression(node) &&
        node.name.text === "skip" &&
        /^(this|it|describe|context|test)$/.test(node.expression.getText())
          ? "skips without a reason"
          : undefined,
      );
