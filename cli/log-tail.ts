// `schakel log tail`: the last records of a log, and those that follow.
import { repeat } from "../core/retry.js";
import { oneLine } from "../txlog/describe.js";
import { segmentPath } from "../txlog/folder.js";
import { readSegment, readSegments, segmentNumbers, type LogItem } from "../txlog/read.js";
import { jsonLine, reading, requireSegments, shippedNote, writeLine } from "./log-folder.js";

const POLL_MS = 250;

/** The command's options. */
export interface TailOptions {
  readonly folder: string;
  readonly lines: number;
  readonly follow?: boolean;
  readonly json?: boolean;
}

const faultLine = (item: LogItem): string => {
  switch (item.status) {
    case "record":
      return oneLine(item.record);
    case "superseded":
      return `! never acknowledged: ${oneLine(item.record)}`;
    case "gap":
      return `! segment ${item.segment}: record ${item.expected} was due, ${item.found} was found`;
    case "torn":
    case "damaged":
      return `! segment ${item.segment}, byte ${item.offset}, ${item.bytes} bytes ${item.status}: ${item.reason}`;
  }
};

const print = ({ folder, json }: TailOptions, item: LogItem): void =>
  writeLine(json === true ? jsonLine(folder, item) : faultLine(item));

/** Where in a log the reading stands. */
interface Position {
  readonly segment: number;
  readonly offset: number;
}

/** Prints the last records, read from the end backwards as far as needed. */
const printLast = async (options: TailOptions, numbers: readonly number[]): Promise<Position> => {
  const { folder, lines } = options;
  let items: LogItem[] = [];
  let position: Position | undefined;
  for (const number of numbers.toReversed()) {
    for await (const found of readSegments(folder, [number])) {
      const earlier = [...found];
      items = [...earlier, ...items];
    }
    const last = items.findLast((item) => item.status === "record");
    position ??= { segment: number, offset: last?.status === "record" ? last.batchEnd : 0 };
    if (items.length >= lines) break;
  }
  // All that is here was asked for: what came before is elsewhere.
  const note = items.length < lines ? await shippedNote(folder) : undefined;
  if (note !== undefined && options.json !== true) writeLine(`! ${note}`);
  if (lines > 0) for (const item of items.slice(-lines)) print(options, item);
  return position ?? { segment: 0, offset: 0 };
};

/** Prints what has come since, and says where it stands then. */
const printNew = async (options: TailOptions, since: Position): Promise<Position> => {
  const { folder } = options;
  const numbers = (await segmentNumbers(folder)).filter((number) => number >= since.segment);
  let position = since;
  for (const number of numbers) {
    const from = number === since.segment ? since.offset : 0;
    position = { segment: number, offset: from };
    for await (const item of readSegment(segmentPath(folder, number), from)) {
      // At the end of the last segment a batch may be on its way.
      if (item.status === "torn" && number === numbers.at(-1)) break;
      print(options, item);
      if (item.status === "record") position = { segment: number, offset: item.batchEnd };
    }
  }
  return position;
};

const follow = async (options: TailOptions, start: Position): Promise<void> => {
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  let position = start;
  let failure: unknown;
  await repeat(stop.signal, {
    turn: async () => {
      position = await printNew(options, position);
      return POLL_MS;
    },
    failed: (error) => {
      failure = error;
      stop.abort();
    },
    backoff: { firstMs: POLL_MS, maxMs: POLL_MS },
  });
  if (failure !== undefined) throw failure as Error;
};

/** Runs the command. */
export const tail = (options: TailOptions): Promise<void> =>
  reading(async () => {
    const numbers = await requireSegments(options.folder);
    const position = await printLast(options, numbers);
    if (options.follow === true) await follow(options, position);
  });
