// Records as JSON, for programs: names in snake_case, bytes in hexadecimal.
import type { LogRecord } from "./record.js";

const snake = (name: string): string =>
  name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

const jsonOf = (value: unknown): unknown => {
  if (Buffer.isBuffer(value)) return value.toString("hex");
  // The format allows no number over 2^53 - 1.
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(jsonOf);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(fields.map(([name, field]) => [snake(name), jsonOf(field)]));
};

/** A record, or any part of one, as a JSON value. */
export const toJson = (value: LogRecord | object): Readonly<Record<string, unknown>> =>
  jsonOf(value) as Readonly<Record<string, unknown>>;
