// Records come into the store once and whole, whatever order, repetition or damage they come with.
import { expect } from "chai";
import type { ArrivingBatch } from "../../../txlog/store/arrived.js";
import { decodeLeaf } from "../../../txlog/decode-leaf.js";
import { codeOf } from "../../support/codes.js";
import { onEachDatabase } from "../../support/log-databases.js";
import type { OpenStore } from "../../support/log-stores.js";
import { ShippingWriter } from "../../support/shipped.js";
import { removeTemporaryFolders } from "../../support/temporary.js";

describe("ingest of the log's store", () => {
  onEachDatabase((open) => {
    let opened: OpenStore;
    let writer: ShippingWriter;

    const rows = () =>
      opened.db
        .selectFrom("txlog_record")
        .select(["writer", "sequence", "tree_index", "kind"])
        .orderBy("tree_index")
        .execute();

    const exchanges = () =>
      opened.db.selectFrom("txlog_exchange").selectAll().orderBy("sequence").execute();

    const exchangesOf = (count: number): ArrivingBatch => {
      for (let n = 0; n < count; n++) writer.outcome(writer.intent());
      return writer.take();
    };

    beforeEach(async () => {
      opened = await open();
      writer = new ShippingWriter();
      await opened.store.ingest.begin({ writerId: writer.writerId, component: "outway/one" });
    });

    afterEach(async () => {
      await opened.close();
      removeTemporaryFolders();
    });

    it("gives indexes in the order of arrival and says what is wanted next", async () => {
      const other = new ShippingWriter();
      const begun = { writerId: other.writerId, component: "inway/two" };
      expect(await opened.store.ingest.begin(begun)).to.deep.equal({
        nextSequence: 1,
        newSegment: false,
      });
      await opened.store.ingest.batch(exchangesOf(2));
      other.outcome(other.intent());
      expect((await opened.store.ingest.batch(other.take())).nextSequence).to.equal(3);
      expect((await opened.store.ingest.batch(exchangesOf(1))).nextSequence).to.equal(7);
      const places = (await rows()).map((row) => [row.tree_index, row.writer, row.sequence]);
      expect(places).to.deep.equal([
        ...[1, 2, 3, 4].map((sequence) => [sequence - 1, 1, sequence]),
        ...[1, 2].map((sequence) => [sequence + 3, 2, sequence]),
        ...[5, 6].map((sequence) => [sequence + 1, 1, sequence]),
      ]);
      expect((await opened.store.ingest.begin(begun)).nextSequence).to.equal(3);
    });

    it("joins an outcome with its intent, in the same batch and in a later one", async () => {
      const first = writer.intent();
      const second = writer.intent();
      writer.outcome(first, { status: 404 });
      await opened.store.ingest.batch(writer.take());
      const receipt = Buffer.alloc(32, 7);
      writer.outcome(second, {
        result: "client-aborted",
        otherReceipt: receipt,
        responseBytes: 77,
      });
      const before = await exchanges();
      await opened.store.ingest.batch(writer.take());
      const after = await exchanges();
      const shown = after.map((row) => [
        row.result,
        row.status,
        row.end_sequence,
        row.response_bytes,
      ]);
      expect(shown).to.deep.equal([
        ["complete", 404, 3, 10],
        ["client-aborted", 200, 4, 77],
      ]);
      expect(before[1]?.result).to.equal("open");
      expect(Buffer.from(after[1]!.inway_intent_hash!)).to.deep.equal(receipt);
      expect(after[1]!.item_digest).to.not.deep.equal(before[1]!.item_digest);
      expect(after[0]!.item_digest).to.deep.equal(before[0]!.item_digest);
    });

    it("takes a batch again, also with more behind it, and stores nothing twice", async () => {
      const batch = exchangesOf(3);
      await opened.store.ingest.batch(batch);
      const again = await opened.store.ingest.batch(batch);
      expect(again.nextSequence).to.equal(7);
      const more = exchangesOf(1);
      const overlapping = {
        ...batch,
        count: batch.count + more.count,
        records: Buffer.concat([batch.records, more.records]),
      };
      expect((await opened.store.ingest.batch(overlapping)).nextSequence).to.equal(9);
      const sequences = (await rows()).map((row) => row.sequence);
      expect(sequences).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8]);
    });

    it("flags a transaction id that comes again in the same direction", async () => {
      const { transactionId } = writer.intent();
      await opened.store.ingest.batch(writer.take());
      writer.intent({ transactionId });
      writer.intent({ transactionId, direction: "incoming" });
      writer.intent();
      await opened.store.ingest.batch(writer.take());
      expect((await exchanges()).map(({ repeated }) => repeated)).to.deep.equal([1, 1, 0, 0]);
    });

    const REFUSED: Readonly<
      Record<string, readonly [code: string, change: (batch: ArrivingBatch) => ArrivingBatch]>
    > = {
      "leaves a gap": [
        "ERROR_CODE_REQUEST_INVALID",
        ({ records, ...batch }) => {
          const skipped = 8 + records.readUInt32BE(0);
          return {
            ...batch,
            ...{ firstSequence: 2, count: batch.count - 1, records: records.subarray(skipped) },
          };
        },
      ],
      "has another first sequence than its records": [
        "ERROR_CODE_REQUEST_INVALID",
        (batch) => ({ ...batch, firstSequence: 2 }),
      ],
      "has fewer records than it says": [
        "ERROR_CODE_REQUEST_INVALID",
        (batch) => ({ ...batch, count: batch.count + 1 }),
      ],
      "has more records than it says": [
        "ERROR_CODE_REQUEST_INVALID",
        (batch) => ({ ...batch, count: batch.count - 1 }),
      ],
      "has no records": ["ERROR_CODE_REQUEST_INVALID", (batch) => ({ ...batch, count: 0 })],
      "is over the limit of bytes": [
        "ERROR_CODE_REQUEST_INVALID",
        (batch) => ({ ...batch, records: Buffer.alloc(1024 ** 2 + 1) }),
      ],
      "holds a leaf that is none": [
        "ERROR_CODE_REQUEST_INVALID",
        (batch) => {
          const records = Buffer.from(batch.records);
          records[8] = 9;
          return { ...batch, records };
        },
      ],
      "is of a writer that has not begun": [
        "ERROR_CODE_REQUEST_INVALID",
        () => {
          const other = new ShippingWriter();
          other.intent();
          return other.take();
        },
      ],
      "holds another writer's records": [
        "ERROR_CODE_REQUEST_INVALID",
        (batch) => {
          const other = new ShippingWriter();
          other.intent();
          return { ...other.take(), writerId: batch.writerId };
        },
      ],
    };

    for (const [name, [code, change]] of Object.entries(REFUSED)) {
      it(`refuses a batch that ${name}, and stores nothing of it`, async () => {
        const batch = exchangesOf(3);
        expect(await codeOf(opened.store.ingest.batch(change(batch)))).to.equal(code);
        expect(await rows()).to.deep.equal([]);
        expect((await opened.store.ingest.batch(batch)).nextSequence).to.equal(7);
      });
    }

    it("refuses a record that is there with other bytes, and leaves it as it is", async () => {
      const batch = exchangesOf(3);
      await opened.store.ingest.batch(batch);
      const forged = new ShippingWriter();
      Object.assign(forged, { writerId: writer.writerId });
      for (let n = 0; n < 4; n++) forged.outcome(forged.intent());
      const before = await opened.db.selectFrom("txlog_record").selectAll().execute();
      expect(await codeOf(opened.store.ingest.batch(forged.take()))).to.equal(
        "ERROR_CODE_LOG_DIFFERS",
      );
      expect(await opened.db.selectFrom("txlog_record").selectAll().execute()).to.deep.equal(
        before,
      );
    });

    it("keeps a record whose personal part does not open, and says so", async () => {
      writer.intent({ personal: { path: "/secret", dataSubjects: [{ key: "bsn", value: "1" }] } });
      const batch = { ...writer.take(), segmentKey: Buffer.alloc(32, 1) };
      expect((await opened.store.ingest.batch(batch)).nextSequence).to.equal(2);
      expect(opened.lines.join()).to.contain("a personal part does not open");
      expect(await opened.db.selectFrom("txlog_subject").selectAll().execute()).to.deep.equal([]);
    });

    it("takes what is personal for erased when its key was removed before it came", async () => {
      writer.intent({ personal: { path: "/secret" } });
      const batch = { ...writer.take(), segmentKey: Buffer.alloc(32) };
      await opened.store.ingest.batch(batch);
      const key = { writerId: writer.writerId, sequence: 1 };
      const { leaf } = (await opened.store.reader.entry(key)) ?? {};
      const record = decodeLeaf(leaf ?? Buffer.alloc(0));
      if (record.kind !== "intent") throw new Error("it is an intent");
      expect(await opened.store.reader.personal(key, record.exchange)).to.deep.equal({
        status: "erased",
      });
    });

    it("answers that it is unavailable when the database is", async () => {
      const batch = exchangesOf(1);
      await opened.db.schema.dropTable("txlog_secret").execute();
      writer.intent({ personal: { path: "/a" } });
      await opened.store.ingest.batch(batch);
      expect(await codeOf(opened.store.ingest.batch(writer.take()))).to.equal(
        "ERROR_CODE_LOG_UNAVAILABLE",
      );
      expect(await rows()).to.have.length(2);
    });
  });
});
