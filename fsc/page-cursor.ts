// Pages of a list: checks what is asked for, and makes and reads cursors.
import { SchakelError } from "../core/errors.js";
import { PAGE_LIMIT_MAX, QUERY_NAMES_MAX } from "./book-limits.js";
import type { Page, PageQuery } from "./manager-interface.js";

const CURSOR_LENGTH_MAX = 1000;

const invalid = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_REQUEST_INVALID", { detail });

/**
 * Checks how many items are asked for.
 *
 * @throws SchakelError ERROR_CODE_REQUEST_INVALID unless it is a whole number from 1 to 1000
 */
export const checkLimit = ({ limit }: PageQuery): number => {
  if (Number.isInteger(limit) && limit >= 1 && limit <= PAGE_LIMIT_MAX) return limit;
  throw invalid(`limit is ${String(limit)}, allowed is 1 to ${String(PAGE_LIMIT_MAX)}`);
};

/**
 * Checks how many names a filter has.
 *
 * @throws SchakelError ERROR_CODE_REQUEST_INVALID beyond QUERY_NAMES_MAX
 */
export const checkNames = (what: string, names: readonly string[]): void => {
  if (names.length <= QUERY_NAMES_MAX) return;
  throw invalid(
    `${String(names.length)} times ${what}, allowed are ${String(QUERY_NAMES_MAX)} in one query`,
  );
};

/**
 * The key at which the page before ended; undefined for the first page.
 *
 * @throws SchakelError ERROR_CODE_REQUEST_INVALID when the cursor is none that `pageOf` gives
 */
export const keyOfCursor = ({ cursor }: PageQuery): string | undefined => {
  if (cursor === undefined || cursor === "") return undefined;
  const key = Buffer.from(cursor, "base64url").toString();
  const isOurs =
    cursor.length <= CURSOR_LENGTH_MAX && Buffer.from(key).toString("base64url") === cursor;
  if (!isOurs || key === "") throw invalid("cursor is not the next_cursor of an answer");
  return key;
};

/**
 * Makes a page of items that were asked for one beyond the limit.
 *
 * @param keyOf what an item is sorted by; goes into the cursor
 */
export const pageOf = <T>(
  found: readonly T[],
  limit: number,
  keyOf: (item: T) => string,
): Page<T> => {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  const more = found.length > limit && last !== undefined;
  return {
    items,
    nextCursor: more ? Buffer.from(keyOf(last)).toString("base64url") : undefined,
  };
};
