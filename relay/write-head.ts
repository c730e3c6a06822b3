// Makes the octets of a head out of text, and refuses what would be read as something else than was meant.
import { CLASS, TARGET, TOKEN, VALUE } from "./scan-bytes.js";
import type { HeaderLines } from "./message.js";

/** Whether a text is made of octets of one class alone. */
export const isOf = (bit: number, text: string): boolean => {
  for (let at = 0; at < text.length; at++) {
    if (((CLASS[text.charCodeAt(at)] ?? 0) & bit) === 0) return false;
  }
  return true;
};

/** @throws TypeError when a line holds what may not stand there */
export const checkLine = ([name, value]: HeaderLines[number]): void => {
  if (name === "" || !isOf(TOKEN, name) || !isOf(VALUE, value)) {
    throw new TypeError("a header line cannot be sent as it is");
  }
};

/**
 * The text of header lines, each with its CRLF.
 *
 * @throws TypeError when one holds what may not stand there
 */
export const linesText = (lines: HeaderLines): string => {
  let text = "";
  for (const line of lines) {
    checkLine(line);
    text += `${line[0]}: ${line[1]}\r\n`;
  }
  return text;
};

/**
 * The line that a request begins with, with its CRLF.
 *
 * @throws TypeError when method or target holds what may not stand there
 */
export const requestLine = (method: string, target: string): string => {
  if (method === "" || !isOf(TOKEN, method) || target === "" || !isOf(TARGET, target)) {
    throw new TypeError("a request line cannot be sent as it is");
  }
  return `${method} ${target} HTTP/1.1\r\n`;
};

/** The line that a response begins with, likewise. */
export const statusLine = (status: number, reason: string): string => {
  if (!Number.isInteger(status) || status < 100 || status > 999 || !isOf(VALUE, reason)) {
    throw new TypeError("a status line cannot be sent as it is");
  }
  return `HTTP/1.1 ${status} ${reason}\r\n`;
};

/**
 * A response's head.
 *
 * @param own further lines with their CRLF, of the relay itself
 * @throws TypeError when the reason or a line holds what may not stand there
 */
export const responseBytes = (
  { status, reason, headers }: { status: number; reason: string; headers: HeaderLines },
  own: string,
): Buffer => {
  return Buffer.from(`${statusLine(status, reason)}${linesText(headers)}${own}\r\n`, "latin1");
};

/**
 * Trailer lines by themselves, each with its CRLF; undefined when there are none.
 *
 * @throws TypeError when one holds what may not stand there
 */
export const trailerBytes = (trailers: HeaderLines): Buffer | undefined =>
  trailers.length === 0 ? undefined : Buffer.from(linesText(trailers), "latin1");

const CRLF = Buffer.from("\r\n", "latin1");
const LAST_CHUNK = Buffer.from("0\r\n\r\n", "latin1");

/** The pieces of one chunk around its data: what stands in front, and what behind. */
export const chunkBefore = (octets: number): Buffer =>
  Buffer.from(`${octets.toString(16)}\r\n`, "latin1");

/** What stands behind the data of a chunk. */
export const CHUNK_AFTER: Buffer = CRLF;

/**
 * The end of a chunked body.
 *
 * @throws TypeError when a trailer holds what may not stand there
 */
export const lastChunk = (trailers: HeaderLines): Buffer =>
  trailers.length === 0 ? LAST_CHUNK : Buffer.from(`0\r\n${linesText(trailers)}\r\n`, "latin1");
