// The process's own log (not the transaction log): JSON lines, or readable text on a terminal.
import { createRequire } from "node:module";
import { pino, type Logger } from "pino";
import type { PrettyOptions, PrettyStream } from "pino-pretty";
import type { LogFormat, LogLevel } from "./settings.js";

/** A log that takes an object and a sentence. Values under the keys of REDACTED never come out. */
export type Log = Logger;

const REDACTED = [
  "key",
  "token",
  "authorization",
  "headers.authorization",
  "headers.cookie",
  'headers["fsc-authorization"]',
  'headers["proxy-authorization"]',
];

// Loaded where text is wanted alone, since it is large.
const pretty = (options: PrettyOptions): PrettyStream => {
  const make = createRequire(import.meta.url)("pino-pretty") as (
    options: PrettyOptions,
  ) => PrettyStream;
  return make(options);
};

/** Makes the log of a process. Lines go to standard error; standard output is for results. */
export const createLog = (name: string, level: LogLevel, format: LogFormat): Log => {
  const text = format === "text" || (format === "auto" && process.stderr.isTTY);
  const options = { name, level, redact: REDACTED, base: { name, pid: process.pid } };
  return text
    ? pino(options, pretty({ destination: 2, sync: true, ignore: "pid,hostname" }))
    : pino(
        { ...options, formatters: { level: (label) => ({ level: label }) } },
        pino.destination({ dest: 2, sync: true }),
      );
};
