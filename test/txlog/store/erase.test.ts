// What is erased is in no file of the store, every proof stays valid, and nothing else is lost.
import { expect } from "chai";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeLeaf } from "../../../txlog/decode-leaf.js";
import type { PersonalEntry } from "../../../txlog/entry.js";
import type { EraseWanted } from "../../../txlog/store/read-side.js";
import { retain } from "../../../txlog/store/retention.js";
import { WriterNames } from "../../../txlog/store/tables.js";
import { verifyInclusion } from "../../../txlog/tree/tiles.js";
import { codeOf } from "../../support/codes.js";
import { onEachDatabase } from "../../support/log-databases.js";
import type { OpenStore } from "../../support/log-stores.js";
import { ShippingWriter } from "../../support/shipped.js";
import { removeTemporaryFolders } from "../../support/temporary.js";
import { GROUP } from "../../support/transaction-log.js";

const DAY_MS = 24 * 3600 * 1000;
const VALUE = "987654329";
const PATH = "/personen/987654329/verblijfplaats";

describe("erasing from the log's store", function () {
  onEachDatabase((open, hasFiles) => {
    this.timeout(60_000);
    let opened: OpenStore;
    let writer: ShippingWriter;
    let now = Date.UTC(2026, 4, 1);

    const personalOf = (bsn: string): PersonalEntry => ({
      path: `/personen/${bsn}/verblijfplaats`,
      dataSubjects: [{ key: "bsn", value: bsn }],
    });

    const arrive = async (by = writer): Promise<void> => {
      await opened.store.ingest.begin({ writerId: by.writerId, component: `inway/${by.name}` });
      await opened.store.ingest.batch(by.take());
    };

    /** The files of the store in which these bytes stand. */
    const filesWith = (bytes: Buffer | string): string[] => {
      const found = readdirSync(opened.folder, { recursive: true, withFileTypes: true })
        .filter((file) => file.isFile())
        .map((file) => join(file.parentPath, file.name));
      return found.filter((path) => readFileSync(path).includes(bytes));
    };
    /** What a server keeps in its own files, and for how long, is its operator's affair (docs/database.md). */
    const expectInFiles = (bytes: Buffer | string, isThere: boolean): void => {
      if (hasFiles) expect(filesWith(bytes).length > 0).to.equal(isThere);
    };

    /** Every record is still proven by the tree, and its state is the one that is expected. */
    const expectProven = async (): Promise<void> => {
      const { reader } = opened.store;
      const head = await reader.checkpointAt();
      if (head === undefined) throw new Error("nothing is sealed");
      for await (const { index, leafHash } of reader.entries(1, 0, head.size)) {
        if (index % 50 !== 0) continue;
        const proof = await reader.proofFor(1, index);
        const { size, root } = head;
        verifyInclusion({ leafHash, index, size, root, proof: proof?.hashes ?? [] });
      }
    };

    const stateOf = async (sequence: number, by = writer): Promise<string> => {
      const key = { writerId: by.writerId, sequence };
      const entry = await opened.store.reader.entry(key);
      const record = decodeLeaf(entry?.leaf ?? Buffer.alloc(0));
      if (!("exchange" in record)) throw new Error("it is no exchange");
      return (await opened.store.reader.personal(key, record.exchange)).status;
    };

    beforeEach(async () => {
      now = Date.UTC(2026, 4, 1);
      opened = await open();
      writer = new ShippingWriter(() => now);
    });

    afterEach(async () => {
      await opened.close();
      removeTemporaryFolders();
    });

    it("leaves neither the value nor the record's secret in any file", async () => {
      // Two writers in turns, so that rows of the tables are split and moved.
      const other = new ShippingWriter(() => now, GROUP, "two");
      for (let round = 0; round < 20; round++) {
        for (const by of [writer, other]) {
          for (let n = 0; n < 60; n++) {
            const bsn = round % 4 === 1 && n === 7 ? VALUE : String(100_000_000 + round * 1000 + n);
            by.outcome(by.intent({ personal: personalOf(bsn) }));
          }
          await arrive(by);
        }
        await opened.store.sealer.seal();
      }
      const rows = await opened.db
        .selectFrom("txlog_subject as s")
        .innerJoin("txlog_writer as w", "w.writer", "s.writer")
        .select(["w.writer_id", "s.sequence", "s.hash"])
        .execute();
      const { reader, keeper } = opened.store;
      const page = await reader.search(
        { dataSubject: { key: "bsn", value: VALUE } },
        { limit: 100 },
      );
      expect(page.exchanges).to.have.length(10);
      const secrets = page.exchanges.map(({ writerId, sequence }) =>
        (writerId === writer.writerId ? writer : other).secrets.get(sequence)!,
      );
      const sealed = await opened.db
        .selectFrom("txlog_record as r")
        .innerJoin("txlog_subject as s", (join) =>
          join.onRef("s.writer", "=", "r.writer").onRef("s.sequence", "=", "r.sequence"),
        )
        .select("r.sealed")
        .where(
          "s.hash",
          "in",
          rows
            .filter(({ sequence, writer_id }) =>
              page.exchanges.some(
                (each) => each.sequence === sequence && each.writerId === writer_id,
              ),
            )
            .map(({ hash }) => hash),
        )
        .execute();
      const ciphertexts = sealed.map((row) => Buffer.from(row.sealed ?? []));
      expect(ciphertexts).to.have.length(10);
      for (const secret of [...secrets, ...ciphertexts]) expectInFiles(secret, true);
      expectInFiles(VALUE, false);

      const wanted: EraseWanted = { dataSubject: { key: "bsn", value: VALUE } };
      const counted = await keeper.erase({ ...wanted, dryRun: true });
      expect(counted).to.deep.equal({ records: 10, pending: ["inway/one", "inway/two"] });
      expect(await stateOf(page.exchanges[0]!.sequence, other)).to.equal("readable");
      expect(await keeper.erase(wanted)).to.deep.equal(counted);

      for (const bytes of [...secrets, ...ciphertexts, VALUE, PATH]) expectInFiles(bytes, false);
      expect(await keeper.erase(wanted)).to.deep.equal({ records: 0, pending: [] });
      expect((await reader.search(wanted, { limit: 1 })).exchanges).to.deep.equal([]);
      for (const { writerId, sequence } of page.exchanges) {
        expect(await stateOf(sequence, writerId === writer.writerId ? writer : other)).to.equal(
          "erased",
        );
      }
      const left = await opened.db.selectFrom("txlog_subject").selectAll().execute();
      expect(left).to.have.length(rows.length - 10);
      expect(await stateOf(1)).to.equal("readable");
      await expectProven();
    });

    it("erases what belongs to one transaction, and nothing of another", async () => {
      const { transactionId } = writer.intent({ personal: personalOf(VALUE) });
      writer.intent({ personal: personalOf(VALUE) });
      await arrive();
      const { records } = await opened.store.keeper.erase({ transactionId });
      expect(records).to.equal(1);
      expect([await stateOf(1), await stateOf(2)]).to.deep.equal(["erased", "readable"]);
    });

    it("asks only those writers for a new segment whose newest one opens what was erased", async () => {
      const asked: string[] = [];
      opened.store.ingest.onNewSegment((writerId) => void asked.push(writerId));
      const { ingest, keeper } = opened.store;
      await ingest.begin({ writerId: writer.writerId, component: "inway/one" });
      await ingest.segment(writer.writerId, 1);
      const first = writer.intent({ personal: personalOf(VALUE) });
      await arrive();
      await ingest.segment(writer.writerId, 2);
      const second = writer.intent({ personal: personalOf(VALUE) });
      await arrive();
      const old = await keeper.erase({ transactionId: first.transactionId });
      expect(old).to.deep.equal({ records: 1, pending: [] });
      expect(asked).to.deep.equal([]);
      const held = await keeper.erase({ transactionId: second.transactionId });
      expect(held).to.deep.equal({ records: 1, pending: ["inway/one"] });
      expect(asked).to.deep.equal([writer.writerId]);
      // It is told again when it comes back, and no longer once it has a new one.
      const about = { writerId: writer.writerId, component: "inway/one" };
      expect((await ingest.begin(about)).newSegment).to.equal(true);
      expect((await ingest.segment(writer.writerId, 2)).newSegment).to.equal(true);
      expect((await ingest.segment(writer.writerId, 3)).newSegment).to.equal(false);
      expect((await ingest.begin(about)).newSegment).to.equal(false);
    });

    for (const [name, wanted] of Object.entries<EraseWanted>({
      nothing: {},
      both: { dataSubject: { key: "a", value: "b" }, transactionId: "" as never },
    })) {
      it(`refuses to erase when ${name} is named`, async () => {
        expect(await codeOf(opened.store.keeper.erase(wanted))).to.equal(
          "ERROR_CODE_REQUEST_INVALID",
        );
      });
    }

    describe("by retention", () => {
      const kept = async (): Promise<string[]> => {
        const tables = {
          db: opened.db,
          groupId: GROUP,
          writers: new WriterNames(opened.db, GROUP),
        };
        await retain(tables, now);
        return Promise.all([1, 2, 3].map((sequence) => stateOf(sequence)));
      };

      beforeEach(async () => {
        for (const service of ["bomen", "personen", "wegen"]) {
          writer.intent({ service, personal: personalOf(VALUE) });
        }
        await arrive();
      });

      it("erases nothing unless told", async () => {
        now += 10_000 * DAY_MS;
        expect(await kept()).to.deep.equal(["readable", "readable", "readable"]);
      });

      it("erases after the days of a service, and of all others", async () => {
        const { keeper, reader } = opened.store;
        await keeper.setRetention("", 10);
        await keeper.setRetention("bomen", 5);
        const all = [
          { service: "", days: 10 },
          { service: "bomen", days: 5 },
          { service: "wegen", days: 0 },
        ];
        expect(await keeper.setRetention("wegen", 0)).to.deep.equal(all);
        now += 5 * DAY_MS;
        expect(await kept()).to.deep.equal(["readable", "readable", "readable"]);
        now += 1;
        expect(await kept()).to.deep.equal(["erased", "readable", "readable"]);
        now += 5 * DAY_MS;
        expect(await kept()).to.deep.equal(["erased", "erased", "readable"]);
        await keeper.setRetention("wegen", undefined);
        expect(await reader.retentions()).to.deep.equal(all.slice(0, 2));
        expect(await kept()).to.deep.equal(["erased", "erased", "erased"]);
        expectInFiles(writer.secrets.get(3)!, false);
      });

      it("refuses days that are none", async () => {
        for (const days of [-1, 0.5, 36_501, Number.NaN]) {
          expect(await codeOf(opened.store.keeper.setRetention("bomen", days))).to.equal(
            "ERROR_CODE_REQUEST_INVALID",
          );
        }
      });
    });

    describe("by pruning", () => {
      it("removes the leaves of whole bundles that are old, and leaves the tree provable", async () => {
        for (let n = 0; n < 300; n++) writer.intent({ personal: personalOf(VALUE) });
        await arrive();
        now += DAY_MS;
        for (let n = 0; n < 300; n++) writer.intent();
        await arrive();
        await opened.store.sealer.seal();
        const { keeper, reader } = opened.store;
        const before = (now - 1) * 1000;
        expect(await keeper.prune(before, true)).to.deep.equal({ entries: 256, firstKept: 256 });
        expect((await reader.entry({ writerId: writer.writerId, sequence: 1 }))?.leaf).to.not.equal(
          undefined,
        );
        expect(await keeper.prune(before)).to.deep.equal({ entries: 256, firstKept: 256 });
        const leaves: boolean[] = [];
        for await (const { leaf } of reader.entries(1, 0, 600)) leaves.push(leaf !== undefined);
        expect(leaves.indexOf(true)).to.equal(256);
        expect(leaves.lastIndexOf(false)).to.equal(255);
        await expectProven();
        expectInFiles(writer.secrets.get(256)!, false);
        expectInFiles(writer.secrets.get(257)!, true);
        expect(await keeper.prune(before)).to.deep.equal({ entries: 0, firstKept: 256 });
        // What is not sealed is not pruned, however old.
        expect(await keeper.prune((now + DAY_MS) * 1000)).to.deep.equal({
          entries: 256,
          firstKept: 512,
        });
      });
    });
  });
});
