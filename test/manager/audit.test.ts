// The audit log: written before the act, its outcome after, without gaps, and without secrets.
import { expect } from "chai";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Kysely } from "kysely";
import { openDatabase } from "../../core/database.js";
import { SchakelError } from "../../core/errors.js";
import { AuditLog, subjectOf, type Act } from "../../manager/audit.js";
import { migrateManager, type ManagerSchema } from "../../manager/schema.js";
import { MovedClock } from "../support/moved-clock.js";
import { recordedLog } from "../support/recorded-log.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";

const CHILD = fileURLToPath(new URL("../support/audit-child.ts", import.meta.url));
const act = (changes: Partial<Act> = {}): Act => ({
  ...{ user: "jan", component: "cli/jan", action: "PutService", request: "{}" },
  ...changes,
});

describe("the audit log", () => {
  let db: Kysely<ManagerSchema>;
  let audit: AuditLog;
  let lines: readonly string[];
  const clock = new MovedClock();

  const open = async (file = join(temporaryFolder(), "manager.db")): Promise<void> => {
    const recorded = recordedLog();
    lines = recorded.lines;
    db = openDatabase<ManagerSchema>(file);
    await migrateManager(db);
    audit = new AuditLog({ db, groupId: "test", clock, log: recorded.log });
  };

  beforeEach(() => open());

  afterEach(async () => {
    await db.destroy();
    removeTemporaryFolders();
  });

  it("has the record before the act is made, and its outcome after", async () => {
    const during = await audit.record(act(), () => audit.list(undefined, 10));
    expect(during).to.deep.equal([{ ...act(), number: 1, at: clock.now(), outcome: "" }]);
    expect((await audit.list(undefined, 10))[0]?.outcome).to.equal("succeeded");
  });

  it("makes no act whose record cannot be written", async () => {
    await db.schema.dropTable("manager_audit").execute();
    let made = false;
    const error: unknown = await audit
      .record(act(), () => {
        made = true;
      })
      .catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(Error);
    expect(made).to.equal(false);
  });

  for (const [what, thrown, outcome] of [
    ["a refusal", new SchakelError("ERROR_CODE_SERVICE_NOT_FOUND"), "ERROR_CODE_SERVICE_NOT_FOUND"],
    ["a fault", new Error("secret of the machine"), "ERROR_CODE_INTERNAL"],
  ] as const) {
    it(`records ${what} by its code and throws it on`, async () => {
      const error: unknown = await audit
        .record(act(), () => {
          throw thrown;
        })
        .catch((each: unknown) => each);
      expect(error).to.equal(thrown);
      const records = await audit.list(undefined, 10);
      expect(records.map((each) => each.outcome)).to.deep.equal([outcome]);
      expect(JSON.stringify(records)).to.not.contain("secret");
    });
  }

  it("numbers acts that run at once from 1 without gaps", async () => {
    await Promise.all(
      Array.from({ length: 50 }, (_, at) =>
        audit
          .record(act(), () => {
            if (at % 3 === 0) throw new Error("no");
          })
          .catch(() => undefined),
      ),
    );
    const numbers = (await audit.list(undefined, 100)).map(({ number }) => number);
    expect(numbers).to.deep.equal(Array.from({ length: 50 }, (_, at) => 50 - at));
  });

  it("answers by pages, newest first", async () => {
    for (let at = 0; at < 5; at++)
      await audit.record(act({ request: String(at) }), () => undefined);
    const first = await audit.list(undefined, 2);
    const second = await audit.list(first.at(-1)?.number, 2);
    expect([...first, ...second].map(({ number }) => number)).to.deep.equal([5, 4, 3, 2]);
  });

  it("gives its caller the result of an act whose outcome could not be recorded", async () => {
    const result = await audit.record(act(), async () => {
      await db.schema.dropTable("manager_audit").execute();
      return "made";
    });
    expect(result).to.equal("made");
    expect(lines.join("\n")).to.contain("the outcome of an act could not be recorded");
  });

  it("keeps the record of an act in the middle of which the process was killed", async () => {
    const file = join(temporaryFolder(), "killed.db");
    const child = spawn(process.execPath, ["--import", "tsx", CHILD, file], { stdio: "inherit" });
    const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
    expect([code, signal]).to.deep.equal([null, "SIGKILL"]);
    await db.destroy();
    await open(file);
    const outcomes = async () =>
      (await audit.list(undefined, 10)).map(({ number, outcome }) => [number, outcome]);
    expect(await outcomes()).to.deep.equal([
      [2, ""],
      [1, "succeeded"],
    ]);
    await audit.record(act(), () => undefined);
    expect(await outcomes()).to.deep.equal([
      [3, "succeeded"],
      [2, ""],
      [1, "succeeded"],
    ]);
  }).timeout(30_000);

  it("writes a request as JSON without what was left out", () => {
    const request = {
      ...{ name: "echo", contact: "", size: 0n, at: 5n, grants: [], inways: ["a", ""] },
      content: Buffer.from('{"iv":"x"}'),
      service: { name: "echo", openapiPath: "" },
    };
    expect(JSON.parse(subjectOf(request))).to.deep.equal({
      ...{ name: "echo", at: 5, inways: ["a", ""], content: '{"iv":"x"}' },
      service: { name: "echo" },
    });
  });

  it("keeps size and hash of a request that is too long", () => {
    const subject = subjectOf({ content: Buffer.alloc(100_000, "a") });
    expect(Object.keys(JSON.parse(subject) as object)).to.deep.equal(["characters", "sha256"]);
  });
});
