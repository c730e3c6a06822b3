// The dependency rule: which room may import which.
import { posix } from "node:path";
import ts from "typescript";
import { inspect, type Rule } from "./sources.js";

/**
 * The rooms, lowest first. A room may import every room of a lower row, never one of its own row or
 * a higher one.
 */
export const LEVELS: readonly (readonly string[])[] = [
  ["proto"],
  ["core"],
  ["certs"],
  ["contracts"],
  ["relay", "txlog", "catalogue", "component", "fsc"],
  ["directory", "inway", "outway", "manager", "web"],
  ["cli"],
  ["demo"],
];

/** Rooms that may import less than their row allows, with why. */
const NARROWER: ReadonlyMap<string, readonly string[]> = new Map([
  // It moves bytes for whoever hands it a connection, and knows no peers and no contracts.
  ["relay", ["core"]],
]);

/** Folders around the rooms: they may import every room, also as built, and are imported by none. */
export const AROUND: readonly string[] = ["test", "bench", "scripts"];

/** Folders without code that anything imports. */
export const WITHOUT_CODE: readonly string[] = [".ci", "docs", "deploy", "LICENSES"];

const levelOf = (folder: string): number => LEVELS.findIndex((row) => row.includes(folder));

/** Whether code in one top-level folder may import from another. */
export const mayImport = (from: string, to: string): boolean => {
  if (from === to) return true;
  if (AROUND.includes(from)) return levelOf(to) !== -1 || AROUND.includes(to) || to === "dist";
  if (levelOf(to) === -1) return false;
  return NARROWER.get(from)?.includes(to) ?? levelOf(to) < levelOf(from);
};

const isImportMetaUrl = (node: ts.Node | undefined): boolean =>
  node?.getText() === "import.meta.url";

/** `import(x)`, `require(x)` and `new URL("./x", import.meta.url)`: the ways to reach a file besides an import declaration. */
const reached = (node: ts.Node): ts.Node | undefined => {
  if (ts.isCallExpression(node)) {
    const called = node.expression;
    const loads =
      called.kind === ts.SyntaxKind.ImportKeyword ||
      (ts.isIdentifier(called) && called.text === "require");
    return loads ? node.arguments[0] : undefined;
  }
  if (ts.isNewExpression(node) && node.expression.getText() === "URL") {
    const [to, base] = node.arguments ?? [];
    return to !== undefined && ts.isStringLiteral(to) && isImportMetaUrl(base) ? to : undefined;
  }
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier;
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
    return node.argument.literal;
  return undefined;
};

/** Every import of a room, static or dynamic, is of a room that it may import. */
export const dependencyRule: Rule = (source) => {
  const [from = ""] = source.path.split("/");
  if (!AROUND.includes(from) && levelOf(from) === -1) return [];
  return inspect(source, (node) => {
    const specifier = reached(node);
    if (specifier === undefined) return undefined;
    if (!ts.isStringLiteralLike(specifier))
      return AROUND.includes(from) ? undefined : "loads a file whose name is not a literal";
    if (!specifier.text.startsWith(".")) return undefined;
    const target = posix.normalize(posix.join(posix.dirname(source.path), specifier.text));
    const [to = ""] = target.split("/");
    if (to === "..") return `reaches out of the project with ${specifier.text}`;
    // The project's folder itself, or a file beside the rooms such as package.json, is no room.
    if (to === "." || (to === target && target.includes("."))) return undefined;
    return mayImport(from, to) ? undefined : `${from}/ may not import ${to}/ (${specifier.text})`;
  });
};
