// Searching the index of exchanges: one page at a time, each along an index.
import type { KeyObject } from "node:crypto";
import type { SelectQueryBuilder } from "kysely";
import { SchakelError } from "../../core/errors.js";
import { hasPeer, isBehind, isOfAny, type ExchangePlace } from "./exchange-conditions.js";
import { foundExchange } from "./exchange-rows.js";
import type { ExchangeFilter, FoundPage, Page } from "./read-side.js";
import type { ExchangeRow, LogSchema } from "./schema.js";
import { subjectHash } from "./subject-hash.js";
import type { Tables } from "./tables.js";

/** How many exchanges a page has at most. */
export const PAGE_MAX = 1000;
const IDS_MAX = 1000;

type Query = SelectQueryBuilder<LogSchema & { e: ExchangeRow }, "e", ExchangeRow>;

const invalid = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_REQUEST_INVALID", { detail });

const placeOf = (token: string | undefined): ExchangePlace | undefined => {
  if (token === undefined) return undefined;
  const text = Buffer.from(token, "base64url").toString();
  const [, at, writer, sequence] = /^([0-9]{1,16}) ([0-9]{1,9}) ([0-9]{1,16})$/.exec(text) ?? [];
  if (at === undefined) throw invalid("the page token is not the next one of an answer");
  return { createdAtUs: Number(at), writer: Number(writer), sequence: Number(sequence) };
};

const tokenOf = ({ created_at_us, writer, sequence }: ExchangeRow): string =>
  Buffer.from(`${created_at_us} ${writer} ${sequence}`).toString("base64url");

const requireLimits = (filter: ExchangeFilter, { limit }: Page): void => {
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX) {
    throw invalid(`a page has 1 to ${PAGE_MAX} exchanges, ${limit} were asked for`);
  }
  const { status, transactionIds, anyOf } = filter;
  if (status !== undefined && !(status >= 1 && status <= 5) && !(status >= 100 && status <= 999)) {
    throw invalid(`the status is ${status}, allowed is 100 to 999, or 1 to 5 for a hundred`);
  }
  const lists = [transactionIds, anyOf?.services, anyOf?.grantHashes];
  if (lists.some((list) => list !== undefined && list.length > IDS_MAX)) {
    throw invalid(`a search names at most ${IDS_MAX} transactions, services or grants`);
  }
};

const byStatus = (query: Query, status: number): Query =>
  status < 100
    ? query.where("e.status", ">=", status * 100).where("e.status", "<", (status + 1) * 100)
    : query.where("e.status", "=", status);

/** What of a filter is a plain condition on the row. */
const narrowed = (query: Query, filter: ExchangeFilter): Query => {
  let found = query;
  if (filter.fromUs !== undefined) found = found.where("e.created_at_us", ">=", filter.fromUs);
  if (filter.toUs !== undefined) found = found.where("e.created_at_us", "<", filter.toUs);
  if (filter.service !== undefined) found = found.where("e.service", "=", filter.service);
  if (filter.direction !== undefined) found = found.where("e.direction", "=", filter.direction);
  if (filter.status !== undefined) found = byStatus(found, filter.status);
  if (filter.grantHash !== undefined) found = found.where("e.grant_hash", "=", filter.grantHash);
  if (filter.forwarded === true) found = found.where("e.result", "!=", "refused");
  if (filter.transactionId !== undefined) {
    found = found.where("e.transaction_id", "=", filter.transactionId);
  }
  const { anyOf, transactionIds } = filter;
  if (transactionIds !== undefined) {
    found = found.where(
      "e.transaction_id",
      "in",
      transactionIds.length === 0 ? [""] : [...transactionIds],
    );
  }
  return anyOf === undefined ? found : found.where(isOfAny(anyOf));
};

const paged = (
  query: Query,
  place: ExchangePlace | undefined,
  { limit, oldestFirst }: Page,
): Query => {
  const order = oldestFirst === true ? "asc" : "desc";
  const from = place === undefined ? query : query.where(isBehind(place, order));
  return from
    .orderBy("e.created_at_us", order)
    .orderBy("e.writer", order)
    .orderBy("e.sequence", order)
    .limit(limit + 1);
};

/** One query for each index by which a peer's exchanges are found; one without conditions when no peer is asked for. */
const byPeer = (query: Query, peerId: string | undefined, ownPeer: string): readonly Query[] => {
  if (peerId === undefined) return [query];
  if (peerId === ownPeer) return [query.where(hasPeer(peerId))];
  return [
    query.where("e.other_peer", "=", peerId),
    // The second condition is that of the index.
    query.where("e.source_delegator", "=", peerId).where("e.source_delegator", "!=", ""),
    query.where("e.destination_delegator", "=", peerId).where("e.destination_delegator", "!=", ""),
  ];
};

const start = ({ db, groupId }: Tables, subject: Buffer | undefined): Query => {
  const own = db.selectFrom("txlog_exchange as e").selectAll("e").where("e.group_id", "=", groupId);
  if (subject === undefined) return own;
  return own
    .innerJoin("txlog_subject as s", (join) =>
      join
        .onRef("s.group_id", "=", "e.group_id")
        .onRef("s.writer", "=", "e.writer")
        .onRef("s.sequence", "=", "e.sequence"),
    )
    .where("s.hash", "=", subject);
};

const compare = (a: ExchangeRow, b: ExchangeRow): number =>
  a.created_at_us - b.created_at_us || a.writer - b.writer || a.sequence - b.sequence;

/** What a search needs to know of the log beside its tables. */
export interface SearchKnowledge {
  readonly searchKey: KeyObject;
  readonly ownPeer: string;
}

/**
 * One page of exchanges.
 *
 * @throws SchakelError ERROR_CODE_REQUEST_INVALID when a limit is passed or the token is none
 */
export const search = async (
  tables: Tables,
  { searchKey, ownPeer }: SearchKnowledge,
  filter: ExchangeFilter,
  page: Page,
): Promise<FoundPage> => {
  requireLimits(filter, page);
  const { dataSubject, peerId } = filter;
  const subject = dataSubject === undefined ? undefined : subjectHash(searchKey, dataSubject);
  const place = placeOf(page.token);
  const queries = byPeer(narrowed(start(tables, subject), filter), peerId, ownPeer);
  const rows = new Map<string, ExchangeRow>();
  for (const query of queries) {
    for (const row of await paged(query, place, page).execute()) {
      rows.set(`${row.writer}/${row.sequence}`, row);
    }
  }
  const sorted = [...rows.values()].sort(compare);
  if (page.oldestFirst !== true) sorted.reverse();
  const shown = sorted.slice(0, page.limit);
  const last = sorted.length > page.limit ? shown.at(-1) : undefined;
  const idOf = await tables.writers.ids(shown.map(({ writer }) => writer));
  return {
    exchanges: shown.map((row) => foundExchange(row, idOf(row.writer))),
    nextToken: last === undefined ? undefined : tokenOf(last),
  };
};
