// For how long personal data is kept, a service at a time, and the job that erases what is older.
import type { Clock } from "../../core/clock.js";
import { scrub } from "../../core/database.js";
import { SchakelError } from "../../core/errors.js";
import type { Log } from "../../core/log.js";
import { repeat, type Backoff } from "../../core/retry.js";
import { breath } from "./breath.js";
import { eraseRecords, type NumberedRecord } from "./erase.js";
import type { Retention } from "./read-side.js";
import type { Tables } from "./tables.js";
import { thin } from "./thin.js";
import { currentEpoch } from "./tree-rows.js";

const DAY_US = 24 * 3600 * 1_000_000;
const DAYS_MAX = 36_500;
/** The services with a retention of their own. */
const SERVICES_MAX = 10_000;
/** How many records are looked at in one transaction. */
const PAGE = 1_000;
const INTERVAL_MS = 3_600_000;
const BACKOFF: Backoff = { firstMs: 10_000, maxMs: 600_000 };

/** All retentions, the one for all services first. */
export const retentions = async ({ db, groupId }: Tables): Promise<readonly Retention[]> => {
  const rows = await db
    .selectFrom("txlog_retention")
    .select(["service", "days"])
    .where("group_id", "=", groupId)
    .orderBy("service")
    .execute();
  return rows;
};

/**
 * Sets the retention of a service, or removes it when days is undefined. Gives all.
 *
 * @throws SchakelError ERROR_CODE_REQUEST_INVALID for a number of days that is none, and too many services
 */
export const setRetention = async (
  tables: Tables,
  service: string,
  days: number | undefined,
): Promise<readonly Retention[]> => {
  const { db, groupId } = tables;
  if (days === undefined) {
    await db
      .deleteFrom("txlog_retention")
      .where("group_id", "=", groupId)
      .where("service", "=", service)
      .execute();
    return retentions(tables);
  }
  if (!Number.isInteger(days) || days < 0 || days > DAYS_MAX) {
    throw invalid(`the days are ${days}, allowed is 1 to ${DAYS_MAX}, or 0 for ever`);
  }
  const all = await retentions(tables);
  if (all.length >= SERVICES_MAX && !all.some((each) => each.service === service)) {
    throw invalid(`${SERVICES_MAX} services have a retention of their own`);
  }
  await db
    .insertInto("txlog_retention")
    .values({ group_id: groupId, service, days })
    .onConflict((conflict) => conflict.columns(["group_id", "service"]).doUpdateSet({ days }))
    .execute();
  return retentions(tables);
};

const invalid = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_REQUEST_INVALID", { detail });

/** A record with a personal part, and how long the writer may keep it. */
interface Kept extends NumberedRecord {
  readonly service: string;
  readonly created_at_us: number;
}

const page = (
  { db, groupId }: Tables,
  beforeUs: number,
  after: Kept | undefined,
): Promise<readonly Kept[]> => {
  let query = db
    .selectFrom("txlog_record as r")
    .innerJoin("txlog_exchange as e", (join) =>
      join
        .onRef("e.group_id", "=", "r.group_id")
        .onRef("e.writer", "=", "r.writer")
        .onRef("e.sequence", "=", "r.sequence"),
    )
    .select(["r.writer", "r.sequence", "r.created_at_us", "e.service"])
    .where("r.group_id", "=", groupId)
    .where("r.sealed", "is not", null)
    .where("r.created_at_us", "<", beforeUs);
  if (after !== undefined) {
    query = query
      .where("r.created_at_us", ">=", after.created_at_us)
      .where((eb) =>
        eb.or([
          eb("r.created_at_us", ">", after.created_at_us),
          eb("r.writer", ">", after.writer),
          eb.and([eb("r.writer", "=", after.writer), eb("r.sequence", ">", after.sequence)]),
        ]),
      );
  }
  return query
    .orderBy("r.created_at_us")
    .orderBy("r.writer")
    .orderBy("r.sequence")
    .limit(PAGE)
    .execute();
};

/** Erases what is older than its service's retention. Gives how many records that were. */
export const retain = async (tables: Tables, nowMs: number): Promise<number> => {
  const all = await retentions(tables);
  const daysOf = new Map(all.map(({ service, days }) => [service, days]));
  const limited = [...daysOf.values()].filter((days) => days > 0);
  if (limited.length === 0) return 0;
  const cutoff = (days: number): number => nowMs * 1000 - days * DAY_US;
  const isOver = ({ service, created_at_us }: Kept): boolean => {
    const days = daysOf.get(service) ?? daysOf.get("") ?? 0;
    return days > 0 && created_at_us < cutoff(days);
  };
  const oldest = cutoff(Math.min(...limited));
  let erased = 0;
  let last: Kept | undefined;
  do {
    await breath();
    const found = await page(tables, oldest, last);
    last = found.length < PAGE ? undefined : found.at(-1);
    const over = found.filter(isOver);
    if (over.length === 0) continue;
    await tables.db.transaction().execute((tx) => eraseRecords(tx, tables.groupId, over));
    erased += over.length;
  } while (last !== undefined);
  if (erased > 0) await scrub(tables.db);
  return erased;
};

/** Has retention kept and old checkpoints thinned out, once an hour until the signal aborts. */
export const keepRetention = (
  tables: Tables,
  {
    clock,
    log,
    signal,
  }: { readonly clock: Clock; readonly log: Log; readonly signal: AbortSignal },
): Promise<void> =>
  repeat(signal, {
    backoff: BACKOFF,
    turn: async () => {
      const erased = await retain(tables, clock.now());
      if (erased > 0) log.info({ erased }, "personal data past its retention was erased");
      await thin(tables, await currentEpoch(tables.db, tables.groupId), clock.now());
      return INTERVAL_MS;
    },
    failed: (error) => log.error({ err: error }, "personal data past its retention is still there"),
  });
