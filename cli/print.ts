// What commands print: one JSON document, or text.
import type { CliSettings } from "./settings.js";

/** Prints a result the way the settings say. */
export const print = (
  { json }: Pick<CliSettings, "json">,
  document: unknown,
  text: () => string,
): void => {
  process.stdout.write(json ? `${JSON.stringify(document, undefined, 2)}\n` : text());
};

/** Says something beside the result. */
export const note = (text: string): void => {
  process.stderr.write(`${text}\n`);
};
