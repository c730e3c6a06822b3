// The access rules at work on many contracts: a page is read, its contracts are decided, and then the next is read.
import { expect } from "chai";
import { join } from "node:path";
import type { Kysely } from "kysely";
import { openDatabase } from "../../core/database.js";
import { contractsOf } from "../../fsc/all-contracts.js";
import type { BookQuery } from "../../fsc/contract-list.js";
import type { StoredContract } from "../../fsc/stored-contract.js";
import { AuditLog } from "../../manager/audit.js";
import { AutomaticAccess } from "../../manager/automatic.js";
import { AccessRules } from "../../manager/rules.js";
import { migrateManager, type ManagerSchema } from "../../manager/schema.js";
import { MovedClock } from "../support/moved-clock.js";
import {
  Certified,
  connection,
  contentFor,
  openOrganisations,
  silentLog,
  type Organisation,
} from "../support/organisations.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";

const PAGE = 3;

describe("the automatic acceptance", () => {
  let certified: Certified;
  let clock: MovedClock;
  let all: readonly Organisation[];
  let anna: Organisation;
  let ben: Organisation;
  let db: Kysely<ManagerSchema>;
  let steps: string[];
  /** What happens while the rules accept. */
  let meanwhile: () => Promise<unknown>;
  let automatic: AutomaticAccess;

  before(async () => {
    certified = await Certified.create(2, 1);
  });
  after(async () => {
    await certified.remove();
    removeTemporaryFolders();
  });

  beforeEach(async () => {
    clock = new MovedClock();
    all = await openOrganisations(certified, 2, clock);
    [anna, ben] = all as [Organisation, Organisation];
    db = openDatabase<ManagerSchema>(join(temporaryFolder(), "manager.db"));
    await migrateManager(db);
    const rules = new AccessRules(db, certified.group.id);
    await rules.add({ peerId: undefined, service: undefined, validitySecondsMax: 1e9 });
    steps = [];
    meanwhile = () => Promise.resolve();
    const { book } = ben;
    automatic = new AutomaticAccess({
      ...{ rules, own: ben.peerId, offers: () => true, clock, log: silentLog },
      audit: new AuditLog({ db, groupId: certified.group.id, clock, log: silentLog }),
      book: {
        list: (query: BookQuery) => {
          steps.push("read");
          return book.list({ ...query, limit: PAGE });
        },
        get: (hash) => book.get(hash),
        decide: async (hash, type) => {
          steps.push("decide");
          await meanwhile();
          return book.decide(hash, type);
        },
      },
    });
  });
  afterEach(async () => {
    for (const each of all) await each.close();
    await db.destroy();
  });

  const waiting = async (count: number): Promise<readonly StoredContract[]> => {
    for (let made = 0; made < count; made += 1) {
      const grants = [connection(anna.peerId, ben.peerId)];
      await anna.book.propose(contentFor(certified.group, clock.now(), grants));
    }
    await anna.book.deliverDue();
    const found: StoredContract[] = [];
    for await (const contract of contractsOf(ben.book)) found.push(contract);
    expect(found).to.have.length(count);
    return found;
  };

  const decisions = async (): Promise<readonly string[]> => {
    const found: string[] = [];
    for await (const { decision } of contractsOf(ben.book)) found.push(decision);
    return found;
  };

  it("decides about one page before it reads the next, and leaves none out", async () => {
    await waiting(2 * PAGE + 1);
    await automatic.considerAll();
    const page = ["read", "decide", "decide", "decide"];
    expect(steps).to.deep.equal([...page, ...page, "read", "decide"]);
    expect(new Set(await decisions())).to.deep.equal(new Set(["ACCEPTED"]));
  });

  it("considers a contract that is told many times before its turn once, as it is then", async () => {
    const [first, second] = (await waiting(2)) as [StoredContract, StoredContract];
    meanwhile = () => ben.book.decide(second.hash, "reject");
    for (const each of [first, second, first, second, first]) automatic.consider(each);
    await automatic.settled();
    expect(steps).to.deep.equal(["decide"]);
    expect([...(await decisions())].sort()).to.deep.equal(["ACCEPTED", "REJECTED"]);
  });
});
