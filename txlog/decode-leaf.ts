// Reading a leaf back, strictly: what comes out, encoded again, gives the same bytes.
import { parseTransactionId, type TransactionId } from "../core/names.js";
import { ByteReader, FormatError } from "./bytes.js";
import type { Durations, Party } from "./entry.js";
import {
  DIRECTIONS,
  DURABILITIES,
  KINDS,
  LEAF_BYTES_MAX,
  LEAF_VERSION,
  LINKS,
  PARTIES,
  RESULTS,
  STOPS,
  type Body,
} from "./leaf.js";
import type { Intent, LogRecord, RecordedExchange, RecordedOutcome, RecordHead } from "./record.js";

/** A record under construction: fields that are absent are never set, since an object with fewer keys says so itself. */
type Draft<T> = { -readonly [K in keyof T]: T[K] };

const takeParty = (from: ByteReader): Party => {
  const type = from.word(PARTIES);
  const peerId = from.text();
  const delegatorId = from.text();
  if ((type === "delegated") !== (delegatorId !== "")) {
    throw new FormatError("a party's type and its delegator do not fit each other");
  }
  return delegatorId === "" ? { peerId } : { peerId, delegatorId };
};

const takeTransactionId = (from: ByteReader): TransactionId => {
  const id = parseTransactionId(from.uuid());
  if (id === undefined) throw new FormatError("a transaction id that is not a UUID of version 7");
  return id;
};

const takeOptionalTransactionId = (from: ByteReader): TransactionId | undefined => {
  const length = from.u8();
  if (length !== 0 && length !== 16) throw new FormatError(`a transaction id of ${length} bytes`);
  return length === 0 ? undefined : takeTransactionId(from);
};

const takeExchange = (from: ByteReader): Draft<RecordedExchange> => {
  const direction = from.word(DIRECTIONS);
  const transactionId = takeOptionalTransactionId(from);
  const grantHash = from.text();
  const exchange: Draft<RecordedExchange> = {
    direction,
    transactionId,
    source: takeParty(from),
    destination: takeParty(from),
    service: from.text(),
    method: from.text(),
  };
  if (grantHash !== "") exchange.grantHash = grantHash;
  const pathTemplate = from.text();
  if (pathTemplate !== "") exchange.pathTemplate = pathTemplate;
  const clause = from.text();
  if (clause !== "") exchange.clause = clause;
  const client = from.text();
  if (client !== "") exchange.client = client;
  const certificateThumbprint = from.fixed(32);
  if (certificateThumbprint !== undefined) exchange.certificateThumbprint = certificateThumbprint;
  const traceId = from.fixed(16);
  if (traceId !== undefined) exchange.traceId = traceId;
  const otherReceipt = from.fixed(32);
  if (otherReceipt !== undefined) exchange.otherReceipt = otherReceipt;
  const additionalData = from.longText();
  if (additionalData !== "") exchange.additionalData = additionalData;
  const commitment = from.fixed(32);
  if (commitment !== undefined) exchange.commitment = commitment;
  return exchange;
};

const takeIntent = (from: ByteReader): Intent => ({
  sequence: BigInt(from.u64()),
  leafHash: from.bytes(32),
  transactionId: takeTransactionId(from),
});

const takeOptionalStatus = (from: ByteReader): number | undefined => {
  const status = from.u16();
  if (status !== 0 && (status < 100 || status > 999)) {
    throw new FormatError(`${status} is not an HTTP status`);
  }
  return status === 0 ? undefined : status;
};

const takeStatus = (from: ByteReader): number => {
  const status = takeOptionalStatus(from);
  if (status === undefined) throw new FormatError("an HTTP status is missing");
  return status;
};

const takeDurations = (from: ByteReader): Durations => {
  const durations: Draft<Durations> = { total: from.u64() };
  const own = from.optionalU64();
  if (own !== undefined) durations.own = own;
  const other = from.optionalU64();
  if (other !== undefined) durations.other = other;
  const source = from.optionalU64();
  if (source !== undefined) durations.source = source;
  return durations;
};

const takeOutcome = (from: ByteReader): RecordedOutcome => {
  const result = from.word(RESULTS);
  const status = takeOptionalStatus(from);
  const code = from.text();
  const outcome: Draft<RecordedOutcome> = {
    result,
    requestBytes: from.u64(),
    responseBytes: from.u64(),
    durationUs: takeDurations(from),
    link: from.word(LINKS),
  };
  if (status !== undefined) outcome.status = status;
  if (code !== "") outcome.code = code;
  const otherReceipt = from.fixed(32);
  if (otherReceipt !== undefined) outcome.otherReceipt = otherReceipt;
  const otherOutcome = from.fixed(32);
  if (otherOutcome !== undefined) outcome.otherOutcome = otherOutcome;
  const additionalData = from.longText();
  if (additionalData !== "") outcome.additionalData = additionalData;
  return outcome;
};

const takeIntentBody = (from: ByteReader): Body => {
  const exchange = takeExchange(from);
  const { transactionId } = exchange;
  if (transactionId === undefined) throw new FormatError("an intent without transaction id");
  return { kind: "intent", exchange: { ...exchange, transactionId } };
};

const takeBody = (kind: LogRecord["kind"], from: ByteReader): Body => {
  switch (kind) {
    case "intent":
      return takeIntentBody(from);
    case "outcome":
      return { kind, intent: takeIntent(from), outcome: takeOutcome(from) };
    case "refusal":
      return { kind, exchange: takeExchange(from), status: takeStatus(from), code: from.text() };
    case "unfinished":
      return { kind, intent: takeIntent(from) };
    case "refusal-sum":
      return {
        kind,
        direction: from.word(DIRECTIONS),
        peerId: from.text(),
        status: takeStatus(from),
        code: from.text(),
        minuteUs: from.u64(),
        count: from.u64(),
      };
    case "writer-start":
      return {
        kind,
        software: from.text(),
        component: from.text(),
        previousStop: from.word(STOPS),
        durability: from.word(DURABILITIES),
        tornSegment: from.u32(),
        tornBytes: from.u64(),
      };
    case "writer-stop":
      return { kind };
    case "epoch":
      return { kind, epoch: from.u64(), checkpoint: from.longText(), reason: from.text() };
  }
};

/**
 * The record that a leaf holds. Strict: encodeLeaf of the result gives the same bytes again. Buffers in
 * the result are views of `leaf`.
 *
 * @throws FormatError for an unknown version or kind, and for bytes that no encoder writes
 */
export const decodeLeaf = (leaf: Buffer): LogRecord => {
  if (leaf.length > LEAF_BYTES_MAX) throw new FormatError(`a leaf of ${leaf.length} bytes`);
  const from = new ByteReader(leaf);
  const version = from.u8();
  if (version !== LEAF_VERSION) throw new FormatError(`a leaf of the unknown version ${version}`);
  const kind = from.word(KINDS);
  const head: RecordHead = {
    groupId: from.text(),
    writerId: from.uuid(),
    sequence: BigInt(from.u64()),
    createdAtUs: from.u64(),
  };
  const body = takeBody(kind, from);
  from.end();
  return { ...head, ...body };
};
