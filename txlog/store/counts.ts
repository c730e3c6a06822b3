// How many exchanges there were, per month, peers and service.
import { SchakelError } from "../../core/errors.js";
import type { Direction } from "../entry.js";
import { breath } from "./breath.js";
import type { ExchangeCount } from "./read-side.js";
import type { Tables } from "./tables.js";

const MONTHS_MAX = 120;
const ROWS_MAX = 100_000;
const DAY_US = 24 * 3600 * 1_000_000;

const invalid = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_REQUEST_INVALID", { detail });

/** Months since the year 0. */
const monthOf = (text: string): number => {
  const [, year, month] = /^([12][0-9]{3})-(0[1-9]|1[0-2])$/.exec(text) ?? [];
  if (year === undefined) throw invalid(`the month is "${text.slice(0, 20)}", allowed is 2026-01`);
  return Number(year) * 12 + Number(month) - 1;
};

const startUs = (month: number): number => Date.UTC(Math.floor(month / 12), month % 12) * 1000;

const named = (month: number): string => new Date(startUs(month) / 1000).toISOString().slice(0, 7);

type Key = Omit<ExchangeCount, "month" | "exchanges" | "successful" | "refused">;
type Counted = Pick<ExchangeCount, "exchanges" | "successful" | "refused">;

const dayCounts = async (
  { db, groupId }: Tables,
  fromUs: number,
  toUs: number,
): Promise<readonly (Key & Counted)[]> => {
  const rows = await db
    .selectFrom("txlog_exchange")
    .select(["direction", "source", "source_delegator", "destination", "service"])
    .select((eb) => [
      eb.fn
        .sum<number>(eb.case().when("result", "=", "refused").then(0).else(1).end())
        .as("exchanges"),
      eb.fn
        .sum<number>(
          eb
            .case()
            .when(
              eb.and([eb("result", "!=", "refused"), eb("status", ">", 0), eb("status", "<", 400)]),
            )
            .then(1)
            .else(0)
            .end(),
        )
        .as("successful"),
      eb.fn
        .sum<number>(eb.case().when("result", "=", "refused").then(1).else(0).end())
        .as("refused"),
    ])
    .where("group_id", "=", groupId)
    .where("created_at_us", ">=", fromUs)
    .where("created_at_us", "<", toUs)
    .groupBy(["direction", "source", "source_delegator", "destination", "service"])
    .limit(ROWS_MAX + 1)
    .execute();
  return rows.map(({ exchanges, successful, refused, ...row }) => ({
    direction: row.direction as Direction,
    sourcePeerId: row.source,
    sourceDelegatorId: row.source_delegator,
    destinationPeerId: row.destination,
    service: row.service,
    ...{ exchanges, successful, refused },
  }));
};

const orderOf = (count: Key): string =>
  JSON.stringify([
    ...[count.direction, count.sourcePeerId, count.sourceDelegatorId],
    ...[count.destinationPeerId, count.service],
  ]);

/** A day at a time, since a month of a busy log takes seconds. */
const monthCounts = async (tables: Tables, month: number): Promise<readonly ExchangeCount[]> => {
  const found = new Map<string, ExchangeCount>();
  const end = startUs(month + 1);
  for (let day = startUs(month); day < end; day += DAY_US) {
    for (const count of await dayCounts(tables, day, day + DAY_US)) {
      const key = orderOf(count);
      const before = found.get(key);
      found.set(key, {
        ...{ ...count, month: named(month) },
        exchanges: count.exchanges + (before?.exchanges ?? 0),
        successful: count.successful + (before?.successful ?? 0),
        refused: count.refused + (before?.refused ?? 0),
      });
    }
    await breath();
  }
  return [...found.keys()].sort().flatMap((key) => found.get(key) ?? []);
};

/**
 * The counts of the months from the first to the last.
 *
 * @throws SchakelError ERROR_CODE_REQUEST_INVALID for what is no month, more than 120 of them, and too many rows
 */
export const counts = async (
  tables: Tables,
  fromMonth: string,
  toMonth: string,
): Promise<readonly ExchangeCount[]> => {
  const [first, last] = [monthOf(fromMonth), monthOf(toMonth)];
  if (last < first || last - first >= MONTHS_MAX) {
    throw invalid(`from ${fromMonth} to ${toMonth}, allowed are 1 to ${MONTHS_MAX} months`);
  }
  const found: ExchangeCount[] = [];
  for (let month = first; month <= last; month++) {
    found.push(...(await monthCounts(tables, month)));
    if (found.length > ROWS_MAX) {
      throw invalid(`there are more than ${ROWS_MAX} rows: ask for fewer months`);
    }
  }
  return found;
};
