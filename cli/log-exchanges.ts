// Exchanges as commands find and show them: in a table, as JSON, as CSV.
import { shown } from "../contracts/shown-text.js";
import type { ExchangeFilter, FoundExchange } from "../proto/gen/schakel/manager/v1/log.js";
import { moment } from "../txlog/describe.js";
import type { LogSession } from "./log-session.js";

const PAGE_SIZE = 1000;
const CELL_MAX = 80;

/** How many, and from which end. */
export interface Found {
  readonly limit: number;
  readonly oldestFirst: boolean;
}

/** The exchanges that a filter finds, page by page. */
export async function* foundExchanges(
  log: LogSession,
  filter: ExchangeFilter,
  { limit, oldestFirst }: Found,
): AsyncGenerator<readonly FoundExchange[]> {
  let pageToken = "";
  let left = limit;
  do {
    const pageSize = Math.min(PAGE_SIZE, left);
    const request = { filter, pageSize, pageToken, oldestFirst };
    const page = await log.ask("searchExchanges", request);
    yield page.exchanges;
    left -= page.exchanges.length;
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && left > 0);
}

/** An exchange in the names that `--json` prints. */
export const exchangeDocument = (each: FoundExchange) => ({
  created_at: moment(Number(each.createdAtUs)),
  transaction_id: each.transactionId,
  direction: each.direction,
  source_peer_id: each.sourcePeerId,
  source_delegator_id: each.sourceDelegatorId,
  destination_peer_id: each.destinationPeerId,
  destination_delegator_id: each.destinationDelegatorId,
  service: each.serviceName,
  grant_hash: each.grantHash,
  method: each.method,
  result: each.result,
  status: each.status,
  code: each.code,
  duration_us: Number(each.durationUs),
  request_bytes: Number(each.requestBytes),
  response_bytes: Number(each.responseBytes),
  repeated: each.repeated,
  writer_id: each.writerId,
  sequence: Number(each.sequence),
});

/** The head of the table of exchanges. */
export const EXCHANGE_HEAD = [
  "RECORDED",
  "TRANSACTION",
  "DIRECTION",
  "FROM",
  "TO",
  "SERVICE",
  "METHOD",
  "RESULT",
] as const;

const party = (peer: string, delegator: string): string => {
  const name = peer === "" ? "?" : peer;
  return delegator === "" ? name : `${name} for ${delegator}`;
};

const resultOf = ({ result, status, code }: FoundExchange): string =>
  [result, ...(status === 0 ? [] : [String(status)]), ...(code === "" ? [] : [code])].join(" ");

/** An exchange as a row of the table. */
export const exchangeRow = (each: FoundExchange): string[] =>
  [
    moment(Number(each.createdAtUs)),
    each.transactionId === "" ? `${each.writerId}/${String(each.sequence)}` : each.transactionId,
    each.direction,
    party(each.sourcePeerId, each.sourceDelegatorId),
    party(each.destinationPeerId, each.destinationDelegatorId),
    each.serviceName === "" ? "?" : each.serviceName,
    each.method,
    resultOf(each),
  ].map((cell) => shown(cell, CELL_MAX));

// A spreadsheet would calculate what begins so (OWASP, CSV injection).
const FORMULA = /^[=+\-@\t\r]/;

const csvCell = (value: string | number | boolean): string => {
  const text = String(value);
  const safe = typeof value === "string" && FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

/** A line of CSV (RFC 4180) without its end. Text that a spreadsheet would calculate has an apostrophe before it. */
export const csvLine = (cells: readonly (string | number | boolean)[]): string =>
  cells.map(csvCell).join(",");
