// Our certificates over time: which are told to others, and whose tokens still count.
import { expect } from "chai";
import { join } from "node:path";
import type { Kysely } from "kysely";
import { loadBundle, type Bundle } from "../../certs/bundle.js";
import { loadGroup } from "../../certs/group.js";
import { openDatabase } from "../../core/database.js";
import { OwnCertificates } from "../../manager/own-certificates.js";
import { migrateManager, type ManagerSchema } from "../../manager/schema.js";
import { MovedClock } from "../support/moved-clock.js";
import { TestGroup } from "../support/pki.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";

const LIFETIME_MS = 600_000;
const DAY_MS = 86_400_000;

describe("our own certificates", () => {
  let test: TestGroup;
  let db: Kysely<ManagerSchema>;
  let first: Bundle;
  let second: Bundle;
  let clock: MovedClock;

  before(async () => {
    test = await TestGroup.create();
    const group = await loadGroup(test.groupFile);
    const about = { peerId: "00000000000000000002", name: "Us", names: ["us.test"] };
    first = await loadBundle((await test.peer(about)).files, group);
    const notAfter = new Date(Date.now() + 60 * DAY_MS);
    second = await loadBundle((await test.peer({ ...about, notAfter })).files, group);
  });

  beforeEach(async () => {
    clock = new MovedClock();
    db = openDatabase<ManagerSchema>(join(temporaryFolder(), "manager.db"));
    await migrateManager(db);
  });

  afterEach(() => db.destroy());

  after(async () => {
    await test.remove();
    removeTemporaryFolders();
  });

  const open = (bundle: Bundle) =>
    OwnCertificates.open({ db, groupId: "test", clock, tokenLifetimeMs: LIFETIME_MS }, bundle);
  const named = (own: OwnCertificates) =>
    own
      .tokenSigners()
      .map(({ fingerprint256 }) =>
        fingerprint256 === first.chain[0]?.fingerprint256 ? "first" : "second",
      );

  it("signs with the one in use alone", async () => {
    expect(named(await open(first))).to.deep.equal(["first"]);
  });

  it("lets tokens of the one before count until the last of them has ended", async () => {
    const own = await open(first);
    await own.use(second);
    expect(named(own)).to.deep.equal(["second", "first"]);
    clock.advance(LIFETIME_MS - 1);
    expect(named(own)).to.deep.equal(["second", "first"]);
    clock.advance(1);
    expect(named(own)).to.deep.equal(["second"]);
    expect(own.chains()).to.have.length(2);
  });

  it("remembers the one before over a restart", async () => {
    await open(first);
    const own = await open(second);
    expect(named(own)).to.deep.equal(["second", "first"]);
  });

  it("takes one back into use", async () => {
    const own = await open(first);
    await own.use(second);
    clock.advance(1);
    await own.use(first);
    clock.advance(LIFETIME_MS);
    expect(named(own)).to.deep.equal(["first"]);
  });

  it("lets no token of a certificate that has expired count", async () => {
    const own = await open(first);
    clock.advance(31 * DAY_MS);
    expect(named(own)).to.deep.equal([]);
  });
});
