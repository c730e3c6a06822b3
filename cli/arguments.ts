// How the commands read the values of their options.
import { InvalidArgumentError } from "commander";

/** A whole number within bounds; another value is a wrong use. */
export const wholeNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = /^(0|[1-9][0-9]{0,14})$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(
      `Allowed is a whole number from ${String(min)} to ${String(max)}.`,
    );
  };

/** A number of days from 1. */
export const days = (max: number): ((text: string) => number) => wholeNumber(1, max);

/** The size of an RSA key in bits. */
export const keyBits = wholeNumber(2048, 4096);

/** An option that may be given several times, its values read by `read`. */
export const several =
  <T>(read: (text: string) => T) =>
  (text: string, before: readonly T[] | undefined): readonly T[] => [...(before ?? []), read(text)];

/** Any text, as it stands. */
export const asWritten = (text: string): string => text;
