// The figure of the issue on real databases: a million shared exchanges, three differences, under 10 s and 1 MB.
import { createHash } from "node:crypto";
import { expect } from "chai";
import { compareLogs } from "../../../txlog/reconcile/compare.js";
import { LocalSide } from "../../../txlog/reconcile/side.js";
import type { LogDatabase } from "../../../txlog/store/schema.js";
import { idAt, wireTo } from "../../support/compared-logs.js";
import { openStore, type OpenStore } from "../../support/log-stores.js";
import { skip } from "../../support/skip.js";
import { long } from "../../support/scale.js";
import { removeTemporaryFolders } from "../../support/temporary.js";
import { GROUP } from "../../support/transaction-log.js";

const OTHER = "00000000000000000002";
const FROM = Date.UTC(2026, 0, 1);
const DAYS = 30;
const BATCH = 500;

/** Which exchanges one side lacks, and which it has otherwise. */
interface Odd {
  readonly gone: number;
  readonly changed: number;
}

const rowOf = (n: number, count: number, { changed }: Odd) => {
  const ms = FROM + Math.floor((n / count) * DAYS * 86_400_000);
  const text = `${String(n)}${n === changed ? " changed" : ""}`;
  return {
    ...{ group_id: GROUP, writer: 1, sequence: n + 1, created_at_us: ms * 1000 },
    transaction_id: idAt(ms, BigInt(n) * 0x9e3779b97f4a7c15n) as string,
    ...{ direction: "outgoing", source: "1", source_delegator: "", destination: OTHER },
    ...{ destination_delegator: "", other_peer: OTHER, grant_hash: "", method: "GET" },
    service: n % 3 === 0 ? "adressen" : "personen",
    ...{ result: "complete", status: 200, code: "", duration_us: 0, request_bytes: 0 },
    ...{ response_bytes: 0, repeated: 0, end_sequence: 0, outway_intent_hash: null },
    inway_intent_hash: null,
    item_digest: createHash("sha256").update(text).digest(),
  };
};

const fill = async (db: LogDatabase, count: number, odd: Odd): Promise<void> => {
  await db.transaction().execute(async (tx) => {
    await tx
      .insertInto("txlog_writer")
      .values({
        ...{ group_id: GROUP, writer: 1, writer_id: "7f0c2a51-6b3e-4d8a-9c14-2e5b8d7a90f3" },
        ...{ next_sequence: count + 1, component: "outway/one", epoch: 1, segment: 1 },
        ...{ segment_from: 1, new_segment: 0 },
      })
      .execute();
    for (let at = 0; at < count; at += BATCH) {
      const rows = Array.from({ length: Math.min(BATCH, count - at) }, (_, n) => at + n)
        .filter((n) => n !== odd.gone)
        .map((n) => rowOf(n, count, odd));
      await tx.insertInto("txlog_exchange").values(rows).execute();
    }
  });
};

describe("comparing logs in real databases", () => {
  let here: OpenStore;
  let there: OpenStore;

  beforeEach(async () => {
    here = await openStore();
    there = await openStore();
  });

  afterEach(async () => {
    await here.close();
    await there.close();
    removeTemporaryFolders();
  });

  const cost = async (count: number) => {
    await fill(here.db, count, { gone: 17, changed: -1 });
    await fill(there.db, count, { gone: Math.floor(count / 2), changed: count - 2 });
    const range = { fromMs: FROM, toMs: FROM + (DAYS + 1) * 86_400_000 };
    const wire = wireTo(there.store.reader.sharedWith(OTHER), range);
    const own = new LocalSide(range, here.store.reader.sharedWith(OTHER));
    const from = performance.now();
    const found = await compareLogs({ own, other: wire.side, differencesMax: 10_000 });
    return { ms: performance.now() - from, bytes: wire.passed.bytes, found };
  };

  it("finds three differences among 20,000 exchanges", async function () {
    this.timeout(120_000);
    const { bytes, found } = await cost(20_000);
    expect(found.differences.map(({ kind }) => kind)).to.deep.equal([
      ...["missing-here", "missing-there", "different"],
    ]);
    expect(bytes).to.be.lessThan(200_000);
  });

  it("finds three differences among a million exchanges in under 10 s and 1 MB", async function () {
    if (!long) skip(this, "a million exchanges belong to the long run (npm run test:long)");
    this.timeout(600_000);
    const { ms, bytes, found } = await cost(1_000_000);
    expect(found.differences).to.have.length(3);
    expect(bytes).to.be.lessThan(1_000_000);
    expect(ms).to.be.lessThan(10_000);
  });
});
