// The head of an HTTP/1.x message as it stood on the wire: names keep their spelling, lines their order,
// and a name that came twice is there twice. Values are the octets of the wire, one character each (latin1).
import type { ScannedLines } from "./scan-lines.js";

/** Header or trailer lines, in the order and spelling of the wire. */
export type HeaderLines = readonly (readonly [name: string, value: string])[];

/** The head of a request that was accepted. */
export interface RequestHead {
  readonly method: string;
  /** Path and query, byte for byte; an absolute-form target has been reduced to this, its authority stands in Host. */
  readonly target: string;
  readonly version: "1.0" | "1.1";
  readonly headers: HeaderLines;
  /** Whether it came over HTTP/2. */
  readonly overHttp2?: boolean;
  /** The lines as they were scanned; absent where they cannot be passed as they stand. */
  readonly raw?: ScannedLines | undefined;
  /** The last of the lines that `raw` does not have. */
  readonly beside?: HeaderLines | undefined;
}

/** The head of a response. */
export interface ResponseHead {
  readonly status: number;
  /** The reason phrase; may be empty. */
  readonly reason: string;
  readonly headers: HeaderLines;
  /** As for a request. */
  readonly raw?: ScannedLines | undefined;
}

/** Every value of a header, whatever the case of its name, in order; empty when there is none. */
export const headerValues = (headers: HeaderLines, name: string): readonly string[] => {
  let wanted: string | undefined;
  let values: string[] | undefined;
  // Most of the names that are looked for are not there: then nothing is made.
  for (const [found, value] of headers) {
    if (found.length !== name.length) continue;
    wanted ??= name.toLowerCase();
    if (found === name || found.toLowerCase() === wanted) (values ??= []).push(value);
  }
  return values ?? NONE;
};

const NONE: readonly string[] = [];

/** The lines that `drop` does not claim; it is asked with the lower-case name. */
export const withoutHeaders = (
  headers: HeaderLines,
  drop: (lowerName: string) => boolean,
): HeaderLines => headers.filter(([name]) => !drop(name.toLowerCase()));
