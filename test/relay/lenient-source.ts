// A source that takes whatever it can make sense of: bare LF, spaces before colons, "_" for "-", the last of
// several lengths, anything that has "chunked" in it. What is ambiguous shows as one request too many.
import { RawTarget, type Wire } from "./bench.js";

const LINE_END = /\r\n|\n|\r(?!\n)/;

/** What one request takes of a text: its octets, or undefined when there is more to come. */
const requestIn = (
  text: string,
): { readonly start: string; readonly octets: number } | undefined => {
  const lead = /^[\s\0]*/.exec(text)?.[0].length ?? 0;
  const end = /(?:\r\n|\n|\r(?!\n)){2}/.exec(text.slice(lead));
  if (end === null) return undefined;
  const [start = "", ...lines] = text.slice(lead, lead + end.index).split(LINE_END);
  const body = lead + end.index + end[0].length;
  let length = 0;
  let isChunked = false;
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).trim().toLowerCase().replaceAll("_", "-");
    const value = line.slice(colon + 1).toLowerCase();
    if (name === "content-length") length = Number.parseInt(value, 10) || 0;
    if (name === "transfer-encoding" && value.includes("chunked")) isChunked = true;
  }
  if (!isChunked) return body + length > text.length ? undefined : { start, octets: body + length };
  const octets = chunksIn(text, body);
  return octets === undefined ? undefined : { start, octets };
};

const chunksIn = (text: string, from: number): number | undefined => {
  let at = from;
  for (;;) {
    const line = /^[^\r\n]*(?:\r\n|\n|\r(?!\n))/.exec(text.slice(at));
    if (line === null) return undefined;
    const size = Number.parseInt(line[0], 16) || 0;
    at += line[0].length;
    if (size === 0) break;
    at += size;
    at += /^(?:\r\n|\n|\r(?!\n))?/.exec(text.slice(at))?.[0].length ?? 0;
    if (at > text.length) return undefined;
  }
  const end = /^(?:[^\r\n]+(?:\r\n|\n|\r(?!\n)))*(?:\r\n|\n|\r(?!\n))/.exec(text.slice(at));
  return end === null ? undefined : at + end[0].length;
};

/** Its start lines, in the order in which they came, and the target to start. */
export const lenientSource = async (): Promise<{
  readonly target: RawTarget;
  readonly starts: string[];
}> => {
  const starts: string[] = [];
  const read = (wire: Wire): void => {
    for (let found = requestIn(wire.received); found; found = requestIn(wire.received)) {
      starts.push(found.start);
      wire.received = wire.received.slice(found.octets);
      wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
  };
  const target = new RawTarget((wire) => wire.socket.on("data", () => read(wire)));
  return { target: await target.listen(), starts };
};
