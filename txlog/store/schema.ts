// The tables of the log's store. The group id is in every key. Sequences, indexes and
// times are whole numbers; a writer is a number here, and a UUID in txlog_writer alone.
import type { LeaseRow } from "../../core/lease.js";
import type { Kysely } from "kysely";

/** Where the log of a group stands: one row. */
export interface LogRow {
  readonly group_id: string;
  readonly epoch: number;
  /** The index that the next record gets in the epoch's tree. */
  readonly next_index: number;
  readonly next_writer: number;
  /** Random, 32 bytes: data subjects are found by HMAC under it. */
  readonly search_key: Uint8Array;
}

/** A writer. */
export interface WriterRow {
  readonly group_id: string;
  readonly writer: number;
  readonly writer_id: string;
  readonly next_sequence: number;
  /** Role and name, "inway/one". */
  readonly component: string;
  /** The epoch of its last record; a new epoch may begin after a gap. */
  readonly epoch: number;
  /** The segment that it named last, and that segment's first sequence in the store. */
  readonly segment: number;
  readonly segment_from: number;
  /** 1 while the key of that segment could open something that was erased. */
  readonly new_segment: number;
}

/** A record. Nothing of it changes but that its personal part is erased and its leaf pruned. */
export interface RecordRow {
  readonly group_id: string;
  readonly writer: number;
  readonly sequence: number;
  /** The byte of its kind. */
  readonly kind: number;
  readonly leaf: Uint8Array | null;
  readonly leaf_hash: Uint8Array;
  readonly sealed: Uint8Array | null;
  readonly created_at_us: number;
  readonly epoch: number;
  readonly tree_index: number;
}

/** An intent or refusal joined with its end. */
export interface ExchangeRow {
  readonly group_id: string;
  readonly writer: number;
  readonly sequence: number;
  readonly created_at_us: number;
  /** Null for a refusal that had none. */
  readonly transaction_id: string | null;
  readonly direction: string;
  readonly source: string;
  readonly source_delegator: string;
  readonly destination: string;
  readonly destination_delegator: string;
  /** Of source and destination the one that is not us. */
  readonly other_peer: string;
  readonly service: string;
  readonly grant_hash: string;
  readonly method: string;
  readonly result: string;
  readonly status: number;
  readonly code: string;
  readonly duration_us: number;
  readonly request_bytes: number;
  readonly response_bytes: number;
  /** 0 or 1. */
  readonly repeated: number;
  readonly end_sequence: number;
  readonly outway_intent_hash: Uint8Array | null;
  readonly inway_intent_hash: Uint8Array | null;
  /** Null for a refusal. */
  readonly item_digest: Uint8Array | null;
}

/** All tables of log.db. */
export interface LogSchema {
  readonly txlog_log: LogRow;
  readonly txlog_writer: WriterRow;
  readonly txlog_record: RecordRow;
  readonly txlog_exchange: ExchangeRow;
  /** The secrets of records. Rows are only ever added and overwritten in place, never moved or removed. */
  readonly txlog_secret: {
    readonly group_id: string;
    readonly writer: number;
    readonly sequence: number;
    /** 32 bytes; all zero once it is erased. */
    readonly secret: Uint8Array;
  };
  readonly txlog_subject: {
    readonly group_id: string;
    readonly hash: Uint8Array;
    readonly writer: number;
    readonly sequence: number;
  };
  readonly txlog_tile: {
    readonly group_id: string;
    readonly epoch: number;
    readonly level: number;
    readonly tile_index: number;
    readonly bytes: Uint8Array;
  };
  readonly txlog_checkpoint: {
    readonly group_id: string;
    readonly epoch: number;
    readonly size: number;
    readonly root: Uint8Array;
    /** Signed by the log, without co-signatures. */
    readonly note: string;
    readonly made_at_ms: number;
  };
  readonly txlog_cosignature: {
    readonly group_id: string;
    readonly epoch: number;
    readonly size: number;
    readonly witness: string;
    /** Seconds since 1970, by the witness. */
    readonly signed_at: number;
    readonly line: string;
  };
  readonly txlog_key: {
    readonly group_id: string;
    readonly purpose: string;
    readonly vkey: string;
    readonly from_ms: number;
    readonly retired_ms: number | null;
    readonly statement: string;
  };
  /** The newest checkpoint of others' logs that we co-signed. */
  readonly txlog_witness: {
    readonly group_id: string;
    readonly origin: string;
    readonly size: number;
    readonly root: Uint8Array;
    readonly note: string;
  };
  readonly txlog_epoch: {
    readonly group_id: string;
    readonly epoch: number;
    readonly began_at_ms: number;
    readonly reason: string;
    readonly named_checkpoint: string;
  };
  readonly txlog_reconciliation: {
    readonly group_id: string;
    readonly number: number;
    readonly peer_id: string;
    readonly from_ms: number;
    readonly to_ms: number;
    readonly made_at_ms: number;
    readonly result: string;
  };
  readonly txlog_receipt: {
    readonly group_id: string;
    readonly transaction_id: string;
    readonly leaf_hash: Uint8Array;
    readonly peer_id: string;
    readonly proof: string;
    readonly proven_at_ms: number;
  };
  readonly txlog_retention: {
    readonly group_id: string;
    readonly service: string;
    readonly days: number;
  };
  readonly txlog_lease: LeaseRow;
}

/** A connection to the store's database, or a transaction on one. */
export type LogDatabase = Kysely<LogSchema>;
