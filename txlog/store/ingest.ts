// Takes records into the store: each batch whole, in one transaction, once.
import type { KeyObject } from "node:crypto";
import { SchakelError } from "../../core/errors.js";
import type { Log } from "../../core/log.js";
import { KINDS } from "../leaf.js";
import { readArriving, type ArrivedRecord, type ArrivingBatch } from "./arrived.js";
import { BulkInsert } from "./bulk.js";
import { IndexExchanges } from "./index-exchanges.js";
import { toBuffer } from "./exchange-rows.js";
import type { LogDatabase, LogRow, WriterRow } from "./schema.js";

/** What ingest stands on. */
export interface IngestParts {
  readonly db: LogDatabase;
  readonly groupId: string;
  /** Our own peer. */
  readonly peerId: string;
  readonly log: Log;
}

/** Who will write. */
export interface BeginningWriter {
  /** A UUID, lower case. */
  readonly writerId: string;
  /** Role and name, "inway/one". */
  readonly component: string;
}

/** Where a writer stands. */
export interface WriterPosition {
  /** Every record before this sequence is durable in the store. */
  readonly nextSequence: number;
  /** Whether it should begin a new segment, since its key opens something that was erased. */
  readonly newSegment: boolean;
}

/** How many hashes one query asks for. */
const LOOKUP_MAX = 500;

const RECORDS = new BulkInsert("txlog_record", [
  "group_id",
  "writer",
  "sequence",
  "kind",
  "leaf",
  "leaf_hash",
  "sealed",
  "created_at_us",
  "epoch",
  "tree_index",
]);
const SECRETS = new BulkInsert("txlog_secret", ["group_id", "writer", "sequence", "secret"]);
const SUBJECTS = new BulkInsert("txlog_subject", ["group_id", "hash", "writer", "sequence"]);

const invalid = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_REQUEST_INVALID", { detail });

/** Errors of the database become one that tells the writer to keep everything and try again. */
const stored = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SchakelError) throw error;
    throw new SchakelError("ERROR_CODE_LOG_UNAVAILABLE", {
      detail: "the log's store cannot be written",
      cause: error,
    });
  }
};

/** Takes the records of writers in. */
export class Ingest {
  readonly #parts: IngestParts;
  readonly #index: IndexExchanges;
  readonly #searchKey: KeyObject;
  readonly #newSegment = new Set<(writerId: string) => void>();

  constructor(parts: IngestParts, searchKey: KeyObject) {
    this.#parts = parts;
    this.#searchKey = searchKey;
    this.#index = new IndexExchanges(parts.groupId, parts.peerId);
  }

  /** Calls back when a writer should begin a new segment. Returns the function that ends that. */
  onNewSegment(listener: (writerId: string) => void): () => void {
    const own = (writerId: string): void => listener(writerId);
    this.#newSegment.add(own);
    return () => void this.#newSegment.delete(own);
  }

  /** Tells of writers whose key could open what was erased. */
  askNewSegments(writerIds: readonly string[]): void {
    for (const writerId of writerIds) {
      for (const listener of [...this.#newSegment]) listener(writerId);
    }
  }

  /**
   * Makes a writer known.
   *
   * @throws SchakelError ERROR_CODE_LOG_UNAVAILABLE
   */
  begin({ writerId, component }: BeginningWriter): Promise<WriterPosition> {
    const { db, groupId } = this.#parts;
    return stored(() =>
      db.transaction().execute(async (tx) => {
        const log = await this.#lock(tx);
        const known = await this.#writer(tx, writerId);
        if (known !== undefined) {
          if (known.component !== component) {
            await this.#updateWriter(tx, known, { component });
          }
          return positionOf(known);
        }
        await tx
          .updateTable("txlog_log")
          .set({ next_writer: log.next_writer + 1 })
          .where("group_id", "=", groupId)
          .execute();
        const writer: WriterRow = {
          ...{ group_id: groupId, writer: log.next_writer, writer_id: writerId, component },
          ...{ next_sequence: 1, segment: 0, segment_from: 1, new_segment: 0 },
          // In a later epoch it may be one that the backup did not have yet, and go on after a gap.
          epoch: log.epoch === 1 ? 1 : 0,
        };
        await tx.insertInto("txlog_writer").values(writer).execute();
        return positionOf(writer);
      }),
    );
  }

  /**
   * Notes which segment a writer's next records are of: the keys of the ones before are gone.
   *
   * @throws SchakelError ERROR_CODE_LOG_UNAVAILABLE; ERROR_CODE_REQUEST_INVALID when the writer has not begun
   */
  segment(writerId: string, number: number): Promise<WriterPosition> {
    return stored(() =>
      this.#parts.db.transaction().execute(async (tx) => {
        await this.#lock(tx);
        const known = await this.#requireWriter(tx, writerId);
        if (number <= known.segment) return positionOf(known);
        const segment = { segment: number, segment_from: known.next_sequence, new_segment: 0 };
        await this.#updateWriter(tx, known, segment);
        return positionOf({ ...known, ...segment });
      }),
    );
  }

  /**
   * Stores a batch. Records that are there already change nothing. When it resolves, all are durable.
   *
   * @throws SchakelError ERROR_CODE_REQUEST_INVALID for a batch that is none, leaves a gap or is of a writer that has
   * not begun; ERROR_CODE_LOG_DIFFERS when a record is there with other bytes; ERROR_CODE_LOG_UNAVAILABLE
   */
  async batch(batch: ArrivingBatch): Promise<WriterPosition> {
    const { groupId, log } = this.#parts;
    const { writerId } = batch;
    const records = readArriving(batch, {
      groupId,
      searchKey: this.#searchKey,
      unreadable: (sequence, reason) =>
        log.warn({ writer: writerId, sequence, reason }, "a personal part does not open"),
    });
    return stored(() =>
      this.#parts.db.transaction().execute((tx) => this.#store(tx, writerId, records)),
    );
  }

