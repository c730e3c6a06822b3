// Files that are replaced whole or not at all.
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { writeFileDurably } from "../../core/durable-file.js";
import { systemCode } from "../../core/errors.js";

describe("core/durable-file", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "schakel-file-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const codeOf = async (path: string): Promise<string | undefined> => {
    try {
      await writeFileDurably(path, "new");
    } catch (error) {
      return systemCode(error);
    }
    return undefined;
  };

  it("refuses a folder that is not there, and makes none", async () => {
    expect(await codeOf(join(folder, "none", "file"))).to.equal("ENOENT");
    expect(existsSync(join(folder, "none"))).to.equal(false);
  });

  it("refuses to replace a folder, and leaves nothing beside it", async () => {
    const path = join(folder, "taken");
    await mkdir(path);
    await writeFile(join(path, "inside"), "old");
    expect(await codeOf(path)).to.match(/^(EISDIR|ENOTEMPTY|EEXIST)$/);
    expect(await readdir(folder)).to.deep.equal(["taken"]);
    expect(await readFile(join(path, "inside"), "utf8")).to.equal("old");
  });

  it("replaces the content, readable by the owner alone, and leaves nothing beside it", async () => {
    const path = join(folder, "file");
    await writeFile(path, "old and longer", { mode: 0o644 });
    await writeFileDurably(path, "new");
    expect(await readFile(path, "utf8")).to.equal("new");
    expect((await stat(path)).mode & 0o777).to.equal(0o600);
    expect(await readdir(folder)).to.deep.equal(["file"]);
  });

  it("gives the file the permissions that were asked for", async () => {
    const path = join(folder, "file");
    await writeFileDurably(path, Buffer.from([0, 255]), 0o640);
    expect((await stat(path)).mode & 0o777).to.equal(0o640);
    expect(await readFile(path)).to.deep.equal(Buffer.from([0, 255]));
  });

  it("leaves one whole content when several write at once", async () => {
    const path = join(folder, "file");
    const contents = Array.from({ length: 8 }, (_, n) => String(n).repeat(50_000));
    await Promise.all(contents.map((content) => writeFileDurably(path, content)));
    expect(contents).to.include(await readFile(path, "utf8"));
    expect(await readdir(folder)).to.deep.equal(["file"]);
  });
});
