// Every link of the documentation to a file of the project leads somewhere.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { allFiles, ROOT, type Source } from "./sources.js";

const LINK = /\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)/g;

const deadLinks = ({ path, text }: Source, exists: (path: string) => boolean): readonly string[] =>
  [...text.matchAll(LINK)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target) && !exists(join(dirname(path), target)))
    .map((target) => `${path}: ${target}`);

describe("house/links", () => {
  it("notices a link to a file that is not there", () => {
    const page = {
      path: "docs/a.md",
      text: "see [b](b.md), [c](../c.md#x) and [d](https://d.nl/)",
    };
    expect(deadLinks(page, () => false)).to.deep.equal(["docs/a.md: b.md", "docs/a.md: ../c.md"]);
  });

  it("finds every link of every page", () => {
    const pages = allFiles().filter(({ path }) => path.endsWith(".md"));
    const exists = (path: string): boolean => existsSync(join(ROOT, path));
    expect(pages.flatMap((page) => deadLinks(page, exists))).to.deep.equal([]);
  });
});
