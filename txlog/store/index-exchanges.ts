// The index of exchanges as records come in: new rows for intents and refusals, ends joined with the rows they end.
import type { OutcomeRecord, UnfinishedRecord } from "../record.js";
import type { ArrivedRecord } from "./arrived.js";
import { BulkInsert } from "./bulk.js";
import {
  END_COLUMNS,
  EXCHANGE_COLUMNS,
  joinEnd,
  rowOfIntent,
  rowOfRefusal,
  valuesOf,
  type ExchangeDraft,
} from "./exchange-rows.js";
import type { LogDatabase } from "./schema.js";

/** How many rows one query asks for. */
const LOOKUP_MAX = 500;

const NEW = new BulkInsert("txlog_exchange", EXCHANGE_COLUMNS);
const ENDED = new BulkInsert("txlog_exchange", EXCHANGE_COLUMNS, {
  key: ["group_id", "writer", "sequence"],
  columns: END_COLUMNS,
});

type End = OutcomeRecord | UnfinishedRecord;

const chunks = <T>(all: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(all.length / LOOKUP_MAX) }, (_, at) =>
    all.slice(at * LOOKUP_MAX, (at + 1) * LOOKUP_MAX),
  );

/** Keeps the index. */
export class IndexExchanges {
  constructor(
    private readonly groupId: string,
    private readonly ownPeer: string,
  ) {}

  /** Puts new records of a writer into the index, in the transaction that stores them. */
  async put(tx: LogDatabase, writer: number, records: readonly ArrivedRecord[]): Promise<void> {
    const place = { groupId: this.groupId, writer, ownPeer: this.ownPeer };
    const rows = new Map<number, ExchangeDraft>();
    const ends = new Map<number, End>();
    for (const arrived of records) {
      const { record, sequence } = arrived;
      if (record.kind === "intent") rows.set(sequence, rowOfIntent(arrived, record, place));
      else if (record.kind === "refusal") rows.set(sequence, rowOfRefusal(arrived, record, place));
      else if (record.kind === "outcome" || record.kind === "unfinished") {
        const intent = Number(record.intent.sequence);
        const row = rows.get(intent);
        if (row === undefined) ends.set(intent, record);
        else joinEnd(row, record);
      }
    }
    await this.#markRepeated(tx, [...rows.values()]);
    await NEW.run(tx, [...rows.values()].map(valuesOf));
    for (const some of chunks([...ends])) await this.#joinStored(tx, writer, new Map(some));
  }

  async #joinStored(
    tx: LogDatabase,
    writer: number,
    ends: ReadonlyMap<number, End>,
  ): Promise<void> {
    const rows: ExchangeDraft[] = await tx
      .selectFrom("txlog_exchange")
      .selectAll()
      .where("group_id", "=", this.groupId)
      .where("writer", "=", writer)
      .where("sequence", "in", [...ends.keys()])
      .where("result", "=", "open")
      .execute();
    for (const row of rows) {
      const end = ends.get(row.sequence);
      if (end !== undefined) joinEnd(row, end);
    }
    await ENDED.run(tx, rows.map(valuesOf));
  }

  /** Flags intents whose transaction id another intent of the same direction has: here, or in the store. */
  async #markRepeated(tx: LogDatabase, rows: readonly ExchangeDraft[]): Promise<void> {
    const seen = new Map<string, ExchangeDraft>();
    for (const row of rows) {
      if (row.transaction_id === null || row.result === "refused") continue;
      const key = `${row.transaction_id}/${row.direction}`;
      const earlier = seen.get(key);
      if (earlier !== undefined) {
        earlier.repeated = 1;
        row.repeated = 1;
      }
      seen.set(key, row);
    }
    const ids = new Set([...seen.values()].map((row) => row.transaction_id ?? ""));
    for (const some of chunks([...ids])) {
      const found = await tx
        .selectFrom("txlog_exchange")
        .select(["writer", "sequence", "transaction_id", "direction"])
        .where("group_id", "=", this.groupId)
        .where("transaction_id", "in", some)
        .where("result", "!=", "refused")
        .execute();
      for (const { writer, sequence, ...row } of found) {
        const again = seen.get(`${row.transaction_id ?? ""}/${row.direction}`);
        if (again === undefined) continue;
        again.repeated = 1;
        await tx
          .updateTable("txlog_exchange")
          .set({ repeated: 1 })
          .where("group_id", "=", this.groupId)
          .where("writer", "=", writer)
          .where("sequence", "=", sequence)
          .execute();
      }
    }
  }
}
