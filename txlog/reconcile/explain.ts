// Says what a difference between two logs is, as far as the records of both sides tell.
import type { IntentRecord, LogRecord } from "../record.js";
import type { Difference } from "./compare.js";

/** Our exchange, as our log's index has it. */
export interface OwnExchange {
  readonly direction: "incoming" | "outgoing";
  readonly result: string;
  readonly code: string;
  readonly outwayIntentHash: Buffer | undefined;
  readonly inwayIntentHash: Buffer | undefined;
}

/** What is known of an exchange on which two logs differ. */
export interface Known {
  /** Ours, those with an intent. */
  readonly own: readonly OwnExchange[];
  /** The intents of our records and of the other side's, where they could be read. */
  readonly ownIntents: readonly IntentRecord[];
  readonly otherIntents: readonly IntentRecord[];
}

/** Said where nothing more than the difference itself is known. */
const UNKNOWN = "the records of the two sides differ";

const FIELDS: readonly (readonly [string, (record: IntentRecord) => string | undefined])[] = [
  ["the service", ({ exchange }) => exchange.service],
  ["the grant", ({ exchange }) => exchange.grantHash],
  ["the method", ({ exchange }) => exchange.method],
  ["the source", ({ exchange }) => exchange.source.peerId],
  ["the source's delegator", ({ exchange }) => exchange.source.delegatorId],
  ["the destination", ({ exchange }) => exchange.destination.peerId],
  ["the destination's delegator", ({ exchange }) => exchange.destination.delegatorId],
];

const receiptDetail = ({ direction, outwayIntentHash, inwayIntentHash }: OwnExchange): string => {
  const received = direction === "outgoing" ? inwayIntentHash : outwayIntentHash;
  return received === undefined ? "the receipt did not arrive" : "the receipts differ";
};

const differentDetail = ({ own, ownIntents, otherIntents }: Known): string => {
  const [mine, ...moreMine] = ownIntents;
  const [theirs, ...moreTheirs] = otherIntents;
  if (moreMine.length > 0 || moreTheirs.length > 0) {
    return `recorded ${String(ownIntents.length)} times here and ${String(otherIntents.length)} times there`;
  }
  if (mine !== undefined && theirs !== undefined) {
    const other = FIELDS.filter(([, of]) => (of(mine) ?? "") !== (of(theirs) ?? ""));
    if (other.length > 0) return `${other.map(([name]) => name).join(" and ")} differ`;
  }
  const [exchange] = own;
  return exchange === undefined ? UNKNOWN : receiptDetail(exchange);
};

const missingThereDetail = ({ own }: Known): string => {
  const [exchange] = own;
  if (exchange === undefined) return "the other side has no record of it";
  const { direction, result, code } = exchange;
  const ended = `here it is ${direction} and ${result}${code === "" ? "" : ` (${code})`}`;
  const receipt = receiptDetail(exchange) === "the receipt did not arrive";
  const proof = receipt ? "no receipt came" : "the other side's receipt for it is here";
  return `the other side has no record of it; ${ended}, and ${proof}`;
};

/** One sentence. */
export const detailOf = ({ kind }: Difference, known: Known): string => {
  if (kind === "missing-there") return missingThereDetail(known);
  if (kind === "different") return differentDetail(known);
  const [theirs] = known.otherIntents;
  return theirs === undefined
    ? "we have no record of it"
    : `we have no record of it; there it is ${theirs.exchange.direction}`;
};

/** Whether a record is an intent. */
export const isIntent = (record: LogRecord): record is IntentRecord => record.kind === "intent";
