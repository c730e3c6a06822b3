// Strict reading of what stands in a URL's query or in a form: names, values, pages.
import { SchakelError } from "../core/errors.js";
import { quoted } from "../contracts/shown-text.js";
import type { PageQuery } from "./manager-interface.js";

/** How many items a page has at most (FSC). */
export const PAGE_LIMIT_MAX = 1000;

/** How many items a page has unless the caller says otherwise; FSC names no number. */
export const PAGE_LIMIT_DEFAULT = 100;

/** How long a cursor may be, in characters. */
export const CURSOR_LENGTH_MAX = 1000;

/** How many values a filter that takes a list may have. */
export const FILTER_VALUES_MAX = 200;

const SORT_ORDERS = new Map([
  ["SORT_ORDER_ASCENDING", "ascending"],
  ["SORT_ORDER_DESCENDING", "descending"],
] as const);

/** FSC's word for a sort order. */
export const sortOrderWord = (order: PageQuery["sortOrder"]): string =>
  order === "ascending" ? "SORT_ORDER_ASCENDING" : "SORT_ORDER_DESCENDING";

/** The error for a parameter, a header or a part of the path: names it. */
export const invalid = (name: string, problem: string): SchakelError =>
  new SchakelError("ERROR_CODE_REQUEST_INVALID", { detail: `${name} ${problem}` });

/** Decodes a percent-encoded text once; undefined when an encoding is malformed or not UTF-8. */
export const percentDecoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
};

const CONTROL = /\p{Cc}/u;

const decoded = (text: string): string => {
  const value = percentDecoded(text.replaceAll("+", " "));
  if (value === undefined || CONTROL.test(value)) {
    throw invalid(quoted(text), "is not percent-encoded UTF-8 without control characters");
  }
  return value;
};

/**
 * The parameters of a query or a form (application/x-www-form-urlencoded). Those that nobody asks for are
 * ignored, as RFC 6749 wants of a form; one without a value counts as absent.
 */
export class Parameters {
  readonly #values = new Map<string, string[]>();

  /**
   * @param text what stands behind the "?", or the form
   * @throws SchakelError ERROR_CODE_REQUEST_INVALID when it is not percent-encoded UTF-8
   */
  constructor(text: string) {
    for (const pair of text.split("&").filter((each) => each !== "")) {
      const at = pair.indexOf("=");
      const name = decoded(at === -1 ? pair : pair.slice(0, at));
      const value = at === -1 ? "" : decoded(pair.slice(at + 1));
      const values = this.#values.get(name);
      // Not a copy each time: a query may name one parameter thousands of times.
      if (values === undefined) this.#values.set(name, [value]);
      else values.push(value);
    }
  }

  /**
   * The value of a parameter that stands once; undefined when it is absent or empty.
   *
   * @throws SchakelError ERROR_CODE_REQUEST_INVALID naming the parameter when it comes twice or is too long
   */
  one(name: string, lengthMax: number): string | undefined {
    const [value = "", ...more] = this.#values.get(name) ?? [];
    if (more.length > 0) throw invalid(name, "comes more than once");
    if (value.length > lengthMax) {
      throw invalid(name, `is longer than ${String(lengthMax)} characters`);
    }
    return value === "" ? undefined : value;
  }

  /**
   * The same, taken by a function.
   *
   * @throws SchakelError ERROR_CODE_REQUEST_INVALID naming the parameter when the function gives undefined
   */
  parsed<T>(name: string, parse: (text: string) => T | undefined, what: string): T | undefined {
    const text = this.one(name, 255);
    return text === undefined ? undefined : taken(name, text, { parse, what });
  }

  /**
   * The values of a parameter that is a list: separated by commas, as FSC writes it, or repeated.
   *
   * @throws SchakelError ERROR_CODE_REQUEST_INVALID naming the parameter when there are too many or the
   * function gives undefined for one
   */
  list<T>(name: string, parse: (text: string) => T | undefined, what: string): readonly T[] {
    const texts = (this.#values.get(name) ?? []).flatMap((value) => value.split(","));
    if (texts.length > FILTER_VALUES_MAX) {
      throw invalid(name, `has more than ${String(FILTER_VALUES_MAX)} values`);
    }
    const given = texts.length === 1 && texts[0] === "" ? [] : texts;
    return [...new Set(given.map((text) => taken(name, text, { parse, what })))];
  }
}

const taken = <T>(
  name: string,
  text: string,
  { parse, what }: { readonly parse: (text: string) => T | undefined; readonly what: string },
): T => {
  const value = parse(text);
  if (value === undefined) throw invalid(name, `is ${quoted(text)}, it must be ${what}`);
  return value;
};

const limitOf = (text: string): number | undefined => {
  const limit = /^[1-9][0-9]{0,3}$/.test(text) ? Number(text) : undefined;
  return limit !== undefined && limit <= PAGE_LIMIT_MAX ? limit : undefined;
};

const sortOrderOf = (text: string): PageQuery["sortOrder"] | undefined => {
  for (const [word, order] of SORT_ORDERS) if (word === text) return order;
  return undefined;
};

/** The first page, as FSC has it without parameters. */
export const FIRST_PAGE: PageQuery = {
  cursor: undefined,
  limit: PAGE_LIMIT_DEFAULT,
  sortOrder: "descending",
};

/** What stands in the place of a page where FSC has none: as much as a page may have. */
export const NO_PAGE: PageQuery = { ...FIRST_PAGE, limit: PAGE_LIMIT_MAX };

/**
 * Which page is asked for. What a cursor holds is for whoever gave it.
 *
 * @throws SchakelError ERROR_CODE_REQUEST_INVALID naming the parameter
 */
export const pageQuery = (parameters: Parameters): PageQuery => ({
  cursor: parameters.one("cursor", CURSOR_LENGTH_MAX),
  limit:
    parameters.parsed("limit", limitOf, `a whole number of 1 to ${String(PAGE_LIMIT_MAX)}`) ??
    FIRST_PAGE.limit,
  sortOrder:
    parameters.parsed("sort_order", sortOrderOf, [...SORT_ORDERS.keys()].join(" or ")) ??
    FIRST_PAGE.sortOrder,
});
