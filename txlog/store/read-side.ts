// What the log's store gives to those who look, prove and compare. Whole numbers are safe integers throughout.
import type { TransactionId } from "../../core/names.js";
import type { DataSubject, Direction } from "../entry.js";
import type { PersonalReading } from "../read-personal.js";
import type { RecordedExchange } from "../record.js";
import type { PeerLeaf, PeerRecord, PeerRecordsWanted } from "./peer-records.js";

/** Which exchanges are wanted: those for which everything that is set holds. */
export interface ExchangeFilter {
  /** Recorded at or after this moment, microseconds since 1970. */
  readonly fromUs?: number;
  /** Recorded before this moment. */
  readonly toUs?: number;
  /** Source, destination or delegator of either. */
  readonly peerId?: string;
  readonly service?: string;
  readonly direction?: Direction;
  /** A status of HTTP, or 1 to 5 for all of that hundred. */
  readonly status?: number;
  readonly transactionId?: TransactionId;
  /** Found by keyed hash. */
  readonly dataSubject?: DataSubject;
  readonly grantHash?: string;
  /** One of these services or one of these grants; nothing when both are empty. */
  readonly anyOf?: {
    readonly services: readonly string[];
    readonly grantHashes: readonly string[];
  };
  /** One of these, at most 1000. */
  readonly transactionIds?: readonly TransactionId[];
  /** Only exchanges with an intent, no refusals. */
  readonly forwarded?: boolean;
}

/** How an exchange ended, as far as the log has it. */
export type ExchangeResult =
  "complete" | "client-aborted" | "target-aborted" | "failed" | "refused" | "unfinished" | "open";

/** Where a record stands in its writer's own count. */
export interface RecordKey {
  /** A UUID, lower case. */
  readonly writerId: string;
  readonly sequence: number;
}

/** An intent or refusal, joined with its end. Absent texts are empty, absent numbers 0. */
export interface FoundExchange extends RecordKey {
  readonly createdAtUs: number;
  readonly transactionId: TransactionId | undefined;
  readonly direction: Direction;
  readonly sourcePeerId: string;
  readonly sourceDelegatorId: string;
  readonly destinationPeerId: string;
  readonly destinationDelegatorId: string;
  readonly service: string;
  readonly grantHash: string;
  readonly method: string;
  readonly result: ExchangeResult;
  readonly status: number;
  readonly code: string;
  readonly durationUs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Whether another intent of the same direction has this transaction id too. */
  readonly repeated: boolean;
  /** The sequence of its outcome or unfinished record; 0 when there is none. */
  readonly endSequence: number;
  /** The leaf hashes of the two intents, as far as this side has them. */
  readonly outwayIntentHash: Buffer | undefined;
  readonly inwayIntentHash: Buffer | undefined;
}

/** How a page is asked for. */
export interface Page {
  /** From 1 to 1000. */
  readonly limit: number;
  /** The `nextToken` of the page before. */
  readonly token?: string | undefined;
  readonly oldestFirst?: boolean;
}

/** A page of exchanges. */
export interface FoundPage {
  readonly exchanges: readonly FoundExchange[];
  /** Absent at the end. */
  readonly nextToken: string | undefined;
}

/** One record as the store has it. */
export interface StoredEntry extends RecordKey {
  readonly epoch: number;
  /** Its place in the tree of its epoch. It is sealed when a checkpoint is larger. */
  readonly index: number;
  readonly isSealed: boolean;
  /** Undefined when it was pruned. */
  readonly leaf: Buffer | undefined;
  readonly leafHash: Buffer;
}

/** A checkpoint of ours. */
export interface StoredCheckpoint {
  readonly epoch: number;
  readonly size: number;
  readonly root: Buffer;
  /** The signed note with all co-signatures that have come so far. */
  readonly note: string;
  readonly madeAtMs: number;
}

/** Which checkpoint is wanted. All absent: the newest. */
export interface CheckpointWanted {
  /** The newest epoch unless given. */
  readonly epoch?: number;
  /** The smallest checkpoint that covers this many leaves, instead of the newest. */
  readonly size?: number;
  /** Only one that a witness has co-signed. */
  readonly witnessed?: boolean;
}

