// From records to the rows of the index of exchanges: an intent or refusal, joined with its end.
import type { TransactionId } from "../../core/names.js";
import type { Direction } from "../entry.js";
import type {
  IntentRecord,
  OutcomeRecord,
  RecordedExchange,
  RefusalRecord,
  UnfinishedRecord,
} from "../record.js";
import { itemDigest } from "../reconcile/item.js";
import type { ArrivedRecord } from "./arrived.js";
import type { ExchangeResult, FoundExchange } from "./read-side.js";
import type { ExchangeRow } from "./schema.js";

/** An index of PostgreSQL takes no longer texts; writers keep names within 1024 bytes. */
const NAME_BYTES_MAX = 1024;
const TEXT_CHARACTERS_MAX = 4096;
/** A text of so many characters is within NAME_BYTES_MAX, whatever it holds. */
const SHORT = 340;

/** A row that is being made or joined with its end. */
export type ExchangeDraft = { -readonly [Name in keyof ExchangeRow]: ExchangeRow[Name] };

/** What the end of an exchange changes in its row. */
export const END_COLUMNS = [
  "result",
  "status",
  "code",
  "duration_us",
  "request_bytes",
  "response_bytes",
  "end_sequence",
  "outway_intent_hash",
  "inway_intent_hash",
  "item_digest",
] as const satisfies readonly (keyof ExchangeRow)[];

/** The columns in the order of `valuesOf`. */
export const EXCHANGE_COLUMNS = [
  "group_id",
  "writer",
  "sequence",
  "created_at_us",
  "transaction_id",
  "direction",
  "source",
  "source_delegator",
  "destination",
  "destination_delegator",
  "other_peer",
  "service",
  "grant_hash",
  "method",
  "repeated",
  ...END_COLUMNS,
] as const satisfies readonly (keyof ExchangeRow)[];

/** The values of a row, in the order of EXCHANGE_COLUMNS. */
export const valuesOf = (row: ExchangeRow): readonly unknown[] =>
  EXCHANGE_COLUMNS.map((column) => row[column]);

/** PostgreSQL has no zero characters in texts. */
const storable = (value: string): string =>
  value.includes("\0") ? value.replaceAll("\0", "\ufffd") : value;

const name = (value: string | undefined): string => {
  if (value === undefined || value.length <= SHORT) return storable(value ?? "");
  return storable(Buffer.from(value).subarray(0, NAME_BYTES_MAX).toString());
};
const text = (value: string | undefined): string =>
  storable((value ?? "").slice(0, TEXT_CHARACTERS_MAX));

const digestOf = (row: ExchangeDraft): Buffer | null => {
  if (row.transaction_id === null || row.result === "refused") return null;
  return itemDigest({
    transactionId: row.transaction_id as TransactionId,
    source: { peerId: row.source, delegatorId: row.source_delegator },
    destination: { peerId: row.destination, delegatorId: row.destination_delegator },
    service: row.service,
    grantHash: row.grant_hash,
    method: row.method,
    outwayIntentHash: toBuffer(row.outway_intent_hash),
    inwayIntentHash: toBuffer(row.inway_intent_hash),
  });
};

/** Where rows are made: the writer's number, and whose log it is. */
export interface RowPlace {
  readonly groupId: string;
  readonly writer: number;
  readonly ownPeer: string;
}

const begin = (
  { sequence, record }: ArrivedRecord,
  exchange: RecordedExchange,
  { groupId, writer, ownPeer }: RowPlace,
): ExchangeDraft => {
  const { source, destination } = exchange;
  const other = exchange.direction === "outgoing" ? destination : source;
  // By direction, unless that is ourselves: our outway may act for another, our inway be asked by ourselves.
  const otherPeer = other.peerId === ownPeer ? (other === source ? destination : source) : other;
  return {
    ...{ group_id: groupId, writer, sequence, created_at_us: record.createdAtUs },
    transaction_id: exchange.transactionId ?? null,
    direction: exchange.direction,
    source: name(source.peerId),
    source_delegator: name(source.delegatorId),
    destination: name(destination.peerId),
    destination_delegator: name(destination.delegatorId),
    other_peer: name(otherPeer.peerId),
    service: name(exchange.service),
    grant_hash: name(exchange.grantHash),
    method: text(exchange.method),
    ...{ result: "open", status: 0, code: "", duration_us: 0, request_bytes: 0 },
    ...{ response_bytes: 0, repeated: 0, end_sequence: 0 },
    ...{ outway_intent_hash: null, inway_intent_hash: null, item_digest: null },
  };
};

/** The row of an intent without its end. */
export const rowOfIntent = (
  arrived: ArrivedRecord,
  { exchange }: IntentRecord,
  place: RowPlace,
): ExchangeDraft => {
  const row = begin(arrived, exchange, place);
  const other = exchange.otherReceipt ?? null;
  const isOutgoing = exchange.direction === "outgoing";
  row.outway_intent_hash = isOutgoing ? arrived.leafHash : other;
  row.inway_intent_hash = isOutgoing ? other : arrived.leafHash;
  row.item_digest = digestOf(row);
  return row;
};

/** The row of a refusal. */
export const rowOfRefusal = (
  arrived: ArrivedRecord,
  { exchange, status, code }: RefusalRecord,
  place: RowPlace,
): ExchangeDraft => ({
  ...begin(arrived, exchange, place),
  ...{ result: "refused", status, code: text(code) },
});

/** Joins a row with its end. */
export const joinEnd = (row: ExchangeDraft, end: OutcomeRecord | UnfinishedRecord): void => {
  row.end_sequence = Number(end.sequence);
  if (end.kind === "unfinished") {
    row.result = "unfinished";
    return;
  }
  const { outcome } = end;
  row.result = outcome.result;
  row.status = outcome.status ?? 0;
  row.code = text(outcome.code);
  row.duration_us = outcome.durationUs.total;
  row.request_bytes = outcome.requestBytes;
  row.response_bytes = outcome.responseBytes;
  if (outcome.otherReceipt === undefined) return;
  const column = row.direction === "outgoing" ? "inway_intent_hash" : "outway_intent_hash";
  if (row[column] !== null) return;
  row[column] = outcome.otherReceipt;
  row.item_digest = digestOf(row);
};

/** Bytes as the database gives them. */
export const toBuffer = (bytes: Uint8Array | null): Buffer | undefined => {
  if (bytes === null) return undefined;
  // SQLite keeps text or a number in any column. Whoever put it there changed what was written, and no bytes are those.
  const isBytes = (bytes as unknown) instanceof Uint8Array;
  return isBytes ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) : Buffer.alloc(0);
};

/** A row as the store gives it to others. */
export const foundExchange = (row: ExchangeRow, writerId: string): FoundExchange => ({
  writerId,
  sequence: row.sequence,
  createdAtUs: row.created_at_us,
  transactionId: row.transaction_id === null ? undefined : (row.transaction_id as TransactionId),
  direction: row.direction as Direction,
  sourcePeerId: row.source,
  sourceDelegatorId: row.source_delegator,
  destinationPeerId: row.destination,
  destinationDelegatorId: row.destination_delegator,
  service: row.service,
  grantHash: row.grant_hash,
  method: row.method,
  result: row.result as ExchangeResult,
  status: row.status,
  code: row.code,
  durationUs: row.duration_us,
  requestBytes: row.request_bytes,
  responseBytes: row.response_bytes,
  repeated: row.repeated === 1,
  endSequence: row.end_sequence,
  outwayIntentHash: toBuffer(row.outway_intent_hash),
  inwayIntentHash: toBuffer(row.inway_intent_hash),
});
