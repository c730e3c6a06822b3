// Reading what people ask of the transaction log. What is not allowed is refused with the field and what is allowed.
import { SchakelError } from "../core/errors.js";
import { parseTransactionId, type PeerIdRule, type TransactionId } from "../core/names.js";
import { quoted } from "../contracts/shown-text.js";
import type * as wire from "../proto/gen/schakel/manager/v1/log.js";
import { parseDataSubjects } from "../txlog/data-subjects.js";
import type { DataSubject, Direction } from "../txlog/entry.js";
import type { ExchangeFilter, RecordKey } from "../txlog/store/read-side.js";
import { invalidRequest, optionalPeer, parsed } from "./request.js";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const NAME_MAX = 1024;
const REASON_MAX = 1000;

/** A whole number that is no larger than numbers are exact. Throws as `parsed` does. */
export const exact = (field: string, value: bigint): number => {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw invalidRequest(
    `${field} is ${String(value)}, allowed is 0 to ${String(Number.MAX_SAFE_INTEGER)}`,
  );
};

/** A transaction id. Throws as `parsed` does. */
export const transactionIdOf = (text: string): TransactionId =>
  parsed("transaction_id", text, parseTransactionId, "a UUID of version 7");

/** One data subject. What is refused is not shown: it may be personal. Throws as `parsed` does. */
export const dataSubjectOf = (text: string): DataSubject => {
  try {
    const [first, ...more] = parseDataSubjects(text);
    if (first !== undefined && more.length === 0) return first;
  } catch (error) {
    if (!(error instanceof SchakelError)) throw error;
  }
  throw invalidRequest(
    "data_subject is not one key=value: 1 to 100 of a-z 0-9 _ - for the key, 1 to 100 of a-z A-Z 0-9 . _ - for the value",
  );
};

/** Why something is done. Throws as `parsed` does. */
export const reasonOf = (reason: string): string => {
  if (reason.trim() !== "" && reason.length <= REASON_MAX) return reason;
  throw invalidRequest(
    `reason has ${String(reason.length)} characters, allowed are 1 to ${String(REASON_MAX)}`,
  );
};

/** A service's name as the log may have it, empty ones too. Throws as `parsed` does. */
export const loggedName = (field: string, text: string): string => {
  if (text.length <= NAME_MAX) return text;
  throw invalidRequest(
    `${field} has ${String(text.length)} characters, allowed are ${String(NAME_MAX)}`,
  );
};

const directionOf = (text: string): Direction => {
  if (text === "incoming" || text === "outgoing") return text;
  throw invalidRequest(`direction is ${quoted(text)}, allowed is incoming or outgoing`);
};

/** The key of a record. Throws as `parsed` does. */
export const recordKeyOf = (writerId: string, sequence: bigint): RecordKey => {
  if (!UUID.test(writerId)) {
    throw invalidRequest(`writer_id is ${quoted(writerId)}, allowed is a UUID in lower case`);
  }
  if (sequence < 1n) throw invalidRequest("sequence is 0, allowed is a number from 1");
  return { writerId, sequence: exact("sequence", sequence) };
};

const timesOf = ({
  fromUs,
  toUs,
}: wire.ExchangeFilter): Pick<ExchangeFilter, "fromUs" | "toUs"> => {
  const [from, to] = [exact("from_us", fromUs), exact("to_us", toUs)];
  if (to > 0 && from >= to) {
    throw invalidRequest("from_us is not before to_us, so no moment is in between");
  }
  return { ...(from > 0 ? { fromUs: from } : {}), ...(to > 0 ? { toUs: to } : {}) };
};

/** The filter of a request; without one everything is wanted. Throws as `parsed` does. */
export const filterOf = (
  filter: wire.ExchangeFilter | undefined,
  rule: PeerIdRule,
): ExchangeFilter => {
  if (filter === undefined) return {};
  const peerId = optionalPeer("peer_id", filter.peerId, rule);
  const { serviceName, direction, status, transactionId, dataSubject, grantHash } = filter;
  return {
    ...timesOf(filter),
    ...(peerId === undefined ? {} : { peerId }),
    ...(serviceName === "" ? {} : { service: loggedName("service_name", serviceName) }),
    ...(direction === "" ? {} : { direction: directionOf(direction) }),
    ...(status === 0 ? {} : { status }),
    ...(transactionId === "" ? {} : { transactionId: transactionIdOf(transactionId) }),
    ...(dataSubject === "" ? {} : { dataSubject: dataSubjectOf(dataSubject) }),
    ...(grantHash === "" ? {} : { grantHash: loggedName("grant_hash", grantHash) }),
  };
};