/** A proof that a record is in the tree. */
export interface StoredProof {
  readonly index: number;
  readonly checkpoint: StoredCheckpoint;
  /** From the leaf's sibling up. */
  readonly hashes: readonly Buffer[];
}

/** A proof that one tree goes on another. */
export interface StoredConsistency {
  readonly oldSize: number;
  readonly checkpoint: StoredCheckpoint;
  readonly hashes: readonly Buffer[];
}

/** How many exchanges there were. */
export interface ExchangeCount {
  /** In UTC, "2026-01". */
  readonly month: string;
  readonly direction: Direction;
  readonly sourcePeerId: string;
  readonly sourceDelegatorId: string;
  readonly destinationPeerId: string;
  readonly service: string;
  /** Forwarded. */
  readonly exchanges: number;
  /** Of those, ended with a status below 400. */
  readonly successful: number;
  readonly refused: number;
}

/** An exchange that was forwarded between us and one other peer, for reconciliation (txlog/reconcile). */
export interface SharedExchangeItem extends RecordKey {
  readonly transactionId: TransactionId;
  readonly service: string;
  /** Of txlog/reconcile/item.ts. */
  readonly digest: Buffer;
}

/** A stretch of time, milliseconds since 1970; the end is not in it. */
export interface MillisecondRange {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Whose personal data, or which records', is erased. Exactly one of the two. */
export interface EraseWanted {
  readonly dataSubject?: DataSubject;
  readonly transactionId?: TransactionId;
  /** Only count. */
  readonly dryRun?: boolean;
}

/** What was erased. */
export interface Erased {
  readonly records: number;
  /** Components that still hold a key that opens some of them, until their next segment. */
  readonly pending: readonly string[];
}

/** For how long personal data of a service is kept. */
export interface Retention {
  /** Empty: all services without one of their own. */
  readonly service: string;
  /** 0: for ever. */
  readonly days: number;
}

/** What was pruned. */
export interface Pruned {
  readonly entries: number;
  /** The first index of the epoch whose leaf is there. */
  readonly firstKept: number;
}

/** A key of our log, or with which we witness others'. */
export interface StoredKey {
  readonly purpose: "log" | "witness";
  readonly vkey: string;
  readonly fromMs: number;
  /** Undefined while it is in use. */
  readonly retiredMs: number | undefined;
  /** The statement that binds it to our peer, JWS (txlog/tree/key-statement.ts); empty for a witness's key. */
  readonly statement: string;
}

/** A result of a reconciliation as it is kept. */
export interface StoredReconciliation {
  readonly peerId: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly madeAtMs: number;
  /** The whole result, JSON. */
  readonly result: string;
}

/** A receipt that the other side's tree has proven. */
export interface ProvenReceipt {
  readonly transactionId: TransactionId;
  readonly peerId: string;
  /** The leaf hash of the other side's intent. */
  readonly leafHash: Buffer;
  /** C2SP tlog-proof. */
  readonly proof: string;
  readonly provenAtMs: number;
}

/** A receipt of the other side that is not proven yet. */
export interface UnprovenReceipt {
  readonly transactionId: TransactionId;
  readonly leafHash: Buffer;
}

/** Where the log stands. */
export interface LogStatus {
  readonly epoch: number;
  /** Leaves in the newest checkpoint. */
  readonly sealed: number;
  /** Records that have arrived and are not sealed yet. */
  readonly unsealed: number;
  /** When a witness last co-signed, seconds since 1970; 0 when never. */
  readonly witnessedAt: number;
  /** Why nothing is sealed; undefined when all is well. */
  readonly problem: string | undefined;
}

/** The read side of LogStore. */
export interface LogReader {
  /** One page of exchanges, newest first unless asked otherwise. @throws SchakelError ERROR_CODE_REQUEST_INVALID */
  search(filter: ExchangeFilter, page: Page): Promise<FoundPage>;
  /** The records of one exchange, intents and refusals with their ends, in order of recording; empty when there are none. */
  exchange(wanted: TransactionId | RecordKey): Promise<readonly StoredEntry[]>;
  /** One record; undefined when there is none. */
  entry(key: RecordKey): Promise<StoredEntry | undefined>;
  /** Entries by rising index, from `from` to before `to`, as far as they have arrived. */
  entries(epoch: number, from: number, to: number): AsyncGenerator<StoredEntry>;
  /** The keyed hash by which a data subject is found, in hexadecimal: nobody without our key reads a value from it. */
  subjectMark(subject: DataSubject): string;
  /** Opens the personal part of a record. @throws FormatError when secret, ciphertext and commitment do not belong together */
  personal(key: RecordKey, exchange: RecordedExchange): Promise<PersonalReading>;
  /** The tiles of an epoch (txlog/tree, TileReader). Rejects with RangeError for one that is not there. */
  tiles(epoch: number): (level: number, index: number, width: number) => Promise<Buffer>;
  /** A checkpoint of ours; undefined when there is none. */
  checkpointAt(wanted?: CheckpointWanted): Promise<StoredCheckpoint | undefined>;
  /** Proves that the record at an index is in the newest checkpoint of its epoch; undefined when it is not sealed. */
  proofFor(epoch: number, index: number): Promise<StoredProof | undefined>;
  /** Proves that the newest checkpoint goes on the tree of this size. @throws SchakelError ERROR_CODE_REQUEST_INVALID */
  consistencyFrom(epoch: number, oldSize: number): Promise<StoredConsistency>;
  /** Counts per month, both ends included, "2026-01". @throws SchakelError ERROR_CODE_REQUEST_INVALID */
  counts(fromMonth: string, toMonth: string): Promise<readonly ExchangeCount[]>;
  /** Reads what we share with another peer, by rising transaction id, page by page; of one service when it is named. */
  sharedWith(
    peerId: string,
  ): (range: MillisecondRange, service?: string) => AsyncGenerator<readonly SharedExchangeItem[]>;
  /** Records for another peer (FSC, GET /logs). */
  peerRecords(wanted: PeerRecordsWanted): Promise<readonly PeerRecord[]>;
  /** The records of transactions in which a peer is one of the four: intents and refusals, then their ends. */
  peerLeaves(peerId: string, ids: readonly TransactionId[]): Promise<readonly PeerLeaf[]>;
  /** Peers with which there were exchanges in this time. */
  peersWith(range: MillisecondRange): Promise<readonly string[]>;
  /** All keys, newest first. */
  keys(): Promise<readonly StoredKey[]>;
  /** The numbers of all epochs, rising. */
  epochs(): Promise<readonly number[]>;
  status(): Promise<LogStatus>;
  retentions(): Promise<readonly Retention[]>;
  /** Reconciliations, newest first, before the one with this token. */
  reconciliations(
    peerId: string | undefined,
    page: Page,
  ): Promise<{
    readonly results: readonly StoredReconciliation[];
    readonly nextToken: string | undefined;
  }>;
  /** Receipts of a peer in exchanges of this time that are not proven yet, at most `limit`, by rising transaction id after `after`. */
  unproven(
    peerId: string,
    range: MillisecondRange,
    page: { readonly limit: number; readonly after?: TransactionId },
  ): Promise<readonly UnprovenReceipt[]>;
  /** The proven receipts of a transaction. */
  receipts(transactionId: TransactionId): Promise<readonly ProvenReceipt[]>;
}

/** What changes the store beside ingest and sealing. */
export interface LogKeeper {
  /** Erases personal data for good; every proof stays valid. @throws SchakelError ERROR_CODE_REQUEST_INVALID */
  erase(wanted: EraseWanted): Promise<Erased>;
  /** Sets or, with undefined days, removes the retention of a service. Gives all. @throws SchakelError ERROR_CODE_REQUEST_INVALID */
  setRetention(service: string, days: number | undefined): Promise<readonly Retention[]>;
  /** Removes the leaves of whole bundles before a moment (microseconds since 1970); hashes and tiles stay. */
  prune(beforeUs: number, dryRun?: boolean): Promise<Pruned>;
  /** Lets a log that was restored from a backup go on. @throws SchakelError ERROR_CODE_REQUEST_INVALID */
  beginEpoch(reason: string): Promise<{ readonly epoch: number; readonly namedCheckpoint: string }>;
  putReconciliation(result: StoredReconciliation): Promise<void>;
  putReceipts(receipts: readonly ProvenReceipt[]): Promise<void>;
}
