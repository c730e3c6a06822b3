// How many exchanges there were, per month, peers and service.
import { SchakelError } from "../../core/errors.js";
import type { Direction } from "../entry.js";
import type { ExchangeCount } from "./read-side.js";
import type { Tables } from "./tables.js";

const MONTHS_MAX = 120;
const ROWS_MAX = 100_000;

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

const monthCounts = async (
  { db, groupId }: Tables,
  month: number,
): Promise<readonly ExchangeCount[]> => {
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
    .where("created_at_us", ">=", startUs(month))
    .where("created_at_us", "<", startUs(month + 1))
    .groupBy(["direction", "source", "source_delegator", "destination", "service"])
    .orderBy("direction")
    .orderBy("source")
    .orderBy("source_delegator")
    .orderBy("destination")
    .orderBy("service")
    .limit(ROWS_MAX + 1)
    .execute();
  return rows.map((row) => ({
    month: named(month),
    direction: row.direction as Direction,
    sourcePeerId: row.source,
    sourceDelegatorId: row.source_delegator,
    destinationPeerId: row.destination,
    service: row.service,
    exchanges: row.exchanges,
    successful: row.successful,
    refused: row.refused,
  }));
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
