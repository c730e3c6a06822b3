// Walking through the contracts of the book, page by page.
import type { ContractBook } from "./contract-book.js";
import type { BookQuery } from "./contract-list.js";
import type { StoredContract } from "./stored-contract.js";

const PAGE_SIZE = 500;

/** The first page of every contract, newest first. */
export const EVERY_CONTRACT: BookQuery = {
  cursor: undefined,
  limit: PAGE_SIZE,
  sortOrder: "descending",
  grantType: undefined,
  grantHashes: [],
};

/** Every contract that a query finds, newest first, read page by page. */
export async function* contractsOf(
  book: Pick<ContractBook, "list">,
  query: Omit<Partial<BookQuery>, "cursor" | "limit"> = {},
): AsyncGenerator<StoredContract> {
  let cursor: string | undefined;
  do {
    const page = await book.list({ ...EVERY_CONTRACT, ...query, cursor });
    yield* page.items;
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}
