// The published test vectors of the transaction log's format, as values.
import { readFileSync } from "node:fs";
import type { PersonalEntry } from "../../txlog/entry.js";
import type { LogRecord } from "../../txlog/record.js";
import type { SegmentHeader } from "../../txlog/segment.js";

interface LeafVector {
  readonly name: string;
  readonly record: { readonly kind: string };
  readonly leaf: string;
  readonly leaf_hash: string;
}

interface PersonalVector {
  readonly segment_key: string;
  /** Where in the keystream the record's secret begins. */
  readonly place: number;
  readonly record_secret: string;
  readonly personal: object;
  readonly plaintext: string;
  readonly commitment: string;
  readonly sealed: string;
}

interface SegmentVector {
  readonly key: string;
  readonly header: object;
  readonly header_bytes: string;
  /** Each batch by the names of its leaves. */
  readonly batches: readonly (readonly string[])[];
  readonly file: string;
}

interface RefusedVector {
  readonly name: string;
  readonly leaf: string;
}

interface Vectors {
  readonly leaves: readonly LeafVector[];
  readonly refused: readonly RefusedVector[];
  readonly personal: PersonalVector;
  readonly segment: SegmentVector;
}

/** The file's content. */
export const vectors = JSON.parse(
  readFileSync(new URL("../vectors/log-v1.json", import.meta.url), "utf8"),
) as Vectors;

const BYTES = new Set([
  "certificateThumbprint",
  "traceId",
  "otherReceipt",
  "otherOutcome",
  "commitment",
  "leafHash",
  "keyHash",
]);
const BIG = new Set(["sequence", "firstSequence", "openFrom"]);

const camel = (name: string): string =>
  name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

const valueOf = (json: unknown, name = ""): unknown => {
  if (Array.isArray(json)) return json.map((element) => valueOf(element));
  if (typeof json === "object" && json !== null) {
    return Object.fromEntries(
      Object.entries(json).map(([key, field]) => [camel(key), valueOf(field, camel(key))]),
    );
  }
  if (BYTES.has(name)) return Buffer.from(json as string, "hex");
  return BIG.has(name) ? BigInt(json as number) : json;
};

// A refusal without transaction id gets the key that it has in a record.
const fromJson = (json: object): unknown => {
  const value = valueOf(json) as { exchange?: { transactionId?: string } };
  if (value.exchange !== undefined && !("transactionId" in value.exchange)) {
    return { ...value, exchange: { ...value.exchange, transactionId: undefined } };
  }
  return value;
};

/** The record that txlog/json.ts wrote this way. */
export const recordOf = (json: object): LogRecord => fromJson(json) as LogRecord;

/** The personal part that txlog/json.ts wrote this way. */
export const personalOf = (json: object): PersonalEntry => fromJson(json) as PersonalEntry;

/** The segment header that txlog/json.ts wrote this way. */
export const headerOf = (json: object): SegmentHeader => fromJson(json) as SegmentHeader;
