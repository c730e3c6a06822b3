// A page of a list as an answer, bounded in bytes and not only in items.
import { SchakelError } from "../core/errors.js";
import { jsonReply, type Reply } from "./endpoint.js";
import type { Page } from "./manager-interface.js";

/** A list that is asked for by pages. */
export interface Listing<T> {
  /** The member of the answer that holds the items. */
  readonly name: string;
  readonly limit: number;
  /** Whether a page may have fewer items than were asked for; not where there are no pages. */
  readonly isPaged: boolean;
  readonly page: (limit: number) => Promise<Page<T>>;
  readonly json: (item: T) => object;
  readonly bytesMax: number;
}

/**
 * The answer `{<name>: […], pagination: {next_cursor}}`. A page that would be too large is asked for again with
 * half as many items, down to one.
 *
 * @throws SchakelError ERROR_CODE_LIMIT_EXCEEDED for a list without pages that is too large
 */
export const listReply = async <T>(listing: Listing<T>): Promise<Reply> => {
  const { name, limit, isPaged, bytesMax } = listing;
  const { items, nextCursor } = await listing.page(limit);
  if (!isPaged && nextCursor !== undefined) {
    const detail = `not all of the ${name} fit into one answer; ask for less at once`;
    throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", { detail });
  }
  const reply = jsonReply({
    [name]: items.map(listing.json),
    pagination: { next_cursor: nextCursor ?? "" },
  });
  if (reply.body.length <= bytesMax || items.length <= 1) return reply;
  if (isPaged) return listReply({ ...listing, limit: Math.ceil(items.length / 2) });
  throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", {
    detail: `the answer has ${String(reply.body.length)} bytes, allowed are ${String(bytesMax)}; ask for less at once`,
  });
};
