// A log of the process whose lines a test can read.
import { pino } from "pino";
import type { Log } from "../../core/log.js";

/** A log and all its lines so far, as the JSON texts that were written. */
export interface RecordedLog {
  readonly log: Log;
  readonly lines: readonly string[];
}

/** Makes a log that keeps its lines. */
export const recordedLog = (): RecordedLog => {
  const lines: string[] = [];
  return { log: pino({ level: "debug" }, { write: (line) => void lines.push(line) }), lines };
};
