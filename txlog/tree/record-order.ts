// What records say of each other: each writer's sequence has no gap, and each end names its intent by its hash.
import type { TransactionId } from "../../core/names.js";
import type { Intent, LogRecord } from "../record.js";
import { LogFault } from "./log-fault.js";

interface OpenIntent {
  readonly leafHash: Buffer;
  readonly transactionId: TransactionId;
}

interface Writer {
  /** The sequence of its first record here. */
  readonly first: number;
  last: number;
  /** Its intents whose end has not come yet, by their sequence. */
  readonly open: Map<number, OpenIntent>;
}

/** What is known of what comes before the first record. */
export interface Before {
  readonly groupId: string;
  /** Whether there is nothing before: then writers begin at 1, and each end has its intent. */
  readonly isBeginning: boolean;
}

/**
 * Follows the records of a log in the order of its tree. Writers are told apart by their ids; a writer's record, and with
 * it an intent, may lie before the first record unless that is the log's beginning.
 */
export class RecordOrder {
  readonly #before: Before;
  readonly #writers = new Map<string, Writer>();

  constructor(before: Before) {
    this.#before = before;
  }

  /** How many writers there are. */
  get writers(): number {
    return this.#writers.size;
  }

  /** How many intents have no end yet. */
  get open(): number {
    let open = 0;
    for (const writer of this.#writers.values()) open += writer.open.size;
    return open;
  }

  /**
   * Takes the next record; its hash is kept as long as its end has not come.
   *
   * @throws LogFault when it does not follow what came before
   */
  add(record: LogRecord, index: number, leafHash: Buffer): void {
    if (record.groupId !== this.#before.groupId) {
      const detail = `a record of the group ${record.groupId}, the log is of ${this.#before.groupId}`;
      throw new LogFault("leaf-foreign", detail, index);
    }
    const sequence = Number(record.sequence);
    const writer = this.#follow(record.writerId, sequence, index);
    if (record.kind === "intent") {
      const { transactionId } = record.exchange;
      writer.open.set(sequence, { leafHash, transactionId });
    } else if (record.kind === "outcome" || record.kind === "unfinished") {
      this.#close(writer, record.intent, index);
    }
  }

  #follow(id: string, sequence: number, index: number): Writer {
    const writer = this.#writers.get(id);
    if (writer === undefined) return this.#begin(id, sequence, index);
    const found = `writer ${id} has sequence ${sequence} after ${writer.last}`;
    if (sequence > writer.last + 1) throw new LogFault("sequence-gap", found, index);
    if (sequence < writer.first) throw new LogFault("sequence-backwards", found, index);
    if (sequence <= writer.last) throw new LogFault("sequence-repeated", found, index);
    writer.last = sequence;
    return writer;
  }

  #begin(id: string, sequence: number, index: number): Writer {
    if (this.#before.isBeginning && sequence !== 1) {
      const found = `writer ${id} begins at sequence ${sequence} instead of 1`;
      throw new LogFault("sequence-gap", found, index);
    }
    const writer = { first: sequence, last: sequence, open: new Map<number, OpenIntent>() };
    this.#writers.set(id, writer);
    return writer;
  }

  #close(writer: Writer, named: Intent, index: number): void {
    const sequence = Number(named.sequence);
    const intent = writer.open.get(sequence);
    if (intent === undefined) {
      if (sequence < writer.first && !this.#before.isBeginning) return;
      const found = `an end of the intent ${sequence} of its writer, which is no intent without end`;
      throw new LogFault("intent-missing", found, index);
    }
    const { leafHash, transactionId } = intent;
    if (!leafHash.equals(named.leafHash) || transactionId !== named.transactionId) {
      const found = `an end that names its intent ${sequence} by another hash or transaction id`;
      throw new LogFault("intent-differs", found, index);
    }
    writer.open.delete(sequence);
  }
}
