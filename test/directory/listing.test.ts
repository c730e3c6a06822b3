// Pages of a list, and the filter by name.
import { expect } from "chai";
import { SchakelError } from "../../core/errors.js";
import { nameContains, page, type Page } from "../../directory/listing.js";

const keyOf = (item: string): string => item;
const take = (items: readonly string[], pageSize: number, pageToken = ""): Page<string> =>
  page(items, keyOf, { pageSize, pageToken });
const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, at) => String(at).padStart(5, "0"));

/** All pages, and how many there were. */
const all = (items: readonly string[], pageSize: number): { items: string[]; pages: number } => {
  const found: string[] = [];
  let [token, pages] = ["", 0];
  do {
    const { items: some, next } = take(items, pageSize, token);
    found.push(...some);
    token = next;
    pages += 1;
  } while (token !== "");
  return { items: found, pages };
};

describe("directory/listing", () => {
  for (const [count, size, pages] of [
    [0, 10, 1],
    [1, 1, 1],
    [10, 10, 1],
    [11, 10, 2],
    [250, 0, 3],
    [1000, 1000, 1],
    [1001, 1000, 2],
  ] as const) {
    it(`gives ${String(count)} items in ${String(pages)} pages of ${String(size)}, each once`, () => {
      const items = numbered(count);
      expect(all(items, size)).to.deep.equal({ items, pages });
    });
  }

  it("goes on behind an item that has gone meanwhile", () => {
    const { next } = take(["a", "b", "c"], 2);
    expect(take(["a", "c"], 2, next).items).to.deep.equal(["c"]);
  });

  it("goes on behind a key of any text", () => {
    const items = ["a\u0000b", "a/b", "é", "\u{1f600}"].sort();
    expect(all(items, 1)).to.deep.equal({ items, pages: 4 });
  });

  const refused: readonly (readonly [string, () => unknown, RegExp])[] = [
    ["a page of 1001", () => take([], 1001), /page_size is 1001, allowed is 1 to 1000/],
    ["a page of 2^32 - 1", () => take([], 2 ** 32 - 1), /page_size/],
    ["a token that is not base64url", () => take([], 1, "a b"), /page_token/],
    ["a token in another base64", () => take([], 1, "YQ=="), /page_token/],
    [
      "a token that is not UTF-8",
      () => take([], 1, Buffer.of(0xff).toString("base64url")),
      /page_token/,
    ],
    ["a token of 1001 characters", () => take([], 1, "YWFh".repeat(251)), /page_token/],
    ["a filter of 256 characters", () => nameContains("x".repeat(256)), /name_contains has 256/],
  ];
  for (const [what, work, says] of refused) {
    it(`refuses ${what}`, () => {
      expect(work).to.throw(SchakelError, says).with.property("code", "ERROR_CODE_REQUEST_INVALID");
    });
  }

  for (const [text, name, matches] of [
    ["", "Gemeente", true],
    ["GEMEENTE", "Gemeente Ütrecht", true],
    ["ütr", "Gemeente ÜTRECHT", true],
    [".*", "Gemeente", false],
    ["gemeentes", "Gemeente", false],
  ] as const) {
    it(`says ${String(matches)} to "${text}" in "${name}"`, () => {
      expect(nameContains(text)(name)).to.equal(matches);
    });
  }
});
