// What managers ask each other about their transaction logs: FSC Logging 1.1.0, and our own extension beside it. The
// server hands requests to `LogHandlers` and `WitnessHandlers`, where a manager has them; the client is `LogClient`.
import type { PeerIdentity } from "../certs/identity.js";
import type { JsonObject } from "../contracts/json.js";
import type { TransactionId } from "../core/names.js";
import type { ManagerEndpoint, Page, PageQuery } from "./manager-interface.js";

/** FSC's extension that has GET /logs, and its version. */
export const LOGGING_EXTENSION = ["EXTENSION_TRANSACTION_LOGGING", "1.1.0"] as const;

/** Our extension: proofs of a log and its comparison with another (docs/fsc.md, "The transaction log"). */
export const PROVABLE_LOG_EXTENSION = ["EXTENSION_SCHAKEL_LOG", "1.0.0"] as const;

/** Our extension of those who co-sign the checkpoints of others. */
export const WITNESS_EXTENSION = ["EXTENSION_SCHAKEL_WITNESS", "1.0.0"] as const;

/** One side of a logged exchange. */
export interface LoggedParty {
  readonly peerId: string;
  /** For whom it acts; undefined when for itself. */
  readonly delegatorId: string | undefined;
}

/** A log record of FSC. */
export interface LoggedExchange {
  readonly transactionId: string;
  readonly direction: "incoming" | "outgoing";
  readonly grantHash: string;
  readonly source: LoggedParty;
  readonly destination: LoggedParty;
  readonly serviceName: string;
  readonly additionalData: JsonObject | undefined;
  /** Whole seconds since 1970. */
  readonly createdAt: number;
}

/** Which records are wanted. */
export interface LogQuery extends PageQuery {
  /** Recorded in a later second than this one. Seconds since 1970. */
  readonly after: number | undefined;
  /** Recorded in an earlier second than this one. */
  readonly before: number | undefined;
  /** Records of one of these grants or one of these services; when both lists are empty, of all. */
  readonly grantHashes: readonly string[];
  readonly serviceNames: readonly string[];
  /** These transactions and nothing else; everything else of the query is ignored. Undefined when not asked for. */
  readonly transactionIds: readonly TransactionId[] | undefined;
}

/** A tile of the log's tree (C2SP tlog-tiles). */
export interface TileQuery {
  readonly epoch: number | undefined;
  readonly level: number;
  readonly index: number;
  /** 1 to 256. */
  readonly width: number;
}

/** A record with the proof that it is in its log's tree. */
export interface ProvenRecord {
  readonly leaf: Buffer;
  readonly epoch: number;
  /** Its place in the tree. */
  readonly index: number;
  /** C2SP tlog-proof; empty when the record is not in a checkpoint yet. */
  readonly proof: string;
}

/** A part of the exchanges that are compared. */
export interface ComparedPart {
  readonly level: "whole" | "day" | "hour" | "bucket" | "group";
  /** Days, hours or minutes since 1970; 0 for the whole. */
  readonly index: number;
  /** Of a bucket or group; empty for others. */
  readonly service: string;
  /** Of a group: the last byte of the transaction ids; 0 for others. */
  readonly last: number;
}

/** One step of a comparison. */
export interface ComparisonStep {
  /** The time compared, milliseconds since 1970; its end is not in it. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly what: "children" | "items";
  readonly parts: readonly ComparedPart[];
  /** How many children or exchanges of the first part are there already. */
  readonly skip: number;
}

/** What a step is answered with. */
export interface ComparisonAnswer {
  /** Packed: children or exchanges, one buffer for each part. */
  readonly parts: readonly Buffer[];
  /** Whether the answer broke off. */
  readonly more: boolean;
}

/** A step's answer with what it cost. */
export interface CountedAnswer {
  readonly answer: ComparisonAnswer;
  /** Bytes of the two bodies. */
  readonly bytes: number;
}

/** The result of a comparison, signed by whoever made it. */
export interface SignedResult {
  /** JSON: what each side has, and every difference. */
  readonly result: JsonObject;
  /** Compact JWS. */
  readonly signature: string;
}

/** The answer of a witness, as C2SP tlog-witness has it. */
export interface CosigningAnswer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422;
  readonly contentType: string;
  readonly body: string;
}

/** What answers questions about our transaction log. Each method may be called any number of times at once. */
export interface LogHandlers {
  /** GET /logs: records in which the caller is one of the four peers. */
  listRecords(query: LogQuery, caller: PeerIdentity): Promise<Page<LoggedExchange>>;
  /** The newest checkpoint of an epoch, a signed note; undefined when there is none. */
  checkpoint(epoch: number | undefined): Promise<string | undefined>;
  /** A tile's bytes; undefined when there is none. */
  tile(tile: TileQuery): Promise<Buffer | undefined>;
  /** The statements of our keys, newest first: compact JWS by certificates that `/.well-known/jwks.json` lists. */
  keys(): Promise<readonly string[]>;
  /** Our records of some transactions, those in which the caller is one of the four peers. */
  records(ids: readonly TransactionId[], caller: PeerIdentity): Promise<readonly ProvenRecord[]>;
  /** One step of a comparison, over exchanges of the caller with us. @throws SchakelError ERROR_CODE_LIMIT_EXCEEDED */
  compare(step: ComparisonStep, caller: PeerIdentity): Promise<ComparisonAnswer>;
  /** Our signature for a result, when it is right. @throws SchakelError ERROR_CODE_REQUEST_INVALID saying what is not */
  coSign(result: SignedResult, caller: PeerIdentity): Promise<string>;
}

/** What co-signs the checkpoints of others. */
export interface WitnessHandlers {
  /** The body and the answer are those of C2SP tlog-witness. */
  addCheckpoint(body: string, caller: PeerIdentity): Promise<CosigningAnswer>;
  /** The statements of its keys, as `LogHandlers.keys` has them; that one is asked where there are both. */
  keys(): Promise<readonly string[]>;
}

/**
 * Asks other managers about their logs. Dialled and bounded as `ManagerClient` is. Rejects with a RemoteError when the
 * manager answered with an error or something else than was asked for, and with the system's error when it could not
 * be reached. A manager of other software answers with 404 or has not our extensions in GET /peer.
 */
export interface LogClient {
  logs(to: ManagerEndpoint, query: LogQuery): Promise<Page<LoggedExchange>>;
  checkpoint(to: ManagerEndpoint, epoch?: number): Promise<string>;
  tile(to: ManagerEndpoint, tile: TileQuery): Promise<Buffer>;
  keys(to: ManagerEndpoint): Promise<readonly string[]>;
  /** Of at most RECORDS_OF_MAX transactions; when their records do not fit one answer, those of the first of them. */
  records(to: ManagerEndpoint, ids: readonly TransactionId[]): Promise<readonly ProvenRecord[]>;
  compare(to: ManagerEndpoint, step: ComparisonStep): Promise<CountedAnswer>;
  coSign(to: ManagerEndpoint, result: SignedResult): Promise<string>;
  addCheckpoint(to: ManagerEndpoint, body: string): Promise<CosigningAnswer>;
}
