// Noticing that a file has changed, in each of the ways in which files are changed.
import { mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { watchFileChanges } from "../../core/watch-file.js";
import { until } from "../support/until.js";

describe("core/watch-file", () => {
  let folder: string;
  let path: string;
  let stop: () => void;
  let times: number;

  const watch = (): void => {
    stop = watchFileChanges(path, () => (times += 1));
  };
  /** Another file's change was seen by a later watch: the watch before has looked as well. */
  const aLookLater = async (): Promise<void> => {
    const other = join(folder, `other-${String(performance.now())}`);
    let seen = false;
    const end = watchFileChanges(other, () => (seen = true));
    await writeFile(other, "x");
    await until("another watch to look", () => seen);
    end();
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "schakel-watch-"));
    path = join(folder, "file");
    times = 0;
    await writeFile(path, "old");
  });
  afterEach(async () => {
    stop();
    await rm(folder, { recursive: true });
  });

  const changes: readonly (readonly [string, () => Promise<void>])[] = [
    ["written in place", () => writeFile(path, "new, longer")],
    [
      "replaced by another",
      async () => {
        await writeFile(`${path}.tmp`, "new");
        await rename(`${path}.tmp`, path);
      },
    ],
    [
      "removed and made anew",
      async () => {
        await rm(path);
        await writeFile(path, "new, longer");
      },
    ],
    [
      "reached through a link that points elsewhere now",
      async () => {
        await writeFile(join(folder, "second"), "new");
        await symlink("second", join(folder, "link"));
        await rename(join(folder, "link"), path);
      },
    ],
  ];
  for (const [how, change] of changes) {
    it(`notices a file that is ${how}, once, also right after the call`, async () => {
      watch();
      await change();
      await until("the change to be noticed", () => times > 0);
      await aLookLater();
      expect(times).to.equal(1);
    });
  }

  it("notices a file that was not there", async () => {
    await rm(path);
    watch();
    await writeFile(path, "new");
    await until("the file to be noticed", () => times === 1);
  });

  it("says nothing while the file is away, and notices that it is back", async () => {
    watch();
    await rm(path);
    await aLookLater();
    expect(times).to.equal(0);
    await writeFile(path, "back, longer");
    await until("the file to be noticed", () => times === 1);
  });

  it("says nothing of a file that stays as it is", async () => {
    watch();
    await aLookLater();
    expect(times).to.equal(0);
  });

  it("says nothing after it was ended", async () => {
    watch();
    stop();
    await writeFile(path, "new, longer");
    await aLookLater();
    expect(times).to.equal(0);
  });
});
