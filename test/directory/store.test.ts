// What a directory keeps over a restart, in its SQLite file.
import { expect } from "chai";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { verifyAnnouncement, type Announcement } from "../../catalogue/announcement.js";
import type { AnnouncementContent } from "../../catalogue/announcement.js";
import { DatabaseError } from "../../core/database.js";
import type { ComponentName } from "../../core/names.js";
import { openStore, type OpenedStore } from "../support/registries.js";
import { Members } from "../support/members.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";

describe("directory/store", () => {
  let members: Members;
  let file: string;
  let store: OpenedStore;
  before(async () => {
    members = await Members.create();
  });
  after(() => members.remove());
  beforeEach(async () => {
    file = join(temporaryFolder(), "directory.db");
    store = await openStore(file, "test");
  });
  afterEach(async () => {
    await store.close();
    removeTemporaryFolders();
  });

  const reopen = async (groupId = "test"): Promise<void> => {
    await store.close();
    store = await openStore(file, groupId);
  };
  const made = (component: string, changes: Partial<AnnouncementContent> = {}): Announcement =>
    verifyAnnouncement(members.sign({ component: component as ComponentName, ...changes }), {
      group: members.group,
      now: Date.now(),
      anyPort: true,
    });

  it("gives back each announcement byte for byte, in the place of the one before", async () => {
    const [a, b] = [made("a"), made("b")];
    await store.save(made("a", { sequence: 1 }));
    await store.save(b);
    await store.save(a);
    await reopen();
    expect(await store.load()).to.deep.equal([
      { live: true, signed: a.signed },
      { live: true, signed: b.signed },
    ]);
  });

  it("remembers what is gone, until its validity has ended", async () => {
    const [a, b] = [made("a"), made("b")];
    await store.save(a);
    await store.save(b);
    await store.end([a.key, "00000000000000000009/inway/unknown"]);
    await store.forget(a.validUntil - 1);
    await reopen();
    expect((await store.load()).map(({ live }) => live)).to.deep.equal([false, true]);
    await store.forget(Math.max(a.validUntil, b.validUntil));
    expect(await store.load()).to.deep.equal([{ live: true, signed: b.signed }]);
  });

  it("makes a component live again that is announced again", async () => {
    const a = made("a");
    await store.save(a);
    await store.end([a.key]);
    await store.save(a);
    expect(await store.load()).to.deep.equal([{ live: true, signed: a.signed }]);
  });

  it("keeps groups apart", async () => {
    const a = made("a");
    await store.save(a);
    await reopen("another");
    expect(await store.load()).to.deep.equal([]);
    await store.end([a.key]);
    await store.forget(Number.MAX_SAFE_INTEGER);
    await reopen();
    expect(await store.load()).to.deep.equal([{ live: true, signed: a.signed }]);
  });

  it("can be read by its owner alone", async () => {
    await store.save(made("a"));
    for (const name of [file, `${file}-wal`]) expect((await stat(name)).mode & 0o77).to.equal(0);
  });

  it("is not opened from a file that is no database", async () => {
    const other = join(temporaryFolder(), "directory.db");
    await writeFile(
      other,
      "this is no database at all, and long enough to have a header".repeat(9),
    );
    const error = await openStore(other, "test").then(
      (opened) => opened.close(),
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(DatabaseError);
    expect(error).to.have.property("message").that.contains(other);
  });
});