  async #store(
    tx: LogDatabase,
    writerId: string,
    records: readonly ArrivedRecord[],
  ): Promise<WriterPosition> {
    const log = await this.#lock(tx);
    const writer = await this.#requireWriter(tx, writerId);
    const first = records[0]?.sequence ?? 0;
    // After a restored backup a new epoch begins, and a writer that has removed what was lost goes on after the gap.
    const isGap = first > writer.next_sequence && writer.epoch >= log.epoch;
    if (isGap) {
      throw invalid(
        `writer ${writerId} goes on with record ${first}, due is ${writer.next_sequence}`,
      );
    }
    const known = records.filter(({ sequence }) => sequence < writer.next_sequence);
    await this.#requireSame(tx, writer, known);
    const fresh = records.slice(known.length);
    const last = fresh.at(-1);
    if (last === undefined) return positionOf(writer);
    await this.#insert(tx, writer, { log, fresh });
    await tx
      .updateTable("txlog_log")
      .set({ next_index: log.next_index + fresh.length })
      .where("group_id", "=", this.#parts.groupId)
      .execute();
    const moved = { next_sequence: last.sequence + 1, epoch: log.epoch };
    await this.#updateWriter(tx, writer, moved);
    return positionOf({ ...writer, ...moved });
  }

  async #insert(
    tx: LogDatabase,
    { writer }: WriterRow,
    { log, fresh }: { readonly log: LogRow; readonly fresh: readonly ArrivedRecord[] },
  ): Promise<void> {
    const { groupId } = this.#parts;
    await RECORDS.run(
      tx,
      fresh.map(({ record, sequence, leaf, leafHash, personal }, place) => [
        ...[groupId, writer, sequence, KINDS.indexOf(record.kind) + 1, leaf, leafHash],
        ...[personal?.sealed ?? null, record.createdAtUs, log.epoch, log.next_index + place],
      ]),
    );
    const withPersonal = fresh.flatMap(({ sequence, personal }) =>
      personal === undefined ? [] : [{ sequence, personal }],
    );
    await SECRETS.run(
      tx,
      withPersonal.map(({ sequence, personal }) => [groupId, writer, sequence, personal.secret]),
    );
    await SUBJECTS.run(
      tx,
      withPersonal.flatMap(({ sequence, personal }) =>
        personal.subjects.map((hash) => [groupId, hash, writer, sequence]),
      ),
    );
    await this.#index.put(tx, writer, fresh);
  }

  /** Whether the records that are there already are these. */
  async #requireSame(
    tx: LogDatabase,
    { writer, writer_id }: WriterRow,
    records: readonly ArrivedRecord[],
  ): Promise<void> {
    for (let at = 0; at < records.length; at += LOOKUP_MAX) {
      const some = records.slice(at, at + LOOKUP_MAX);
      const rows = await tx
        .selectFrom("txlog_record")
        .select(["sequence", "leaf_hash"])
        .where("group_id", "=", this.#parts.groupId)
        .where("writer", "=", writer)
        .where("sequence", ">=", some[0]?.sequence ?? 0)
        .where("sequence", "<=", some.at(-1)?.sequence ?? 0)
        .execute();
      const hashes = new Map(rows.map((row) => [row.sequence, toBuffer(row.leaf_hash)]));
      const differs = some.find(
        ({ sequence, leafHash }) => hashes.get(sequence)?.equals(leafHash) !== true,
      );
      if (differs !== undefined) {
        throw new SchakelError("ERROR_CODE_LOG_DIFFERS", {
          detail: `record ${differs.sequence} of writer ${writer_id} is in the store with other bytes`,
        });
      }
    }
  }

  /** Takes the log's row for this transaction: whoever writes takes it first, so that indexes are given out once. */
  #lock(tx: LogDatabase): Promise<LogRow> {
    return tx
      .updateTable("txlog_log")
      .set((eb) => ({ next_index: eb.ref("next_index") }))
      .where("group_id", "=", this.#parts.groupId)
      .returningAll()
      .executeTakeFirstOrThrow();
  }

  #writer(tx: LogDatabase, writerId: string): Promise<WriterRow | undefined> {
    return tx
      .selectFrom("txlog_writer")
      .selectAll()
      .where("group_id", "=", this.#parts.groupId)
      .where("writer_id", "=", writerId)
      .executeTakeFirst();
  }

  async #requireWriter(tx: LogDatabase, writerId: string): Promise<WriterRow> {
    const writer = await this.#writer(tx, writerId);
    if (writer === undefined) throw invalid(`the writer ${writerId} has not begun`);
    return writer;
  }

  async #updateWriter(
    tx: LogDatabase,
    { group_id, writer }: WriterRow,
    set: Partial<Omit<WriterRow, "group_id" | "writer">>,
  ): Promise<void> {
    await tx
      .updateTable("txlog_writer")
      .set(set)
      .where("group_id", "=", group_id)
      .where("writer", "=", writer)
      .execute();
  }
}

const positionOf = ({ next_sequence, new_segment }: WriterRow): WriterPosition => ({
  nextSequence: next_sequence,
  newSegment: new_segment === 1,
});
