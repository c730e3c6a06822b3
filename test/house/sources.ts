// The project's own files, as the house's tests look at them. A rule is a function from one file to
// what it breaks, so that each rule can also be tried on a file that exists only in a test.
import { readdirSync, readFileSync } from "node:fs";
import { extname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** The project's folder. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** A file of the project: its path below ROOT with "/", and its text. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** What a file breaks: one sentence each, beginning with path and line. Empty when it keeps the rule. */
export type Rule = (source: Source) => readonly string[];

/** Folders that are made, not written: by npm, by git, by the build; a bench that runs has one as well. */
const MADE = new Set(["node_modules", ".git", "dist", ".cache"]);

const walk = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (MADE.has(entry.name) || entry.name.startsWith(".bench-")) return [];
    return entry.isDirectory() ? walk(path) : entry.isFile() ? [path] : [];
  });

/** Every written file of the project, read as text. */
export const allFiles = (): readonly Source[] =>
  walk(ROOT)
    .map((path) => ({ path: relative(ROOT, path), text: readFileSync(path, "utf8") }))
    .sort((a, b) => a.path.localeCompare(b.path));

/** The names of the top-level folders that hold written files. */
export const topFolders = (files: readonly Source[]): readonly string[] => [
  ...new Set(
    files.filter(({ path }) => path.includes("/")).map(({ path }) => path.split("/")[0] ?? ""),
  ),
];

/** Whether the file is TypeScript or JavaScript that somebody wrote (proto/gen is generated). */
export const isCode = ({ path }: Source): boolean =>
  [".ts", ".js", ".cjs"].includes(extname(path)) && !path.startsWith("proto/gen/");

/** The file as a syntax tree with parents. */
export const parse = ({ path, text }: Source): ts.SourceFile =>
  ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);

/** Calls `visit` for every node of the file and collects what it answers, with path and line before it. */
export const inspect = (
  source: Source,
  visit: (node: ts.Node, file: ts.SourceFile) => string | undefined,
): readonly string[] => {
  const file = parse(source);
  const found: string[] = [];
  const step = (node: ts.Node): void => {
    const problem = visit(node, file);
    if (problem !== undefined) {
      const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
      found.push(`${source.path}:${String(line + 1)} ${problem}`);
    }
    ts.forEachChild(node, step);
  };
  ts.forEachChild(file, step);
  return found;
};
