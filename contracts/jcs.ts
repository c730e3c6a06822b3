// The canonical form of JSON (RFC 8785): one text for one value, over which hashes are computed.
import { isInteroperableText, JSON_DEPTH_MAX } from "./json.js";

const text = (value: string): string => {
  if (!isInteroperableText(value)) {
    throw new TypeError("a string with a lone surrogate or a noncharacter has no canonical form");
  }
  // ECMAScript escapes as RFC 8785, 3.2.2.2 asks.
  return JSON.stringify(value);
};

// A Map or Date would otherwise be written as an object without members.
const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
};

const write = (value: unknown, depth: number): string => {
  if (depth > JSON_DEPTH_MAX) {
    throw new TypeError(`more than ${String(JSON_DEPTH_MAX)} arrays and objects in each other`);
  }
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return text(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError(`${String(value)} has no canonical form`);
    // ECMAScript's form of a number is that of RFC 8785, 3.2.2.3, and writes -0 as 0.
    return String(value);
  }
  if (value instanceof Array) {
    return `[${Array.from(value, (element) => write(element, depth + 1)).join(",")}]`;
  }
  if (typeof value !== "object" || !isPlain(value)) {
    throw new TypeError(`${typeof value} is no JSON value`);
  }
  // "<" compares UTF-16 code units, the order of RFC 8785, 3.2.3.
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, each]) => `${text(name)}:${write(each, depth + 1)}`).join(",")}}`;
};

/**
 * The canonical form of a value (RFC 8785): members sorted by their names' UTF-16 code units, elements in
 * their order, no spaces. Its bytes are this text in UTF-8.
 *
 * @throws TypeError for what no JSON text can hold: NaN, an infinity, undefined, a lone surrogate, a
 * noncharacter, an object of a class, or more than JSON_DEPTH_MAX levels
 */
export const canonical = (value: unknown): string => write(value, 0);
