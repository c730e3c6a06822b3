// Times as people write them on the command line, and as they are shown.
import { InvalidArgumentError } from "commander";

const UNIT_SECONDS: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3600,
  d: 24 * 3600,
  w: 7 * 24 * 3600,
};

/** A hundred years: the longest that a manager takes. */
const LENGTH_SECONDS_MAX = 100 * 365 * 24 * 3600;

/** What a length of time looks like, for help texts and errors. */
export const LENGTH_FORM = "a time such as 90s, 30m, 12h, 30d or 52w, at most a hundred years";

/** Reads a length of time, in seconds; another text is a wrong use. */
export const lengthOfTime = (text: string): number => {
  const [, digits = "", unit = ""] = /^([1-9][0-9]{0,9})([smhdw])$/.exec(text) ?? [];
  const seconds = Number(digits) * (UNIT_SECONDS[unit] ?? 0);
  if (seconds >= 1 && seconds <= LENGTH_SECONDS_MAX) return seconds;
  throw new InvalidArgumentError(`Allowed is ${LENGTH_FORM}.`);
};

const RFC3339 =
  /^([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$/;

const isRealDay = (day: string): boolean => {
  const date = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day);
};

/** Reads a moment (RFC 3339), in whole seconds since 1970; another text is a wrong use. */
export const momentInTime = (text: string): number => {
  const [, day = "", time = "", , zone = ""] = RFC3339.exec(text) ?? [];
  const at = isRealDay(day) ? Date.parse(`${day}T${time}${zone.toUpperCase()}`) : NaN;
  if (at >= 1000) return Math.floor(at / 1000);
  throw new InvalidArgumentError(
    "Allowed is a moment with its zone, such as 2026-01-31T12:00:00Z (RFC 3339).",
  );
};

/** Milliseconds since 1970 as "2026-01-31T12:00:00Z"; "" for 0, which is never. */
export const shownMoment = (ms: bigint | number): string => {
  if (BigInt(ms) === 0n) return "";
  const date = new Date(Number(ms));
  return Number.isNaN(date.getTime())
    ? `${String(ms)} ms since 1970`
    : `${date.toISOString().slice(0, 19)}Z`;
};

/** A length in seconds in the largest unit that shows it exactly: 86400 is "1d". */
export const shownLength = (seconds: bigint | number): string => {
  const length = BigInt(seconds);
  const unit = ["d", "h", "m"].find((each) => length % BigInt(UNIT_SECONDS[each] ?? 1) === 0n);
  return unit === undefined || length === 0n
    ? `${String(length)}s`
    : `${String(length / BigInt(UNIT_SECONDS[unit] ?? 1))}${unit}`;
};
